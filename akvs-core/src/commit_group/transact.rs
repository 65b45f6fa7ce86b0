//! Transactions: evaluated as a whole before any change is staged.

use super::CommitGroup;
use crate::store::Store;
use crate::{Code, Error, Outcome, Result, Timestamp, Txn};

impl CommitGroup<'_> {
    /// Evaluates a transaction, and stages all its changes under one revision, or none. Returns the outcome of each
    /// operation, in order.
    ///
    /// The context of an error names the check or the operation that failed.
    ///
    /// ```
    /// use akvs_core::engine::Durability;
    /// use akvs_core::{Condition, Database, Key, MemoryEngine, Namespace, Op, Options, Store, Timestamp, Txn};
    ///
    /// let database = Database::open(std::sync::Arc::new(MemoryEngine::new()), Options::default())?;
    /// let store = Store::new(&database, Namespace::new("ns")?)?;
    /// let (a, b, now) = (Key::new("a")?, Key::new("b")?, Timestamp::from_millis(0));
    ///
    /// let mut group = database.group();
    /// let txn = Txn::new(vec![(a.clone(), Condition::Absent)], vec![(a.clone(), Op::set("1")), (b, Op::set("2"))])?;
    /// let outcomes = group.transact(&store, txn.clone(), now)?;
    /// assert_eq!(outcomes[0].revision, outcomes[1].revision);
    /// assert!(group.transact(&store, txn, now).is_err(), "the key exists");
    /// group.commit(Durability::Synced)?;
    /// # Ok::<(), akvs_core::Error>(())
    /// ```
    pub fn transact(&mut self, store: &Store, txn: Txn, now: Timestamp) -> Result<Vec<Outcome>> {
        let at = self.pending(store)?;
        let Txn { checks, ops } = txn;
        for (index, (key, condition)) in checks.into_iter().enumerate() {
            let with_check = |error: Error| error.with("check", index);
            let place = self.load(at, &key, false)?;
            let (_, pending) = self.stores[at].entries.get(place);
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
            let judged = self.evaluate(at, &key, op, now);
            let (place, mut outcome, change) = judged.map_err(|error| error.with("op", index))?;
            if let Some((entry, kind)) = change {
                outcome.revision = Some(self.next.revision.next());
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
        let pending = &self.stores[at];
        let entries = changes
            .iter()
            .map(|(place, entry)| (*place, entry.as_ref()));
        let counts = pending.counts_with(entries);
        let meta = &pending.updated.meta;
        pending.updated.settings.check(&meta.counts, &counts)?;
        self.create_namespace(at, store, now)?;
        self.stage(at, counts, changes);
        self.append_history(at, kinds);
        Ok(outcomes)
    }
}

fn too_large() -> Error {
    let limit = Txn::MAX_WRITTEN_BYTES;
    let text = format!("the transaction is too large: it writes more than {limit} bytes of values");
    Error::new(Code::TooLarge, text).with("limit", limit)
}
