//! Conditions and ranges as headers (RFC 9110, sections 13 and 14): read here, judged elsewhere for writes (in the
//! writer, with the write), and here for reads.

use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
use akvs_core::{Code, Condition, Entry, Error, Result, Revision};

const PREFER: &str = "prefer";
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The condition of a write; `may_create` where `If-None-Match: *` makes sense.
pub(crate) fn of_write(headers: &HeaderMap, may_create: bool) -> Result<Condition> {
    let matching = read(headers, &IF_MATCH)?;
    let none = read(headers, &IF_NONE_MATCH)?;
    match (matching, none) {
        (None, None) => Ok(Condition::None),
        (Some(Tags::Any), None) => Ok(Condition::Exists),
        (Some(Tags::These(tags)), None) => Ok(Condition::Revisions(strong(&tags))),
        (None, Some(Tags::Any)) if may_create => Ok(Condition::Absent),
        (None, Some(_)) => Err(invalid(if may_create {
            "if-none-match on a write takes * only"
        } else {
            "if-none-match makes no sense here; if-match does"
        })),
        (Some(_), Some(_)) => Err(invalid("if-match and if-none-match cannot stand together")),
    }
}

/// Whether a reader has this revision already (`If-None-Match`, compared weakly).
pub(crate) fn is_unchanged(headers: &HeaderMap, revision: Revision) -> Result<bool> {
    Ok(match read(headers, &IF_NONE_MATCH)? {
        None => false,
        Some(Tags::Any) => true,
        Some(Tags::These(tags)) => tags.iter().any(|tag| tag.revision == Some(revision)),
    })
}

/// How long a reader would wait for a change (`Prefer: wait`, RFC 7240, section 4.3), if it says what it has. Preferences
/// that cannot be read are as good as none (section 2).
pub(crate) fn wait(headers: &HeaderMap) -> Option<Duration> {
    if !headers.contains_key(PREFER) || !headers.contains_key(IF_NONE_MATCH) {
        return None;
    }
    let preferences = headers
        .get_all(PREFER)
        .filter_map(|value| value.to_str().ok());
    let mut parts = preferences.flat_map(|value| value.split(','));
    parts.find_map(|preference| {
        // What comes behind a semicolon are its parameters, of which it has none.
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let seconds = value.trim().trim_matches('"').parse().ok();
        let seconds = seconds.filter(|_| name.trim().eq_ignore_ascii_case("wait"))?;
        Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
    })
}

/// Whether a reader wants this entry (`If-Match`).
pub(crate) fn is_wanted(headers: &HeaderMap, entry: &Entry) -> Result<bool> {
    Ok(match read(headers, &IF_MATCH)? {
        None | Some(Tags::Any) => true,
        Some(Tags::These(tags)) => Condition::Revisions(strong(&tags)).holds(Some(entry)),
    })
}

/// The part of a value that a reader wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    /// From the first byte to before the second.
    Bytes(usize, usize),
    /// None of the bytes that there are.
    Outside,
}

/// What `Range` and `If-Range` say. One range is heeded; several, or one that cannot be read, give the whole.
pub(crate) fn part(headers: &HeaderMap, entry: &Entry) -> Part {
    let Some(range) = headers.get(RANGE).and_then(|range| range.to_str().ok()) else {
        return Part::Whole;
    };
    if let Some(tag) = headers.get(IF_RANGE) {
        // A date is too coarse to say that nothing has changed (section 13.1.5).
        let tag = tag.to_str().ok().and_then(|tag| parse_tag(tag.trim()));
        let current = tag.is_some_and(|tag| !tag.weak && tag.revision == Some(entry.revision));
        if !current {
            return Part::Whole;
        }
    }
    parse_range(range, entry.value.len()).unwrap_or(Part::Whole)
}

fn parse_range(range: &str, length: usize) -> Option<Part> {
    let (unit, range) = range.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    let number = |digits: &str| -> Option<usize> {
        let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // What is too large for a number is larger than any value.
        all_digits.then(|| digits.parse().unwrap_or(usize::MAX))
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (start, end) = match (first, last) {
        ("", suffix) => (length.saturating_sub(number(suffix)?), length),
        (first, "") => (number(first)?, length),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(length))
        }
    };
    Some(if start < end {
        Part::Bytes(start, end)
    } else {
        Part::Outside
    })
}

enum Tags {
    Any,
    These(Vec<Tag>),
}

/// An entity tag; one that is no revision of ours matches nothing.
struct Tag {
    weak: bool,
    revision: Option<Revision>,
}

fn strong(tags: &[Tag]) -> Vec<Revision> {
    tags.iter()
        .filter(|tag| !tag.weak)
        .filter_map(|tag| tag.revision)
        .collect()
}

fn read(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>> {
    let mut found = None;
    for value in headers.get_all(name) {
        let malformed = || {
            invalid(&format!(
                "{name} is neither * nor a list of quoted revisions"
            ))
        };
        let text = value.to_str().map_err(|_| malformed())?.trim();
        if text == "*" && found.is_none() {
            found = Some(Tags::Any);
            continue;
        }
        let tags: Option<Vec<Tag>> = text.split(',').map(|tag| parse_tag(tag.trim())).collect();
        match (&mut found, tags) {
            (None, Some(tags)) => found = Some(Tags::These(tags)),
            (Some(Tags::These(all)), Some(tags)) => all.extend(tags),
            (Some(Tags::Any), _) | (_, None) => return Err(malformed()),
        }
    }
    Ok(found)
}

fn parse_tag(text: &str) -> Option<Tag> {
    let (weak, opaque) = match text.strip_prefix("W/") {
        Some(opaque) => (true, opaque),
        None => (false, text),
    };
    let opaque = opaque.strip_prefix('"')?.strip_suffix('"')?;
    if opaque.contains('"') {
        return None;
    }
    // Only as we write it: "07" is another tag than "7".
    let number = opaque
        .parse::<u64>()
        .ok()
        .filter(|number| number.to_string() == opaque);
    Some(Tag {
        weak,
        revision: number.map(Revision::new),
    })
}

fn invalid(text: &str) -> Error {
    Error::new(Code::InvalidRequest, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn headers(lines: &[(&HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append((*name).clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_writes_condition_is_one_of_three_or_none() {
        let of = |lines: &[(&HeaderName, &str)]| of_write(&headers(lines), true);
        let these = |numbers: &[u64]| {
            Condition::Revisions(numbers.iter().copied().map(Revision::new).collect())
        };
        assert_eq!(of(&[]).unwrap(), Condition::None);
        assert_eq!(of(&[(&IF_NONE_MATCH, "*")]).unwrap(), Condition::Absent);
        assert_eq!(of(&[(&IF_MATCH, "*")]).unwrap(), Condition::Exists);
        assert_eq!(of(&[(&IF_MATCH, "\"7\"")]).unwrap(), these(&[7]));
        assert_eq!(of(&[(&IF_MATCH, "\"7\" , \"8\"")]).unwrap(), these(&[7, 8]));
        assert_eq!(
            of(&[(&IF_MATCH, "\"7\""), (&IF_MATCH, "\"8\"")]).unwrap(),
            these(&[7, 8])
        );
        assert_eq!(
            of(&[(&IF_MATCH, "W/\"7\", \"x\", \"07\"")]).unwrap(),
            these(&[])
        );
    }

    #[test]
    fn what_is_no_condition_is_an_error() {
        for value in ["", "7", "\"7", "\"7\" \"8\"", "*, \"7\"", "\"a\"b\""] {
            assert!(
                of_write(&headers(&[(&IF_MATCH, value)]), true).is_err(),
                "{value}"
            );
        }
        assert!(of_write(&headers(&[(&IF_NONE_MATCH, "\"7\"")]), true).is_err());
        assert!(of_write(&headers(&[(&IF_NONE_MATCH, "*")]), false).is_err());
        assert!(of_write(&headers(&[(&IF_NONE_MATCH, "*"), (&IF_MATCH, "*")]), true).is_err());
    }

    #[test]
    fn a_wait_is_in_seconds_and_not_too_long() {
        let prefer = HeaderName::from_static(PREFER);
        let of = |value| wait(&headers(&[(&IF_NONE_MATCH, "\"7\""), (&prefer, value)]));
        for (value, seconds) in [
            ("wait=5", Some(5)),
            ("Wait = \"5\"", Some(5)),
            ("respond-async, wait=5;x=y", Some(5)),
            ("wait=0", Some(0)),
            ("wait=61", Some(60)),
            ("wait=-1", None),
            ("wait=long", None),
            ("wait", None),
            ("awaits=5", None),
        ] {
            assert_eq!(of(value).map(|wait| wait.as_secs()), seconds, "{value}");
        }
        assert_eq!(wait(&headers(&[(&prefer, "wait=5")])), None);
    }

    #[test]
    fn ranges_are_within_the_value_or_outside_or_the_whole() {
        for (range, length, part) in [
            ("bytes=0-0", 10, Part::Bytes(0, 1)),
            ("bytes=2-4", 10, Part::Bytes(2, 5)),
            ("bytes=2-", 10, Part::Bytes(2, 10)),
            ("bytes=-3", 10, Part::Bytes(7, 10)),
            ("bytes=-30", 10, Part::Bytes(0, 10)),
            ("bytes=9-99999999999999999999999", 10, Part::Bytes(9, 10)),
            ("BYTES=0-", 10, Part::Bytes(0, 10)),
            ("bytes=10-", 10, Part::Outside),
            ("bytes=-0", 10, Part::Outside),
            ("bytes=0-", 0, Part::Outside),
        ] {
            assert_eq!(
                parse_range(range, length),
                Some(part),
                "{range} of {length}"
            );
        }
        for range in [
            "bytes=4-2",
            "bytes=0-1,3-4",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=+1-2",
            "lines=0-1",
            "0-1",
        ] {
            assert_eq!(parse_range(range, 10), None, "{range}");
        }
    }
}
