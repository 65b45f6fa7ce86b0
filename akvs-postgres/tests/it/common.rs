//! A PostgreSQL server of the test process, and nodes over databases in it.
//!
//! The newest installed server is started. Without one the tests are left out, and say so.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use akvs_core::{Key, Namespace};
use akvs_postgres::{Postgres, PostgresOptions};
use akvs_server::{Server, SharedExecutor, SharedOptions, SystemClock};
use bytes::Bytes;

/// A server that ends with this process: it watches a pipe from it.
struct TestServer {
    folder: PathBuf,
    _child: Child,
    _alive: ChildStdin,
}

/// The user that runs the server, which refuses to run as root.
struct User {
    uid: u32,
    gid: u32,
}

fn number_of(args: [&str; 2]) -> Option<u32> {
    let output = Command::new("id").args(args).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

impl User {
    fn find() -> Option<User> {
        let me = std::fs::metadata("/proc/self").ok()?;
        use std::os::unix::fs::MetadataExt;
        if me.uid() != 0 {
            return Some(User {
                uid: me.uid(),
                gid: me.gid(),
            });
        }
        Some(User {
            uid: number_of(["-u", "postgres"])?,
            gid: number_of(["-g", "postgres"])?,
        })
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.uid(self.uid).gid(self.gid).current_dir("/");
        command
    }
}

/// Returns the programs of the newest installed server.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let newest = versions
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .max()?;
    Some(PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin")))
}

impl TestServer {
    fn start() -> Option<TestServer> {
        let (programs, user) = (programs()?, User::find()?);
        let folder = std::env::temp_dir().join(format!("akvs-pg-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("a folder");
        chown(&folder, Some(user.uid), Some(user.gid)).expect("an owner");
        let permissions = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&folder, permissions).expect("permissions");
        let data = folder.join("data");
        let made = user
            .command(programs.join("initdb"))
            .args([
                "--auth=trust",
                "--username=akvs",
                "--encoding=UTF8",
                "--locale=C",
                "-D",
            ])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made.expect("initdb").success());
        let script = format!(
            "trap '' INT TERM HUP; '{0}/postgres' -D '{1}/data' -k '{1}' -c listen_addresses= -c max_connections=400 \
            -c log_min_messages=warning 2> '{1}/log' & \
            until '{0}/pg_isready' -q -h '{1}'; do kill -0 $! || exit 1; sleep 0.1; done; echo ready; \
            cat > /dev/null; kill -QUIT $!; wait; rm -rf '{1}'",
            programs.display(),
            folder.display()
        );
        let mut child = user
            .command("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("a shell");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n", "the server does not start");
        Some(TestServer {
            folder,
            _alive: child.stdin.take().expect("its input"),
            _child: child,
        })
    }

    fn shared() -> Option<&'static TestServer> {
        static SERVER: OnceLock<Option<TestServer>> = OnceLock::new();
        SERVER.get_or_init(TestServer::start).as_ref()
    }
}

/// An empty database.
pub(crate) struct TestDatabase {
    url: String,
}

impl TestDatabase {
    /// Returns whether a server is installed, and otherwise prints that the test is left out.
    pub(crate) fn is_available() -> bool {
        let is_available = TestServer::shared().is_some();
        if !is_available {
            eprintln!("LEFT OUT: no PostgreSQL is installed (Debian: apt-get install postgresql)");
        }
        is_available
    }

    /// Returns an empty database; none where no server is installed.
    pub(crate) fn create() -> Option<TestDatabase> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        if !TestDatabase::is_available() {
            return None;
        }
        let server = TestServer::shared()?;
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let host = encode(&server.folder);
        execute(
            &format!("postgres://akvs@{host}/postgres"),
            &format!("create database {name}"),
        );
        Some(TestDatabase {
            url: format!("postgres://akvs@{host}/{name}"),
        })
    }

    pub(crate) fn options(&self) -> PostgresOptions {
        let mut options = PostgresOptions::new(&self.url, None).expect("a URL");
        options.timeout = Duration::from_secs(20);
        options
    }

    pub(crate) fn node(&self) -> SharedExecutor {
        self.node_with(&self.options(), SharedOptions::default())
    }

    pub(crate) fn node_with(
        &self,
        postgres: &PostgresOptions,
        options: SharedOptions,
    ) -> SharedExecutor {
        let clock = Arc::new(SystemClock::new());
        SharedExecutor::start(options, clock, |runtime| {
            Postgres::connect(postgres, runtime)
        })
        .expect("a node")
    }
}

fn encode(folder: &Path) -> String {
    folder.to_str().expect("a path").replace('/', "%2F")
}

fn execute(url: &str, statement: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
            .await
            .expect("a connection");
        tokio::spawn(connection);
        client.batch_execute(statement).await.expect("a statement");
    });
}

pub(crate) fn server(node: &SharedExecutor, name: &str) -> Server {
    Server::start(node, Namespace::new(name).expect("a name")).expect("a server")
}

pub(crate) fn key(key: impl Into<Bytes>) -> Key {
    Key::new(key).expect("a key")
}

/// Runs a test on a runtime: timeouts of requests need its clock.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(test)
}
