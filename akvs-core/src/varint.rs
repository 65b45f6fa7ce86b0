//! Numbers in as few bytes as they need: seven bits a byte, the lowest first; all bytes but the last have 128 added.

use bytes::{Buf, BufMut};

pub(crate) fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        bytes.put_u8(number as u8 | 128);
        number >>= 7;
    }
    bytes.put_u8(number as u8);
}

/// Decodes a number and removes it from the bytes; none where they do not begin with one.
pub(crate) fn parse_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = bytes.try_get_u8().ok()?;
        let bits = u64::from(byte & 127);
        number |= bits
            .checked_shl(shift)
            .filter(|shifted| shifted >> shift == bits)?;
        if byte < 128 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_decoded_as_it_was_encoded() {
        for number in [0, 1, 127, 128, 16_383, 16_384, u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, number);
            assert!(bytes.len() <= 10);
            let mut rest = &bytes[..];
            assert_eq!(parse_varint(&mut rest), Some(number));
            assert!(rest.is_empty());
            let cut = &mut &bytes[..bytes.len() - 1];
            assert_eq!(parse_varint(cut), None, "{number} without its last byte");
        }
        assert_eq!(parse_varint(&mut &[0xff; 11][..]), None, "too large");
    }
}
