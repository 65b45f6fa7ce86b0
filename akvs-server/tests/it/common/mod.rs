//! Helpers of the server's tests: databases, and an engine whose commits a test can delay, fail or break.

pub(crate) mod shared_database;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use akvs_core::engine::{Batch, Durability, Engine};
use akvs_core::{
    Code, Database, DiskEngine, DiskOptions, Error, Key, MemoryEngine, Namespace, Options, Result,
};
use akvs_server::{Committer, CommitterOptions, Server, SystemClock};
use bytes::Bytes;

pub(crate) fn committer(engine: Arc<dyn Engine>, options: CommitterOptions) -> Committer {
    let database = Database::open(engine, Options::default()).expect("a database");
    Committer::start(database, options, Arc::new(SystemClock::new())).expect("a committer")
}

pub(crate) fn memory() -> Committer {
    committer(Arc::new(MemoryEngine::new()), CommitterOptions::default())
}

pub(crate) fn disk(folder: &Path) -> Committer {
    let engine = DiskEngine::open(&DiskOptions::new(folder)).expect("an engine");
    committer(Arc::new(engine), CommitterOptions::default())
}

pub(crate) fn server(committer: &Committer, name: &str) -> Server {
    Server::start(committer, Namespace::new(name).expect("a name")).expect("a server")
}

pub(crate) fn key(key: impl Into<Bytes>) -> Key {
    Key::new(key).expect("a key")
}

/// The result of a commit, chosen by a test.
pub(crate) enum CommitResult {
    Commit,
    Fail(Code),
    Panic,
}

/// An engine that announces each commit and waits for the result that the test chooses.
pub(crate) struct GatedEngine {
    inner: MemoryEngine,
    announce: Mutex<Sender<usize>>,
    results: Mutex<Receiver<CommitResult>>,
    commits: AtomicUsize,
    failed_in_background: AtomicBool,
    refused: Mutex<Option<Code>>,
}

/// The test's side of the gate.
pub(crate) struct Gate {
    /// Receives the number of rows of each commit that waits.
    pub(crate) waiting: Receiver<usize>,
    pub(crate) results: Sender<CommitResult>,
}

impl GatedEngine {
    pub(crate) fn new() -> (Arc<GatedEngine>, Gate) {
        let (announce, waiting) = channel();
        let (results, received) = channel();
        let engine = GatedEngine {
            inner: MemoryEngine::new(),
            announce: Mutex::new(announce),
            results: Mutex::new(received),
            commits: AtomicUsize::new(0),
            failed_in_background: AtomicBool::new(false),
            refused: Mutex::new(None),
        };
        (Arc::new(engine), Gate { waiting, results })
    }

    /// Makes background work fail from now on.
    pub(crate) fn fail_in_background(&self) {
        self.failed_in_background.store(true, Ordering::SeqCst);
    }

    /// Rejects commits from now on, or accepts them again.
    pub(crate) fn refuse(&self, code: Option<Code>) {
        *self.refused.lock().expect("the gate") = code;
    }

    pub(crate) fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }
}

impl Engine for GatedEngine {
    fn admit(&self, _: &Batch) -> Result<()> {
        match *self.refused.lock().expect("the gate") {
            Some(code) => Err(Error::new(code, "the gate is closed")),
            None => Ok(()),
        }
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<()> {
        let announced = self.announce.lock().expect("the gate").send(batch.len());
        // Commits pass after the test has ended.
        let verdict = announced
            .ok()
            .and_then(|()| self.results.lock().expect("the gate").recv().ok());
        match verdict {
            None | Some(CommitResult::Commit) => {
                self.commits.fetch_add(1, Ordering::SeqCst);
                self.inner.commit(batch, durability)
            }
            Some(CommitResult::Fail(code)) => Err(Error::new(code, "the gate failed it")),
            Some(CommitResult::Panic) => panic!("the gate broke it"),
        }
    }

    fn check(&self) -> Result<()> {
        match self.failed_in_background.load(Ordering::SeqCst) {
            true => Err(Error::new(Code::Storage, "background work failed")),
            false => Ok(()),
        }
    }

    akvs_core::forward_engine!(inner: get, page, snapshot, sync, watermark, raise_watermark, stored_bytes, capabilities);
}
