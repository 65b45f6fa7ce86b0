//! `akvs serve`: a server in the foreground.
//!
//! It owns the order of startup and shutdown. `compose` knows the parts of a server.

mod announce;
mod reload;

use std::future::Future;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use actix_web::rt::System;
use akvs_http::ServerHandle;
use clap::Args;
use tokio::sync::Notify;

use self::announce::announce;
use self::reload::reload;
use super::SettingsArgs;
use crate::compose::{self, Storage};
use crate::credentials::{Credentials, Reloader};
use crate::error::CliError;
use crate::listeners::{ListenTargets, Sockets};
use crate::service_manager;
use crate::service_manager::{Manager, Notification, Notifier, while_running};
use crate::settings::{Loaded, Settings};
use crate::signals::{SignalEvent, Signals};
use crate::{clock, logging, repl, rlimit, threads};

/// Time for the shutdown in addition to the drain timeout.
const GRACE: Duration = Duration::from_secs(5);

/// Arguments of `akvs serve`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Leave the terminal, and print the addresses on stdout when the server is ready
    #[arg(long, hide = true)]
    detached: bool,
}

/// The state of a start.
struct Start<'a> {
    flags: &'a SettingsArgs,
    loaded: &'a Loaded,
    credentials: Credentials,
    max_connections: u64,
    mode: Mode,
    notifier: Notifier,
    watchdog: Option<Duration>,
}

/// The mode of a server.
pub(crate) enum Mode {
    /// In the foreground, until a signal ends it.
    Foreground,
    /// In the background: the parent process waits for a line on stdout.
    Detached,
    /// With a prompt, which receives the addresses, and Ctrl-C.
    Console(ConsoleHooks),
}

/// The connection to the prompt of a console.
pub(crate) struct ConsoleHooks {
    pub(crate) ready: Box<dyn Fn(&str)>,
    /// The exit code of the process.
    pub(crate) code: Arc<AtomicU8>,
}

impl Mode {
    /// Reports that the server listens on these addresses.
    fn report_ready(&self, addresses: &str) {
        match self {
            Mode::Foreground => {}
            Mode::Detached => {
                // A closed stdout does not stop the server.
                let _ = writeln!(std::io::stdout(), "{addresses}");
            }
            Mode::Console(hooks) => (hooks.ready)(addresses),
        }
    }

    /// Returns the exit code after a successful shutdown.
    fn code(&self) -> u8 {
        match self {
            Mode::Foreground | Mode::Detached => 0,
            Mode::Console(hooks) => hooks.code.load(Ordering::Relaxed),
        }
    }

    /// Prepares the shutdown: from here on the log does not wait for the prompt.
    fn prepare_stop(&self, settings: &Settings) {
        match self {
            Mode::Foreground | Mode::Detached => {}
            Mode::Console(_) => {
                repl::restore();
                logging::write_to_stderr(settings);
            }
        }
    }
}

pub(crate) fn run(flags: &ServeArgs) -> Result<(), CliError> {
    if !flags.detached {
        let manager = Manager::from_env()?;
        return run_as(&flags.settings, Mode::Foreground, manager);
    }
    // Signals of the terminal are not meant for this process any more.
    rustix::process::setsid().map_err(CliError::failed)?;
    // The parent reads the error from stderr; it is in the log too.
    run_as(&flags.settings, Mode::Detached, Manager::default())
        .inspect_err(|failure| log::error!("{failure}"))
}

/// Ends the process, and restores the terminal.
pub(crate) fn exit(code: u8) -> ! {
    repl::restore();
    // The exit drops the system of this thread. If a worker then dropped the last one, it would wake a task of this
    // thread, which tokio cannot do where a thread ends, and abort the process.
    std::mem::forget(System::try_current());
    std::process::exit(code.into())
}

/// Runs a server; returns only if that fails.
pub(crate) fn run_as(flags: &SettingsArgs, mode: Mode, manager: Manager) -> Result<(), CliError> {
    let notifier = manager.notifier.clone();
    // The libraries panic if the system refuses them a resource.
    let ended = catch_unwind(AssertUnwindSafe(|| start(flags, mode, manager)));
    let ended = ended.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("panic without a message");
        Err(CliError::failed(format!("the server has failed: {text}")))
    });
    ended.inspect_err(|failure| notifier.send(&[Notification::Status(&failure.to_string())]))
}

fn start(flags: &SettingsArgs, mode: Mode, manager: Manager) -> Result<(), CliError> {
    let loaded = &flags.load()?;
    let settings = &loaded.settings;
    clock::check(clock::now())?;
    logging::start(settings)?;
    for warning in loaded.warnings() {
        log::warn!("{warning}");
    }
    let targets = ListenTargets::new(&settings.http.listen, manager.passed)?;
    let credentials = Credentials::read(settings)?;
    targets.check_exposure(!credentials.is_open() || flags.is_unauthenticated())?;
    let max_connections = rlimit::connections(settings.limits.max_connections.get());
    let start = Start {
        flags,
        loaded,
        credentials,
        max_connections,
        mode,
        notifier: manager.notifier,
        watchdog: manager.watchdog,
    };
    threads::check(compose::workers(settings))?;
    let runtime = threads::runtime();
    runtime.block_on(async {
        threads::start_blocking_thread().await;
        let mut signals = Signals::listen(!matches!(start.mode, Mode::Console(_)))
            .map_err(|error| CliError::failed(format!("cannot handle signals: {error}")))?;
        if service_manager::is_init() {
            actix_web::rt::spawn(service_manager::reap());
        }
        // Before the sockets: a second server must report the first one, not its port.
        let storage = open(&start, &mut signals).await?;
        let scheme = match start.credentials.tls {
            Some(_) => "https",
            None => "http",
        };
        let data_dir = storage.has_folder().then_some(&*settings.data_dir);
        let sockets = targets.bind(scheme, data_dir)?;
        serve(start, storage, sockets, signals).await
    })
}

/// Opens the data, which may take long. A signal ends the process at once: no request was answered yet.
async fn open(start: &Start<'_>, signals: &mut Signals) -> Result<Storage, CliError> {
    let settings = start.loaded.settings.clone();
    let status = format!("opening the data in {}", settings.data_dir);
    start.notifier.send(&[Notification::Status(&status)]);
    let opening = tokio::task::spawn_blocking(move || Storage::open(&settings));
    tokio::select! {
        opened = while_running(&start.notifier, opening) => opened.unwrap_or_else(|error| {
            Err(CliError::failed(format!("cannot open the data: {error}")))
        }),
        signal = signals.wait_for_stop() => {
            log::info!("stopped on {signal} while opening the data");
            start.notifier.send(&[Notification::Stopping]);
            exit(0)
        }
    }
}

async fn serve(
    start: Start<'_>,
    storage: Storage,
    sockets: Sockets,
    mut signals: Signals,
) -> Result<(), CliError> {
    let (settings, notifier) = (&start.loaded.settings, &start.notifier);
    announce(&start, &sockets);
    let stop = Arc::new(Notify::new());
    let server = storage.serve(
        sockets.listeners,
        settings,
        &start.credentials,
        start.max_connections,
        Arc::clone(&stop),
    )?;
    let handle = server.handle();
    let addresses = sockets.urls.join(", ");
    start.mode.report_ready(&addresses);
    let status = format!("listening on {addresses}");
    notifier.send(&[Notification::Ready, Notification::Status(&status)]);
    let watchdog = start.watchdog.map(|time| {
        actix_web::rt::spawn(service_manager::watch(
            notifier.clone(),
            handle.clone(),
            time,
        ))
    });
    let reload_requested = Rc::new(Notify::new());
    let flags = start.flags.clone();
    let load = Box::new(move || Ok(flags.load()?.settings));
    let reloader = Reloader::new(
        load,
        settings,
        start.credentials.tokens_fingerprint,
        handle.clone(),
    );
    let reloader = reload(
        reloader,
        Rc::clone(&reload_requested),
        notifier.clone(),
        status,
    );
    let reloader = actix_web::rt::spawn(reloader);
    let mut server = std::pin::pin!(server);
    let signal = wait_for_stop(&mut signals, &reload_requested, &stop, server.as_mut()).await?;
    // From here on the server is neither ready nor healthy.
    reloader.abort();
    if let Some(watchdog) = watchdog {
        watchdog.abort();
    }
    start.mode.prepare_stop(settings);
    let stop = shut_down(&start, storage, &handle, server, signal);
    let stopped = or_second_signal(stop, &mut signals).await;
    sockets.files.remove();
    stopped?;
    log::info!("stopped");
    // Everything is synced. Closing the engine's files would wait for a running compaction.
    exit(start.mode.code())
}

/// Waits for a request to stop, and returns its source. Signals that request a reload are passed on.
async fn wait_for_stop(
    signals: &mut Signals,
    reload_requested: &Notify,
    stop: &Notify,
    mut server: impl Future<Output = io::Result<()>> + Unpin,
) -> Result<&'static str, CliError> {
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                SignalEvent::Stop(name) => return Ok(name),
                SignalEvent::Reload => reload_requested.notify_one(),
            },
            () = stop.notified() => return Ok("a request of the control socket"),
            ended = &mut server => {
                let why = ended.err().map_or_else(String::new, |error| format!(": {error}"));
                return Err(CliError::failed(format!("the server has stopped unexpectedly{why}")));
            }
        }
    }
}

/// Stops the server: requests in flight first, then the data.
async fn shut_down(
    start: &Start<'_>,
    storage: Storage,
    handle: &ServerHandle,
    server: impl Future<Output = io::Result<()>>,
    signal: &str,
) -> Result<(), CliError> {
    log::info!("stopping on {signal}");
    let drain_timeout = start.loaded.settings.limits.drain_timeout.get();
    start.notifier.send(&[
        Notification::Stopping,
        Notification::Status(&format!("stopping on {signal}")),
        // The server enforces this limit itself.
        Notification::ExtendTimeout(drain_timeout + 2 * GRACE),
    ]);
    handle.drain();
    // The server stops only while it is polled, and within limits.drain_timeout.
    let stopped = async { tokio::join!(handle.stop(true), server) };
    match tokio::time::timeout(drain_timeout + GRACE, stopped).await {
        Ok(((), Ok(()))) => {}
        Ok(((), Err(error))) => log::warn!("error while stopping the server: {error}"),
        Err(_) => log::warn!("the drain timeout has passed; closing the remaining connections"),
    }
    let closing = tokio::task::spawn_blocking(move || storage.close());
    let closed = while_running(&start.notifier, closing).await;
    closed.unwrap_or_else(|error| Err(CliError::failed(format!("cannot close the data: {error}"))))
}

/// Waits for the shutdown, unless a second signal ends the process at once.
async fn or_second_signal(
    stop: impl Future<Output = Result<(), CliError>>,
    signals: &mut Signals,
) -> Result<(), CliError> {
    let second = async {
        signals.settle().await;
        log::info!("still stopping; send another signal to stop at once");
        signals.wait_for_stop().await
    };
    tokio::select! {
        stopped = stop => stopped,
        signal = second => {
            // Like a crash: committed writes keep their durability. Destructors would wait for the work that hangs.
            log::warn!("stopped at once on {signal}");
            exit(1)
        }
    }
}
