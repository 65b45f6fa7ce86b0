//! Files that a client sends in place of an export by mistake: each is recognized by its first bytes, and its error has the
//! way out.
//!
//! It does not check files that begin as an export does.

use akvs_core::{Code, Error};
use serde::de::IgnoredAny;

use super::ContentCoding;

/// The first bytes of compressed files.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const OTHERS: [(&[u8], &str); 3] = [
    (b"PK\x03\x04", "zip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
];
/// The first bytes of a backup.
const BACKUP: &[u8] = b"akvs-bak";
/// The byte order mark, which UTF-8 does not need.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";
/// The first bytes of a text in UTF-16, with a byte order mark and without.
const UTF16: [&[u8]; 4] = [&[0xff, 0xfe], &[0xfe, 0xff], b"{\0\"\0", b"\0{\0\""];
/// The first bytes of an export, and of an export in the encoding of a form.
const EXPORT: &[u8] = b"{\"akvs\"";
const ENCODED: &[u8] = b"%7B%22akvs";
/// The bytes that are examined of the first line.
const LINE_BYTES: usize = 4 << 10;
/// The characters of a body in the text of an error.
const SHOWN_CHARACTERS: usize = 60;

/// Returns the error of a body that is not an export; none if it may be an export. More input can make a mistake
/// recognizable later.
pub(super) fn recognize(start: &[u8], coding: ContentCoding) -> Option<Error> {
    let start = start.strip_prefix(MARK).unwrap_or(start);
    let begins = |mark: &&[u8]| start.starts_with(mark);
    let text = if begins(&BACKUP) {
        "the body is a backup: expected an export; restore it with `akvs restore`".to_owned()
    } else if begins(&GZIP) {
        compressed("gzip", coding)
    } else if begins(&ZSTD) {
        compressed("zstd", coding)
    } else if let Some((_, name)) = OTHERS.iter().find(|(mark, _)| begins(mark)) {
        format!(
            "the body is a {name} file: expected an export, as it is or compressed with gzip or zstd"
        )
    } else if UTF16.iter().any(begins) {
        "the body is UTF-16, as PowerShell's > writes it: expected UTF-8; write exports with `curl -o FILE`"
            .to_owned()
    } else if begins(&ENCODED) || begins(&&b"--"[..]) {
        "the body is a form: expected the file as it is; with curl send it by --data-binary @FILE"
            .to_owned()
    } else if is_without_newlines(start) {
        "the lines of the export have no newlines between them: expected the file as it is; with curl send it by \
         --data-binary @FILE, because -d removes them"
            .to_owned()
    } else {
        return None;
    };
    Some(Error::new(Code::InvalidRequest, text))
}

/// Returns the error of a body without a first line.
pub(super) fn no_first_line(start: &[u8]) -> Error {
    let mut text = "the body has no first line of an export".to_owned();
    if !start.is_empty() {
        let start = String::from_utf8_lossy(start);
        let start: String = start.chars().take(SHOWN_CHARACTERS).collect();
        text += &format!(
            ": it begins with {start:?}; expected an export as it is, which curl sends by --data-binary @FILE"
        );
    }
    Error::new(Code::InvalidRequest, text)
}

fn compressed(name: &str, coding: ContentCoding) -> String {
    match coding {
        ContentCoding::Identity => format!(
            "the body is compressed with {name}: expected an export, or the header \"Content-Encoding: {name}\""
        ),
        ContentCoding::Gzip | ContentCoding::Zstd => format!(
            "the body is compressed twice: with {name}, and as content-encoding says; expected once"
        ),
    }
}

/// Returns whether the second line follows the first without a newline, as curl's `-d @FILE` sends a file.
fn is_without_newlines(start: &[u8]) -> bool {
    if !start.starts_with(EXPORT) {
        return false;
    }
    let start = &start[..start.len().min(LINE_BYTES)];
    let mut lines = serde_json::Deserializer::from_slice(start).into_iter::<IgnoredAny>();
    let is_whole = matches!(lines.next(), Some(Ok(_)));
    is_whole && start[lines.byte_offset()..].starts_with(b"{")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(start: &[u8]) -> Option<String> {
        recognize(start, ContentCoding::Identity).map(|error| error.message().to_owned())
    }

    #[test]
    fn no_part_of_an_export_is_a_mistake() {
        let whole = b"{\"akvs\":1,\"namespace\":\"n\",\"settings\":{}}\n{\"key\":\"k\"}\n";
        for end in 0..whole.len() {
            assert_eq!(text(&whole[..end]), None, "{end}");
        }
    }

    #[test]
    fn lines_without_newlines_are_recognized_from_the_second_line() {
        let joined = b"{\"akvs\":1,\"namespace\":\"n\",\"settings\":{}}{\"key\":\"k\"}";
        assert_eq!(text(&joined[..joined.len() - 11]), None);
        assert!(
            text(&joined[..joined.len() - 10])
                .unwrap()
                .contains("--data-binary")
        );
    }
}
