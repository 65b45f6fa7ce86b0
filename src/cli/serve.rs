//! `akvs serve`: a server in the foreground, from its first line to its last.
//!
//! It owns the order of start and stop. What a server consists of, `compose` knows.

use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use akvs_http::Listener;
use clap::Args;
use tokio::sync::Notify;

use super::SettingsFlags;
use crate::access::{Access, Renewal};
use crate::compose::Storage;
use crate::failure::Failure;
use crate::listeners::{self, Bound, Resolved};
use crate::settings::{EngineKind, Loaded, Settings};
use crate::signals::{Asked, Signals};
use crate::{descriptors, logging, prompt};

/// What the server may take beyond the drain time-out.
const GRACE: Duration = Duration::from_secs(5);
/// How often the file of tokens is looked at.
const LOOK_AT_TOKENS: Duration = Duration::from_secs(1);

/// Flags of the verb that runs a server.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServeFlags {
    #[command(flatten)]
    settings: SettingsFlags,
    /// Leave the terminal, and say on stdout when the server is ready
    #[arg(long, hide = true)]
    detached: bool,
}

/// What a start has found.
struct Start<'a> {
    flags: &'a SettingsFlags,
    loaded: &'a Loaded,
    addresses: &'a [Resolved],
    access: Access,
    max_connections: u64,
    mode: Mode,
}

/// What is listened on.
struct Sockets {
    bound: Vec<Bound>,
    owner: Option<(Listener, PathBuf)>,
}

/// How a server runs.
pub(crate) enum Mode {
    /// Until a signal ends it.
    Foreground,
    /// Likewise, in the background: who started it waits for a line on stdout.
    Detached,
    /// Beside a prompt, which is told the addresses: Ctrl-C is not meant for the server.
    Console(Beside),
}

/// The prompt that a server runs beside.
pub(crate) struct Beside {
    pub(crate) ready: Box<dyn Fn(&str)>,
    /// With what the process is to end.
    pub(crate) code: Arc<AtomicU8>,
}

impl Mode {
    /// It listens on these addresses.
    fn tell(&self, addresses: &str) {
        match self {
            Mode::Foreground => {}
            Mode::Detached => {
                // Where nobody reads it any more, it is ready all the same.
                let _ = writeln!(std::io::stdout(), "{addresses}");
            }
            Mode::Console(beside) => (beside.ready)(addresses),
        }
    }

    /// With what the process is to end, once all went well.
    fn code(&self) -> u8 {
        match self {
            Mode::Foreground | Mode::Detached => 0,
            Mode::Console(beside) => beside.code.load(Ordering::Relaxed),
        }
    }

    /// The end has begun: what is said from here on is not to wait for who types.
    fn end(&self, settings: &Settings) {
        match self {
            Mode::Foreground | Mode::Detached => {}
            Mode::Console(_) => {
                prompt::restore();
                logging::not_above(settings);
            }
        }
    }
}

pub(crate) fn run(flags: &ServeFlags) -> Result<(), Failure> {
    if !flags.detached {
        return run_as(&flags.settings, Mode::Foreground);
    }
    // What is sent to the terminal's processes is not meant for it any more.
    rustix::process::setsid().map_err(Failure::failed)?;
    // Who started it hears it on stderr; who looks into the log later is told there.
    run_as(&flags.settings, Mode::Detached).inspect_err(|failure| log::error!("{failure}"))
}

/// Ends the process, and leaves the terminal as it was.
pub(crate) fn exit(code: u8) -> ! {
    prompt::restore();
    std::process::exit(code.into())
}

/// Runs a server; comes back only where that fails.
pub(crate) fn run_as(flags: &SettingsFlags, mode: Mode) -> Result<(), Failure> {
    let loaded = &flags.load()?;
    let settings = &loaded.settings;
    logging::start(settings)?;
    let addresses = &*listeners::resolve(&settings.http.listen)?;
    let access = Access::read(settings)?;
    listeners::guard(addresses, !access.is_open() || flags.unauthenticated())?;
    let max_connections = descriptors::connections(settings.limits.max_connections.get());
    // Before the sockets: who starts a second server by mistake is told about the first, not about its port.
    let storage = Storage::open(settings)?;
    let scheme = match access.tls {
        Some(_) => "https",
        None => "http",
    };
    let sockets = Sockets {
        bound: listeners::bind(addresses, scheme)?,
        owner: match storage.has_folder() {
            true => Some(listeners::bind_owner(&settings.data_dir)?),
            false => None,
        },
    };
    let start = Start {
        flags,
        loaded,
        addresses,
        access,
        max_connections,
        mode,
    };
    let runtime = actix_web::rt::System::new();
    runtime.block_on(serve(start, storage, sockets))
}

async fn serve(start: Start<'_>, storage: Storage, sockets: Sockets) -> Result<(), Failure> {
    let settings = &start.loaded.settings;
    let mut signals = Signals::listen(!matches!(start.mode, Mode::Console(_)))
        .map_err(|error| Failure::failed(format!("no signals: {error}")))?;
    let (owner, socket) = sockets.owner.unzip();
    let (listeners, shown): (Vec<_>, Vec<_>) = sockets
        .bound
        .into_iter()
        .map(|bound| (bound.listener, bound.shown))
        .unzip();
    let listeners = listeners.into_iter().chain(owner).collect();
    let stop = Arc::new(Notify::new());
    let (access, connections) = (&start.access, start.max_connections);
    let running = storage.serve(listeners, settings, access, connections, Arc::clone(&stop))?;
    let handle = running.handle();
    announce(&start);
    for address in &shown {
        log::info!("listening on {address}");
    }
    start.mode.tell(&shown.join(", "));
    let asked = Rc::new(Notify::new());
    let renewal = Renewal::new(start.flags, settings, start.access.look, handle.clone());
    actix_web::rt::spawn(renew(renewal, Rc::clone(&asked)));
    let mut running = std::pin::pin!(running);
    let signal = loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Asked::Stop(name) => break name,
                Asked::Renew => asked.notify_one(),
            },
            () = stop.notified() => break "its owner's word",
            ended = &mut running => {
                let why = ended.err().map_or_else(String::new, |error| format!(": {error}"));
                return Err(Failure::failed(format!("the server ended by itself{why}")));
            }
        }
    };
    start.mode.end(settings);
    log::info!("stopping on {signal}");
    let drain_timeout = settings.limits.drain_timeout.get();
    let stop = async {
        handle.drain();
        // The server stops only while it is polled, and bounds itself by limits.drain_timeout.
        let stopped = async { tokio::join!(handle.stop(true), running) };
        match tokio::time::timeout(drain_timeout + GRACE, stopped).await {
            Ok(((), Ok(()))) => {}
            Ok(((), Err(error))) => log::warn!("the server did not end well: {error}"),
            Err(_) => log::warn!("the server does not end; its connections are cut off"),
        }
        let closed = tokio::task::spawn_blocking(move || storage.close()).await;
        closed.unwrap_or_else(|error| {
            Err(Failure::failed(format!("the data was not closed: {error}")))
        })
    };
    let stopped = or_at_once(stop, &mut signals).await;
    listeners::remove(socket.as_deref(), start.addresses);
    stopped?;
    log::info!("stopped");
    // All is on disk. Closing the engine's files in good order would wait for a compaction that may be under way.
    exit(start.mode.code())
}

/// Has a server heed new tokens, and all that can be renewed when it is asked to. Ends with the runtime.
async fn renew(mut renewal: Renewal, asked: Rc<Notify>) {
    let mut ticks = tokio::time::interval(LOOK_AT_TOKENS);
    loop {
        let all = tokio::select! {
            _ = ticks.tick() => false,
            () = asked.notified() => true,
        };
        // It may have to wait for a disk.
        let renewed = tokio::task::spawn_blocking(move || {
            if all {
                renewal.all();
            } else {
                renewal.tokens();
            }
            renewal
        });
        renewal = match renewed.await {
            Ok(renewal) => renewal,
            Err(error) => {
                log::error!("tokens and certificates are not renewed any more: {error}");
                return;
            }
        };
    }
}

/// Waits for the stop to be done, unless a second signal asks for the end at once.
async fn or_at_once(
    stop: impl Future<Output = Result<(), Failure>>,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let second = async {
        signals.settle().await;
        log::info!("still stopping; one more signal ends at once");
        signals.stop().await
    };
    tokio::select! {
        stopped = stop => stopped,
        signal = second => {
            // Like a crash: what was answered is as durable as ever. Destructors would wait for what hangs.
            log::warn!("ended at once on {signal}");
            exit(1)
        }
    }
}

/// The first lines: what serves what, and to whom.
fn announce(start: &Start<'_>) {
    let (loaded, settings) = (start.loaded, &start.loaded.settings);
    log::info!("akvs {}", env!("CARGO_PKG_VERSION"));
    match settings.engine.kind {
        EngineKind::Disk => {
            log::info!(
                "engine disk, durability {}",
                settings.engine.durability.as_str()
            );
            let origin = loaded.origins.get("data_dir").map(ToString::to_string);
            log::info!(
                "data folder {} ({})",
                settings.data_dir,
                origin.unwrap_or_default()
            );
        }
        EngineKind::Memory => {
            log::info!("engine memory, durability none: nothing is kept when the server ends");
            log::info!("folder {}, for its socket alone", settings.data_dir);
        }
    }
    match &loaded.file {
        Some(file) => log::info!("config file {}", file.display()),
        None => log::info!("no config file"),
    }
    match start.access.tokens.len() {
        0 if listeners::are_loopback(start.addresses) => {
            log::info!("open to everyone on this machine: there are no tokens");
        }
        0 => log::info!("open to everyone who can connect: there are no tokens"),
        many => log::info!(
            "only for those with a token: {many} of them from {}",
            settings.auth.tokens
        ),
    }
    if !settings.tls.client_ca.is_empty() {
        log::info!(
            "only for those with a certificate: {}",
            settings.tls.client_ca
        );
    }
}
