//! The rows of namespaces: the existing ones, the dropped ones, and the counts.

use bytes::{Buf, BufMut, Bytes};
use serde_json::{Map, Value};

use super::{HistoryId, NamespaceId, corrupted};
use crate::engine::KeyRange;
use crate::{Counts, Namespace, Result, Revision, Settings, Timestamp};

/// Keys before this one are the ids to sweep, keys from it on are names.
pub(crate) const FIRST_NAME: &[u8] = &[1];
const SWEPT: u8 = 0;
const META_COUNTS: &[u8] = b"counts";
const META_DROPPED: &[u8] = b"dropped";

const LIVE: u8 = 1;
const DROPPED: u8 = 2;

/// The row of a name in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CatalogueRow {
    Live(Live),
    Dropped(Dropped),
}

/// An existing namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) id: NamespaceId,
    pub(crate) created: Timestamp,
    pub(crate) settings: Settings,
}

/// A dropped namespace whose history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) history: HistoryId,
    pub(crate) compacted_revision: Revision,
    /// The number of changes in its history.
    pub(crate) changes: u64,
    pub(crate) revision: Revision,
}

impl CatalogueRow {
    pub(crate) fn live(self) -> Option<Live> {
        match self {
            CatalogueRow::Live(live) => Some(live),
            CatalogueRow::Dropped(_) => None,
        }
    }
}

pub(crate) fn catalogue_value(row: &CatalogueRow) -> Bytes {
    let mut bytes = Vec::with_capacity(33);
    match row {
        CatalogueRow::Live(row) => {
            bytes.put_u8(LIVE);
            bytes.put_u64_le(row.id);
            bytes.put_u64_le(row.created.as_millis());
            bytes.extend(settings_value(&row.settings));
        }
        CatalogueRow::Dropped(row) => {
            bytes.put_u8(DROPPED);
            bytes.put_u64_le(row.history);
            bytes.put_u64_le(row.compacted_revision.get());
            bytes.put_u64_le(row.changes);
            bytes.put_u64_le(row.revision.get());
        }
    }
    bytes.into()
}

pub(crate) fn parse_catalogue(mut value: &[u8]) -> Result<CatalogueRow> {
    let damaged = |_| corrupted("namespace");
    let kind = value.try_get_u8().map_err(damaged)?;
    let mut number = || value.try_get_u64_le().map_err(damaged);
    match kind {
        LIVE => {
            let (id, created) = (number()?, Timestamp::from_millis(number()?));
            Ok(CatalogueRow::Live(Live {
                id,
                created,
                settings: parse_settings(value)?,
            }))
        }
        DROPPED => Ok(CatalogueRow::Dropped(Dropped {
            history: number()?,
            compacted_revision: Revision::new(number()?),
            changes: number()?,
            revision: Revision::new(number()?),
        })),
        _ => Err(corrupted("namespace")),
    }
}

/// Encodes settings as JSON; empty where none is set.
fn settings_value(settings: &Settings) -> Vec<u8> {
    let Settings {
        ttl_ms,
        max_value_bytes,
        max_keys,
        max_bytes,
    } = settings;
    let members = [
        ("ttl_ms", ttl_ms),
        ("max_value_bytes", max_value_bytes),
        ("max_keys", max_keys),
        ("max_bytes", max_bytes),
    ];
    let set = members
        .into_iter()
        .filter_map(|(name, number)| Some((name.to_owned(), (*number)?.into())));
    let object: Map<String, Value> = set.collect();
    match object.is_empty() {
        true => Vec::new(),
        false => Value::Object(object).to_string().into_bytes(),
    }
}

fn parse_settings(text: &[u8]) -> Result<Settings> {
    if text.is_empty() {
        return Ok(Settings::default());
    }
    let object: Map<String, Value> =
        serde_json::from_slice(text).map_err(|_| corrupted("namespace"))?;
    let number = |name: &str| object.get(name).and_then(Value::as_u64);
    Ok(Settings {
        ttl_ms: number("ttl_ms"),
        max_value_bytes: number("max_value_bytes"),
        max_keys: number("max_keys"),
        max_bytes: number("max_bytes"),
    })
}

/// Decodes the name in a catalogue row's key.
pub(crate) fn parse_name(key: &[u8]) -> Result<Namespace> {
    let name = Namespace::check(key).and_then(Namespace::new);
    name.map_err(|_| corrupted("namespace"))
}

/// The rows that the garbage collector removes: the data of an id and, below a revision, a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Swept {
    pub(crate) history: HistoryId,
    pub(crate) below: Revision,
}

pub(crate) fn swept_key(id: NamespaceId) -> Bytes {
    let mut bytes = Vec::with_capacity(9);
    bytes.put_u8(SWEPT);
    bytes.put_u64(id);
    bytes.into()
}

pub(crate) fn swept_value(swept: Swept) -> Bytes {
    let mut bytes = Vec::with_capacity(16);
    bytes.put_u64_le(swept.history);
    bytes.put_u64_le(swept.below.get());
    bytes.into()
}

pub(crate) fn parse_swept(key: &[u8], mut value: &[u8]) -> Result<(NamespaceId, Swept)> {
    let damaged = |_| corrupted("dropped namespace");
    let id = parse_id(key.get(1..).unwrap_or_default()).map_err(damaged)?;
    let mut number = || {
        let number = value.try_get_u64_le();
        number.map_err(|_| corrupted("dropped namespace"))
    };
    let swept = Swept {
        history: number()?,
        below: Revision::new(number()?),
    };
    Ok((id, swept))
}

/// Decodes the namespace of a data row.
pub(crate) fn parse_id(mut key: &[u8]) -> Result<NamespaceId> {
    key.try_get_u64().map_err(|_| corrupted("key"))
}

/// The counters of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NamespaceMeta {
    pub(crate) counts: Counts,
    /// Its history; 0 where it has none yet.
    pub(crate) history: HistoryId,
    /// The compacted revision of its history, which is complete after it.
    pub(crate) compacted_revision: Revision,
    /// The revision of its newest change.
    pub(crate) revision: Revision,
}

pub(crate) fn counts_key(id: NamespaceId) -> Bytes {
    let mut bytes = Vec::with_capacity(META_COUNTS.len() + 8);
    bytes.put_slice(META_COUNTS);
    bytes.put_u64(id);
    bytes.into()
}

pub(crate) fn counts_value(meta: &NamespaceMeta) -> Bytes {
    let mut bytes = Vec::with_capacity(48);
    bytes.put_u64_le(meta.counts.keys);
    bytes.put_u64_le(meta.counts.bytes);
    bytes.put_u64_le(meta.counts.history);
    bytes.put_u64_le(meta.history);
    bytes.put_u64_le(meta.compacted_revision.get());
    bytes.put_u64_le(meta.revision.get());
    bytes.into()
}

/// Decodes the counts of a namespace.
pub(crate) fn parse_counts(mut value: &[u8]) -> Result<NamespaceMeta> {
    let mut number = || value.try_get_u64_le().map_err(|_| corrupted("count"));
    let counts = Counts {
        keys: number()?,
        bytes: number()?,
        history: number()?,
    };
    Ok(NamespaceMeta {
        counts,
        history: number()?,
        compacted_revision: Revision::new(number()?),
        revision: Revision::new(number()?),
    })
}

/// Returns the range of the counts of all namespaces, by id.
pub(crate) fn counts_range() -> KeyRange {
    KeyRange::prefix(META_COUNTS)
}

/// Decodes the namespace of a row of counts.
pub(crate) fn parse_counts_key(key: &[u8]) -> Result<NamespaceId> {
    parse_id(key.get(META_COUNTS.len()..).unwrap_or_default())
}

/// Returns the range of dropped namespaces, by the revision of the drop.
pub(crate) fn dropped_range() -> KeyRange {
    KeyRange::prefix(META_DROPPED)
}

pub(crate) fn dropped_key(revision: Revision) -> Bytes {
    let mut bytes = Vec::with_capacity(META_DROPPED.len() + 8);
    bytes.put_slice(META_DROPPED);
    bytes.put_u64(revision.get());
    bytes.into()
}

/// Encodes a dropped namespace and the number of changes in its history.
pub(crate) fn dropped_value(changes: u64, name: &Namespace) -> Bytes {
    [&changes.to_le_bytes()[..], name.as_str().as_bytes()]
        .concat()
        .into()
}

pub(crate) fn parse_dropped(mut value: &[u8]) -> Result<(u64, Namespace)> {
    let changes = value.try_get_u64_le();
    let changes = changes.map_err(|_| corrupted("dropped namespace"))?;
    Ok((changes, parse_name(value)?))
}

/// Decodes the revision of the drop.
pub(crate) fn parse_dropped_key(key: &[u8]) -> Result<Revision> {
    let revision = parse_id(key.get(META_DROPPED.len()..).unwrap_or_default());
    revision.map(Revision::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_truncated_or_unknown_row_is_an_error_and_never_a_panic(row in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_catalogue(&row);
            let _ = parse_counts(&row);
            let _ = parse_swept(&row, &row);
            let _ = parse_name(&row);
            let _ = parse_dropped(&row);
        }
    }

    #[test]
    fn the_format_is_what_older_releases_wrote() {
        let live = CatalogueRow::Live(Live {
            id: 1,
            created: Timestamp::from_millis(2),
            settings: Settings::default(),
        });
        let settings = Settings {
            ttl_ms: Some(60_000),
            max_keys: Some(7),
            ..Settings::default()
        };
        let set = CatalogueRow::Live(Live {
            id: 1,
            created: Timestamp::from_millis(2),
            settings,
        });
        let dropped = CatalogueRow::Dropped(Dropped {
            history: 1,
            compacted_revision: Revision::new(2),
            changes: 3,
            revision: Revision::new(4),
        });
        for (row, expected) in [
            (live, &b"\x01\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0"[..]),
            (
                set,
                b"\x01\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0{\"max_keys\":7,\"ttl_ms\":60000}",
            ),
            (
                dropped,
                b"\x02\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0",
            ),
        ] {
            assert_eq!(&catalogue_value(&row)[..], expected);
            assert_eq!(parse_catalogue(expected).unwrap(), row);
        }
        assert_eq!(&swept_key(1)[..], b"\0\0\0\0\0\0\0\0\x01");
        assert_eq!(
            &dropped_key(Revision::new(1))[..],
            b"dropped\0\0\0\0\0\0\0\x01"
        );
        let name = Namespace::new("ns").unwrap();
        let row = dropped_value(3, &name);
        assert_eq!(&row[..], b"\x03\0\0\0\0\0\0\0ns");
        assert_eq!(parse_dropped(&row).unwrap(), (3, name));
        let swept = Swept {
            history: 1,
            below: Revision::new(2),
        };
        assert_eq!(
            &swept_value(swept)[..],
            b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0"
        );
        assert_eq!(
            parse_swept(&swept_key(7), &swept_value(swept)).unwrap(),
            (7, swept)
        );
    }
}
