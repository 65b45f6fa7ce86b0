//! Transactions: evaluated as a whole before any change is staged.

use super::{Context, PendingNamespace};
use crate::{Code, Error, Outcome, Result, Timestamp, Txn};

impl PendingNamespace {
    /// Evaluates a transaction, and stages all its changes under one revision, or none. Returns the outcome of each
    /// operation, in order.
    ///
    /// The context of an error names the check or the operation that failed.
    pub fn transact(
        &mut self,
        context: &mut impl Context,
        txn: Txn,
        now: Timestamp,
    ) -> Result<Vec<Outcome>> {
        let Txn { checks, ops } = txn;
        for (index, (key, condition)) in checks.into_iter().enumerate() {
            let with_check = |error: Error| error.with("check", index);
            let place = self.load(context, &key, false)?;
            let (_, pending) = self.entries.get(place);
            let entry = pending.entry.as_ref().map(|stored| &stored.entry);
            let current = entry.filter(|entry| entry.is_live(now));
            condition.check(current).map_err(with_check)?;
        }
        let mut outcomes = Vec::with_capacity(ops.len());
        let mut changes = Vec::with_capacity(ops.len());
        let mut kinds = Vec::with_capacity(ops.len());
        let before = self.produced_bytes;
        for (index, (key, op)) in ops.into_iter().enumerate() {
            // No two operations have the same key, so that none depends on another.
            let evaluated = self.evaluate(context, &key, op, now);
            let (place, mut outcome, change) =
                evaluated.map_err(|error| error.with("op", index))?;
            if let Some((entry, kind)) = change {
                outcome.revision = Some(context.next_revision());
                outcome.entry = entry.as_ref().map(|stored| stored.entry.clone());
                changes.push((place, entry));
                kinds.push((kind, Some(place)));
                // A single value may be longer.
                if changes.len() > 1 && self.produced_bytes - before > Txn::MAX_WRITTEN_BYTES {
                    self.produced_bytes = before;
                    return Err(too_large().with("op", index));
                }
            }
            outcomes.push(outcome);
        }
        if changes.is_empty() {
            return Ok(outcomes);
        }
        let entries = changes
            .iter()
            .map(|(place, entry)| (*place, entry.as_ref()));
        let counts = self.entries.counts_after(self.counts, entries);
        self.settings.check(&self.counts, &counts)?;
        self.create(context, now)?;
        self.stage(counts, changes);
        self.append(context, kinds);
        Ok(outcomes)
    }
}

fn too_large() -> Error {
    let limit = Txn::MAX_WRITTEN_BYTES;
    let text = format!("the transaction is too large: it writes more than {limit} bytes of values");
    Error::new(Code::TooLarge, text).with("limit", limit)
}
