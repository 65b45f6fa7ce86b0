//! The changes that callers ask of a namespace, and what they did.

use akvs_core::evaluation::{Context, PendingNamespace};
use akvs_core::{Action, Key, Op, Outcome, Result, Settings, SettingsPatch, Timestamp, Txn};

/// A change to a namespace.
#[derive(Clone, Debug)]
pub enum Command {
    /// Apply an operation to a key.
    Apply(Key, Op),
    /// Apply operations together.
    Transact(Txn),
    /// Change the settings of the namespace.
    Configure(SettingsPatch),
    /// Drop the namespace with all its entries.
    Drop,
}

/// What a command did.
#[derive(Clone, Debug)]
pub enum CommandOutput {
    /// The outcome of an operation.
    One(Outcome),
    /// The outcomes of a transaction's operations, in their order.
    Many(Vec<Outcome>),
    /// Whether the namespace existed, and its settings after the change.
    Configured(bool, Settings),
    /// Whether the namespace existed before its drop.
    Existed(bool),
}

impl Command {
    /// Returns the memory that it holds while it waits, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Command::Apply(key, op) => key.as_bytes().len() + op.bytes() + op.condition.bytes(),
            Command::Transact(txn) => txn.bytes(),
            Command::Configure(_) | Command::Drop => 0,
        }
    }

    /// Calls `read` with each key whose entry its evaluation reads, and whether it needs the value too.
    ///
    /// ```
    /// use akvs_core::{Action, Key, Op, Ttl};
    /// use akvs_server::Command;
    /// let add = Op::from(Action::Add { by: 1, ttl: Ttl::Default });
    /// let mut reads = Vec::new();
    /// Command::Apply(Key::new("n")?, add).for_each_read(|key, value| reads.push((key.clone(), value)));
    /// assert_eq!(reads, [(Key::new("n")?, true)]);
    /// # Ok::<(), akvs_core::Error>(())
    /// ```
    pub fn for_each_read<'a>(&'a self, mut read: impl FnMut(&'a Key, bool)) {
        let needs_value = |op: &Op| matches!(op.action, Action::Add { .. } | Action::Append { .. });
        match self {
            Command::Apply(key, op) => read(key, needs_value(op)),
            Command::Transact(txn) => {
                txn.checks().iter().for_each(|(key, _)| read(key, false));
                let ops = txn.ops().iter();
                ops.for_each(|(key, op)| read(key, needs_value(op)));
            }
            Command::Configure(_) | Command::Drop => {}
        }
    }

    /// Evaluates the command against the pending state of its namespace.
    pub fn evaluate(
        self,
        namespace: &mut PendingNamespace,
        context: &mut impl Context,
        now: Timestamp,
    ) -> Result<CommandOutput> {
        match self {
            Command::Apply(key, op) => {
                let applied = namespace.apply(context, &key, op, now);
                applied.map(CommandOutput::One)
            }
            Command::Transact(txn) => {
                let applied = namespace.transact(context, txn, now);
                applied.map(CommandOutput::Many)
            }
            Command::Configure(patch) => namespace
                .change_settings(context, &patch, now)
                .map(|(existed, settings)| CommandOutput::Configured(existed, settings)),
            Command::Drop => {
                let dropped = namespace.drop_namespace(context);
                dropped.map(|revision| CommandOutput::Existed(revision.is_some()))
            }
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

/// A request to the writer of a namespace.
#[derive(Debug)]
pub(crate) enum Work {
    /// A change.
    Command(Command),
    /// Nothing: the answer means that all earlier changes are committed.
    Flush,
}

impl Work {
    /// Returns the memory that it holds while it waits, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Work::Command(command) => command.bytes(),
            Work::Flush => 0,
        }
    }
}
