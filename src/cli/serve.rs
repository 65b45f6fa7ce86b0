//! `akvs serve`: a server in the foreground, from its first line to its last.
//!
//! It owns the order of start and stop. What a server consists of, `compose` knows.

use std::future::Future;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use super::SettingsFlags;
use crate::access::{Access, Renewal};
use crate::compose::Storage;
use crate::failure::Failure;
use crate::listeners::{self, Resolved};
use crate::settings::{EngineKind, Loaded};
use crate::signals::{Asked, Signals};
use crate::{descriptors, logging};

/// What the server may take beyond the drain time-out.
const GRACE: Duration = Duration::from_secs(5);
/// How often the file of tokens is looked at.
const LOOK_AT_TOKENS: Duration = Duration::from_secs(1);

/// What a start has found.
struct Start<'a> {
    flags: &'a SettingsFlags,
    loaded: &'a Loaded,
    addresses: &'a [Resolved],
    access: Access,
    max_connections: u64,
}

pub(crate) fn run(flags: &SettingsFlags) -> Result<(), Failure> {
    let loaded = &flags.load()?;
    let settings = &loaded.settings;
    logging::start(settings);
    let addresses = &*listeners::resolve(&settings.http.listen)?;
    let access = Access::read(settings)?;
    listeners::guard(addresses, !access.is_open() || flags.unauthenticated())?;
    let max_connections = descriptors::connections(settings.limits.max_connections.get());
    // Before the sockets: who starts a second server by mistake is told about the first, not about its port.
    let storage = Storage::open(settings)?;
    let sockets = listeners::bind(addresses)?;
    let start = Start {
        flags,
        loaded,
        addresses,
        access,
        max_connections,
    };
    let runtime = actix_web::rt::System::new();
    runtime.block_on(serve(start, storage, sockets))
}

async fn serve(
    start: Start<'_>,
    storage: Storage,
    sockets: Vec<TcpListener>,
) -> Result<(), Failure> {
    let settings = &start.loaded.settings;
    let mut signals =
        Signals::listen().map_err(|error| Failure::failed(format!("no signals: {error}")))?;
    let bound: Vec<_> = sockets
        .iter()
        .filter_map(|socket| socket.local_addr().ok())
        .collect();
    let running = storage.serve(sockets, settings, &start.access, start.max_connections)?;
    let handle = running.handle();
    announce(&start);
    let scheme = match start.access.tls {
        Some(_) => "https",
        None => "http",
    };
    for address in bound {
        log::info!("listening on {scheme}://{address}");
    }
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
            ended = &mut running => {
                let why = ended.err().map_or_else(String::new, |error| format!(": {error}"));
                return Err(Failure::failed(format!("the server ended by itself{why}")));
            }
        }
    };
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
    or_at_once(stop, &mut signals).await?;
    log::info!("stopped");
    // All is on disk. Closing the engine's files in good order would wait for a compaction that may be under way.
    std::process::exit(0)
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
            std::process::exit(1)
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
            log::info!("no data folder");
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
