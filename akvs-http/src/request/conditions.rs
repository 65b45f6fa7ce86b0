//! Preconditions in header fields (RFC 9110, section 13), in the order of its section 13.2.2. Those of a write are parsed
//! here and evaluated by the namespace's writer, together with the write; those of a read are evaluated here.
//!
//! [`crate::middleware::guard`] rejects preconditions of requests that do not have any.

mod range;
mod tags;

use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{
    HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
};
use akvs_core::{Code, Condition, Error, PeekedEntry, Result, Revision, Timestamp};

pub(crate) use self::range::{Part, part};
use self::tags::{Tag, Tags, read};
use crate::http_date;

const PREFER: HeaderName = HeaderName::from_static(akvs_api::header::PREFER);
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Parses the condition of a write of a key. `If-Modified-Since` has a meaning for reads only (section 13.1.3).
pub(crate) fn for_write(headers: &HeaderMap, now: impl FnOnce() -> Timestamp) -> Result<Condition> {
    let first = match read(headers, &IF_MATCH)? {
        Some(Tags::Any) => Condition::Exists,
        Some(Tags::These(tags)) => Condition::Revisions(strong(&tags)),
        None => match date(headers, &IF_UNMODIFIED_SINCE, now) {
            Some(date) => Condition::UnmodifiedSince(date),
            None => Condition::None,
        },
    };
    let second = match read(headers, &IF_NONE_MATCH)? {
        None => return Ok(first),
        Some(Tags::Any) => Condition::Absent,
        // Compared weakly (section 13.1.2).
        Some(Tags::These(tags)) => {
            Condition::NoneOf(tags.iter().filter_map(Tag::revision).collect())
        }
    };
    Ok(if first == Condition::None {
        second
    } else {
        Condition::All(vec![first, second])
    })
}

/// The result of the preconditions of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The value, or a part of it, is sent.
    Value(Part),
    /// The reader has this revision already.
    Unchanged,
}

/// Evaluates the preconditions of a read; returns `precondition_failed` if the reader requires another revision.
pub(crate) fn for_read(
    method: &Method,
    headers: &HeaderMap,
    found: &PeekedEntry,
    now: impl Fn() -> Timestamp,
) -> Result<Reading> {
    let entry = &found.entry;
    let failed = |text: &str| {
        let error = Error::new(Code::PreconditionFailed, text);
        Err(error.with("revision", entry.revision.get()))
    };
    match read(headers, &IF_MATCH)? {
        Some(Tags::These(tags)) => {
            if !strong(&tags).contains(&entry.revision) {
                let error = failed("the key is at another revision than If-Match requires");
                return error.map_err(|error| explain(error, headers));
            }
        }
        Some(Tags::Any) => {}
        None => {
            let date = date(headers, &IF_UNMODIFIED_SINCE, &now);
            if date.is_some_and(|date| entry.modified.as_secs() > date.as_secs()) {
                return failed("the key was modified after the date of If-Unmodified-Since");
            }
        }
    }
    let is_unchanged = match is_known(headers, entry.revision)? {
        Some(is_known) => is_known,
        None => {
            let date = date(headers, &IF_MODIFIED_SINCE, &now);
            date.is_some_and(|date| entry.modified.as_secs() <= date.as_secs())
        }
    };
    Ok(match *method {
        _ if is_unchanged => Reading::Unchanged,
        // A range has a meaning for GET only (section 14.2).
        Method::HEAD => Reading::Value(Part::Whole),
        _ => Reading::Value(part(headers, found)),
    })
}

/// Returns whether a reader has this revision already (`If-None-Match`, compared weakly).
pub(crate) fn is_unchanged(headers: &HeaderMap, revision: Revision) -> Result<bool> {
    Ok(is_known(headers, revision)?.unwrap_or(false))
}

/// Returns whether a reader has this revision already; none without `If-None-Match`.
fn is_known(headers: &HeaderMap, revision: Revision) -> Result<Option<bool>> {
    Ok(read(headers, &IF_NONE_MATCH)?.map(|known| match known {
        Tags::Any => true,
        Tags::These(tags) => tags.iter().any(|tag| tag.revision() == Some(revision)),
    }))
}

/// Evaluates the preconditions of a read of a document with this strong tag and without a date; returns whether the
/// reader has it already, or `precondition_failed` if the reader requires another tag.
pub(crate) fn for_document(headers: &HeaderMap, etag: &str) -> Result<bool> {
    if let Some(Tags::These(tags)) = read(headers, &IF_MATCH)? {
        let is_wanted = |tag: &Tag<'_>| !tag.is_weak && tag.opaque == etag.as_bytes();
        if !tags.iter().any(is_wanted) {
            let text = format!("the document has another tag than If-Match requires: {etag}");
            let error = Error::new(Code::PreconditionFailed, text);
            return Err(explain(error, headers));
        }
    }
    // A malformed field matches nothing: the document is sent.
    Ok(match read(headers, &IF_NONE_MATCH) {
        Ok(Some(Tags::Any)) => true,
        Ok(Some(Tags::These(tags))) => tags.iter().any(|tag| tag.opaque == etag.as_bytes()),
        Ok(None) | Err(_) => false,
    })
}

/// Adds to the error of a failed condition that a weak tag in `If-Match` never matches: proxies that compress answers make
/// tags weak.
pub(crate) fn explain(error: Error, headers: &HeaderMap) -> Error {
    let weak = match (error.code(), read(headers, &IF_MATCH)) {
        (Code::PreconditionFailed, Ok(Some(Tags::These(tags)))) => {
            tags.iter().find(|tag| tag.is_weak).copied()
        }
        _ => None,
    };
    let Some(weak) = weak else { return error };
    let opaque: String = weak.opaque.escape_ascii().to_string();
    let opaque = opaque.replace("\\\"", "\"");
    let text = format!(
        "{}; a weak tag never matches in If-Match: W/{opaque}; expected the strong tag {opaque}",
        error.message()
    );
    let context = error.context().iter();
    let explained = Error::new(error.code(), text);
    context.fold(explained, |error, (name, value)| {
        error.with(name, value.clone())
    })
}

/// Returns the time that a reader would wait for a change (`Prefer: wait`, RFC 7240, section 4.3), if it has a revision in
/// `If-None-Match`. Malformed preferences are ignored (section 2).
pub(crate) fn wait(headers: &HeaderMap) -> Option<Duration> {
    if !headers.contains_key(PREFER) || !headers.contains_key(IF_NONE_MATCH) {
        return None;
    }
    let preferences = headers
        .get_all(PREFER)
        .filter_map(|value| value.to_str().ok());
    let mut parts = preferences.flat_map(|value| value.split(','));
    parts.find_map(|preference| {
        // Parameters follow a semicolon; `wait` has none.
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let seconds = value.trim().trim_matches('"').parse().ok();
        let seconds = seconds.filter(|_| name.trim().eq_ignore_ascii_case("wait"))?;
        Some(Duration::from_secs(seconds).min(MAX_WAIT))
    })
}

/// Returns the date of a field. A malformed or repeated field is ignored (sections 13.1.3 and 13.1.4).
fn date(
    headers: &HeaderMap,
    name: &HeaderName,
    now: impl FnOnce() -> Timestamp,
) -> Option<Timestamp> {
    let mut lines = headers.get_all(name);
    let line = lines.next()?;
    if lines.next().is_some() {
        return None;
    }
    http_date::parse(line.to_str().ok()?, now())
}

fn strong(tags: &[Tag<'_>]) -> Vec<Revision> {
    tags.iter()
        .filter(|tag| !tag.is_weak)
        .filter_map(Tag::revision)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use akvs_core::{Entry, Representation};

    const NOW: Timestamp = Timestamp::from_millis(1_796_000_000_000);
    /// 784111777 s.
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(lines: &[(&HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append((*name).clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn these(numbers: &[u64]) -> Vec<Revision> {
        numbers.iter().copied().map(Revision::new).collect()
    }

    #[test]
    fn the_condition_of_a_write_has_all_fields() {
        let of = |lines: &[(&HeaderName, &str)]| for_write(&headers(lines), || NOW).unwrap();
        let date = Condition::UnmodifiedSince(Timestamp::from_millis(784_111_777_000));
        let revisions = |numbers| Condition::Revisions(these(numbers));
        let none_of = |numbers| Condition::NoneOf(these(numbers));
        let matches = (&IF_MATCH, "\"7\"");
        let since = (&IF_UNMODIFIED_SINCE, DATE);
        for (lines, expected) in [
            (&[][..], Condition::None),
            (&[(&IF_NONE_MATCH, "*")], Condition::Absent),
            (&[(&IF_MATCH, "*")], Condition::Exists),
            (&[(&IF_MATCH, "\"7\" , \"8\"")], revisions(&[7, 8])),
            (&[matches, (&IF_MATCH, "\"8\"")], revisions(&[7, 8])),
            (&[(&IF_MATCH, "W/\"7\", \"x\", \"07\"")], revisions(&[])),
            (&[(&IF_NONE_MATCH, "W/\"7\", \"x\"")], none_of(&[7])),
            (&[since], date.clone()),
            (&[(&IF_MODIFIED_SINCE, DATE)], Condition::None),
            // If-Match takes precedence over a date.
            (&[matches, since], revisions(&[7])),
            (&[(&IF_UNMODIFIED_SINCE, "yesterday")], Condition::None),
            (&[since, since], Condition::None),
            (
                &[matches, (&IF_NONE_MATCH, "*")],
                Condition::All(vec![revisions(&[7]), Condition::Absent]),
            ),
            (
                &[since, (&IF_NONE_MATCH, "\"8\"")],
                Condition::All(vec![date.clone(), none_of(&[8])]),
            ),
        ] {
            assert_eq!(of(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_malformed_tag_is_an_error() {
        for name in [&IF_MATCH, &IF_NONE_MATCH] {
            for value in ["", "7", "\"7", "*, \"7\""] {
                let headers = headers(&[(name, value)]);
                assert!(for_write(&headers, || NOW).is_err(), "{name}: {value}");
                let read = for_read(&Method::GET, &headers, &entry().into(), || NOW);
                assert!(read.is_err(), "{name}: {value}");
            }
        }
    }

    /// At revision 7, in the middle of the second of `DATE`.
    fn entry() -> Entry {
        Entry {
            value: "value".into(),
            representation: Representation::default(),
            revision: Revision::new(7),
            created: Timestamp::default(),
            modified: Timestamp::from_millis(784_111_777_500),
            deadline: None,
        }
    }

    #[test]
    fn the_fields_of_a_read_are_evaluated_in_the_order_of_the_rfc() {
        let (matches, none) = (&IF_MATCH, &IF_NONE_MATCH);
        let (unmodified, modified) = (&IF_UNMODIFIED_SINCE, &IF_MODIFIED_SINCE);
        for (lines, status) in [
            (&[][..], 200),
            (&[(matches, "\"7\"")], 200),
            (&[(matches, "\"6\"")], 412),
            (&[(matches, "W/\"7\"")], 412),
            (&[(unmodified, BEFORE)], 412),
            (&[(unmodified, DATE)], 200),
            (&[(unmodified, AFTER)], 200),
            (&[(unmodified, "Thu, 01 Jan 1960 00:00:00 GMT")], 412),
            (&[(matches, "\"7\""), (unmodified, BEFORE)], 200),
            (&[(matches, "\"6\""), (none, "\"7\"")], 412),
            (&[(matches, "\"7\""), (none, "\"7\"")], 304),
            (&[(unmodified, BEFORE), (none, "\"7\"")], 412),
            (&[(unmodified, DATE), (none, "W/\"7\"")], 304),
            (&[(modified, BEFORE)], 200),
            (&[(modified, DATE)], 304),
            (&[(modified, AFTER)], 304),
            (&[(modified, "soon")], 200),
            (&[(modified, AFTER), (modified, AFTER)], 200),
            (&[(none, "\"6\""), (modified, AFTER)], 200),
            (&[(none, "\"7\""), (modified, BEFORE)], 304),
            (&[(unmodified, DATE), (modified, DATE)], 304),
        ] {
            for method in [Method::GET, Method::HEAD] {
                let read = for_read(&method, &headers(lines), &entry().into(), || NOW);
                let found = match read {
                    Ok(Reading::Value(part)) => {
                        assert_eq!(part, Part::Whole);
                        200
                    }
                    Ok(Reading::Unchanged) => 304,
                    Err(error) => {
                        assert_eq!(error.code(), Code::PreconditionFailed);
                        412
                    }
                };
                assert_eq!(found, status, "{method} {lines:?}");
            }
        }
    }

    #[test]
    fn an_error_names_a_weak_tag_that_could_not_match() {
        let message = |tags| {
            let headers = headers(&[(&IF_MATCH, tags)]);
            let error = for_read(&Method::GET, &headers, &entry().into(), || NOW).unwrap_err();
            assert_eq!(error.context()["revision"], 7);
            error.message().to_owned()
        };
        let text = message("\"6\", W/\"7\"");
        assert!(text.contains("weak") && text.contains("W/\"7\""), "{text}");
        assert!(!message("\"6\"").contains("weak"));
    }

    #[test]
    fn a_document_is_evaluated_by_its_tag_only() {
        let (matches, none) = (&IF_MATCH, &IF_NONE_MATCH);
        for (lines, expected) in [
            (&[][..], Some(false)),
            (&[(matches, "*")], Some(false)),
            (&[(matches, "\"t\"")], Some(false)),
            (&[(matches, "W/\"t\"")], None),
            (&[(matches, "\"7\"")], None),
            (&[(none, "\"t\"")], Some(true)),
            (&[(none, "\"7\", W/\"t\"")], Some(true)),
            (&[(none, "*")], Some(true)),
            (&[(none, "\"7\"")], Some(false)),
            (&[(none, "t")], Some(false)),
            (&[(&IF_MODIFIED_SINCE, AFTER)], Some(false)),
            (&[(&IF_UNMODIFIED_SINCE, BEFORE)], Some(false)),
        ] {
            let found = for_document(&headers(lines), "\"t\"").ok();
            assert_eq!(found, expected, "{lines:?}");
        }
    }

    #[test]
    fn a_wait_is_in_seconds_and_bounded() {
        let of = |value| wait(&headers(&[(&IF_NONE_MATCH, "\"7\""), (&PREFER, value)]));
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
        assert_eq!(wait(&headers(&[(&PREFER, "wait=5")])), None);
    }
}
