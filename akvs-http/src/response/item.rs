//! Entries and changes as the items of lists and watches.

use akvs_api::text::TextOrBase64;
use akvs_api::{DeletedItem, Item};
use akvs_core::{Entry, FieldValue, Key, Revision};

use crate::response::headers;

/// Returns the item of an entry whose value has this many bytes; with the value if it is wanted and all of it was read.
pub(crate) fn entry<'a>(key: &'a Key, entry: &'a Entry, size: u64, with_value: bool) -> Item<'a> {
    let (key, key64) = TextOrBase64::new(key.as_bytes()).into_pair();
    let (value, value64) = if with_value && entry.value.len() as u64 == size {
        TextOrBase64::from_value(&entry.value).into_pair()
    } else {
        (None, None)
    };
    let representation = &entry.representation;
    let content_type = representation.content_type.as_ref();
    let content_type = content_type.map_or(headers::DEFAULT_TYPE, FieldValue::as_str);
    let content_encoding = representation.content_encoding.as_ref();
    Item {
        key,
        key64,
        revision: entry.revision.get(),
        size: Some(size),
        content_type: Some(content_type.into()),
        content_encoding: content_encoding.map(|text| text.as_str().into()),
        modified: Some(headers::date_time(entry.modified)),
        expires: entry.deadline.map(headers::date_time),
        value,
        value64,
    }
}

/// Returns the item of a key that was deleted or has expired.
pub(crate) fn deleted(key: &Key, revision: Revision) -> DeletedItem<'_> {
    let (key, key64) = TextOrBase64::new(key.as_bytes()).into_pair();
    DeletedItem {
        key,
        key64,
        revision: revision.get(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use akvs_core::{Representation, Timestamp};
    use serde_json::json;

    fn stored(value: &'static [u8]) -> Entry {
        Entry {
            value: value.into(),
            representation: Representation::default(),
            revision: Revision::new(7),
            created: Timestamp::from_millis(0),
            modified: Timestamp::from_millis(1_000_000_000_123),
            deadline: None,
        }
    }

    #[test]
    fn text_is_rendered_as_text() {
        let (key, mut entry) = (Key::new("a\"b").unwrap(), stored(b"h\ni"));
        entry.deadline = Some(Timestamp::from_millis(1_000_000_000_124));
        entry.representation.content_type = Some(FieldValue::new("text/plain").unwrap());
        entry.representation.content_encoding = Some(FieldValue::new("gzip").unwrap());
        let item = serde_json::to_value(super::entry(&key, &entry, 3, true)).unwrap();
        let expected = json!({"key": "a\"b", "revision": 7, "size": 3, "content_type": "text/plain",
            "content_encoding": "gzip", "modified": "2001-09-09T01:46:40.123Z",
            "expires": "2001-09-09T01:46:40.124Z", "value": "h\ni"});
        assert_eq!(item, expected);
    }

    #[test]
    fn other_bytes_are_rendered_as_base64() {
        let (key, entry) = (Key::new(&b"\xff"[..]).unwrap(), stored(b"\xfe\xff"));
        let item = serde_json::to_value(super::entry(&key, &entry, 2, true)).unwrap();
        let expected = json!({"key64": "_w", "revision": 7, "size": 2, "content_type": "application/octet-stream",
            "modified": "2001-09-09T01:46:40.123Z", "expires": null, "value64": "_v8"});
        assert_eq!(item, expected);
        let gone = serde_json::to_value(deleted(&key, Revision::new(8))).unwrap();
        assert_eq!(gone, json!({"key64": "_w", "revision": 8}));
    }

    #[test]
    fn a_missing_value_is_not_rendered_as_an_empty_value() {
        let (key, entry) = (Key::new("k").unwrap(), stored(b""));
        for (size, wanted, rendered) in [(0, true, true), (0, false, false), (5_000, true, false)] {
            let item = serde_json::to_value(super::entry(&key, &entry, size, wanted)).unwrap();
            assert_eq!(item.get("value").is_some(), rendered, "{size} {wanted}");
        }
    }
}
