//! The interface of a database that several nodes share.

use akvs_core::engine::{Capabilities, PageLimit};
use akvs_core::{
    Changes, DatabaseSnapshot, Error, Namespace, NamespaceInfo, NamespaceSnapshot, PeekedEntry,
    Result, Revision, StorageStats,
};
use futures_util::future::BoxFuture;

use crate::{Command, CommandOutput};

/// A database that several nodes share. Each method is one conversation with it: nothing here queues or tries again.
///
/// The asynchronous methods bound their own waiting, and fail with `unavailable` where the database does not answer.
/// The others may block, and are called on threads that may.
pub trait Backend: Send + Sync + 'static {
    /// Returns the entry of a key, if the namespace and the key exist; without its value if that has more than
    /// `max_bytes` bytes.
    fn find<'a>(
        &'a self,
        name: &'a Namespace,
        key: &'a [u8],
        max_bytes: usize,
    ) -> BoxFuture<'a, Result<Option<PeekedEntry>>>;

    /// Evaluates commands in order, and commits all that they change at once. Nothing follows a drop.
    fn group<'a>(&'a self, name: &'a Namespace, commands: &'a [Command]) -> BoxFuture<'a, Attempt>;

    /// Returns whether a group was applied whose answer was lost. A connection that may still be committing it has ended then.
    fn resolve<'a>(
        &'a self,
        name: &'a Namespace,
        lost: &'a LostCommit,
    ) -> BoxFuture<'a, Result<bool>>;

    /// Returns the newest revision of each of these namespaces.
    fn newest<'a>(&'a self, names: &'a [Namespace]) -> BoxFuture<'a, Result<Vec<Revision>>>;

    /// Returns changes of a namespace as [`NamespaceSnapshot::changes`] does.
    fn changes<'a>(
        &'a self,
        name: &'a Namespace,
        after: Revision,
        limit: PageLimit,
    ) -> BoxFuture<'a, Result<Changes>>;

    /// Waits for hints of other nodes that these namespaces have changed. Some may be missed.
    fn hints(&self) -> BoxFuture<'_, Vec<Namespace>>;

    /// Tells other nodes that a namespace has changed. Does not wait.
    fn notify(&self, name: &Namespace, revision: Revision);

    /// Runs a bounded step of maintenance: expiry, trimming of histories, removal of dropped rows. Returns whether there
    /// is more to do at once.
    fn maintain(&self) -> BoxFuture<'_, Result<bool>>;

    /// Returns a namespace as it is now. May wait.
    fn namespace_snapshot(&self, name: &Namespace) -> Result<NamespaceSnapshot>;

    /// Returns all namespaces as they are now. May wait.
    fn database_snapshot(&self) -> Result<DatabaseSnapshot>;

    /// Returns up to `limit` namespaces in the order of their names, after the name `after`. May wait.
    fn namespaces(&self, after: Option<&Namespace>, limit: usize) -> Result<Vec<NamespaceInfo>>;

    /// Returns statistics of all namespaces, and of this number of the largest ones. May wait.
    fn storage_stats(&self, largest: usize) -> Result<StorageStats>;

    /// Returns the approximate size of the database, in bytes. May wait.
    fn stored_bytes(&self) -> Result<u64>;

    /// Returns why writes are not accepted now, if they are not. Does not wait.
    fn check(&self) -> Result<()>;

    /// Returns how durable an answered write is, in a word or a few.
    fn durability(&self) -> String;

    /// Returns the capabilities of the database.
    fn capabilities(&self) -> Capabilities;
}

/// How an attempt to commit a group ended.
#[derive(Debug)]
pub enum Attempt {
    /// All is committed. These are the outputs, in the order of the commands.
    Done(Committed),
    /// Nothing was committed. After `unavailable` another attempt may succeed.
    NotApplied(Error),
    /// It is unknown whether the group was committed.
    Lost(LostCommit),
}

/// A committed group.
#[derive(Debug)]
pub struct Committed {
    /// What each command did.
    pub outputs: Vec<Result<CommandOutput>>,
    /// The newest revision of the namespace, if the group has changed something.
    pub revision: Option<Revision>,
}

/// A group that may have been committed.
#[derive(Debug)]
pub struct LostCommit {
    /// The first revision of the group.
    pub first: Revision,
    /// The number that the group left with its first revision.
    pub token: i64,
    /// What is true if it was committed.
    pub committed: Committed,
    /// Why the answer was lost.
    pub cause: Error,
}
