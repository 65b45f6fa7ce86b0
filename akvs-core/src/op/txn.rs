//! Transactions: several operations that are applied under one revision, or not at all.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use crate::{Code, Condition, Error, Key, Op, Result};

/// Several operations that are applied together, with their checks.
///
/// ```
/// use akvs_core::{Condition, Key, Op, Txn};
/// let (from, to) = (Key::new("from")?, Key::new("to")?);
/// let checks = vec![(from.clone(), Condition::Exists)];
/// let ops = vec![(from, Op::delete()), (to, Op::set("moved"))];
/// assert!(Txn::new(checks, ops).is_ok());
/// # Ok::<(), akvs_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn {
    pub(crate) checks: Vec<(Key, Condition)>,
    pub(crate) ops: Vec<(Key, Op)>,
}

impl Txn {
    /// The maximum number of operations, and of checks, in a transaction.
    pub const MAX_OPS: usize = 1_000;

    /// The maximum bytes of values that a transaction of several operations writes, including appended values as a
    /// whole.
    pub const MAX_WRITTEN_BYTES: usize = 32 << 20;

    /// Fails with `invalid_request` where two operations have the same key, and with `too_large` where there are too
    /// many.
    pub fn new(checks: Vec<(Key, Condition)>, ops: Vec<(Key, Op)>) -> Result<Txn> {
        for (what, count) in [("checks", checks.len()), ("ops", ops.len())] {
            if count > Txn::MAX_OPS {
                let limit = Txn::MAX_OPS;
                let text = format!("too many {what}: {count}; the limit is {limit}");
                return Err(Error::new(Code::TooLarge, text).with("limit", limit));
            }
        }
        let mut seen = HashSet::with_capacity_and_hasher(ops.len(), RandomState::default());
        if let Some(twice) = ops.iter().position(|(key, _)| !seen.insert(key)) {
            let text = "duplicate key: an earlier operation has the same key";
            return Err(Error::new(Code::InvalidRequest, text).with("op", twice));
        }
        Ok(Txn { checks, ops })
    }

    /// Returns the checks.
    pub fn checks(&self) -> &[(Key, Condition)] {
        &self.checks
    }

    /// Returns the operations.
    pub fn ops(&self) -> &[(Key, Op)] {
        &self.ops
    }

    /// Returns the operations.
    pub fn into_ops(self) -> Vec<(Key, Op)> {
        self.ops
    }

    /// Returns the memory of the transaction, in bytes.
    pub fn bytes(&self) -> usize {
        let checks = self.checks.iter().map(|(key, _)| key.as_bytes().len());
        let ops = self
            .ops
            .iter()
            .map(|(key, op)| key.as_bytes().len() + op.bytes());
        checks.chain(ops).sum()
    }
}
