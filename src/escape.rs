//! Escaping for a terminal: characters that move its cursor, change its state or turn the direction of a text are
//! written as escapes.
//!
//! It owns the list of those characters. Callers decide what goes to a terminal; files and pipes receive the bytes
//! unchanged. Invariant: the output has no control characters except those that [`Kept`] names.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The control characters that stay as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// None: for one line, such as a key in a list.
    None,
    /// Line ends and tabs: for a text of several lines, such as a value.
    Lines,
}

/// Escapes a text for one line.
pub(crate) fn line(bytes: &[u8]) -> String {
    escaped(bytes, Kept::None)
}

/// Escapes a text for one line, without a copy if nothing has to be escaped.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if is_harmless(text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(line(text.as_bytes()))
    }
}

/// Escapes a text of several lines.
pub(crate) fn lines(bytes: &[u8]) -> String {
    escaped(bytes, Kept::Lines)
}

/// Escapes a JSON document as JSON does, so that its meaning stays the same.
pub(crate) fn json(document: &str) -> Cow<'_, str> {
    if document.chars().all(|c| !is_control(c)) {
        return Cow::Borrowed(document);
    }
    let mut escaped = String::with_capacity(document.len() + 16);
    for c in document.chars() {
        // Outside of strings only the separators of lines occur; each of them is one unit.
        if is_control(c) && !matches!(c, '\n' | '\t' | '\r') {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Returns true if nothing in a text has to be escaped.
pub(crate) fn is_harmless(text: &str) -> bool {
    !text.chars().any(is_control)
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and marks of the text direction.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

fn escaped(bytes: &[u8], kept: Kept) -> String {
    let mut text = String::with_capacity(bytes.len());
    // Writing to a string cannot fail.
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid().chars().peekable();
        while let Some(c) = rest.next() {
            let is_kept = kept == Kept::Lines
                && (matches!(c, '\n' | '\t') || c == '\r' && rest.peek() == Some(&'\n'));
            if !is_control(c) || is_kept {
                text.push(c);
                continue;
            }
            let _ = match c {
                '\n' | '\t' | '\r' => write!(text, "{}", c.escape_default()),
                c if c.is_ascii() => write!(text, "\\x{:02x}", u32::from(c)),
                // A byte above ASCII is escaped as \x.. below.
                c => write!(text, "\\u{{{:x}}}", u32::from(c)),
            };
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_control_characters() {
        for (bytes, wanted) in [
            (&b"plain"[..], "plain"),
            ("Grüße, 世界 👩‍💻".as_bytes(), "Grüße, 世界 👩‍💻"),
            (b"k\n\x1b]0;x\x07", "k\\n\\x1b]0;x\\x07"),
            (b"a\tb\rc\x00\x7f", "a\\tb\\rc\\x00\\x7f"),
            ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
            (b"\x9b31m\xff", "\\x9b31m\\xff"),
            (
                "abc\u{202e}def\u{2066}".as_bytes(),
                "abc\\u{202e}def\\u{2066}",
            ),
            (
                "\u{2028}\u{200f}\u{61c}".as_bytes(),
                "\\u{2028}\\u{200f}\\u{61c}",
            ),
            (b"back\\slash", "back\\slash"),
            (b"", ""),
        ] {
            assert_eq!(line(bytes), wanted);
            assert!(is_harmless(&line(bytes)));
            if let Ok(utf8) = std::str::from_utf8(bytes) {
                assert_eq!(text(utf8), wanted);
            }
        }
    }

    #[test]
    fn a_text_keeps_its_lines_and_tabs() {
        assert_eq!(
            lines(b"a\tb\nc\r\nd\re\x1b[2J\n"),
            "a\tb\nc\r\nd\\re\\x1b[2J\n"
        );
    }

    #[test]
    fn a_document_stays_the_same_document() {
        let value = serde_json::json!({"k\u{1b}\u{7f}\u{9b}\u{202e}": "\n\u{2028}é"});
        let escaped = json(&value.to_string()).into_owned();
        assert!(is_harmless(&escaped), "{escaped}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&escaped).unwrap(),
            value
        );
        assert_eq!(json("{\"a\":1}"), "{\"a\":1}");
    }
}
