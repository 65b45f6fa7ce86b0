//! `akvs status`: the server's status as a table.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use serde_json::json;

use super::DataDirArgs;
use crate::control::{ControlClient, Status, block_on};
use crate::error::CliError;
use crate::output;
use crate::plural::plural;

/// Time between the two samples from which the request rate is computed.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Args, Debug)]
pub(crate) struct Flags {
    #[command(flatten)]
    data_dir: DataDirArgs,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(flags: &Flags) -> Result<(), CliError> {
    let data_dir = flags.data_dir.data_dir()?;
    let (status, rate) =
        block_on(async { sample(&ControlClient::expect(&data_dir).await?).await })?;
    if flags.json {
        output::print(&document(&status, rate))
    } else {
        output::print(&table(&status, rate))
    }
}

/// Returns the status, and the requests per second.
pub(crate) async fn sample(server: &ControlClient) -> Result<(Status, f64), CliError> {
    let first = server.status().await?;
    tokio::time::sleep(SAMPLE_INTERVAL).await;
    let second = server.status().await?;
    // The first sample is a request too.
    let answered = second.requests.saturating_sub(first.requests + 1) as f64;
    let micros = second.elapsed_us.saturating_sub(first.elapsed_us).max(1) as f64;
    Ok((second, answered * 1e6 / micros))
}

fn document(status: &Status, rate: f64) -> String {
    let document = json!({
        "version": status.version,
        "commit": status.commit,
        "pid": status.pid,
        "uptime_ms": status.uptime_ms,
        "engine": status.engine,
        "ready": status.ready,
        "namespaces": status.namespaces,
        "keys": status.keys,
        "bytes": status.bytes,
        "stored_bytes": status.stored_bytes,
        "connections": status.connections,
        "watchers": status.watchers,
        "requests": status.requests,
        "requests_per_second": rate.round(),
    });
    format!("{document}\n")
}

/// Formats the status as a table.
pub(crate) fn table(status: &Status, rate: f64) -> String {
    let uptime = Duration::from_secs(status.uptime_ms / 1_000);
    let stored = status.stored_bytes.map_or_else(
        || "size on disk unknown".to_owned(),
        |bytes| format!("{} on disk", ByteSize::b(bytes)),
    );
    let state = if status.ready {
        "ready"
    } else {
        "not accepting writes"
    };
    let rows = [
        ("version", format!("{} ({})", status.version, status.commit)),
        ("process", status.pid.to_string()),
        ("state", state.to_owned()),
        ("uptime", humantime::format_duration(uptime).to_string()),
        ("engine", status.engine.clone()),
        ("namespaces", status.namespaces.to_string()),
        ("keys", status.keys.to_string()),
        (
            "data",
            format!("{} of keys and values, {stored}", ByteSize::b(status.bytes)),
        ),
        (
            "connections",
            format!(
                "{}, {}",
                status.connections,
                plural(status.watchers, "watcher")
            ),
        ),
        ("requests/s", format!("{rate:.0}")),
    ];
    rows.iter()
        .map(|(name, value)| format!("{name:<12} {value}\n"))
        .collect()
}
