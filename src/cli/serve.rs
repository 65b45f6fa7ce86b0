//! `akvs serve`: a server in the foreground, from its first line to its last.
//!
//! It owns the order of start and stop. What a server consists of, `compose` knows.

use std::future::Future;
use std::net::TcpListener;
use std::time::Duration;

use super::SettingsFlags;
use crate::compose::Storage;
use crate::failure::Failure;
use crate::listeners::{self, Resolved};
use crate::settings::{EngineKind, Loaded};
use crate::signals::Signals;
use crate::{descriptors, logging};

/// What the server may take beyond the drain time-out.
const GRACE: Duration = Duration::from_secs(5);

pub(crate) fn run(flags: &SettingsFlags) -> Result<(), Failure> {
    let loaded = flags.load()?;
    let settings = &loaded.settings;
    logging::start(settings);
    let addresses = listeners::resolve(&settings.http.listen)?;
    listeners::guard(&addresses, flags.unauthenticated())?;
    let max_connections = descriptors::connections(settings.limits.max_connections.get());
    // Before the sockets: who starts a second server by mistake is told about the first, not about its port.
    let storage = Storage::open(settings)?;
    let sockets = listeners::bind(&addresses)?;
    let runtime = actix_web::rt::System::new();
    runtime.block_on(serve(
        &loaded,
        storage,
        sockets,
        &addresses,
        max_connections,
    ))
}

async fn serve(
    loaded: &Loaded,
    storage: Storage,
    sockets: Vec<TcpListener>,
    addresses: &[Resolved],
    max_connections: u64,
) -> Result<(), Failure> {
    let mut signals =
        Signals::listen().map_err(|error| Failure::failed(format!("no signals: {error}")))?;
    let bound: Vec<_> = sockets
        .iter()
        .filter_map(|socket| socket.local_addr().ok())
        .collect();
    let running = storage.serve(sockets, &loaded.settings, max_connections)?;
    let handle = running.handle();
    announce(loaded, addresses);
    for address in bound {
        log::info!("listening on http://{address}");
    }
    let mut running = std::pin::pin!(running);
    let signal = tokio::select! {
        signal = signals.stop() => signal,
        ended = &mut running => {
            let why = ended.err().map_or_else(String::new, |error| format!(": {error}"));
            return Err(Failure::failed(format!("the server ended by itself{why}")));
        }
    };
    log::info!("stopping on {signal}");
    let drain_timeout = loaded.settings.limits.drain_timeout.get();
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
fn announce(loaded: &Loaded, addresses: &[Resolved]) {
    let settings = &loaded.settings;
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
    if listeners::are_loopback(addresses) {
        log::info!("open to everyone on this machine: there are no tokens");
    } else {
        log::info!("open to everyone who can connect: there are no tokens");
    }
}
