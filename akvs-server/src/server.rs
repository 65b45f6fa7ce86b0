//! One namespace's server: `start`, `stop`, `set`, `get`, `get_or`, `del`.
//!
//! A server is a cheap handle; the order of its namespace's changes is its writer's, and time is the committer's
//! clock. There may be only one server of a namespace at a time; the registry sees to it.

use std::sync::Arc;

use akvs_core::{
    Code, Entry, Error, Key, Namespace, Op, Outcome, PeekedEntry, Result, Settings, SettingsPatch,
    Store, Txn,
};
use bytes::Bytes;

use crate::completion::{Answer, Reply};
use crate::writer::{Command, Request, Writer};
use crate::{Committer, Watch, WatchOptions};

/// One namespace's server; cheap to clone.
#[derive(Clone)]
pub struct Server {
    writer: Arc<Writer>,
    committer: Committer,
}

impl Server {
    /// Opens a namespace. Nothing is written: it comes into being with its first change.
    pub fn start(committer: &Committer, name: Namespace) -> Result<Server> {
        let store = Store::new(committer.database(), name)?;
        Ok(Server {
            writer: Arc::new(Writer::new(store)),
            committer: committer.clone(),
        })
    }

    /// Ends the use of the server, once everything that was queued before has been committed.
    pub async fn stop(self) -> Result<()> {
        self.send(Command::Flush).await.map(drop)
    }

    /// Stores a value.
    pub async fn set(&self, key: Key, value: impl Into<Bytes>) -> Result<Outcome> {
        self.submit(key, Op::set(value)).await
    }

    /// The entry of a key, or the error `not_found`.
    pub async fn get(&self, key: &[u8]) -> Result<Entry> {
        self.find(key).await?.ok_or_else(Error::not_found)
    }

    /// The value of a key, or this default where there is none.
    pub async fn get_or(&self, key: &[u8], default: impl Into<Bytes>) -> Result<Bytes> {
        Ok(self
            .find(key)
            .await?
            .map_or_else(|| default.into(), |entry| entry.value))
    }

    /// Removes a key, whether or not it is there.
    pub async fn del(&self, key: Key) -> Result<Outcome> {
        self.submit(key, Op::delete()).await
    }

    /// Applies an operation: it is queued when this is called, and answered once it is committed. The entry of the outcome
    /// has its value only where that is as short as a number, and no representation.
    pub fn submit(&self, key: Key, op: Op) -> impl Future<Output = Result<Outcome>> + use<> {
        let answer = self.send(Command::Apply(key, op));
        async move {
            match answer.await? {
                Answer::One(outcome) => Ok(outcome),
                other @ (Answer::Many(_) | Answer::Existed(_) | Answer::Configured(..)) => {
                    Err(unexpected_answer(&other))
                }
            }
        }
    }

    /// Applies several operations, all of them under one revision or none; what became of each, in their order.
    pub fn transact(&self, txn: Txn) -> impl Future<Output = Result<Vec<Outcome>>> + use<> {
        let answer = self.send(Command::Transact(txn));
        async move {
            match answer.await? {
                Answer::Many(outcomes) => Ok(outcomes),
                other @ (Answer::One(_) | Answer::Existed(_) | Answer::Configured(..)) => {
                    Err(unexpected_answer(&other))
                }
            }
        }
    }

    /// Chooses the settings of the namespace, which comes into being where there is none; whether there was one.
    pub fn configure(&self, settings: Settings) -> impl Future<Output = Result<bool>> + use<> {
        let changed = self.change_settings(settings.into());
        async move { changed.await.map(|(existed, _)| existed) }
    }

    /// Changes some settings of the namespace, which is created where there is none; whether there was one, and all of
    /// its settings after the change. `invalid_request` for what no write could follow.
    pub fn change_settings(
        &self,
        patch: SettingsPatch,
    ) -> impl Future<Output = Result<(bool, Settings)>> + use<> {
        let answer = self.send(Command::Configure(patch));
        async move {
            match answer.await? {
                Answer::Configured(existed, settings) => Ok((existed, settings)),
                other @ (Answer::One(_) | Answer::Many(_) | Answer::Existed(_)) => {
                    Err(unexpected_answer(&other))
                }
            }
        }
    }

    /// Drops the namespace with all it holds; whether there was one. What is asked of this server afterwards is
    /// refused with `unavailable`, see [`is_dropped`](Self::is_dropped).
    pub fn drop_namespace(&self) -> impl Future<Output = Result<bool>> + use<> {
        let answer = self.send(Command::Drop);
        async move { existed(&answer.await?) }
    }

    /// The entry of a key, if it has one at this moment.
    pub async fn find(&self, key: &[u8]) -> Result<Option<Entry>> {
        let found = self.peek(key, usize::MAX).await?;
        Ok(found.map(|found| found.entry))
    }

    /// The same; a value of more bytes than `most` is left where it is, unless it is in memory.
    pub async fn peek(&self, key: &[u8], max_bytes: usize) -> Result<Option<PeekedEntry>> {
        Key::check(key)?;
        let store = self.store();
        if let Some(entry) = store.find_cached(key) {
            // Without a deadline there is no need to know what time it is.
            let live = entry.deadline.is_none() || entry.is_live(self.committer.clock().now());
            return Ok(live.then(|| entry.into()));
        }
        if !store.exists() {
            return Ok(None);
        }
        let now = self.committer.clock().now();
        if self.committer.resources().is_resident() {
            let is_copied = store.database().capabilities().durable;
            let max_bytes = if is_copied { max_bytes } else { usize::MAX };
            return store.peek_stored(key, max_bytes, now);
        }
        // The disk may have to be waited for, which must not hold up the thread's other callers.
        let (store, key) = (store.clone(), key.to_vec());
        let reads = &self.committer.resources().reads;
        reads
            .run(move || store.peek_stored(&key, max_bytes, now))
            .await
    }

    /// Follows the changes of the namespace, also beyond a drop of it, and of one that does not exist yet. It does not
    /// need the server any more.
    ///
    /// `history_gone` where not all that has changed since is known any more; `closing` at the end.
    pub fn watch(&self, options: WatchOptions) -> impl Future<Output = Result<Watch>> + use<> {
        let (host, name) = (self.committer.watch_host(), self.store().name().clone());
        async move { Watch::start(host, name, options).await }
    }

    /// The store that it serves, to be read only.
    pub fn store(&self) -> &Store {
        self.writer.store()
    }

    /// Whether the namespace was dropped while this server had it.
    pub fn is_dropped(&self) -> bool {
        self.store().is_dropped()
    }

    /// Whether this is the only handle to the server.
    pub fn is_idle(&self) -> bool {
        Arc::strong_count(&self.writer) == 1
    }

    /// Whether both are handles to the same server.
    pub fn is_same(&self, other: &Server) -> bool {
        Arc::ptr_eq(&self.writer, &other.writer)
    }

    fn send(&self, command: Command) -> impl Future<Output = Result<Answer>> + use<> {
        let (reply, receiver) = Reply::channel();
        self.committer
            .submit(&self.writer, Request { command, reply });
        async move {
            let lost = |_| {
                Error::new(
                    Code::OutcomeUnknown,
                    "the committer ended before it answered",
                )
            };
            receiver.await.map_err(lost)?
        }
    }
}

fn existed(answer: &Answer) -> Result<bool> {
    match answer {
        Answer::Existed(existed) => Ok(*existed),
        Answer::One(_) | Answer::Many(_) | Answer::Configured(..) => Err(unexpected_answer(answer)),
    }
}

/// The writer answers what it is asked; nothing else makes sense of another answer.
fn unexpected_answer(answer: &Answer) -> Error {
    let text = "the writer answered something else";
    let answer = Error::new(Code::OutcomeUnknown, format!("{answer:?}"));
    Error::new(Code::OutcomeUnknown, text).because(answer)
}
