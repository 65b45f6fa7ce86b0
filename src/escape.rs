//! Text for a terminal: characters that would move its cursor, change its state or turn the direction of the text are
//! written as escapes.
//!
//! It owns which characters those are. Whether something goes to a terminal is for its writer to know: everything else
//! gets the bytes as they are. Invariant: what comes out has no control character but those that are named as kept.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What stays as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// No control character: for one line, such as a key in a list.
    None,
    /// The ends of lines, and tabs: for a text of several lines, such as a value.
    Lines,
}

/// Escapes what is to stay on one line.
pub(crate) fn line(bytes: &[u8]) -> String {
    escaped(bytes, Kept::None)
}

/// The same for a text, without a copy where nothing has to be escaped.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    match is_harmless(text) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(line(text.as_bytes())),
    }
}

/// Escapes a text of several lines.
pub(crate) fn lines(bytes: &[u8]) -> String {
    escaped(bytes, Kept::Lines)
}

/// Escapes a JSON document as JSON does it, so that it stays the same document.
pub(crate) fn json(document: &str) -> Cow<'_, str> {
    if document.chars().all(|c| !is_control(c)) {
        return Cow::Borrowed(document);
    }
    let mut escaped = String::with_capacity(document.len() + 16);
    for c in document.chars() {
        // Outside of strings there is none but what parts the lines of a document; all of them are of one unit.
        if is_control(c) && !matches!(c, '\n' | '\t' | '\r') {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Whether a text has nothing that has to be escaped.
pub(crate) fn is_harmless(text: &str) -> bool {
    !text.chars().any(is_control)
}

/// Control characters (C0, DEL, C1), the ends of lines and paragraphs, and what sets the direction of a text.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

fn escaped(bytes: &[u8], kept: Kept) -> String {
    let mut text = String::with_capacity(bytes.len());
    // A string refuses nothing that is written to it.
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
    fn a_line_has_no_control_character() {
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
