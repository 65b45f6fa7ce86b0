//! The check that every entry with a separated value has that value, and every such value its entry.
//!
//! Single rows are looked up only where the two sides differ.

use super::each_row;
use super::expected::{ExpectedState, Owner};
use crate::Report;
use crate::SeparatedValue;
use crate::difference::Difference;
use crate::encoding;
use crate::encoding::NamespaceId;
use crate::engine::{Snapshot, Table};

/// The difference between entries with a separated value and the rows of values.
#[derive(Default)]
pub(super) struct Values(Difference);

impl Values {
    /// Records that an entry has a separated value.
    pub(super) fn expect(&mut self, id: NamespaceId, key: &[u8], separated: SeparatedValue) {
        self.0.add((id, key, separated));
    }

    /// Records the row of a value.
    pub(super) fn record(
        &mut self,
        id: NamespaceId,
        row_key: &[u8],
        row: &[u8],
        state: &ExpectedState,
        report: &mut Report<'_>,
    ) {
        match (state.owner(id), encoding::parse_value_row(row)) {
            (Owner::Swept, Ok(_)) => {}
            (Owner::Live(_), Ok(separated)) => {
                let key = row_key.get(size_of::<NamespaceId>()..).unwrap_or_default();
                self.0.subtract((id, key, separated));
            }
            (Owner::Unknown, Ok(_)) => {
                let how = format!("unknown namespace id {id}");
                report.row(Table::Data, row_key, how);
            }
            (_, Err(error)) => report.row(Table::Data, row_key, error.message()),
        }
    }

    /// Reports entries without their value and values without their entry, after both were read completely.
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
        each_row(snapshot, Table::Data, report, |key, row, report| {
            let id = encoding::parse_id(key).unwrap_or_default();
            let name = key.get(size_of::<NamespaceId>()..).unwrap_or_default();
            let owner = encoding::value_owner(id);
            if !matches!(state.owner(owner.unwrap_or(id)), Owner::Live(_)) {
                return;
            }
            let other = match owner {
                Some(owner) => encoding::data_key(owner, name),
                None => encoding::value_key(id, name),
            };
            let other = snapshot.get(Table::Data, &other).ok().flatten();
            let (entry, value) = match owner {
                Some(_) => (other, Some(row)),
                None => (Some(row), other),
            };
            let separated = entry.and_then(|row| encoding::parse_stored(row).ok()?.separated);
            let value = value.and_then(|row| encoding::parse_value_row(&row).ok());
            match owner {
                Some(_) if separated != value => report.row(Table::Data, key, "it has no entry"),
                None if separated.is_some() && separated != value => {
                    report.row(Table::Data, key, "its value is missing");
                }
                _ => {}
            }
        });
        if report.findings() == before {
            report.rows("entries and their values do not agree");
        }
    }
}
