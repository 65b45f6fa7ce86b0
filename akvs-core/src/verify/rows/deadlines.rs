//! The check that every deadline has its key, and every key its deadline.
//!
//! Single rows are looked up only where the two sides differ. Rows that will be swept are ignored.

use super::each_row;
use super::expected::{ExpectedState, Owner};
use crate::difference::Difference;
use crate::encoding;
use crate::engine::{Snapshot, Table};
use crate::{Report, Revision, Timestamp};

/// The difference between keys with a deadline and the rows of deadlines.
#[derive(Default)]
pub(super) struct Deadlines(Difference);

impl Deadlines {
    /// Records that a key has a deadline.
    pub(super) fn expect(&mut self, deadline: Timestamp, data_key: &[u8], revision: Revision) {
        self.0.add((deadline.as_millis(), data_key, revision.get()));
    }

    /// Reads the deadlines, and returns whether all of them could be read.
    pub(super) fn check(
        &mut self,
        snapshot: &dyn Snapshot,
        state: &ExpectedState,
        report: &mut Report<'_>,
    ) -> bool {
        each_row(snapshot, Table::Deadlines, report, |key, value, report| {
            let parsed = encoding::parse_deadline_key(key.to_vec().into());
            let parsed = parsed.and_then(|parsed| Ok((parsed, encoding::parse_number(&value)?)));
            let ((deadline, id, _), revision) = match parsed {
                Ok(parsed) => parsed,
                Err(error) => return report.row(Table::Deadlines, key, error.message()),
            };
            match state.owner(id) {
                Owner::Live(_) => {
                    self.0.subtract((deadline.as_millis(), &key[8..], revision));
                }
                Owner::Swept => {}
                Owner::Unknown => {
                    let how = format!("unknown namespace id {id}");
                    report.row(Table::Deadlines, key, how);
                }
            }
        })
    }

    /// Reports the rows that differ, after both sides were read completely.
    pub(super) fn compare(
        &self,
        snapshot: &dyn Snapshot,
        state: &ExpectedState,
        report: &mut Report<'_>,
    ) {
        if self.0.is_none() {
            return;
        }
        let before = report.findings();
        let is_live = |key: &[u8]| {
            let id = encoding::parse_id(key).unwrap_or_default();
            matches!(state.owner(id), Owner::Live(_))
        };
        each_row(snapshot, Table::Deadlines, report, |key, value, report| {
            let data_key = key.get(8..).unwrap_or_default();
            let entry = snapshot.get(Table::Data, data_key).ok().flatten();
            let stored = entry.and_then(|row| encoding::parse_stored(row).ok());
            let row = stored.and_then(|stored| {
                let entry = stored.entry;
                let deadline = entry.deadline?.as_millis().to_be_bytes();
                Some((deadline, entry.revision.get()))
            });
            let fits = row.is_some_and(|(deadline, revision)| {
                key.starts_with(&deadline) && encoding::parse_number(&value).ok() == Some(revision)
            });
            if !fits && is_live(data_key) {
                report.row(
                    Table::Deadlines,
                    key,
                    "the key has another deadline or none",
                );
            }
        });
        each_row(snapshot, Table::Data, report, |key, value, report| {
            let is_value =
                encoding::parse_id(key).is_ok_and(|id| encoding::value_owner(id).is_some());
            let stored = encoding::parse_stored(value).ok().filter(|_| !is_value);
            let deadline = stored.and_then(|stored| stored.entry.deadline);
            let Some(deadline) = deadline.filter(|_| is_live(key)) else {
                return;
            };
            let row = [&deadline.as_millis().to_be_bytes()[..], key].concat();
            if !matches!(snapshot.get(Table::Deadlines, &row), Ok(Some(_))) {
                report.row(Table::Data, key, "its deadline has no row");
            }
        });
        if report.findings() == before {
            report.rows("keys and deadlines do not agree");
        }
    }
}
