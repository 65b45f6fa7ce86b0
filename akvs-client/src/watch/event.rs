//! The events of a watch on the wire: name, id, and data as JSON.
//!
//! It owns the parsing of one event. It does not know earlier events. Invariant: every event is a change, a mark of the
//! watch's state, unknown, or an error; and no error shows a value.

use akvs_api::Item;
use akvs_api::event::{self, REVISION_COMMENT};
use akvs_core::Revision;

use super::change::Change;
use super::sse::Event;
use crate::error::{Error, Result, protocol_error};
use crate::wire::json;

/// A parsed event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WireEvent {
    /// A change; with `last` the last one of its transaction.
    Change {
        change: Change,
        revision: Revision,
        last: bool,
    },
    /// The state of this revision is complete.
    Synced(Revision),
    /// Changes were missed.
    Reset,
    /// An event of a later version, which may still end a transaction.
    Unknown(Option<Revision>),
}

/// Parses an event; fails if it violates the contract.
pub(super) fn read(said: &Event) -> Result<WireEvent> {
    let unreadable = || unreadable(&said.name);
    let id = match &said.id {
        Some(id) => decimal(id).map(Revision::new),
        None => None,
    };
    let known: fn(Item<'static>, Revision) -> Option<Change> =
        match std::str::from_utf8(&said.name).unwrap_or_default() {
            event::SET => |data, _| json::item(data).map(Change::Set),
            event::DELETE => |data, revision| {
                let key = json::read_key(data.key, data.key64)?;
                Some(Change::Deleted { key, revision })
            },
            event::EXPIRE => |data, revision| {
                let key = json::read_key(data.key, data.key64)?;
                Some(Change::Expired { key, revision })
            },
            event::DROP => |_, revision| Some(Change::Dropped { revision }),
            event::SYNCED => |_, revision| Some(Change::Synced { revision }),
            // Its data is not needed.
            event::RESET => return Ok(WireEvent::Reset),
            _ => return Ok(WireEvent::Unknown(id)),
        };
    let data: Item<'static> = serde_json::from_slice(&said.data).map_err(|_| unreadable())?;
    let revision = Revision::new(data.revision);
    if said.id.is_some() && id != Some(revision) {
        return Err(unreadable());
    }
    match known(data, revision) {
        Some(Change::Synced { revision }) => Ok(WireEvent::Synced(revision)),
        Some(change) => Ok(WireEvent::Change {
            change,
            revision,
            last: id.is_some(),
        }),
        None => Err(unreadable()),
    }
}

/// Returns the revision of a comment `revision N`.
pub(super) fn revision_in(comment: &[u8]) -> Option<Revision> {
    let digits = comment.strip_prefix(REVISION_COMMENT.as_bytes())?;
    decimal(digits.trim_ascii()).map(Revision::new)
}

/// Parses digits only; `parse` would accept a sign.
fn decimal(text: &[u8]) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_digit);
    let text = digits.then(|| std::str::from_utf8(text).ok())??;
    text.parse().ok()
}

fn unreadable(name: &[u8]) -> Error {
    let name = name.escape_ascii();
    protocol_error(format!("invalid event \"{name}\" of the watch"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Item;
    use bytes::Bytes;
    use std::time::{Duration, SystemTime};

    fn parse(name: &str, id: Option<&str>, data: &str) -> Result<WireEvent> {
        read(&Event {
            name: name.into(),
            id: id.map(Into::into),
            data: data.into(),
        })
    }

    fn change(name: &str, data: &str) -> Change {
        let event = parse(name, None, data).unwrap();
        let WireEvent::Change { change, .. } = event else {
            panic!("{event:?}")
        };
        change
    }

    fn set(data: &str) -> Item {
        let change = change("set", data);
        let Change::Set(item) = change else {
            panic!("{change:?}")
        };
        item
    }

    #[test]
    fn all_that_is_known_of_a_value_is_read() {
        let item = set(
            r#"{"key":"a","revision":42,"size":5,"content_type":"text/plain","content_encoding":"gzip",
                "modified":"2001-09-09T01:46:40.123Z","expires":null,"value":"hello","later":[]}"#,
        );
        let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_000_123);
        let expected = Item {
            key: "a".into(),
            revision: Revision::new(42),
            value: Some("hello".into()),
            size: 5,
            content_type: "text/plain".into(),
            content_encoding: Some("gzip".into()),
            modified: Some(modified),
            expires: None,
        };
        assert_eq!(item, expected);
        assert_eq!(item.json::<u8>().unwrap_err().code(), None);
    }

    #[test]
    fn only_a_key_a_revision_and_a_size_must_be_there() {
        let item = set(r#"{"key":"a","revision":1,"size":5}"#);
        assert_eq!((item.value.as_ref(), item.size), (None, 5));
        assert_eq!(item.content_type, "application/octet-stream");
        assert_eq!(item.json::<u8>().unwrap(), None);
        let item = set(r#"{"key64":"_w","revision":1,"value64":"AP8","expires":"soon"}"#);
        assert_eq!(item.key, &b"\xff"[..]);
        assert_eq!(item.value.as_deref(), Some(&b"\0\xff"[..]));
        assert_eq!((item.size, item.expires), (2, None));
    }

    #[test]
    fn every_kind_of_change_is_parsed() {
        let (key, revision) = (Bytes::from("k"), Revision::new(7));
        let data = r#"{"key":"k","revision":7}"#;
        let deleted = change("delete", data);
        assert_eq!(
            (deleted.key(), deleted.revision()),
            (Some(&key), Some(revision))
        );
        assert!(matches!(deleted, Change::Deleted { .. }));
        assert!(matches!(change("expire", data), Change::Expired { .. }));
        let dropped = change("drop", r#"{"revision":7}"#);
        assert_eq!(dropped, Change::Dropped { revision });
        let synced = parse("synced", Some("7"), r#"{"revision":7}"#).unwrap();
        assert_eq!(synced, WireEvent::Synced(revision));
        assert_eq!(parse("reset", None, "").unwrap(), WireEvent::Reset);
    }

    #[test]
    fn an_id_ends_a_transaction() {
        for (id, expected) in [(None, false), (Some("7"), true)] {
            let read = parse("drop", id, r#"{"revision":7}"#).unwrap();
            assert!(matches!(read, WireEvent::Change { last, .. } if last == expected));
        }
        let unknown = parse("rename", Some("7"), "no JSON").unwrap();
        assert_eq!(unknown, WireEvent::Unknown(Some(Revision::new(7))));
        assert_eq!(parse("", None, "x").unwrap(), WireEvent::Unknown(None));
    }

    #[test]
    fn an_invalid_event_is_an_error_that_shows_no_value() {
        for (name, id, data) in [
            ("set", None, ""),
            ("set", None, "hidden"),
            ("set", None, r#""hidden""#),
            ("set", None, r#"{"key":"hidden"}"#),
            ("set", None, r#"{"key":"hidden","revision":1}"#),
            ("set", None, r#"{"key":"","revision":1,"size":1}"#),
            ("set", None, r#"{"revision":1,"value":"hidden"}"#),
            ("set", None, r#"{"key":"a","revision":"hidden"}"#),
            ("set", None, r#"{"key":"a","revision":-1}"#),
            ("set", None, r#"{"key":"a","key64":"_w","revision":1}"#),
            ("set", None, r#"{"key64":"hidden!","revision":1}"#),
            (
                "set",
                None,
                r#"{"key":"a","revision":1,"value64":"hidden!"}"#,
            ),
            (
                "set",
                None,
                r#"{"key":"a","revision":1,"value":"","value64":""}"#,
            ),
            (
                "set",
                None,
                r#"{"key":"a","revision":1,"value":{"hidden":1}}"#,
            ),
            ("set", Some("2"), r#"{"key":"a","revision":1}"#),
            ("set", Some("+1"), r#"{"key":"a","revision":1}"#),
            ("set", Some(""), r#"{"key":"a","revision":1}"#),
            ("delete", None, r#"{"revision":1}"#),
            ("expire", None, r#"{"revision":1}"#),
            ("drop", None, "{}"),
            ("synced", None, "{}"),
        ] {
            let error = parse(name, id, data).unwrap_err();
            assert!(!format!("{error:?}").contains("hidden"), "{data}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn a_comment_may_carry_a_revision() {
        assert_eq!(revision_in(b"revision 41"), Some(Revision::new(41)));
        for comment in [
            "",
            "revision",
            "revision ",
            "revision -1",
            "revision +1",
            "hello",
        ] {
            assert_eq!(revision_in(comment.as_bytes()), None, "{comment}");
        }
    }
}
