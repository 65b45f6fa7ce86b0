//! `GET /metrics`: the metrics as text for Prometheus.

use std::cmp::Reverse;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{ACCEPT, CACHE_CONTROL, VARY};
use akvs_core::{Code, Counts, Error, Namespace, Result};
use akvs_registry::Registry;
use akvs_server::Stats;

use crate::auth::{Identity, Right};
use crate::context::Context;
use crate::metrics::{Family, Format, Kind, NAMED, Page, Value};
use crate::state::State;

/// The number of namespaces that are read at once.
const PAGE: usize = 1_000;

/// `GET /metrics`, for callers that may read something.
pub(crate) async fn serve(context: Context<'_>) -> Result<HttpResponse> {
    let identity = context.identity()?.clone();
    identity.has(context.right())?;
    let state = Arc::clone(context.state);
    let accept = context.request.headers().get(ACCEPT);
    let format = Format::negotiate(accept.and_then(|accept| accept.to_str().ok()));
    // Counting the namespaces may have to wait for a disk.
    let registry = state.registry.clone();
    let text = registry.blocking(move || {
        let text = Page::new(families(&state, &identity), format).text();
        text.map_err(|error| {
            let failed = "the metrics could not be encoded";
            Error::new(Code::Unavailable, failed).because(error)
        })
    });
    let text = text.await?;
    Ok(HttpResponse::Ok()
        .content_type(format.media_type())
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((VARY, "accept"))
        .body(text))
}

/// Returns all families to a token that may read everything, else those of the namespaces that the token may read as a
/// whole.
fn families(state: &State, identity: &Identity) -> Vec<Family> {
    let info = state.build_info;
    let labels = [
        ("version", info.version.into()),
        ("commit", info.commit.into()),
    ];
    let help = "1, with the version and the commit as labels.";
    let build = Family::new("akvs_build_info", help, Kind::Gauge).with(labels, Value::Whole(1));
    let mut families = vec![build];
    if identity.authorize_everywhere(Right::Read).is_err() {
        match readable(&state.registry, identity) {
            Ok(readable) => families.extend(largest(&readable)),
            Err(error) => log::warn!("cannot count the namespaces: {error}"),
        }
        return families;
    }
    families.extend(requests(state));
    families.extend(writer(&state.registry.stats()));
    families.extend(store(state));
    families.extend(namespaces(state));
    families.extend(state.metrics.process.families());
    families
}

fn requests(state: &State) -> Vec<Family> {
    let requests = state.metrics.requests();
    let connections = state.metrics.connections().count();
    let answered = requests.answered().fold(
        Family::new(
            "akvs_http_requests",
            "Answered requests, without requests that are not valid HTTP.",
            Kind::Counter,
        ),
        |family, ([route, method, status], count)| {
            let labels = [
                ("route", route.into()),
                ("method", method.into()),
                ("status", status.into()),
            ];
            family.with(labels, Value::Whole(count))
        },
    );
    let took = requests.nanos().fold(
        Family::new(
            "akvs_http_request_duration_seconds",
            "Time from the head of a request to the head of its answer: with receiving the body and committing, without \
             sending the body of the answer. Requests that wait for a change have the route long_poll.",
            Kind::Histogram,
        ),
        |family, (route, nanos)| {
            family.with([("route", route.into())], Value::Nanos(nanos.clone()))
        },
    );
    vec![
        answered,
        took,
        gauge(
            "akvs_http_requests_in_flight",
            "Requests in progress, including this one, until the head of their answer.",
            requests.in_flight(),
        ),
        counter(
            "akvs_http_requests_abandoned",
            "Requests whose client closed the connection before the answer.",
            requests.abandoned,
        ),
        gauge(
            "akvs_http_connections",
            "Open connections that have sent data.",
            connections,
        ),
        counter(
            "akvs_http_request_body_bytes",
            "Bytes of request bodies, by their Content-Length.",
            requests.received_bytes,
        ),
        counter(
            "akvs_http_response_body_bytes",
            "Bytes of the bodies of answers, without streamed ones.",
            requests.sent_bytes,
        ),
    ]
}

fn writer(stats: &Stats) -> Vec<Family> {
    let histogram = |name, help, value| Family::one(name, help, Kind::Histogram, value);
    vec![
        gauge(
            "akvs_queued_writes",
            "Writes that wait for a commit or are being committed.",
            stats.queued_writes,
        ),
        gauge(
            "akvs_queued_bytes",
            "Bytes of keys and values of the queued writes.",
            stats.queued_bytes,
        ),
        counter(
            "akvs_commits",
            "Commits with writes of clients, without the server's own commits.",
            stats.commit_requests.count(),
        ),
        counter(
            "akvs_commits_failed",
            "Failed commits. After one, the server accepts no writes until a restart.",
            stats.failed_commits,
        ),
        histogram(
            "akvs_commit_writes",
            "Number of writes in a commit.",
            Value::Sizes(stats.commit_requests.clone()),
        ),
        histogram(
            "akvs_commit_duration_seconds",
            "Time from the evaluation of the first write of a commit until all of its writes can be answered.",
            Value::Nanos(stats.commit_nanos.clone()),
        ),
        histogram(
            "akvs_fsync_duration_seconds",
            "Time until data is on disk: of a commit that syncs, the time in the storage engine, which writes and syncs \
             in one step; otherwise of the sync alone.",
            Value::Nanos(stats.sync_nanos.clone()),
        ),
        gauge(
            "akvs_watchers",
            "Active watches and long polls.",
            stats.watchers,
        ),
        counter(
            "akvs_expired_keys",
            "Keys removed after their deadline.",
            stats.expired_keys,
        ),
        counter(
            "akvs_history_trimmed_changes",
            "Changes removed from a history because it was full.",
            stats.trimmed_changes,
        ),
    ]
}

fn store(state: &State) -> Vec<Family> {
    let cache = state.registry.cache_stats();
    let mut families = vec![
        counter(
            "akvs_cache_hits",
            "Cache look-ups that found an entry, including those of writes.",
            cache.hits,
        ),
        counter(
            "akvs_cache_misses",
            "Cache look-ups that found no entry, including those of keys that do not exist.",
            cache.misses,
        ),
        gauge("akvs_cache_entries", "Entries in the cache.", cache.entries),
        gauge(
            "akvs_cache_bytes",
            "Approximate memory of the entries in the cache, in bytes.",
            cache.bytes,
        ),
        gauge(
            "akvs_cache_max_bytes",
            "Maximum memory of the cache, in bytes.",
            cache.max_bytes,
        ),
        gauge(
            "akvs_open_namespaces",
            "Open namespaces: in use, or used recently.",
            state.registry.open_servers() as u64,
        ),
    ];
    match state.registry.stored_bytes() {
        Ok(bytes) => families.push(gauge(
            "akvs_stored_bytes",
            "Approximate disk space of the data, in bytes.",
            bytes,
        )),
        Err(error) => log::warn!("cannot read the size of the store: {error}"),
    }
    families
}

/// Returns the largest of the namespaces that a token may read as a whole. The largest of all namespaces would disclose
/// the size of the others.
fn readable(registry: &Registry, identity: &Identity) -> Result<Vec<(Namespace, Counts)>> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = registry.list(after.as_ref(), PAGE)?;
        let is_end = page.len() < PAGE;
        after = page.last().map(|info| info.name.clone());
        let readable = page
            .into_iter()
            .filter(|info| identity.reads_all_of(info.name.as_str()));
        found.extend(readable.map(|info| (info.name, info.counts)));
        found.sort_by_key(|(_, counts)| Reverse(counts.bytes));
        found.truncate(NAMED);
        if is_end {
            return Ok(found);
        }
    }
}

/// Returns the keys and bytes of these namespaces.
fn largest(namespaces: &[(Namespace, Counts)]) -> Vec<Family> {
    let keys = "Keys of a namespace, for the 100 namespaces with the most bytes. Expired keys count until they are removed.";
    let bytes =
        "Bytes of keys and values of a namespace, for the 100 namespaces with the most bytes.";
    let mut keys = Family::new("akvs_namespace_keys", keys, Kind::Gauge);
    let mut bytes = Family::new("akvs_namespace_bytes", bytes, Kind::Gauge);
    for (name, counts) in namespaces {
        let label = || [("namespace", name.as_str().to_owned().into())];
        keys = keys.with(label(), Value::Whole(counts.keys));
        bytes = bytes.with(label(), Value::Whole(counts.bytes));
    }
    vec![keys, bytes]
}

fn namespaces(state: &State) -> Vec<Family> {
    let stats = match state.metrics.namespace_stats.get(&state.registry) {
        Ok(stats) => stats,
        Err(error) => {
            log::warn!("cannot count the namespaces: {error}");
            return Vec::new();
        }
    };
    let counts = stats.counts;
    let mut families = vec![
        gauge("akvs_namespaces", "Number of namespaces.", stats.namespaces),
        gauge(
            "akvs_keys",
            "Number of keys in all namespaces.",
            counts.keys,
        ),
        gauge(
            "akvs_bytes",
            "Bytes of keys and values in all namespaces.",
            counts.bytes,
        ),
        gauge(
            "akvs_history_changes",
            "Number of changes in the histories of all namespaces.",
            counts.history,
        ),
    ];
    families.extend(largest(&stats.largest));
    families
}

fn gauge(name: &'static str, help: &'static str, number: u64) -> Family {
    Family::one(name, help, Kind::Gauge, Value::Whole(number))
}

fn counter(name: &'static str, help: &'static str, number: u64) -> Family {
    Family::one(name, help, Kind::Counter, Value::Whole(number))
}
