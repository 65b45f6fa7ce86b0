//! The errors of the request line and of the host of a request (RFC 9112, section 3).

/// The bytes of a plain target.
const PLAIN: [bool; 256] = table(b"-._~!$&'()*+,;=:@/%?");
/// The bytes of a host and its port (RFC 3986, section 3.2.2).
const HOST: [bool; 256] = table(b"-._~!$&'()*+,;=:[]%");

/// Returns a table of letters, digits and these bytes.
const fn table(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
}

/// Returns whether a target has only bytes that are always valid.
pub(super) fn is_plain(target: &[u8]) -> bool {
    target.iter().all(|byte| PLAIN[usize::from(*byte)])
}

/// Returns whether a value is empty or a host, with or without a port.
pub(crate) fn is_host(value: &[u8]) -> bool {
    if !value.iter().all(|byte| HOST[usize::from(*byte)]) {
        return false;
    }
    let (name, port) = match value.iter().position(|byte| *byte == b']') {
        Some(end) if value[0] == b'[' => (&value[1..end], &value[end + 1..]),
        Some(_) => return false,
        None => value.split_at(
            value
                .iter()
                .position(|byte| *byte == b':')
                .unwrap_or(value.len()),
        ),
    };
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_port && !name.contains(&b'[')
}

/// Returns the error of a request line, if it is known.
pub(super) fn line_fault(line: &[u8]) -> Option<String> {
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').take(4).collect();
    match parts[..] {
        [_, target, version] => {
            if let Some(fault) = invalid(target) {
                return Some(fault);
            }
            let shown = version.get(..16).unwrap_or(version).escape_ascii();
            (version != b"HTTP/1.1" && version != b"HTTP/1.0")
                .then(|| format!("unsupported version \"{shown}\": expected HTTP/1.1"))
        }
        [_, _, _, _] => Some(
            "invalid request line: expected METHOD TARGET HTTP/1.1; write a space in the target as %20"
                .into(),
        ),
        _ => Some("invalid request line: expected METHOD TARGET HTTP/1.1".into()),
    }
}

/// Returns the error of a target.
pub(super) fn fault(target: &[u8]) -> String {
    invalid(target).unwrap_or_else(|| {
        let shown = target.get(..64).unwrap_or(target).escape_ascii();
        format!("invalid request target \"{shown}\": expected a path such as /kv/NAMESPACE/KEY")
    })
}

/// Returns the error of the first invalid byte of a target, with its escape.
fn invalid(target: &[u8]) -> Option<String> {
    let is_invalid = |byte: &&u8| !byte.is_ascii_graphic() || matches!(byte, b'<' | b'>' | b'`');
    // A quotation mark is valid in a path, but not in a query.
    let byte = *target
        .iter()
        .find(is_invalid)
        .or_else(|| target.iter().find(|byte| **byte == b'"'))?;
    Some(if byte.is_ascii_graphic() {
        let shown = char::from(byte);
        format!("invalid character '{shown}' in the request target: write it as %{byte:02X}")
    } else {
        format!("invalid byte 0x{byte:02x} in the request target: write it as %{byte:02X}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for good in [
            "",
            "localhost",
            "a.example:80",
            "127.0.0.1:0",
            "[::1]",
            "[::1]:8080",
            "a_b",
            "a:",
        ] {
            assert!(is_host(good.as_bytes()), "{good:?}");
        }
        for bad in [
            "a b", "a b/c", "a/c", "a@b", "a:b", "a:80:80", "::1", "[::1", "::1]", "[::1]x",
            "a[1]", "a:808080", "a\"", "a<b>", "\u{fc}", "a#b", "a?b", "a\\b",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad:?}");
        }
    }

    #[test]
    fn a_fault_names_the_character_and_its_escape() {
        for (target, part) in [
            ("/kv/ns/<b>", "'<' in the request target: write it as %3C"),
            (
                "/kv/ns/\u{fc}",
                "0xc3 in the request target: write it as %C3",
            ),
            ("/kv/ns/a`b", "'`' in the request target: write it as %60"),
            ("kv/ns/key", "\"kv/ns/key\": expected a path"),
        ] {
            let fault = fault(target.as_bytes());
            assert!(fault.contains(part), "{target:?}: {fault}");
        }
        let line = |line: &str| line_fault(line.as_bytes()).unwrap_or_default();
        assert!(line("GET /a b HTTP/1.1").contains("%20"));
        assert!(line("GET /a HTTP/9.9").contains("\"HTTP/9.9\""));
        assert_eq!(line("GET /a HTTP/1.1"), "");
    }
}
