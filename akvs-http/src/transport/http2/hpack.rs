//! The part of HPACK (RFC 7541) that finds a target that is too long.

use std::ops::Range;

use bytes::BytesMut;

use crate::transport::connection::MAX_TARGET_BYTES;

/// The number of codes of each length in bits of the Huffman code (appendix B). The code is canonical, so that the lengths
/// determine the codes.
const CODES: [u32; 31] = [
    0, 0, 0, 0, 0, 10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19,
    29, 0, 4,
];

/// Returns the position of the value of `:path` and its length in these fields, if it exceeds the limit of a target.
pub(super) fn long_target(fields: &[u8]) -> Option<Range<usize>> {
    let mut at = 0;
    while let Some(first) = fields.get(at) {
        // The type of the next representation: a field, or a new size of the table.
        let bits = match first {
            0x80.. => 7,
            0x40..0x80 => 6,
            0x20..0x40 => 5,
            0..0x20 => 4,
        };
        let index = number(fields, &mut at, bits)?;
        if matches!(bits, 5 | 7) {
            continue;
        }
        let mut is_target = matches!(index, 4 | 5);
        if index == 0 {
            is_target = text(fields, &mut at)?.is(b":path");
        }
        let start = at;
        let value = text(fields, &mut at)?;
        if is_target {
            let is_long = value.length() > MAX_TARGET_BYTES;
            return is_long.then_some(start..at);
        }
    }
    None
}

/// Writes the length of a string of this many bytes, which must follow (section 5.2).
pub(super) fn put_length(bytes: usize, out: &mut BytesMut) {
    use bytes::BufMut;
    let Some(mut more) = bytes.checked_sub(127) else {
        out.put_u8(bytes as u8);
        return;
    };
    out.put_u8(127);
    while more >= 128 {
        out.put_u8(more as u8 | 128);
        more >>= 7;
    }
    out.put_u8(more as u8);
}

/// A string as sent, possibly in the Huffman code.
struct Text<'a> {
    bytes: &'a [u8],
    is_coded: bool,
}

impl Text<'_> {
    fn is(&self, name: &[u8]) -> bool {
        // The coded form is compared without decoding it.
        !self.is_coded && self.bytes == name || self.is_coded && self.bytes == CODED_PATH
    }

    /// Returns the length of the decoded string.
    fn length(&self) -> usize {
        if !self.is_coded {
            return self.bytes.len();
        }
        let (mut length, mut code, mut first, mut bits) = (0, 0_u32, 0_u32, 0_usize);
        for byte in self.bytes {
            for bit in (0..8).rev() {
                code = code << 1 | u32::from(byte >> bit & 1);
                first <<= 1;
                bits += 1;
                let count = CODES.get(bits).copied().unwrap_or_default();
                if code.wrapping_sub(first) < count {
                    (length, code, first, bits) = (length + 1, 0, 0, 0);
                } else if bits >= CODES.len() {
                    // The string is malformed; `h2` refuses it.
                    return length;
                } else {
                    first += count;
                }
            }
        }
        length
    }
}

/// `:path` in the Huffman code.
const CODED_PATH: &[u8] = &[0xb9, 0x58, 0xd3, 0x3f];

/// Parses the integer at this position, with this many bits in its first byte (section 5.1).
fn number(fields: &[u8], at: &mut usize, bits: u32) -> Option<usize> {
    let max = (1_usize << bits) - 1;
    let mut number = usize::from(*fields.get(*at)?) & max;
    *at += 1;
    if number < max {
        return Some(number);
    }
    for shift in (0..28).step_by(7) {
        let byte = usize::from(*fields.get(*at)?);
        *at += 1;
        number += (byte & 127) << shift;
        if byte < 128 {
            return Some(number);
        }
    }
    None
}

/// Parses the string at this position (section 5.2).
fn text<'a>(fields: &'a [u8], at: &mut usize) -> Option<Text<'a>> {
    let is_coded = fields.get(*at)? & 128 != 0;
    let length = number(fields, at, 7)?;
    let bytes = fields.get(*at..at.checked_add(length)?)?;
    *at += length;
    Some(Text { bytes, is_coded })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_coded_string_is_that_of_the_decoded_one() {
        // RFC 7541, appendix C.4 and C.6.
        for (code, text) in [
            (&b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..], "www.example.com"),
            (b"\xa8\xeb\x10\x64\x9c\xbf", "no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", "custom-value"),
            (b"\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff", "Mon, 21 Oct 2013 20:13:21 GMT"),
            (CODED_PATH, ":path"),
            (b"", ""),
        ] {
            let coded = Text { bytes: code, is_coded: true };
            assert_eq!(coded.length(), text.len(), "{text}");
        }
    }

    #[test]
    fn a_long_target_is_found_among_other_fields() {
        let target = |bytes: usize| {
            let mut text = BytesMut::new();
            put_length(bytes, &mut text);
            text.extend_from_slice(&b"a".repeat(bytes));
            text
        };
        // The size of the table, a method, another field, and an indexed field.
        let before = b"\x3f\xe1\x1f\x82\x00\x01x\x01y\x40\x81\xf3\x01z";
        for name in [
            &b"\x04"[..],
            b"\x44",
            b"\x14",
            b"\x05",
            b"\x00\x05:path",
            b"\x40\x84\xb9\x58\xd3\x3f",
        ] {
            for (bytes, is_long) in [
                (1, false),
                (127, false),
                (65_534, false),
                (65_535, true),
                (100_000, true),
            ] {
                let target = target(bytes);
                let fields = [&before[..], name, &target, b"\x86"].concat();
                let start = before.len() + name.len();
                let found = is_long.then_some(start..start + target.len());
                assert_eq!(long_target(&fields), found, "{name:?} {bytes}");
                for end in [start - 1, start + 1, fields.len() - 2] {
                    assert_eq!(long_target(&fields[..end]), None);
                }
            }
        }
    }
}
