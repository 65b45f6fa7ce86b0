//! The commands to the writer of a namespace.

use akvs_core::{Key, Op, SettingsPatch, Txn};

/// A command to a writer.
#[derive(Debug)]
pub(crate) enum Command {
    /// Apply an operation to a key.
    Apply(Key, Op),
    /// Apply operations together.
    Transact(Txn),
    /// Change the settings of the namespace.
    Configure(SettingsPatch),
    /// Drop the namespace with all its entries.
    Drop,
    /// Nothing: the answer means that all earlier commands are committed.
    Flush,
}

impl Command {
    /// Returns the memory that it holds while it waits, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Command::Apply(key, op) => key.as_bytes().len() + op.bytes() + op.condition.bytes(),
            Command::Transact(txn) => txn.bytes(),
            Command::Configure(_) | Command::Drop | Command::Flush => 0,
        }
    }

    /// Returns the operation to apply to a key, if it is one.
    pub(crate) fn into_op(self) -> Option<(Key, Op)> {
        if let Command::Apply(key, op) = self {
            return Some((key, op));
        }
        None
    }

    /// Returns the change of settings, if it is one.
    pub(crate) fn into_patch(self) -> Option<SettingsPatch> {
        if let Command::Configure(patch) = self {
            return Some(patch);
        }
        None
    }

    /// Returns the operations to apply together, if it is a transaction.
    pub(crate) fn into_txn(self) -> Option<Txn> {
        if let Command::Transact(txn) = self {
            return Some(txn);
        }
        None
    }
}
