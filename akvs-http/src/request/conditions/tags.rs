//! Entity tags in header fields (RFC 9110, sections 5.6.1 and 8.8.3): `*`, or a list, over any number of lines, with
//! empty elements, commas within tags, and bytes beyond ASCII.
//!
//! A list without a tag is rejected, although the grammar allows it: it usually comes from a variable of the client that is
//! not set, and with `If-None-Match` it would make a write unconditional.

use actix_web::http::header::{HeaderMap, HeaderName};
use akvs_core::{Code, Error, Result, Revision};

/// The maximum length of a field in the text of an error.
const SHOWN_BYTES: usize = 64;

/// The tags of a field.
pub(super) enum Tags<'a> {
    Any,
    These(Vec<Tag<'a>>),
}

/// An entity tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    pub(super) is_weak: bool,
    /// With its quotes.
    pub(super) opaque: &'a [u8],
}

impl Tag<'_> {
    /// Returns the revision with this tag; none for a tag that AKVS does not write.
    pub(super) fn revision(&self) -> Option<Revision> {
        let digits = &self.opaque[1..self.opaque.len() - 1];
        let text = std::str::from_utf8(digits).ok()?;
        // Only the canonical form: "07" is another tag than "7".
        let number = text.parse::<u64>().ok();
        let number = number.filter(|number| number.to_string() == text);
        number.map(Revision::new)
    }
}

/// Parses a field; returns none if it is missing.
pub(super) fn read<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<Tags<'a>>> {
    let mut lines = headers.get_all(name);
    let Some(first) = lines.next() else {
        return Ok(None);
    };
    let malformed = |value: &[u8]| {
        let shown = value[..value.len().min(SHOWN_BYTES)].escape_ascii();
        let text = format!(
            "invalid {name} \"{shown}\": expected * or a list of quoted entity tags, such as \"7\""
        );
        Error::new(Code::InvalidRequest, text).with("field", name.as_str())
    };
    let mut tags = Vec::new();
    let mut line = first.as_bytes();
    if line.trim_ascii() == b"*" {
        return match lines.next() {
            None => Ok(Some(Tags::Any)),
            Some(second) => Err(malformed(second.as_bytes())),
        };
    }
    loop {
        parse_list(line, &mut tags).ok_or_else(|| malformed(line))?;
        match lines.next() {
            Some(next) => line = next.as_bytes(),
            None if tags.is_empty() => return Err(malformed(line)),
            None => return Ok(Some(Tags::These(tags))),
        }
    }
}

/// Parses a text with a single tag.
pub(super) fn parse_one(text: &[u8]) -> Option<Tag<'_>> {
    let (tag, rest) = parse_tag(text)?;
    rest.is_empty().then_some(tag)
}

fn parse_list<'a>(mut text: &'a [u8], tags: &mut Vec<Tag<'a>>) -> Option<()> {
    loop {
        // An element may be empty.
        let start = text
            .iter()
            .position(|byte| !matches!(byte, b' ' | b'\t' | b','));
        let Some(start) = start else { return Some(()) };
        let (tag, rest) = parse_tag(&text[start..])?;
        tags.push(tag);
        text = rest.trim_ascii_start();
        if !matches!(text.first(), None | Some(b',')) {
            return None;
        }
    }
}

/// Parses a tag, and returns it with the rest of the text.
fn parse_tag(text: &[u8]) -> Option<(Tag<'_>, &[u8])> {
    let (is_weak, text) = match text.strip_prefix(b"W/") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let inside = text.strip_prefix(b"\"")?;
    let length = inside.iter().position(|byte| *byte == b'"')?;
    let (opaque, rest) = text.split_at(length + 2);
    Some((Tag { is_weak, opaque }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderValue, IF_MATCH};

    /// Returns the tags of these lines, a weak tag after `w`.
    fn tags(lines: &[&[u8]]) -> Option<Vec<String>> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, HeaderValue::from_bytes(line).unwrap());
        }
        match read(&headers, &IF_MATCH).ok()?? {
            Tags::Any => Some(vec!["*".to_owned()]),
            Tags::These(tags) => Some(tags.iter().map(text).collect()),
        }
    }

    fn text(tag: &Tag<'_>) -> String {
        let weak = if tag.is_weak { "w" } else { "" };
        format!("{weak}{}", tag.opaque.escape_ascii()).replace("\\\"", "'")
    }

    #[test]
    fn a_list_may_have_empty_elements_and_any_white_space() {
        for line in [
            &b"\"1\",\"2\""[..],
            b"\"1\" ,\t\"2\"",
            b"\"1\",\"2\",",
            b", \"1\", \"2\"",
            b"\"1\", , ,\"2\" , ",
            b",,\"1\",,\"2\",,",
        ] {
            let found = tags(&[line]);
            assert_eq!(found.as_deref(), Some(&["'1'".into(), "'2'".into()][..]));
        }
        let found = tags(&[b"\"1\",", b"", b",", b"W/\"2\""]).unwrap();
        assert_eq!(found, ["'1'", "w'2'"]);
    }

    #[test]
    fn a_tag_may_have_commas_and_any_bytes_but_quotes() {
        let found = tags(&[b"\"a,b\", \"\", \"\xe9\xff\", W/\"W/\", \"a b\", \"\\\", \"*\""]);
        let expected = [
            "'a,b'",
            "''",
            "'\\xe9\\xff'",
            "w'W/'",
            "'a b'",
            "'\\\\'",
            "'*'",
        ];
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn any_stands_alone() {
        assert_eq!(tags(&[b" * "]).unwrap(), ["*"]);
        for lines in [
            &[&b"*, \"1\""[..]][..],
            &[b"\"1\", *"],
            &[b"*,"],
            &[b"*", b"*"],
            &[b"*", b"\"1\""],
            &[b"\"1\"", b"*"],
        ] {
            assert_eq!(tags(lines), None);
        }
    }

    #[test]
    fn a_malformed_list_is_refused() {
        for line in [
            &b""[..],
            b",",
            b" , ",
            b"7",
            b"\"7",
            b"7\"",
            b"\"",
            b"\"7\" \"8\"",
            b"\"7\"\"8\"",
            b"\"7\"8",
            b"\"a\"b\"",
            b"w/\"7\"",
            b"W/7",
            b"W/ \"7\"",
            b"\"7\"; \"8\"",
            b"'7'",
        ] {
            assert_eq!(tags(&[line]), None, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn only_the_canonical_form_of_a_revision_is_one() {
        for (text, expected) in [
            ("\"7\"", Some(7)),
            ("\"18446744073709551615\"", Some(u64::MAX)),
            ("\"07\"", None),
            ("\"+7\"", None),
            ("\" 7\"", None),
            ("\"\"", None),
            ("\"18446744073709551616\"", None),
            ("\"x\"", None),
        ] {
            let tag = parse_one(text.as_bytes()).unwrap();
            assert_eq!(tag.revision(), expected.map(Revision::new), "{text}");
        }
    }
}
