//! The registry: the server of each namespace.
//!
//! It owns the set of open servers, and neither what a namespace contains nor the order of its changes. Invariant: at
//! any time there is at most one server of a namespace that can commit. Each server is created in the only slot that
//! the map has for its namespace. A slot is removed when no other caller has it or a handle to its server, or after the
//! namespace was dropped, when the server rejects all requests. The engine is not read under the lock of the map.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use akvs_core::engine::Capabilities;
use akvs_core::{
    CacheStats, DatabaseSnapshot, Entry, Error, Key, Namespace, NamespaceInfo, NamespaceSnapshot,
    Op, Outcome, PeekedEntry, Result, Settings, SettingsPatch, StorageStats, Timestamp, Txn,
};
use akvs_server::{Executor, Server, Stats, SubmitError, Watch, WatchOptions};
use foldhash::HashMap;

use crate::slot::Slot;

/// The number of open servers from which unused ones are closed.
const MAX_IDLE_SERVERS: usize = 1_024;

/// The namespaces of a database; cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    executor: Executor,
    servers: RwLock<Servers>,
}

#[derive(Default)]
struct Servers {
    open: HashMap<Namespace, Arc<Slot>>,
    /// The number of open servers from which unused ones are closed next.
    sweep_at: usize,
}

impl Registry {
    /// Creates a registry of this executor's database; no server is open yet.
    pub fn new(executor: impl Into<Executor>) -> Registry {
        Registry(Arc::new(Inner {
            executor: executor.into(),
            servers: RwLock::default(),
        }))
    }

    /// Returns the entry of a key, if the namespace and the key exist. Does not open a namespace that does not exist.
    pub async fn find(&self, name: &str, key: &[u8]) -> Result<Option<Entry>> {
        match self.existing(name)? {
            Some(server) => server.find(key).await,
            None => Key::check(key).map(|()| None),
        }
    }

    /// Returns the entry of a key, or the error `not_found`; without its value if that has more than `max_bytes` bytes
    /// and is not in memory.
    pub async fn peek(&self, name: &str, key: &[u8], max_bytes: usize) -> Result<PeekedEntry> {
        let found = match self.existing(name)? {
            Some(server) => server.peek(key, max_bytes).await?,
            None => Key::check(key).map(|()| None)?,
        };
        found.ok_or_else(Error::not_found)
    }

    /// Returns the entry of a key, or the error `not_found`.
    pub async fn get(&self, name: &str, key: &[u8]) -> Result<Entry> {
        self.find(name, key).await?.ok_or_else(Error::not_found)
    }

    /// Applies an operation to a namespace, which is created by its first change.
    pub async fn submit(&self, name: &Namespace, key: Key, op: Op) -> Result<Outcome> {
        let submit = |server: &Server, (key, op)| server.try_submit(key, op);
        self.apply(name, (key, op), submit).await
    }

    /// Applies several operations under one revision, all or none; returns their outcomes in order.
    pub async fn transact(&self, name: &Namespace, txn: Txn) -> Result<Vec<Outcome>> {
        self.apply(name, txn, Server::try_transact).await
    }

    /// Replaces the settings of a namespace, which is created if there is none; returns whether it existed.
    pub async fn configure(&self, name: &Namespace, settings: Settings) -> Result<bool> {
        let changed = self.change_settings(name, settings.into()).await?;
        Ok(changed.0)
    }

    /// Changes some settings of a namespace, which is created if there is none; returns whether it existed, and all
    /// settings after the change. Fails with `invalid_request` for settings under which no write could succeed.
    pub async fn change_settings(
        &self,
        name: &Namespace,
        patch: SettingsPatch,
    ) -> Result<(bool, Settings)> {
        self.apply(name, patch, Server::try_change_settings).await
    }

    /// Returns a snapshot of a namespace.
    pub fn namespace_snapshot(&self, name: &Namespace) -> Result<NamespaceSnapshot> {
        self.0.executor.namespace_snapshot(name)
    }

    /// Returns a snapshot of all namespaces.
    pub fn database_snapshot(&self) -> Result<DatabaseSnapshot> {
        self.0.executor.database_snapshot()
    }

    /// Returns the time of day that deadlines are compared with.
    pub fn now(&self) -> Timestamp {
        self.0.executor.now()
    }

    /// Runs work on another thread that may wait for a disk or takes long. See [`Executor::blocking`].
    pub fn blocking<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T> + Send + 'static,
    {
        self.0.executor.blocking(work)
    }

    /// Runs work on another thread that mostly waits and computes little. See [`Executor::waiting`].
    pub fn waiting<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T> + Send + 'static,
    {
        self.0.executor.waiting(work)
    }

    /// Sends a request to the server of a namespace, and to a new one if the namespace was dropped before: nothing was
    /// applied then.
    async fn apply<R, T, F>(
        &self,
        name: &Namespace,
        mut request: R,
        send: impl Fn(&Server, R) -> F,
    ) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, SubmitError<R>>>,
    {
        loop {
            let server = self.open(name)?;
            match send(&server, request).await {
                Ok(answer) => return Ok(answer),
                Err(SubmitError::Failed(error)) => return Err(error),
                Err(SubmitError::Dropped(unapplied)) => request = unapplied,
            }
            self.remove(&server);
        }
    }

    /// Returns the server of a namespace, which need not exist.
    pub fn open(&self, name: &Namespace) -> Result<Server> {
        if let Some(server) = self.open_server(name.as_str()) {
            return Ok(server);
        }
        let slot = self.slot(name);
        let opened = slot.get_or_open(|| Server::start(&self.0.executor, name.clone()));
        if opened.is_err() {
            self.remove_empty(name, &slot);
        }
        opened
    }

    /// Returns the server of a namespace, if the namespace may exist: in a shared database only a request to it shows
    /// whether it does.
    pub fn existing(&self, name: &str) -> Result<Option<Server>> {
        if let Some(server) = self.open_server(name) {
            return Ok(Some(server).filter(Server::may_exist));
        }
        let name = Namespace::new(name)?;
        if !self.0.executor.may_have_namespace(&name)? {
            return Ok(None);
        }
        Ok(Some(self.open(&name)?))
    }

    /// Returns up to `limit` namespaces in the order of their names, after the name `after`.
    pub fn list(&self, after: Option<&Namespace>, limit: usize) -> Result<Vec<NamespaceInfo>> {
        self.0.executor.namespaces(after, limit)
    }

    /// Drops a namespace with all its entries; returns whether it existed. Its name can be used again at once.
    pub async fn drop_namespace(&self, name: &str) -> Result<bool> {
        let Some(server) = self.existing(name)? else {
            return Ok(false);
        };
        let result = server.drop_namespace().await;
        if server.is_dropped() {
            self.remove(&server);
        }
        result
    }

    /// Watches the changes of a namespace, which need not exist, and continues after it was dropped.
    ///
    /// Fails with `history_gone` if the history no longer has all changes since the start, and with `closing` when the
    /// server stops.
    pub async fn watch(&self, name: &Namespace, options: WatchOptions) -> Result<Watch> {
        let watch = self.open(name)?.watch(options);
        watch.await
    }

    /// Ends all watches, and rejects later ones with `closing`. Reads and writes continue.
    pub fn end_watches(&self) {
        self.0.executor.end_watches();
    }

    /// Returns the number of open servers.
    pub fn open_servers(&self) -> usize {
        self.servers().open.len()
    }

    /// Returns counters of commits, and the sizes of the queue.
    pub fn stats(&self) -> Stats {
        self.0.executor.stats()
    }

    /// Returns the executor of its changes.
    pub fn executor(&self) -> &Executor {
        &self.0.executor
    }

    /// Returns statistics of the store, and of this number of the largest namespaces. Takes about a microsecond for
    /// each namespace, and may wait for a disk.
    pub fn storage_stats(&self, largest: usize) -> Result<StorageStats> {
        self.0.executor.storage_stats(largest)
    }

    /// Returns the size and the hit rate of the read cache.
    pub fn cache_stats(&self) -> CacheStats {
        self.0.executor.cache_stats()
    }

    /// Returns the approximate size of the store, in bytes.
    pub fn stored_bytes(&self) -> Result<u64> {
        self.0.executor.stored_bytes()
    }

    /// Returns the capabilities of the storage engine.
    pub fn capabilities(&self) -> Capabilities {
        self.0.executor.capabilities()
    }

    /// Returns how long the server's clock has been running.
    pub fn elapsed(&self) -> Duration {
        self.0.executor.elapsed()
    }

    /// Returns whether writes are accepted.
    pub fn is_writable(&self) -> bool {
        self.0.executor.is_writable()
    }

    /// Checks that the committer's thread responds. See [`Executor::ping`].
    pub fn ping(&self) -> impl Future<Output = bool> + use<> {
        self.0.executor.ping()
    }

    fn open_server(&self, name: &str) -> Option<Server> {
        let servers = self.servers();
        let slot = servers.open.get(name)?;
        slot.get().cloned()
    }

    /// Returns the slot of a namespace, and creates it if there is none.
    fn slot(&self, name: &Namespace) -> Arc<Slot> {
        let mut servers = self.servers_mut();
        if let Some(slot) = servers.open.get(name) {
            return Arc::clone(slot);
        }
        servers.close_idle();
        let slot = Arc::<Slot>::default();
        servers.open.insert(name.clone(), Arc::clone(&slot));
        slot
    }

    /// Removes the server of a dropped namespace, unless another caller has replaced it.
    fn remove(&self, server: &Server) {
        let mut servers = self.servers_mut();
        let name = server.name();
        let current = servers.open.get(name).and_then(|slot| slot.get());
        if current.is_some_and(|current| current.is_same(server)) {
            servers.open.remove(name);
        }
    }

    /// Removes a slot that was not filled, unless another caller is about to fill it.
    fn remove_empty(&self, name: &Namespace, slot: &Arc<Slot>) {
        let mut servers = self.servers_mut();
        let current = servers.open.get(name);
        let is_it = current.is_some_and(|current| Arc::ptr_eq(current, slot));
        // The references of the map and of the caller.
        if is_it && slot.get().is_none() && Arc::strong_count(slot) == 2 {
            servers.open.remove(name);
        }
    }

    fn servers(&self) -> RwLockReadGuard<'_, Servers> {
        let servers = self.0.servers.read();
        servers.unwrap_or_else(PoisonError::into_inner)
    }

    fn servers_mut(&self) -> RwLockWriteGuard<'_, Servers> {
        let servers = self.0.servers.write();
        servers.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Servers {
    /// Closes unused servers when there are many. The cost of checking all servers is spread over those that were
    /// opened since the last time.
    fn close_idle(&mut self) {
        if self.open.len() < self.sweep_at.max(MAX_IDLE_SERVERS) {
            return;
        }
        // Slots are only handed out under the lock that is held here, and handles only by holders of the slot: a caller
        // that has neither opens a new server.
        self.open.retain(|_, slot| {
            Arc::strong_count(slot) > 1 || slot.get().is_some_and(|server| !server.is_idle())
        });
        self.sweep_at = 2 * self.open.len();
    }
}
