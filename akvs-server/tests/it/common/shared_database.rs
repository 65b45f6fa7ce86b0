//! A database in memory that several executors share, and faults between them and it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use akvs_core::engine::{Capabilities, Durability, PageLimit};
use akvs_core::{
    Changes, Code, Database, DatabaseSnapshot, Error, ExpiryTask, MemoryEngine, Namespace,
    NamespaceInfo, NamespaceSnapshot, Options, PeekedEntry, Result, Revision, StorageStats, Store,
};
use akvs_server::{
    Attempt, Backend, Clock, Command, CommandOutput, Committed, LostCommit, SharedExecutor,
    SharedOptions, SystemClock,
};
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, Semaphore};

/// What happens to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not applied, with this error.
    Refuse(Code),
    /// It is applied, and the answer is lost.
    LoseAnswer,
    /// It is not applied, and the answer is lost.
    LoseGroup,
    /// The backend panics.
    Panic,
}

/// The database, as all nodes see it.
pub(crate) struct SharedDatabase {
    database: Mutex<Database>,
    stores: Mutex<HashMap<Namespace, Store>>,
    expiry: Mutex<ExpiryTask>,
    clock: SystemClock,
    /// The tokens of the groups that were applied.
    applied: Mutex<HashSet<i64>>,
    next_token: AtomicI64,
    nodes: Mutex<Vec<Arc<Hints>>>,
    /// The faults of the next groups.
    pub(crate) faults: Mutex<VecDeque<Fault>>,
    /// Whether the database answers what became of a group.
    pub(crate) resolves: AtomicBool,
    /// Whether hints are passed on.
    pub(crate) has_hints: AtomicBool,
    /// The number of commands of each group.
    pub(crate) groups: Mutex<Vec<usize>>,
    /// Groups wait for a permit.
    pub(crate) gate: Semaphore,
}

/// The hints for a node.
#[derive(Default)]
struct Hints {
    names: Mutex<Vec<Namespace>>,
    arrived: Notify,
}

fn in_memory() -> Database {
    Database::open(Arc::new(MemoryEngine::new()), Options::default()).expect("a database")
}

impl SharedDatabase {
    pub(crate) fn new() -> Arc<SharedDatabase> {
        Arc::new(SharedDatabase {
            database: Mutex::new(in_memory()),
            stores: Mutex::default(),
            expiry: Mutex::default(),
            clock: SystemClock::new(),
            applied: Mutex::default(),
            next_token: AtomicI64::new(1),
            nodes: Mutex::default(),
            faults: Mutex::default(),
            resolves: AtomicBool::new(true),
            has_hints: AtomicBool::new(true),
            groups: Mutex::default(),
            gate: Semaphore::new(1 << 20),
        })
    }

    /// Starts a node.
    pub(crate) fn node(self: &Arc<Self>, options: SharedOptions) -> SharedExecutor {
        let hints = Arc::<Hints>::default();
        self.nodes
            .lock()
            .expect("the nodes")
            .push(Arc::clone(&hints));
        let node = Node {
            database: Arc::clone(self),
            hints,
        };
        SharedExecutor::start(options, Arc::new(SystemClock::new()), |_| Ok(node))
            .expect("an executor")
    }

    /// Replaces the database by an empty one, as a restore of an old state would.
    pub(crate) fn lose_everything(&self) {
        *self.database.lock().expect("the database") = in_memory();
        self.stores().clear();
    }

    pub(crate) fn database(&self) -> Database {
        self.database.lock().expect("the database").clone()
    }

    fn stores(&self) -> MutexGuard<'_, HashMap<Namespace, Store>> {
        self.stores.lock().expect("the stores")
    }

    fn store(&self, name: &Namespace) -> Result<Store> {
        let mut stores = self.stores();
        if let Some(store) = stores.get(name).filter(|store| !store.is_dropped()) {
            return Ok(store.clone());
        }
        let store = Store::new(&self.database(), name.clone())?;
        stores.insert(name.clone(), store.clone());
        Ok(store)
    }

    /// Commits commands.
    fn apply(&self, name: &Namespace, commands: &[Command]) -> Result<Committed> {
        let (store, now) = (self.store(name)?, self.clock.now());
        let database = self.database();
        let before = database.revision();
        let mut group = database.group();
        let outputs = commands.iter().map(|command| match command.clone() {
            Command::Apply(key, op) => group.apply(&store, &key, op, now).map(CommandOutput::One),
            Command::Transact(txn) => group.transact(&store, txn, now).map(CommandOutput::Many),
            Command::Configure(patch) => group
                .change_settings(&store, &patch, now)
                .map(|(existed, settings)| CommandOutput::Configured(existed, settings)),
            Command::Drop => group.drop_namespace(&store).map(CommandOutput::Existed),
        });
        let outputs = outputs.collect();
        let committed = group.commit(Durability::Synced)?;
        Ok(Committed {
            outputs,
            revision: Some(committed.revision).filter(|revision| *revision > before),
        })
    }

    fn hint(&self, name: &Namespace) {
        if !self.has_hints.load(Ordering::SeqCst) {
            return;
        }
        for node in &*self.nodes.lock().expect("the nodes") {
            node.names.lock().expect("the hints").push(name.clone());
            node.arrived.notify_one();
        }
    }
}

/// The database as one node sees it.
struct Node {
    database: Arc<SharedDatabase>,
    hints: Arc<Hints>,
}

impl Node {
    async fn commit(&self, name: &Namespace, commands: &[Command]) -> Attempt {
        let database = &self.database;
        database.gate.acquire().await.expect("open").forget();
        database
            .groups
            .lock()
            .expect("the groups")
            .push(commands.len());
        let fault = database.faults.lock().expect("the faults").pop_front();
        match fault {
            Some(Fault::Refuse(code)) => {
                return Attempt::NotApplied(Error::new(code, "the test refused it"));
            }
            Some(Fault::Panic) => panic!("the test broke it"),
            Some(Fault::LoseAnswer | Fault::LoseGroup) | None => {}
        }
        let token = database.next_token.fetch_add(1, Ordering::SeqCst);
        let first = database.database().revision().next();
        let lost = |committed| {
            Attempt::Lost(LostCommit {
                first,
                token,
                committed,
                cause: Error::new(Code::Unavailable, "the connection was lost"),
            })
        };
        if fault == Some(Fault::LoseGroup) {
            return lost(Committed {
                outputs: Vec::new(),
                revision: Some(first),
            });
        }
        match database.apply(name, commands) {
            Ok(committed) => {
                database.applied.lock().expect("the tokens").insert(token);
                match fault {
                    Some(Fault::LoseAnswer) => lost(committed),
                    _ => Attempt::Done(committed),
                }
            }
            Err(error) => Attempt::NotApplied(error),
        }
    }
}

impl Backend for Node {
    fn find<'a>(
        &'a self,
        name: &'a Namespace,
        key: &'a [u8],
        max_bytes: usize,
    ) -> BoxFuture<'a, Result<Option<PeekedEntry>>> {
        Box::pin(async move {
            let snapshot = self.namespace_snapshot(name)?;
            snapshot.find(key, max_bytes, self.database.clock.now())
        })
    }

    fn group<'a>(&'a self, name: &'a Namespace, commands: &'a [Command]) -> BoxFuture<'a, Attempt> {
        Box::pin(self.commit(name, commands))
    }

    fn resolve<'a>(
        &'a self,
        _: &'a Namespace,
        lost: &'a LostCommit,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            if !self.database.resolves.load(Ordering::SeqCst) {
                return Err(Error::new(Code::Unavailable, "the database is away"));
            }
            let applied = self.database.applied.lock().expect("the tokens");
            Ok(applied.contains(&lost.token))
        })
    }

    fn newest<'a>(&'a self, names: &'a [Namespace]) -> BoxFuture<'a, Result<Vec<Revision>>> {
        // One counter serves all namespaces.
        let newest = self.database.database().revision();
        Box::pin(async move { Ok(vec![newest; names.len()]) })
    }

    fn changes<'a>(
        &'a self,
        name: &'a Namespace,
        after: Revision,
        limit: PageLimit,
    ) -> BoxFuture<'a, Result<Changes>> {
        Box::pin(async move {
            // As over a network: others go on meanwhile.
            let snapshot = self.namespace_snapshot(name)?;
            let changes = snapshot.changes(after, limit, false);
            tokio::task::yield_now().await;
            changes
        })
    }

    fn hints(&self) -> BoxFuture<'_, Vec<Namespace>> {
        Box::pin(async {
            loop {
                let names = std::mem::take(&mut *self.hints.names.lock().expect("the hints"));
                if !names.is_empty() {
                    return names;
                }
                self.hints.arrived.notified().await;
            }
        })
    }

    fn notify(&self, name: &Namespace, _: Revision) {
        self.database.hint(name);
    }

    fn maintain(&self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async {
            let database = self.database.database();
            let now = self.database.clock.now();
            if database.next_deadline().is_some_and(|next| next <= now) {
                let mut expiry = self.database.expiry.lock().expect("the expiry");
                expiry.step(&database, now, 100, Durability::Synced, false)?;
            }
            Ok(false)
        })
    }

    fn namespace_snapshot(&self, name: &Namespace) -> Result<NamespaceSnapshot> {
        self.database.database().namespace_snapshot(name)
    }

    fn database_snapshot(&self) -> Result<DatabaseSnapshot> {
        self.database.database().snapshot()
    }

    fn namespaces(&self, after: Option<&Namespace>, limit: usize) -> Result<Vec<NamespaceInfo>> {
        self.database.database().namespaces(after, limit)
    }

    fn storage_stats(&self, largest: usize) -> Result<StorageStats> {
        self.database.database().storage_stats(largest)
    }

    fn stored_bytes(&self) -> Result<u64> {
        self.database.database().stored_bytes()
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn durability(&self) -> String {
        "none".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: false }
    }
}

/// Options with short times.
pub(crate) fn options() -> SharedOptions {
    SharedOptions {
        timeout: Duration::from_millis(600),
        poll_interval: Duration::from_millis(20),
        ..SharedOptions::default()
    }
}
