//! Making a database usable again whose engine lost commits, once its operator has accepted that.
//!
//! It reads every row once. It brings nothing back: it sees to it that what is left fits together again, and that no
//! number is given out a second time. Invariant: it ends with one synced commit, or changes nothing.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::rows::{self, NamespaceId};
use super::{Batch, Durability, Engine, Limit, Span, Table};
use crate::database::Counters;
use crate::{Counts, Result, Revision};

/// Far more numbers than lost commits may have used, and nothing beside those that there are.
const LEAP: u64 = 1 << 32;
const PAGE_ROWS: usize = 1_000;

/// Counts all namespaces anew, leaves what belongs to none to be swept, and says from where to count on.
pub(crate) fn begin_anew(engine: &dyn Engine, known: Counters) -> Result<Counters> {
    let mut found = Found {
        revision: known.revision,
        namespace: known.namespace,
        counts: HashMap::new(),
    };
    each_row(engine, Table::Data, |key, value| {
        let id = rows::parse_id(key)?;
        let entry = rows::parse_data(value)?;
        found
            .see(id, entry.revision)
            .add(key.len() - size_of::<NamespaceId>() + entry.value.len());
        Ok(())
    })?;
    each_row(engine, Table::History, |key, _| {
        let (id, revision) = rows::parse_history_key(key)?;
        found.see(id, revision).history += 1;
        Ok(())
    })?;
    let mut batch = Batch::default();
    let mut known = HashSet::new();
    each_row(engine, Table::Catalogue, |key, value| {
        let id = if key < rows::FIRST_NAME {
            rows::parse_dropped(key)?
        } else {
            rows::parse_catalogue(&value)?.id
        };
        found.namespace = found.namespace.max(id);
        known.insert(id);
        let counts = found.counts.get(&id).copied().unwrap_or_default();
        batch.put(
            Table::Meta,
            rows::counts_key(id),
            rows::counts_value(&counts),
        );
        Ok(())
    })?;
    for id in found.counts.keys().filter(|id| !known.contains(*id)) {
        batch.put(Table::Catalogue, rows::dropped_key(*id), Bytes::new());
    }
    let next = Counters {
        revision: Revision::new(found.revision.get() + LEAP),
        namespace: found.namespace + LEAP,
    };
    let number = |number| rows::number_value(number);
    batch.put(Table::Meta, rows::META_FORMAT, number(rows::FORMAT));
    batch.put(
        Table::Meta,
        rows::META_REVISION,
        number(next.revision.get()),
    );
    batch.put(Table::Meta, rows::META_NAMESPACE, number(next.namespace));
    engine.commit(batch, Durability::Synced)?;
    Ok(next)
}

struct Found {
    revision: Revision,
    namespace: NamespaceId,
    counts: HashMap<NamespaceId, Counts>,
}

impl Found {
    fn see(&mut self, id: NamespaceId, revision: Revision) -> &mut Counts {
        self.revision = self.revision.max(revision);
        self.namespace = self.namespace.max(id);
        self.counts.entry(id).or_default()
    }
}

fn each_row(
    engine: &dyn Engine,
    table: Table,
    mut visit: impl FnMut(&[u8], Bytes) -> Result<()>,
) -> Result<()> {
    let mut span = Span {
        start: Bytes::new(),
        end: None,
    };
    loop {
        let page = engine.page(table, &span, Limit::rows(PAGE_ROWS))?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        span.start = [last, &[0][..]].concat().into();
        for (key, value) in page {
            visit(&key, value)?;
        }
    }
}
