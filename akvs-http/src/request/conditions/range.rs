//! Byte ranges of a read (RFC 9110, section 14).

use actix_web::http::header::{HeaderMap, IF_RANGE, RANGE};
use akvs_core::PeekedEntry;

use super::tags;

/// The part of a value that a reader requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    /// From this byte to before that byte.
    Bytes(usize, usize),
    /// No byte of the value.
    Outside,
}

/// Evaluates `Range` and `If-Range`. Several ranges, or a malformed range, give the whole value.
pub(crate) fn part(headers: &HeaderMap, found: &PeekedEntry) -> Part {
    let mut lines = headers.get_all(RANGE);
    let Some(range) = lines.next().and_then(|range| range.to_str().ok()) else {
        return Part::Whole;
    };
    if lines.next().is_some() {
        return Part::Whole;
    }
    if let Some(tag) = headers.get(IF_RANGE) {
        // A date is never exact enough: the value may have changed twice within its second (sections 8.8.2.2 and 13.1.5).
        let tag = tags::parse_one(tag.as_bytes().trim_ascii());
        let is_current = |tag: tags::Tag<'_>| tag.revision() == Some(found.entry.revision);
        if !tag.is_some_and(|tag| !tag.is_weak && is_current(tag)) {
            return Part::Whole;
        }
    }
    parse_range(range, found.value_bytes()).unwrap_or(Part::Whole)
}

fn parse_range(range: &str, length: usize) -> Option<Part> {
    let (unit, set) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut ranges = set.split(',').map(str::trim).filter(|one| !one.is_empty());
    let (first, last) = ranges.next()?.split_once('-')?;
    if ranges.next().is_some() {
        return None;
    }
    let number = |digits: &str| -> Option<usize> {
        let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // A number of more than 64 bits is larger than any value.
        all_digits.then(|| digits.parse().unwrap_or(usize::MAX))
    };
    let (start, end) = match (first, last) {
        ("", suffix) => match number(suffix)? {
            0 => return Some(Part::Outside),
            // A shorter value is sent whole; an empty value has no part for `Content-Range`.
            _ if length == 0 => return Some(Part::Whole),
            suffix => (length.saturating_sub(suffix), length),
        },
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

#[cfg(test)]
mod tests {
    use super::*;

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
            ("bytes= , 2-4 ,", 10, Part::Bytes(2, 5)),
            ("bytes=10-", 10, Part::Outside),
            ("bytes=-0", 10, Part::Outside),
            ("bytes=0-", 0, Part::Outside),
            ("bytes=0-0", 0, Part::Outside),
            ("bytes=-0", 0, Part::Outside),
            ("bytes=-1", 0, Part::Whole),
            ("bytes=-99999999999999999999999", 0, Part::Whole),
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
            "bytes=,",
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
