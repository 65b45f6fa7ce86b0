//! A server for one test, with its own port and data, which stops at the end of the test.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use akvs_client::{Client, Namespace};
use akvs_core::engine::Engine;
use akvs_core::{Database, DiskEngine, DiskOptions, MemoryEngine, Timestamp};
use akvs_http::{Listener, Options, ServerHandle, Token, Tokens};
use akvs_registry::Registry;
use akvs_server::{Clock, CommitDurability, Committer, CommitterOptions, SystemClock};
use tokio::sync::oneshot;

use crate::raw::{Answer, Connection};

/// The options of a server, layer by layer.
#[derive(Clone, Default)]
struct Setup {
    http: Options,
    database: akvs_core::Options,
    committer: CommitterOptions,
    /// The folder of its Unix sockets, if it has any.
    sockets: Option<PathBuf>,
}

impl From<Options> for Setup {
    fn from(http: Options) -> Setup {
        Setup {
            http,
            ..Setup::default()
        }
    }
}

/// The file names of the sockets.
const UNIX: &str = "unix";
const OWNER: &str = "owner";

/// The Unix sockets of a server.
pub struct Sockets(tempfile::TempDir);

impl Sockets {
    /// Returns the path of the socket of the HTTP API.
    pub fn unix(&self) -> PathBuf {
        self.path().join(UNIX)
    }

    /// Returns the path of the admin socket.
    pub fn owner(&self) -> PathBuf {
        self.path().join(OWNER)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A running server, which stops when it is dropped.
pub struct TestServer {
    /// The address that it listens on.
    pub address: SocketAddr,
    /// The database that it serves.
    pub database: Database,
    committer: Committer,
    handle: ServerHandle,
    /// The server runs until this is dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _folder: Option<tempfile::TempDir>,
}

impl TestServer {
    /// Starts a server that keeps its data in memory.
    pub fn start() -> TestServer {
        TestServer::with(Options::default())
    }

    /// Starts a server in memory with these options.
    pub fn with(options: Options) -> TestServer {
        let clock = Arc::new(SystemClock::new());
        TestServer::new(Arc::new(MemoryEngine::new()), None, options.into(), clock)
    }

    /// Starts a server over this engine.
    pub fn with_engine(engine: Arc<dyn Engine>, options: Options) -> TestServer {
        let clock = Arc::new(SystemClock::new());
        TestServer::new(engine, None, options.into(), clock)
    }

    /// Starts a server in memory that keeps `history_changes` changes of each namespace.
    pub fn with_history(history_changes: u64, options: Options) -> TestServer {
        let mut setup = Setup::from(options);
        setup.database.history_changes = history_changes;
        let clock = Arc::new(SystemClock::new());
        TestServer::new(Arc::new(MemoryEngine::new()), None, setup, clock)
    }

    /// Starts a server in memory that also listens on a Unix socket and an admin socket.
    pub fn with_sockets(options: Options) -> (TestServer, Sockets) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut setup = Setup::from(options);
        setup.sockets = Some(folder.path().to_owned());
        let clock = Arc::new(SystemClock::new());
        let app = TestServer::new(Arc::new(MemoryEngine::new()), None, setup, clock);
        (app, Sockets(folder))
    }

    /// Starts a server in memory whose time of day stands still until the test advances it.
    pub fn with_clock() -> (TestServer, Arc<ManualClock>) {
        TestServer::with_clock_and_options(|_| Options::default())
    }

    /// Starts a server as [`with_clock`](Self::with_clock) does, with options that depend on its time of day.
    pub fn with_clock_and_options(
        options: impl FnOnce(Timestamp) -> Options,
    ) -> (TestServer, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new());
        let engine = Arc::new(MemoryEngine::new());
        let setup = options(clock.now()).into();
        let app = TestServer::new(engine, None, setup, clock.clone());
        (app, clock)
    }

    /// Starts a server that keeps its data in a temporary folder.
    pub fn on_disk() -> TestServer {
        TestServer::with_folder(Setup::default())
    }

    /// Starts a server on disk that assumes that every read of the engine waits for the disk. Writes do not wait.
    pub fn on_slow_disk() -> TestServer {
        let mut setup = Setup::default();
        setup.committer.resident_bytes = 0;
        setup.committer.durability = CommitDurability::Interval(Duration::from_secs(1));
        TestServer::with_folder(setup)
    }

    /// Starts a server over this engine, without a cache. It assumes that reads of the engine wait for a disk unless
    /// `is_resident` is set.
    pub fn without_cache(engine: Arc<dyn Engine>, http: Options, is_resident: bool) -> TestServer {
        let mut setup = Setup::from(http);
        setup.database.cache_bytes = 0;
        if !is_resident {
            setup.committer.resident_bytes = 0;
        }
        TestServer::new(engine, None, setup, Arc::new(SystemClock::new()))
    }

    fn with_folder(setup: Setup) -> TestServer {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = DiskEngine::open(&DiskOptions::new(folder.path())).expect("an engine");
        let clock = Arc::new(SystemClock::new());
        TestServer::new(Arc::new(engine), Some(folder), setup, clock)
    }

    fn new(
        engine: Arc<dyn Engine>,
        folder: Option<tempfile::TempDir>,
        setup: Setup,
        clock: Arc<dyn Clock>,
    ) -> TestServer {
        let mut options = setup.http;
        options.workers = 2;
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut listeners = vec![Listener::from(listener)];
        if let Some(folder) = setup.sockets {
            let bind = |name| UnixListener::bind(folder.join(name)).expect("a socket");
            listeners.push(Listener::Unix(bind(UNIX)));
            listeners.push(Listener::Admin(bind(OWNER)));
        }
        let database = Database::open(engine, setup.database).expect("a database");
        let committer =
            Committer::start(database.clone(), setup.committer, clock).expect("a committer");
        let registry = Registry::new(committer.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let (started_sender, started) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let running = akvs_http::start(listeners, registry, &options);
                let running = running.expect("a server");
                let handle = running.handle();
                started_sender.send(running.handle()).expect("a receiver");
                actix_web::rt::spawn(async move {
                    // The other end is dropped, never used.
                    let _ = stopped.await;
                    handle.stop(false).await;
                });
                running.await.expect("a server that ends well");
            });
        });
        TestServer {
            address,
            database,
            committer,
            handle: started.recv().expect("a server that starts"),
            stop: Some(stop),
            thread: Some(thread),
            _folder: folder,
        }
    }

    /// Returns the handle, which changes settings of the running server.
    pub fn handle(&self) -> &ServerHandle {
        &self.handle
    }

    /// Replaces the tokens of the running server.
    pub fn replace_tokens(&self, tokens: Vec<Token>) {
        let tokens = Tokens::new(tokens).expect("tokens");
        self.handle.replace_tokens(tokens);
    }

    /// Returns a client of this server.
    pub fn client(&self) -> Client {
        Client::new(&self.url()).expect("a client")
    }

    /// Returns a namespace of this server.
    pub fn namespace(&self, name: &str) -> Namespace {
        self.client().namespace(name).expect("a namespace")
    }

    /// Returns the base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Opens a connection.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Sends a request without a body on a new connection.
    pub fn ask(&self, method: &str, path: &str) -> Answer {
        self.connect().ask(method, path, "", b"")
    }

    /// Stores a value, on a new connection.
    pub fn post(&self, path: &str, value: impl AsRef<[u8]>) -> Answer {
        self.connect().ask("POST", path, "", value.as_ref())
    }

    /// Returns the value at a path, which must exist.
    pub fn value(&self, path: &str) -> Vec<u8> {
        let answer = self.ask("GET", path);
        assert_eq!(answer.status, 200, "GET {path}: {answer:?}");
        answer.body
    }

    /// Ends all watches and long polls, which is the first step of a stop.
    pub fn end_watches(&self) {
        self.committer.end_watches();
    }

    /// Returns the names of all namespaces.
    pub fn namespaces(&self) -> Vec<String> {
        let listed = self.database.namespaces(None, 1_000).expect("a list");
        listed.iter().map(|info| info.name.to_string()).collect()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server's thread panicked");
        }
        let stopped = self.committer.stop();
        assert!(stopped.is_ok() || std::thread::panicking(), "{stopped:?}");
    }
}

/// A clock whose time of day a test advances, to reach a deadline to the millisecond and without waiting.
pub struct ManualClock {
    millis: AtomicU64,
    running: SystemClock,
}

impl ManualClock {
    /// A time of day that is not a whole second.
    const START_MS: u64 = 1_700_000_000_789;

    fn new() -> ManualClock {
        ManualClock {
            millis: AtomicU64::new(ManualClock::START_MS),
            running: SystemClock::new(),
        }
    }

    /// Advances the time of day.
    pub fn advance(&self, millis: u64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }

    /// Returns the time of day `millis` milliseconds from now.
    pub fn after(&self, millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.now().as_millis() + millis)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        self.running.elapsed()
    }
}

/// Runs a future to completion.
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(future.into_future())
}
