//! The query of a watch: its keys and its first revision.

use akvs_api::param;
use akvs_core::{Key, Result, Revision};
use akvs_server::{Filter, Start, WatchOptions};
use bytes::Bytes;

use super::{each_bytes, invalid, once, shown, unknown};
use crate::request::path;

/// Parses the query of a watch. The id of the last event takes precedence over `since`.
pub(crate) fn parse_watch(query: &str, last_event: Option<&str>) -> Result<WatchOptions> {
    let (mut prefix, mut key, mut since, mut values) = (None, None, None, None);
    each_bytes(query, |name, value| match name {
        param::PREFIX => once(name, prefix.replace(value).is_some()),
        param::PREFIX64 => once(name, prefix.replace(decode(name, &value)?).is_some()),
        param::KEY => once(name, key.replace(value).is_some()),
        param::KEY64 => once(name, key.replace(decode(name, &value)?).is_some()),
        param::SINCE => once(name, since.replace(revision(name, &value)?).is_some()),
        param::VALUES => once(name, values.replace(boolean(name, &value)?).is_some()),
        _ => Err(unknown(name)),
    })?;
    let filter = match (prefix, key) {
        (Some(_), Some(_)) => {
            return Err(invalid(
                "both key and prefix: expected one of them",
                param::KEY,
            ));
        }
        (_, Some(key)) => Filter::Key(Key::new(key)?),
        (Some(prefix), None) if !prefix.is_empty() => Filter::Prefix(prefix),
        (_, None) => Filter::All,
    };
    let last = match last_event.map(str::trim) {
        None | Some("") => None,
        Some(text) => Some(revision("last-event-id", text.as_bytes())?),
    };
    let start = match last.or(since) {
        None => Start::Now,
        Some(Revision::ZERO) => Start::State,
        Some(revision) => Start::After(revision),
    };
    Ok(WatchOptions {
        filter,
        start,
        values: values.unwrap_or_default(),
    })
}

pub(super) fn decode(name: &str, value: &[u8]) -> Result<Bytes> {
    let bytes = path::decode_base64(value);
    bytes
        .map(Bytes::from)
        .map_err(|error| invalid(&format!("invalid {name}: {error}"), name))
}

fn revision(name: &str, value: &[u8]) -> Result<Revision> {
    let text = std::str::from_utf8(value).unwrap_or_default();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.map(Revision::new).ok_or_else(|| {
        let text = format!("invalid {name} \"{}\": expected a revision", shown(value));
        invalid(&text, name)
    })
}

pub(super) fn boolean(name: &str, value: &[u8]) -> Result<bool> {
    match value {
        b"true" => Ok(true),
        b"false" => Ok(false),
        _ => {
            let text = format!(
                "invalid {name} \"{}\": expected true or false",
                shown(value)
            );
            Err(invalid(&text, name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(query: &str) -> WatchOptions {
        parse_watch(query, None).unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    #[test]
    fn keys_and_prefixes_are_any_bytes() {
        let key = |bytes: &'static [u8]| Filter::Key(Key::new(bytes).unwrap());
        for (query, filter) in [
            ("", Filter::All),
            ("prefix=", Filter::All),
            ("prefix=user%3A", Filter::Prefix("user:".into())),
            ("prefix=%FF", Filter::Prefix(Bytes::from_static(&[0xff]))),
            ("prefix64=_w", Filter::Prefix(Bytes::from_static(&[0xff]))),
            ("key=a%2Fb", key(b"a/b")),
            ("key=a+b", key(b"a b")),
            ("key64=YS9i", key(b"a/b")),
            ("k%65y=a", key(b"a")),
        ] {
            assert_eq!(options(query).filter, filter, "{query}");
        }
    }

    #[test]
    fn a_watch_begins_now_with_the_state_or_after_a_revision() {
        for (query, last, start) in [
            ("", None, Start::Now),
            ("since=0", None, Start::State),
            ("since=7", None, Start::After(Revision::new(7))),
            ("since=7", Some("9"), Start::After(Revision::new(9))),
            ("since=0", Some("9"), Start::After(Revision::new(9))),
            ("", Some("0"), Start::State),
            ("since=7", Some(""), Start::After(Revision::new(7))),
        ] {
            assert_eq!(parse_watch(query, last).unwrap().start, start, "{query}");
        }
        assert!(options("values=true").values && !options("values=false").values);
    }

    #[test]
    fn an_unknown_repeated_or_invalid_parameter_is_refused_by_name() {
        for (query, name) in [
            ("sicne=7", "sicne"),
            ("since=", "since"),
            ("since=-1", "since"),
            ("since=+1", "since"),
            ("since=99999999999999999999", "since"),
            ("since=1&since=2", "since"),
            ("values=yes", "values"),
            ("values", "values"),
            ("prefix64=*", "prefix64"),
            ("prefix=a&prefix64=YQ", "prefix64"),
            ("key=a&prefix=a", "key"),
        ] {
            let error = parse_watch(query, None).expect_err(query);
            assert_eq!(error.context()["parameter"], name, "{query}");
        }
        assert!(parse_watch("", Some("x")).is_err());
        for query in ["key=", "key=%zz", "prefix=%4", "prefix=%"] {
            assert!(parse_watch(query, None).is_err(), "{query}");
        }
    }
}
