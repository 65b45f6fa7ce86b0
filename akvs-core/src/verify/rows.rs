//! The check that the rows of a database belong together, in one snapshot.
//!
//! Every row is read once, in order, and none is kept: memory holds a few numbers for each namespace. Keys and
//! deadlines are compared by a sum over both, which is zero where they agree; only otherwise they are looked up one by
//! one.

mod deadlines;
mod expected;
mod histories;
mod values;

use bytes::Bytes;

use self::deadlines::Deadlines;
use self::expected::{ExpectedState, Owner};
use self::values::Values;
use crate::encoding;
use crate::encoding::NamespaceId;
use crate::engine::{KeyRange, PageLimit, Snapshot, Table, successor};
use crate::{Counts, Database, Finding, Key, Progress, Report, Result, Revision, Verified};

const PAGE: PageLimit = PageLimit {
    rows: 4_096,
    bytes: 1 << 20,
};

impl Database {
    /// Reads and checks all data while others write: every file as it is on disk, then every row as of now. Findings
    /// are passed to `sink` at once.
    ///
    /// ```
    /// use akvs_core::{Database, Key, MemoryEngine, Namespace, Options, Store, Timestamp};
    /// let database = Database::open(std::sync::Arc::new(MemoryEngine::new()), Options::default())?;
    /// let store = Store::new(&database, Namespace::new("ns")?)?;
    /// store.set(&Key::new("k")?, "value", Timestamp::from_millis(1))?;
    /// let verified = database.verify(&mut |finding| println!("{finding}"), &mut |_| ())?;
    /// assert_eq!((verified.findings, verified.unchecked.len()), (0, 0));
    /// # Ok::<(), akvs_core::Error>(())
    /// ```
    pub fn verify(
        &self,
        sink: &mut dyn FnMut(Finding),
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Verified> {
        let mut report = Report::new(sink, progress);
        self.engine().check_files(&mut report)?;
        check_rows(&*self.engine().snapshot()?, &mut report);
        Ok(report.finish())
    }
}

/// Checks all rows, and returns the highest revision in them.
pub(crate) fn check_rows(snapshot: &dyn Snapshot, report: &mut Report<'_>) -> Revision {
    let mut state = ExpectedState::read(snapshot, report);
    report.expect_rows(state.expected_rows());
    let mut deadlines = Deadlines::default();
    let has_data = check_data(snapshot, &mut state, &mut deadlines, report);
    if deadlines.check(snapshot, &state, report) && has_data {
        deadlines.compare(snapshot, &state, report);
    }
    histories::check(snapshot, &mut state, report);
    if has_data {
        state.compare_counts(report);
    }
    state.revision
}

/// Checks the data, and returns whether all of it could be read.
fn check_data(
    snapshot: &dyn Snapshot,
    state: &mut ExpectedState,
    deadlines: &mut Deadlines,
    report: &mut Report<'_>,
) -> bool {
    let highest = state.revision;
    let (mut of, mut counts) = (None, Counts::default());
    let mut values = Values::default();
    let all = each_row(snapshot, Table::Data, report, |key, value, report| {
        let id = encoding::parse_id(key).unwrap_or_default();
        if of != Some(id) {
            state.add(of, counts);
            (of, counts) = (Some(id), Counts::default());
        }
        let name = key.get(size_of::<NamespaceId>()..).unwrap_or_default();
        let Ok(()) = Key::check(name) else {
            return report.row(Table::Data, key, "invalid key");
        };
        if let Some(owner) = encoding::value_owner(id) {
            return values.record(owner, key, &value, state, report);
        }
        let stored = match encoding::parse_stored(value) {
            Ok(stored) => stored,
            Err(error) => return report.row(Table::Data, key, error.message()),
        };
        counts.add(name.len() + stored.value_bytes());
        let entry = stored.entry;
        match state.owner(id) {
            Owner::Swept => {}
            Owner::Unknown => {
                let how = format!("unknown namespace id {id}");
                report.row(Table::Data, key, how);
            }
            Owner::Live(meta) => {
                if entry.revision > meta.revision.min(highest) {
                    let how = format!(
                        "its revision {} is higher than the newest revision",
                        entry.revision.get()
                    );
                    report.row(Table::Data, key, how);
                }
                if let Some(separated) = stored.separated {
                    values.expect(id, name, separated);
                }
                if let Some(deadline) = entry.deadline {
                    deadlines.expect(deadline, key, entry.revision);
                }
            }
        }
    });
    state.add(of, counts);
    if all {
        values.compare(snapshot, state, report);
    }
    all
}

/// Reads a table, and returns whether all of it could be read.
fn each_row(
    snapshot: &dyn Snapshot,
    table: Table,
    report: &mut Report<'_>,
    mut visit: impl FnMut(&[u8], Bytes, &mut Report<'_>),
) -> bool {
    let mut range = KeyRange {
        start: Bytes::new(),
        end: None,
    };
    loop {
        let page = match snapshot.page(table, &range, PAGE) {
            Ok(page) => page,
            Err(error) => {
                let how = format!("cannot be read from here on: {}", error.message());
                report.row(table, &range.start, how);
                return false;
            }
        };
        let Some((last, _)) = page.last() else {
            return true;
        };
        range.start = successor(last);
        for (key, value) in page {
            report.read_row();
            visit(&key, value, report);
        }
    }
}
