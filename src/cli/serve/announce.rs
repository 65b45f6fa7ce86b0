//! The first log lines of a server.

use super::Start;
use crate::listeners::Sockets;
use crate::plural::plural;
use crate::settings::EngineKind;

/// Logs version, engine, paths, access and addresses.
pub(super) fn announce(start: &Start<'_>, sockets: &Sockets) {
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
                "data directory {} ({})",
                settings.data_dir,
                origin.unwrap_or_default()
            );
        }
        EngineKind::Memory => {
            log::info!("engine memory, durability none: all data is lost when the server stops");
            log::info!(
                "data directory {}, only for the control socket",
                settings.data_dir
            );
        }
    }
    match &loaded.file {
        Some(file) => log::info!("config file {}", file.display()),
        None => log::info!("no config file"),
    }
    match start.credentials.tokens.len() {
        0 if sockets.only_loopback => {
            log::info!("no tokens: every client on this machine has full access");
        }
        0 => log::info!("no tokens: every client that can connect has full access"),
        count => log::info!(
            "tokens required: {} from {}",
            plural(count as u64, "token"),
            settings.auth.tokens
        ),
    }
    if !settings.tls.client_ca.is_empty() {
        log::info!(
            "client certificates required, signed by {}",
            settings.tls.client_ca
        );
    }
    if sockets.from_service_manager {
        log::info!("using the sockets of the service manager instead of http.listen");
    }
    for address in &sockets.urls {
        log::info!("listening on {address}");
    }
}
