//! Composition of the layers: settings → engine → database → committer → registry → HTTP; and their shutdown.
//!
//! This is the only file that knows all engines and all layers by name. It does not read settings, bind sockets or
//! handle signals.

mod admin;
pub(crate) mod offline;

use std::io;
use std::path::Path;
use std::sync::Arc;

use akvs_core::engine::Engine;
use akvs_core::{
    Code, Database, DiskEngine, DiskOptions, FORMAT, FolderLock, MemoryEngine, OpenError, Options,
};
use akvs_http::{BuildInfo, Listener};
use akvs_registry::Registry;
use akvs_server::{Clock, CommitDurability, Committer, CommitterOptions, SystemClock};

use tokio::sync::Notify;

use self::admin::ServerAdmin;
pub(crate) use self::admin::VerifyEvent;
use crate::credentials::Credentials;
use crate::error::CliError;
use crate::logging::{LOG_FILE, OLD_FILES};
use crate::settings::{Durability, EngineKind, Settings, TOKENS_FILE};
use crate::socket::CONTROL_SOCKET;

/// An open store: everything below HTTP.
pub(crate) struct Storage {
    committer: Committer,
    database: Database,
    has_folder: bool,
    _lock: Option<FolderLock>,
}

impl Storage {
    /// Opens the store of the data directory.
    pub(crate) fn open(settings: &Settings) -> Result<Storage, CliError> {
        let mut lock = None;
        let engine: Arc<dyn Engine> = match settings.engine.kind {
            EngineKind::Disk => open_disk(settings)?,
            EngineKind::Memory => {
                lock = lock_for_memory(settings)?;
                Arc::new(MemoryEngine::new())
            }
        };
        let has_folder = settings.engine.kind == EngineKind::Disk || lock.is_some();
        let clock = Arc::new(SystemClock::new());
        let options = Options {
            cache_bytes: settings.engine.cache_bytes.bytes(),
            history_changes: settings.engine.history_changes.get(),
            now: Some(clock.now()),
        };
        let database = Database::open(engine, options).map_err(|error| {
            let recovery_hint = if error.code() == Code::Corrupted {
                recovery_hint(settings)
            } else {
                ""
            };
            let (folder, text) = (&settings.data_dir, error.message());
            CliError::failed(format!(
                "cannot open the data directory {folder}: {text}{recovery_hint}"
            ))
        })?;
        let committer = Committer::start(database.clone(), committer_options(settings), clock)
            .map_err(|error| CliError::failed(error.message()))?;
        Ok(Storage {
            committer,
            database,
            has_folder,
            _lock: lock,
        })
    }

    /// Returns true if this process owns the data directory, so that the control socket can be created there.
    pub(crate) fn has_folder(&self) -> bool {
        self.has_folder
    }

    /// Serves the store over HTTP; must be called within the runtime. A request of the control socket to stop notifies
    /// `stop`.
    pub(crate) fn serve(
        &self,
        listeners: Vec<Listener>,
        settings: &Settings,
        credentials: &Credentials,
        max_connections: u64,
        stop: Arc<Notify>,
    ) -> Result<akvs_http::Server, CliError> {
        let limits = &settings.limits;
        let admin = ServerAdmin::new(self.database.clone(), settings, stop);
        let defaults = akvs_http::Options::default();
        let options = akvs_http::Options {
            workers: workers(settings),
            hosts: settings.http.hosts.to_vec(),
            max_value_bytes: to_usize(limits.max_value_bytes.bytes()),
            max_connections: to_usize(max_connections),
            max_body_memory_bytes: to_usize(limits.max_body_memory_bytes.bytes()),
            max_response_memory_bytes: to_usize(limits.max_response_memory_bytes.bytes()),
            header_timeout: limits.header_timeout.get(),
            request_timeout: limits.request_timeout.get(),
            drain_timeout: limits.drain_timeout.get(),
            tokens: credentials.tokens.clone(),
            tls: credentials.tls.clone(),
            admin: Some(Arc::new(admin)),
            build_info: BuildInfo {
                version: env!("CARGO_PKG_VERSION"),
                commit: env!("BUILT_COMMIT"),
                engine: settings.engine.kind.as_str(),
            },
            ..defaults
        };
        akvs_http::start(listeners, Registry::new(self.committer.clone()), &options)
            .map_err(|error| CliError::failed(format!("cannot start the server: {error}")))
    }

    /// Commits all accepted writes and syncs them. Blocks.
    pub(crate) fn close(self) -> Result<(), CliError> {
        self.committer.stop().map_err(|error| {
            CliError::failed(format!(
                "cannot sync the data during shutdown: {}",
                error.message()
            ))
        })
    }
}

/// Returns the number of threads that serve connections.
pub(crate) fn workers(settings: &Settings) -> usize {
    match settings.http.workers.get() {
        0 => akvs_http::Options::default().workers,
        workers => to_usize(workers),
    }
}

/// Opens the disk engine, and locks the data directory.
fn open_disk(settings: &Settings) -> Result<Arc<dyn Engine>, CliError> {
    let engine = DiskEngine::open(&disk_options(settings));
    Ok(Arc::new(
        engine.map_err(|error| open_error(&error, settings))?,
    ))
}

/// Returns the options of the disk engine.
pub(crate) fn disk_options(settings: &Settings) -> DiskOptions {
    let extra = [TOKENS_FILE, CONTROL_SOCKET].map(|name| [name.to_owned(), format!("{name}.new")]);
    let logs = (0..=OLD_FILES).map(|place| match place {
        0 => LOG_FILE.to_owned(),
        place => format!("{LOG_FILE}.{place}"),
    });
    DiskOptions {
        accept_lost_commits: settings.engine.accept_lost_commits,
        allowed_files: extra.into_iter().flatten().chain(logs).collect(),
        ..DiskOptions::new(&settings.data_dir)
    }
}

/// Returns the engines of this build, for `akvs --version --long`.
pub(crate) fn engines() -> String {
    format!("disk ({}), memory", env!("BUILT_ENGINE"))
}

/// Returns the on-disk format that this release writes and reads.
pub(crate) fn format() -> String {
    FORMAT.to_string()
}

/// Creates the data directory if it is missing.
pub(crate) fn create_data_dir(folder: &Path) -> io::Result<()> {
    akvs_core::make_folder(folder)
}

/// Locks the data directory of a memory engine, where its control socket is created. Without a usable directory the
/// server runs without that socket.
fn lock_for_memory(settings: &Settings) -> Result<Option<FolderLock>, CliError> {
    match FolderLock::take(Path::new(&settings.data_dir)) {
        Ok(lock) => Ok(Some(lock)),
        Err(error @ OpenError::Locked(..)) => Err(CliError::in_use(error)),
        Err(error) => {
            log::warn!("no control socket, so status, stop and attach do not work: {error}");
            Ok(None)
        }
    }
}

fn committer_options(settings: &Settings) -> CommitterOptions {
    CommitterOptions {
        durability: match settings.engine.durability {
            Durability::Fsync => CommitDurability::Fsync,
            Durability::Interval => CommitDurability::Interval(settings.engine.sync_interval.get()),
        },
        max_queued_writes: to_usize(settings.limits.max_queued_writes.get()),
        ..CommitterOptions::default()
    }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn open_error(error: &OpenError, settings: &Settings) -> CliError {
    match error {
        OpenError::Locked(..) => CliError::in_use(error),
        OpenError::NotAFolder(..)
        | OpenError::Unusable(..)
        | OpenError::UnknownFile(..)
        | OpenError::NoStore(..)
        | OpenError::NotEmpty(..) => CliError::config(format!("data_dir: {error}")),
        OpenError::Damaged(..) => CliError::failed(format!("{error}{}", recovery_hint(settings))),
        // Another setting would not help.
        OpenError::OtherFormat(..) | _ => CliError::failed(error),
    }
}

/// Returns the remedies for damaged data.
fn recovery_hint(settings: &Settings) -> &'static str {
    if settings.engine.accept_lost_commits {
        "; restore a backup"
    } else {
        "; restore a backup, or set engine.accept_lost_commits = true to open it without the missing commits"
    }
}
