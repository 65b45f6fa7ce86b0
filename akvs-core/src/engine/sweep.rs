//! Taking back the space of dropped namespaces, in bounded steps, so that writers never wait long behind one.
//!
//! It owns where it stands, and nothing that would have to outlive it: what is to be swept is in the catalogue.
//! Invariant: a namespace's row there goes with or after the last of its other rows.

use bytes::Bytes;

use super::rows::{self, NamespaceId};
use super::{Durability, Limit, Span, Table};
use crate::{Database, Result};

/// How far the sweeping of dropped namespaces has come. It may be lost at any time: a new one finds what is left.
///
/// ```
/// use akvs_core::{Database, MemoryEngine, Options, engine::Sweep};
/// let database = Database::open(std::sync::Arc::new(MemoryEngine::new()), Options::default())?;
/// assert!(!Sweep::default().step(&database, 100)?, "nothing was dropped");
/// # Ok::<(), akvs_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Sweep {
    at: Option<Position>,
}

#[derive(Clone, Debug)]
struct Position {
    id: NamespaceId,
    table: Table,
    /// Where to go on, behind the tombstones of the steps before.
    start: Bytes,
}

impl Sweep {
    /// Removes up to so many rows; whether there may be more to remove.
    pub fn step(&mut self, database: &Database, rows: usize) -> Result<bool> {
        let Position { id, table, start } = match &self.at {
            Some(position) => position.clone(),
            None => match next_dropped(database)? {
                Some(id) => Position {
                    id,
                    table: Table::Data,
                    start: rows::data_key(id, b""),
                },
                None => return Ok(false),
            },
        };
        let span = Span {
            start: start.clone(),
            ..Span::prefix(rows::data_key(id, b""))
        };
        let page = database.engine().page(table, &span, Limit::rows(rows))?;
        let mut group = database.group();
        let mut last = None;
        for (key, value) in page {
            if table == Table::Data
                && let Some(deadline) = rows::parse_data(value)?.deadline
            {
                group.remove_row(
                    Table::Deadlines,
                    rows::deadline_key(deadline, id, &key[8..]),
                );
            }
            last = Some(key.clone());
            group.remove_row(table, key);
        }
        let next = match (last, table) {
            (Some(start), _) => Some(Position { id, table, start }),
            (None, Table::Data) => Some(Position {
                id,
                table: Table::History,
                start: rows::data_key(id, b""),
            }),
            (None, _) => {
                group.remove_row(Table::Catalogue, rows::dropped_key(id));
                None
            }
        };
        group.commit(Durability::Buffered)?;
        self.at = next;
        Ok(true)
    }
}

fn next_dropped(database: &Database) -> Result<Option<NamespaceId>> {
    let span = Span {
        start: Bytes::new(),
        end: Some(Bytes::from_static(rows::FIRST_NAME)),
    };
    let rows = database
        .engine()
        .page(Table::Catalogue, &span, Limit::rows(1))?;
    rows.first()
        .map(|(key, _)| rows::parse_dropped(key))
        .transpose()
}
