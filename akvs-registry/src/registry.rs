//! The registry: namespace → server.
//!
//! It owns which servers are open. It does not own what a namespace holds, nor any order of changes. Invariant: at
//! any moment there is at most one server of a namespace that can still commit. Each is made in the one slot that the
//! map has for its namespace, and a slot is taken out only when nobody else has it or a handle to its server, or after
//! the namespace was dropped, when the server refuses everything. Nothing is read under the map's lock.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use akvs_core::engine::Capabilities;
use akvs_core::{
    CacheStats, DatabaseSnapshot, Entry, Error, Key, Namespace, NamespaceInfo, NamespaceSnapshot,
    Op, Outcome, PeekedEntry, Result, Settings, SettingsPatch, StorageStats, Timestamp, Txn,
};
use akvs_server::{Committer, CommitterOptions, Server, Stats, Watch, WatchOptions};

use crate::slot::Slot;

/// The most servers that are kept open while nobody uses them.
const MAX_IDLE_SERVERS: usize = 1_024;

/// All namespaces of a database; cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    committer: Committer,
    servers: RwLock<Servers>,
}

#[derive(Default)]
struct Servers {
    open: HashMap<Namespace, Arc<Slot>>,
    /// At how many open servers the unused ones are looked for.
    sweep_at: usize,
}

impl Registry {
    /// A registry over this committer's database; nothing is open yet.
    pub fn new(committer: Committer) -> Registry {
        Registry(Arc::new(Inner {
            committer,
            servers: RwLock::default(),
        }))
    }

    /// The entry of a key, if there is such a namespace and such a key. Opens no namespace that does not exist.
    pub async fn find(&self, name: &str, key: &[u8]) -> Result<Option<Entry>> {
        match self.existing(name)? {
            Some(server) => server.find(key).await,
            None => Key::check(key).map(|()| None),
        }
    }

    /// The entry of a key, or the error `not_found`; a value of more bytes than `most` is left where it is, unless it is
    /// in memory.
    pub async fn peek(&self, name: &str, key: &[u8], max_bytes: usize) -> Result<PeekedEntry> {
        let found = match self.existing(name)? {
            Some(server) => server.peek(key, max_bytes).await?,
            None => Key::check(key).map(|()| None)?,
        };
        found.ok_or_else(Error::not_found)
    }

    /// The entry of a key, or the error `not_found`.
    pub async fn get(&self, name: &str, key: &[u8]) -> Result<Entry> {
        self.find(name, key).await?.ok_or_else(Error::not_found)
    }

    /// Applies an operation to a namespace, which comes into being with its first change.
    pub async fn submit(&self, name: &Namespace, key: Key, op: Op) -> Result<Outcome> {
        self.apply(name, |server| server.submit(key.clone(), op.clone()))
            .await
    }

    /// Applies several operations, all of them under one revision or none; what became of each, in their order.
    pub async fn transact(&self, name: &Namespace, txn: Txn) -> Result<Vec<Outcome>> {
        self.apply(name, |server| server.transact(txn.clone()))
            .await
    }

    /// Chooses the settings of a namespace, which comes into being where there is none; whether there was one.
    pub async fn configure(&self, name: &Namespace, settings: Settings) -> Result<bool> {
        self.apply(name, |server| server.configure(settings)).await
    }

    /// Changes some settings of a namespace, which is created where there is none; whether there was one, and all of its
    /// settings after the change. `invalid_request` for what no write could follow.
    pub async fn change_settings(
        &self,
        name: &Namespace,
        patch: SettingsPatch,
    ) -> Result<(bool, Settings)> {
        self.apply(name, |server| server.change_settings(patch))
            .await
    }

    /// A namespace as it stands now.
    pub fn view(&self, name: &Namespace) -> Result<NamespaceSnapshot> {
        self.0.committer.database().namespace_snapshot(name)
    }

    /// All namespaces as they stand now.
    pub fn views(&self) -> Result<DatabaseSnapshot> {
        self.0.committer.database().snapshot()
    }

    /// The time of day, as deadlines go by it.
    pub fn now(&self) -> Timestamp {
        self.0.committer.clock().now()
    }

    /// Does work that may wait for a disk or take long where it holds up no connection. See [`Committer::blocking`].
    pub fn blocking<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T> + Send + 'static,
    {
        self.0.committer.blocking(work)
    }

    /// Does work that mostly waits and computes little. See [`Committer::waiting`].
    pub fn waiting<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T> + Send + 'static,
    {
        self.0.committer.waiting(work)
    }

    async fn apply<T, F: Future<Output = Result<T>>>(
        &self,
        name: &Namespace,
        apply: impl Fn(&Server) -> F,
    ) -> Result<T> {
        loop {
            let server = self.open(name)?;
            let result = apply(&server).await;
            if result.is_ok() || !server.is_dropped() {
                return result;
            }
            // It was dropped before this came to its turn, so that nothing of it was applied: begin anew.
            self.remove(&server);
        }
    }

    /// The server of a namespace, which need not exist yet.
    pub fn open(&self, name: &Namespace) -> Result<Server> {
        if let Some(server) = self.open_server(name.as_str()) {
            return Ok(server);
        }
        let slot = self.slot(name);
        let opened = slot.get_or_open(|| Server::start(&self.0.committer, name.clone()));
        if opened.is_err() {
            self.remove_empty(name, &slot);
        }
        opened
    }

    /// The server of a namespace, if there is such a namespace.
    pub fn existing(&self, name: &str) -> Result<Option<Server>> {
        if let Some(server) = self.open_server(name) {
            return Ok(Some(server).filter(|server| server.store().exists()));
        }
        let name = Namespace::new(name)?;
        if !self.0.committer.database().has_namespace(&name)? {
            return Ok(None);
        }
        Ok(Some(self.open(&name)?))
    }

    /// Up to `limit` namespaces in the order of their names, from the first one after `after`.
    pub fn list(&self, after: Option<&Namespace>, limit: usize) -> Result<Vec<NamespaceInfo>> {
        self.0.committer.database().namespaces(after, limit)
    }

    /// Drops a namespace with all it holds; whether there was one. Its name can be used again at once.
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

    /// Follows the changes of a namespace, also beyond a drop of it, and of one that does not exist yet.
    ///
    /// `history_gone` where not all that has changed since is known any more; `closing` at the end.
    pub async fn watch(&self, name: &Namespace, options: WatchOptions) -> Result<Watch> {
        let watch = self.open(name)?.watch(options);
        watch.await
    }

    /// Ends all that is watched, and refuses those who come later, with `closing`. All else goes on.
    pub fn end_watches(&self) {
        self.0.committer.end_watches();
    }

    /// How many servers are open.
    pub fn open_servers(&self) -> usize {
        self.servers().open.len()
    }

    /// What the writers have done so far, and what waits for them.
    pub fn stats(&self) -> Stats {
        self.0.committer.stats()
    }

    /// How the writers go about it.
    pub fn options(&self) -> &CommitterOptions {
        self.0.committer.options()
    }

    /// Counts what there is, and names up to so many of the largest namespaces: about a microsecond for each there is,
    /// and it may have to wait for a disk.
    pub fn census(&self, largest: usize) -> Result<StorageStats> {
        self.0.committer.database().storage_stats(largest)
    }

    /// What the read cache holds, and how often it had what was asked for.
    pub fn cache_stats(&self) -> CacheStats {
        self.0.committer.database().cache_stats()
    }

    /// How much is stored, in bytes, about.
    pub fn stored_bytes(&self) -> Result<u64> {
        self.0.committer.database().stored_bytes()
    }

    /// What the storage engine promises.
    pub fn capabilities(&self) -> Capabilities {
        self.0.committer.database().capabilities()
    }

    /// How long the server's clock has been running.
    pub fn elapsed(&self) -> Duration {
        self.0.committer.clock().elapsed()
    }

    /// Whether writes are taken.
    pub fn is_writable(&self) -> bool {
        self.0.committer.is_writable()
    }

    /// Whether the thread that commits works; done once it has come to the question. See [`Committer::ping`].
    pub fn ping(&self) -> impl Future<Output = bool> + use<> {
        self.0.committer.ping()
    }

    fn open_server(&self, name: &str) -> Option<Server> {
        let servers = self.servers();
        let slot = servers.open.get(name)?;
        slot.get().cloned()
    }

    /// The slot of a namespace, which is made where there is none.
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

    /// Takes a dropped namespace's server out, unless somebody has put a new one in its place.
    fn remove(&self, server: &Server) {
        let mut servers = self.servers_mut();
        let name = server.store().name();
        let current = servers.open.get(name).and_then(|slot| slot.get());
        if current.is_some_and(|current| current.is_same(server)) {
            servers.open.remove(name);
        }
    }

    /// Takes out a slot that was not filled, unless somebody else is about to fill it.
    fn remove_empty(&self, name: &Namespace, slot: &Arc<Slot>) {
        let mut servers = self.servers_mut();
        let current = servers.open.get(name);
        let is_it = current.is_some_and(|current| Arc::ptr_eq(current, slot));
        // The map's, and the caller's.
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
    /// Closes the servers that nobody uses once there are many. Looking at all of them is paid for by the many that
    /// were opened since the last time.
    fn close_idle(&mut self) {
        if self.open.len() < self.sweep_at.max(MAX_IDLE_SERVERS) {
            return;
        }
        // Slots are only given out under the lock that is held here, and handles only by those who have the slot: who has
        // neither now gets a new server.
        self.open.retain(|_, slot| {
            Arc::strong_count(slot) > 1 || slot.get().is_some_and(|server| !server.is_idle())
        });
        self.sweep_at = 2 * self.open.len();
    }
}
