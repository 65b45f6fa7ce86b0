//! The server of a namespace: `start`, `stop`, `set`, `get`, `get_or`, `del`.
//!
//! A server is a cheap handle; the order of its namespace's changes is its writer's, and time is the committer's clock.
//! A namespace must have at most one server at a time; the registry ensures it.

use std::sync::Arc;

use akvs_core::{
    Code, Entry, Error, Key, Namespace, Op, Outcome, PeekedEntry, Result, Settings, SettingsPatch,
    Store, Txn,
};
use bytes::Bytes;

use crate::command::{Command, CommandOutput, Work};
use crate::completion::{Answer, Reply};
use crate::shared::Lane;
use crate::writer::{Request, Writer};
use crate::{Committer, Executor, SharedExecutor, Watch, WatchOptions};

/// The server of a namespace; cheap to clone.
#[derive(Clone)]
pub struct Server(Target);

/// Where the requests of a server go.
#[derive(Clone)]
enum Target {
    Local {
        writer: Arc<Writer>,
        committer: Committer,
    },
    Shared {
        lane: Arc<Lane>,
        executor: SharedExecutor,
    },
}

/// The error of a request that was not applied, or whose outcome is unknown.
#[derive(Debug)]
pub enum SubmitError<T> {
    /// The namespace was dropped before. The request was not applied, and can be sent to a new server of the namespace.
    Dropped(T),
    /// Any other error.
    Failed(Error),
}

impl<T> SubmitError<T> {
    fn into_error(self) -> Error {
        match self {
            SubmitError::Dropped(_) => was_dropped(),
            SubmitError::Failed(error) => error,
        }
    }
}

impl<T> From<Error> for SubmitError<T> {
    fn from(error: Error) -> SubmitError<T> {
        SubmitError::Failed(error)
    }
}

impl Server {
    /// Opens a namespace. Nothing is written: the namespace is created by its first change.
    pub fn start(executor: impl Into<Executor>, name: Namespace) -> Result<Server> {
        Ok(Server(match executor.into() {
            Executor::Local(committer) => {
                let store = Store::new(committer.database(), name)?;
                Target::Local {
                    writer: Arc::new(Writer::new(store)),
                    committer,
                }
            }
            Executor::Shared(executor) => Target::Shared {
                lane: executor.lane(&name),
                executor,
            },
        }))
    }

    /// Waits until all requests that were queued before are committed.
    pub async fn stop(self) -> Result<()> {
        self.send(Work::Flush).await.map(drop)
    }

    /// Stores a value.
    pub async fn set(&self, key: Key, value: impl Into<Bytes>) -> Result<Outcome> {
        self.submit(key, Op::set(value)).await
    }

    /// Returns the entry of a key, or the error `not_found`.
    pub async fn get(&self, key: &[u8]) -> Result<Entry> {
        self.find(key).await?.ok_or_else(Error::not_found)
    }

    /// Returns the value of a key, or the default if there is none.
    pub async fn get_or(&self, key: &[u8], default: impl Into<Bytes>) -> Result<Bytes> {
        Ok(self
            .find(key)
            .await?
            .map_or_else(|| default.into(), |entry| entry.value))
    }

    /// Deletes a key, if it exists.
    pub async fn del(&self, key: Key) -> Result<Outcome> {
        self.submit(key, Op::delete()).await
    }

    /// Applies an operation. It is queued when this is called, and answered when it is committed. The outcome's entry
    /// has a value only if that is as short as a number, and has no representation.
    pub fn submit(&self, key: Key, op: Op) -> impl Future<Output = Result<Outcome>> + use<> {
        let outcome = self.try_submit(key, op);
        async move { outcome.await.map_err(SubmitError::into_error) }
    }

    /// Applies an operation as [`submit`](Self::submit) does. Returns the operation if the namespace was dropped before.
    pub fn try_submit(
        &self,
        key: Key,
        op: Op,
    ) -> impl Future<Output = std::result::Result<Outcome, SubmitError<(Key, Op)>>> + use<> {
        let answer = self.send(Work::Command(Command::Apply(key, op)));
        async move {
            let answer = answer.await?;
            if let Answer::Done(CommandOutput::One(outcome)) = answer {
                return Ok(outcome);
            }
            Err(not_applied(answer, Command::into_op))
        }
    }

    /// Applies several operations under one revision, all or none; returns their outcomes in order.
    pub fn transact(&self, txn: Txn) -> impl Future<Output = Result<Vec<Outcome>>> + use<> {
        let outcomes = self.try_transact(txn);
        async move { outcomes.await.map_err(SubmitError::into_error) }
    }

    /// Applies operations as [`transact`](Self::transact) does. Returns them if the namespace was dropped before.
    pub fn try_transact(
        &self,
        txn: Txn,
    ) -> impl Future<Output = std::result::Result<Vec<Outcome>, SubmitError<Txn>>> + use<> {
        let answer = self.send(Work::Command(Command::Transact(txn)));
        async move {
            let answer = answer.await?;
            if let Answer::Done(CommandOutput::Many(outcomes)) = answer {
                return Ok(outcomes);
            }
            Err(not_applied(answer, Command::into_txn))
        }
    }

    /// Replaces the settings of the namespace, which is created if there is none; returns whether it existed.
    pub fn configure(&self, settings: Settings) -> impl Future<Output = Result<bool>> + use<> {
        let changed = self.change_settings(settings.into());
        async move { changed.await.map(|(existed, _)| existed) }
    }

    /// Changes some settings of the namespace, which is created if there is none; returns whether it existed, and all
    /// settings after the change. Fails with `invalid_request` for settings under which no write could succeed.
    pub fn change_settings(
        &self,
        patch: SettingsPatch,
    ) -> impl Future<Output = Result<(bool, Settings)>> + use<> {
        let changed = self.try_change_settings(patch);
        async move { changed.await.map_err(SubmitError::into_error) }
    }

    /// Changes settings as [`change_settings`](Self::change_settings) does. Returns the change if the namespace was
    /// dropped before.
    pub fn try_change_settings(
        &self,
        patch: SettingsPatch,
    ) -> impl Future<Output = std::result::Result<(bool, Settings), SubmitError<SettingsPatch>>> + use<>
    {
        let answer = self.send(Work::Command(Command::Configure(patch)));
        async move {
            let answer = answer.await?;
            if let Answer::Done(CommandOutput::Configured(existed, settings)) = answer {
                return Ok((existed, settings));
            }
            Err(not_applied(answer, Command::into_patch))
        }
    }

    /// Drops the namespace with all its entries; returns whether it existed. Later requests to this server fail with
    /// `unavailable`, see [`is_dropped`](Self::is_dropped).
    pub fn drop_namespace(&self) -> impl Future<Output = Result<bool>> + use<> {
        let answer = self.send(Work::Command(Command::Drop));
        async move { existed(&answer.await?) }
    }

    /// Returns the entry of a key, if there is one.
    pub async fn find(&self, key: &[u8]) -> Result<Option<Entry>> {
        let found = self.peek(key, usize::MAX).await?;
        Ok(found.map(|found| found.entry))
    }

    /// Returns the entry of a key, if there is one; without its value if that has more than `max_bytes` bytes and is
    /// not in memory.
    pub async fn peek(&self, key: &[u8], max_bytes: usize) -> Result<Option<PeekedEntry>> {
        Key::check(key)?;
        let (writer, committer) = match &self.0 {
            Target::Local { writer, committer } => (writer, committer),
            Target::Shared { lane, executor } => {
                let found = executor.backend().find(lane.name(), key, max_bytes);
                return found.await;
            }
        };
        let store = writer.store();
        if let Some(entry) = store.find_cached(key) {
            // Without a deadline the time is not needed.
            let live = entry.deadline.is_none() || entry.is_live(committer.clock().now());
            return Ok(live.then(|| entry.into()));
        }
        if !store.exists() {
            return Ok(None);
        }
        let now = committer.clock().now();
        if committer.resources().is_resident() {
            let is_copied = store.database().capabilities().durable;
            let max_bytes = if is_copied { max_bytes } else { usize::MAX };
            return store.peek_stored(key, max_bytes, now);
        }
        // The read may wait for a disk, which must not delay the thread's other callers.
        let (store, key) = (store.clone(), key.to_vec());
        let reads = &committer.resources().common.reads;
        reads
            .run(move || store.peek_stored(&key, max_bytes, now))
            .await
    }

    /// Watches the changes of the namespace, which need not exist, and continues after it was dropped. The watch does
    /// not need the server.
    ///
    /// Fails with `history_gone` if the history no longer has all changes since the start, and with `closing` when the
    /// server stops.
    pub fn watch(&self, options: WatchOptions) -> impl Future<Output = Result<Watch>> + use<> {
        let host = match &self.0 {
            Target::Local { committer, .. } => committer.watch_host(),
            Target::Shared { executor, .. } => executor.watch_host(),
        };
        let name = self.name().clone();
        async move { Watch::start(host, name, options).await }
    }

    /// Returns the name of the namespace.
    pub fn name(&self) -> &Namespace {
        match &self.0 {
            Target::Local { writer, .. } => writer.store().name(),
            Target::Shared { lane, .. } => lane.name(),
        }
    }

    /// Returns the store of a local database, for reads only.
    pub fn store(&self) -> Option<&Store> {
        match &self.0 {
            Target::Local { writer, .. } => Some(writer.store()),
            Target::Shared { .. } => None,
        }
    }

    /// Returns whether the namespace may exist: only a request to a shared database shows whether it does.
    pub fn may_exist(&self) -> bool {
        self.store().is_none_or(Store::exists)
    }

    /// Returns whether the namespace was dropped while this server had it open, and needs another server.
    pub fn is_dropped(&self) -> bool {
        self.store().is_some_and(Store::is_dropped)
    }

    /// Returns whether this is the only handle to the server.
    pub fn is_idle(&self) -> bool {
        match &self.0 {
            Target::Local { writer, .. } => Arc::strong_count(writer) == 1,
            Target::Shared { lane, .. } => Arc::strong_count(lane) == 1,
        }
    }

    /// Returns whether both are handles to the same server.
    pub fn is_same(&self, other: &Server) -> bool {
        match (&self.0, &other.0) {
            (Target::Local { writer, .. }, Target::Local { writer: other, .. }) => {
                Arc::ptr_eq(writer, other)
            }
            (Target::Shared { lane, .. }, Target::Shared { lane: other, .. }) => {
                Arc::ptr_eq(lane, other)
            }
            (Target::Local { .. }, Target::Shared { .. })
            | (Target::Shared { .. }, Target::Local { .. }) => false,
        }
    }

    fn send(&self, work: Work) -> impl Future<Output = Result<Answer>> + use<> {
        let (reply, receiver) = Reply::channel();
        let request = Request { work, reply };
        match &self.0 {
            Target::Local { writer, committer } => committer.submit(writer, request),
            Target::Shared { lane, executor } => executor.submit(lane, request),
        }
        async move {
            let lost = |_| {
                Error::new(
                    Code::OutcomeUnknown,
                    "the committer stopped before it answered",
                )
            };
            receiver.await.map_err(lost)?
        }
    }
}

fn existed(answer: &Answer) -> Result<bool> {
    if let Answer::Done(CommandOutput::Existed(existed)) = answer {
        return Ok(*existed);
    }
    Err(unexpected_answer(answer))
}

/// Returns the error of a request that has another answer than its own. `request` returns the request of its command.
fn not_applied<T>(answer: Answer, request: impl FnOnce(Command) -> Option<T>) -> SubmitError<T> {
    let Answer::Dropped(command) = answer else {
        return unexpected_answer(&answer).into();
    };
    match request(*command) {
        Some(request) => SubmitError::Dropped(request),
        None => was_dropped().into(),
    }
}

/// Returns the error of a request to the server of a namespace that was dropped.
fn was_dropped() -> Error {
    Error::new(Code::Unavailable, "the namespace was dropped")
}

/// The answer to each command has one form; any other is a bug.
fn unexpected_answer(answer: &Answer) -> Error {
    let text = "unexpected answer of the writer";
    let answer = Error::new(Code::OutcomeUnknown, format!("{answer:?}"));
    Error::new(Code::OutcomeUnknown, text).because(answer)
}
