//! Taking back the space of dropped namespaces, in bounded steps, so that writers never wait long behind one.
//!
//! It owns where it stands, and nothing that would have to outlive it: what is to be swept is in the catalogue.
//! Invariant: a namespace's row there goes with or after the last of its other rows.

use bytes::Bytes;

use super::rows::{self, NamespaceId, Swept};
use super::{Durability, Limit, Span, Table};
use crate::{Database, Result, Revision};

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
    removed_bytes: u64,
}

#[derive(Clone, Debug)]
struct Position {
    id: NamespaceId,
    swept: Swept,
    table: Table,
    /// What is left to remove, behind the tombstones of the steps before.
    span: Span,
}

impl Position {
    fn of_data(id: NamespaceId, swept: Swept) -> Position {
        Position {
            id,
            swept,
            table: Table::Data,
            span: Span::prefix(rows::data_key(id, b"")),
        }
    }

    fn of_history(self) -> Position {
        Position {
            table: Table::History,
            span: rows::history_span(self.swept.history, Revision::ZERO, self.swept.below),
            ..self
        }
    }
}

impl Sweep {
    /// How many bytes it has removed since this was asked last.
    pub fn take_removed_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.removed_bytes)
    }

    /// Removes up to so many rows; whether there may be more to remove.
    pub fn step(&mut self, database: &Database, rows: usize) -> Result<bool> {
        let mut at = match self.at.take() {
            Some(position) => position,
            None => match next_swept(database)? {
                Some((id, swept)) => Position::of_data(id, swept),
                None => return Ok(false),
            },
        };
        let page = database
            .engine()
            .page(at.table, &at.span, Limit::rows(rows))?;
        let mut group = database.group();
        let is_done = page.is_empty();
        for (key, value) in page {
            self.removed_bytes += (key.len() + value.len()) as u64;
            if at.table == Table::Data
                && let Some(deadline) = rows::parse_data(value)?.deadline
            {
                group.remove_row(
                    Table::Deadlines,
                    rows::deadline_key(deadline, at.id, &key[8..]),
                );
            }
            at.span.start = key.clone();
            group.remove_row(at.table, key);
        }
        let next = match at.table {
            _ if !is_done => Some(at),
            Table::Data => Some(at.of_history()),
            Table::Catalogue | Table::History | Table::Deadlines | Table::Meta => {
                // More of the history may be wanted away by now: then it begins anew.
                let row = database
                    .engine()
                    .get(Table::Catalogue, &rows::swept_key(at.id))?;
                if row.is_none_or(|row| row == rows::swept_value(at.swept)) {
                    group.remove_row(Table::Catalogue, rows::swept_key(at.id));
                }
                None
            }
        };
        group.commit(Durability::Buffered)?;
        self.at = next;
        Ok(true)
    }
}

fn next_swept(database: &Database) -> Result<Option<(NamespaceId, Swept)>> {
    let span = Span {
        start: Bytes::new(),
        end: Some(Bytes::from_static(rows::FIRST_NAME)),
    };
    let rows = database
        .engine()
        .page(Table::Catalogue, &span, Limit::rows(1))?;
    rows.first()
        .map(|(key, value)| rows::parse_swept(key, value))
        .transpose()
}
