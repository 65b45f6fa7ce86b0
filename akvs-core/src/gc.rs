//! The garbage collector of dropped namespaces. It works in bounded steps, so that writers never wait long for one.
//!
//! It owns only its position: the catalogue names what to sweep. Small namespaces share a step. Of a large one the
//! engine first discards whole files, and the remaining rows are removed one by one. Invariant: a namespace's row in
//! the catalogue is removed with or after its last other row.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;

use super::encoding;
use super::encoding::{NamespaceId, Swept};
use super::engine::{Durability, KeyRange, PageLimit, Table, successor};
use crate::{CommitGroup, Database, Result, Revision};

/// The number of namespaces that are looked up at once.
const PAGE_NAMESPACES: usize = 256;
/// The cost of a namespace in addition to its rows, in rows.
const NAMESPACE_ROWS: usize = 4;
/// The number of rows from which on the engine is asked to discard whole files.
const DISCARDED_ROWS: usize = 500;

/// The position of the sweep of dropped namespaces. It need not be kept: a new one finds the remaining rows.
///
/// ```
/// use akvs_core::{Database, GarbageCollector, MemoryEngine, Options};
/// let database = Database::open(std::sync::Arc::new(MemoryEngine::new()), Options::default())?;
/// assert!(!GarbageCollector::default().step(&database, 100)?, "nothing was dropped");
/// # Ok::<(), akvs_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct GarbageCollector {
    at: Option<Position>,
    next: VecDeque<(NamespaceId, Swept)>,
    /// The key after the last row of the catalogue that was read.
    reached: Bytes,
    removed_bytes: u64,
}

/// The namespace that is being swept.
#[derive(Clone, Debug)]
struct Position {
    id: NamespaceId,
    swept: Swept,
    kind: RowKind,
    /// The rows that are not removed yet.
    range: KeyRange,
    files: FileState,
    /// Whether values and deadlines are removed before the entries, because files of entries are discarded unread: a
    /// new collector finds the entries as long as other rows remain.
    entries_last: bool,
}

/// Kinds of rows of a dropped namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowKind {
    /// Entries, each with its deadline and its separated value.
    Entries,
    /// Values of entries that are discarded unread.
    Values,
    /// Deadlines of such entries.
    Deadlines,
    History,
}

/// The state of the files that contain only swept rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileState {
    Kept,
    /// The engine was asked to discard them.
    Requested,
    Discarded,
}

/// The continuation of a step.
enum Next {
    Continue(Position),
    /// The engine is not done yet.
    Wait(Position),
    Done,
}

impl Position {
    fn new(id: NamespaceId, swept: Swept) -> Position {
        Position {
            id,
            swept,
            kind: RowKind::Entries,
            range: KeyRange::prefix(encoding::data_key(id, b"")),
            files: FileState::Kept,
            entries_last: false,
        }
    }

    fn table(&self) -> Table {
        match self.kind {
            RowKind::Entries | RowKind::Values => Table::Data,
            RowKind::Deadlines => Table::Deadlines,
            RowKind::History => Table::History,
        }
    }

    /// Returns the position of the values, where the entries are removed last.
    fn values_first(self) -> Position {
        Position {
            kind: RowKind::Values,
            range: KeyRange::prefix(encoding::value_key(self.id, b"")),
            entries_last: true,
            ..self
        }
    }

    /// Returns the position after the last of these rows.
    fn after(self) -> Option<Position> {
        let (kind, range) = match self.kind {
            RowKind::Values => (RowKind::Deadlines, KeyRange::prefix(Bytes::new())),
            RowKind::Deadlines => (
                RowKind::Entries,
                KeyRange::prefix(encoding::data_key(self.id, b"")),
            ),
            RowKind::Entries => {
                let Swept { history, below } = self.swept;
                let range = encoding::history_range(history, Revision::ZERO, below);
                (RowKind::History, range)
            }
            RowKind::History => return None,
        };
        let files = FileState::Kept;
        Some(Position {
            kind,
            range,
            files,
            ..self
        })
    }
}

impl GarbageCollector {
    /// Returns the bytes removed row by row since the last call.
    pub fn take_removed_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.removed_bytes)
    }

    /// Removes at most `rows` rows, and returns whether there may be more, now or later.
    pub fn step(&mut self, database: &Database, rows: usize) -> Result<bool> {
        let mut group = database.group();
        let mut remaining = rows.max(1);
        let (mut histories, mut of) = (HashSet::new(), None);
        let mut has_more = true;
        while remaining > 0 {
            let Some(at) = self.position(database, of.is_none())? else {
                has_more = of.is_some();
                break;
            };
            // A batch must not contain a row twice, and a history may be swept for more than one reason.
            let is_new = histories.insert(at.swept.history);
            if !is_new && of != Some(at.id) {
                self.at = Some(at);
                break;
            }
            of = Some(at.id);
            match self.remove(database, &mut group, at, &mut remaining)? {
                Next::Continue(at) => self.at = Some(at),
                Next::Wait(at) => {
                    self.at = Some(at);
                    break;
                }
                Next::Done => {}
            }
        }
        let committed = group.commit(Durability::Buffered);
        if committed.is_err() {
            // The removed rows may still exist.
            let removed_bytes = self.removed_bytes;
            *self = GarbageCollector {
                removed_bytes,
                ..GarbageCollector::default()
            };
        }
        committed.map(|_| has_more)
    }

    /// Returns the next namespace to sweep; none where there is no further one, or at the beginning of a step none at
    /// all.
    fn position(&mut self, database: &Database, is_first: bool) -> Result<Option<Position>> {
        if let Some(at) = self.at.take() {
            return Ok(Some(at));
        }
        if self.next.is_empty() {
            self.next = self.page(database)?.into();
        }
        if self.next.is_empty() && is_first && !self.reached.is_empty() {
            // A namespace with a lower id may have been dropped since.
            self.reached = Bytes::new();
            self.next = self.page(database)?.into();
        }
        let next = self.next.pop_front();
        Ok(next.map(|(id, swept)| Position::new(id, swept)))
    }

    fn page(&mut self, database: &Database) -> Result<Vec<(NamespaceId, Swept)>> {
        let range = KeyRange {
            start: self.reached.clone(),
            end: Some(Bytes::from_static(encoding::FIRST_NAME)),
        };
        let limit = PageLimit::rows(PAGE_NAMESPACES);
        let page = database.engine().page(Table::Catalogue, &range, limit)?;
        if let Some((last, _)) = page.last() {
            self.reached = successor(last);
        }
        let swept = page.iter();
        swept
            .map(|(key, value)| encoding::parse_swept(key, value))
            .collect()
    }

    /// Removes a page of rows.
    fn remove(
        &mut self,
        database: &Database,
        group: &mut CommitGroup<'_>,
        mut at: Position,
        remaining: &mut usize,
    ) -> Result<Next> {
        if at.files == FileState::Requested {
            return discard_files(database, at);
        }
        let limit = PageLimit::rows((*remaining).max(DISCARDED_ROWS));
        let page = database.engine().page(at.table(), &at.range, limit)?;
        let bytes: usize = page.iter().map(|row| row.0.len() + row.1.len()).sum();
        let is_large = page.len() >= DISCARDED_ROWS || bytes >= limit.bytes;
        let is_first = at.kind == RowKind::Entries && !at.entries_last;
        if is_first && (is_large || page.is_empty() && has_values(database, at.id)?) {
            return Ok(Next::Continue(at.values_first()));
        }
        if is_large && at.files == FileState::Kept && at.kind != RowKind::Deadlines {
            // The drop must be durable before the rows are discarded.
            database.sync()?;
            return discard_files(database, at);
        }
        let is_last = page.len() < limit.rows && page.len() <= *remaining && bytes < limit.bytes;
        for (key, value) in page.into_iter().take(*remaining) {
            at.range.start = successor(&key);
            *remaining -= 1;
            self.remove_row(group, &at, key, value)?;
        }
        if !is_last {
            return Ok(Next::Continue(at));
        }
        let (id, swept) = (at.id, at.swept);
        let Some(next) = at.after() else {
            finish_namespace(database, group, id, swept)?;
            *remaining = remaining.saturating_sub(NAMESPACE_ROWS);
            return Ok(Next::Done);
        };
        Ok(Next::Continue(next))
    }

    fn remove_row(
        &mut self,
        group: &mut CommitGroup<'_>,
        at: &Position,
        key: Bytes,
        value: Bytes,
    ) -> Result<()> {
        if at.kind == RowKind::Deadlines && encoding::parse_deadline_key(key.clone())?.1 != at.id {
            return Ok(());
        }
        self.removed_bytes += (key.len() + value.len()) as u64;
        if at.kind == RowKind::Entries && !at.entries_last {
            let stored = encoding::parse_stored(value)?;
            if let Some(deadline) = stored.entry.deadline {
                let row = encoding::deadline_key(deadline, at.id, &key[8..]);
                group.remove_row(Table::Deadlines, row);
            }
            if let Some(separated) = stored.separated {
                self.removed_bytes += separated.bytes;
                group.remove_row(Table::Data, encoding::value_key(at.id, &key[8..]));
            }
        }
        group.remove_row(at.table(), key);
        Ok(())
    }
}

/// Returns whether a namespace has separated values.
fn has_values(database: &Database, id: NamespaceId) -> Result<bool> {
    let values = KeyRange::prefix(encoding::value_key(id, b""));
    let page = database
        .engine()
        .page(Table::Data, &values, PageLimit::rows(1))?;
    Ok(!page.is_empty())
}

/// Asks the engine to discard the files that contain only these rows.
fn discard_files(database: &Database, at: Position) -> Result<Next> {
    if database.engine().discard(at.table(), &at.range)? {
        let files = FileState::Discarded;
        return Ok(Next::Continue(Position { files, ..at }));
    }
    let files = FileState::Requested;
    Ok(Next::Wait(Position { files, ..at }))
}

/// Removes the catalogue row of a namespace that is swept.
fn finish_namespace(
    database: &Database,
    group: &mut CommitGroup<'_>,
    id: NamespaceId,
    swept: Swept,
) -> Result<()> {
    // If more of the history was dropped meanwhile, it is swept again.
    let row = database
        .engine()
        .get(Table::Catalogue, &encoding::swept_key(id))?;
    if row.is_none_or(|row| row == encoding::swept_value(swept)) {
        group.remove_row(Table::Catalogue, encoding::swept_key(id));
    }
    Ok(())
}
