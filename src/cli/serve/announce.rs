//! What a server says of itself when it starts.

use super::Start;
use crate::listeners::Sockets;
use crate::settings::EngineKind;

/// The first lines: what serves what, and to whom.
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
    match start.credentials.tokens.len() {
        0 if sockets.only_loopback => {
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
    if sockets.from_service_manager {
        log::info!("the service manager passes what to listen on, in place of http.listen");
    }
    for address in &sockets.urls {
        log::info!("listening on {address}");
    }
}
