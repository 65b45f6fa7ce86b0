//! The characters of a token (RFC 9110, section 5.6.2), of which field names consist.

/// Whether each byte may be part of a token.
static IS_TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let others = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0;
    while byte < 128 {
        table[byte] |= (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

/// Returns whether a byte may be part of a token.
pub(super) fn is_token(byte: u8) -> bool {
    IS_TOKEN[usize::from(byte)]
}
