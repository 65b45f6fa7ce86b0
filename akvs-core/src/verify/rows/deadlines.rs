//! Whether every deadline has its key, and every key its deadline.
//!
//! Both sides are summed up as keyed hashes, which comes to nothing where they agree, and practically never else. Who
//! does not agree is only looked for where it does not. What is to be swept goes by itself and is left out.

use std::hash::{BuildHasher, RandomState};

use super::super::Report;
use super::each_row;
use super::known::{Known, Owner};
use crate::engine::rows;
use crate::engine::{Snapshot, Table};
use crate::{Revision, Timestamp};

/// How the two sides differ so far.
pub(super) struct Deadlines {
    hasher: RandomState,
    difference: u64,
}

impl Deadlines {
    pub(super) fn new() -> Deadlines {
        Deadlines {
            hasher: RandomState::new(),
            difference: 0,
        }
    }

    fn hash(&self, deadline: Timestamp, data_key: &[u8], revision: u64) -> u64 {
        self.hasher
            .hash_one((deadline.as_millis(), data_key, revision))
    }

    /// Notes that a key has a deadline.
    pub(super) fn expect(&mut self, deadline: Timestamp, data_key: &[u8], revision: Revision) {
        let hash = self.hash(deadline, data_key, revision.get());
        self.difference = self.difference.wrapping_add(hash);
    }

    /// Reads the deadlines; whether all of them could be read.
    pub(super) fn check(
        &mut self,
        moment: &dyn Snapshot,
        known: &Known,
        report: &mut Report<'_>,
    ) -> bool {
        each_row(moment, Table::Deadlines, report, |key, value, report| {
            let parsed = rows::parse_deadline_key(key.to_vec().into());
            let parsed = parsed.and_then(|parsed| Ok((parsed, rows::parse_number(&value)?)));
            let ((deadline, id, _), revision) = match parsed {
                Ok(parsed) => parsed,
                Err(error) => return report.row(Table::Deadlines, key, error.message()),
            };
            match known.owner(id) {
                Owner::Live(_) => {
                    let hash = self.hash(deadline, &key[8..], revision);
                    self.difference = self.difference.wrapping_sub(hash);
                }
                Owner::Swept => {}
                Owner::Unknown => {
                    let how = format!("there is no namespace with the id {id}");
                    report.row(Table::Deadlines, key, how);
                }
            }
        })
    }

    /// Says who does not agree, where both were read whole and do not.
    pub(super) fn compare(&self, moment: &dyn Snapshot, known: &Known, report: &mut Report<'_>) {
        if self.difference == 0 {
            return;
        }
        let before = report.findings();
        let is_live = |key: &[u8]| {
            let id = rows::parse_id(key).unwrap_or_default();
            matches!(known.owner(id), Owner::Live(_))
        };
        each_row(moment, Table::Deadlines, report, |key, value, report| {
            let data_key = key.get(8..).unwrap_or_default();
            let entry = moment.get(Table::Data, data_key).ok().flatten();
            let stored = entry.and_then(|row| rows::parse_stored(row).ok());
            let row = stored.and_then(|stored| {
                let entry = stored.entry;
                let deadline = entry.deadline?.as_millis().to_be_bytes();
                Some((deadline, entry.revision.get()))
            });
            let fits = row.is_some_and(|(deadline, revision)| {
                key.starts_with(&deadline) && rows::parse_number(&value).ok() == Some(revision)
            });
            if !fits && is_live(data_key) {
                report.row(Table::Deadlines, key, "its key does not have this deadline");
            }
        });
        each_row(moment, Table::Data, report, |key, value, report| {
            let is_value = rows::parse_id(key).is_ok_and(|id| rows::value_owner(id).is_some());
            let stored = rows::parse_stored(value).ok().filter(|_| !is_value);
            let deadline = stored.and_then(|stored| stored.entry.deadline);
            let Some(deadline) = deadline.filter(|_| is_live(key)) else {
                return;
            };
            let row = [&deadline.as_millis().to_be_bytes()[..], key].concat();
            if !matches!(moment.get(Table::Deadlines, &row), Ok(Some(_))) {
                report.row(Table::Data, key, "its deadline is not among the deadlines");
            }
        });
        if report.findings() == before {
            report.rows("keys and deadlines do not agree");
        }
    }
}
