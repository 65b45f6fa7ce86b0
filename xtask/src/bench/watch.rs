//! Watchers: the cost of each while it waits, and the time until a change reaches all of them.
//!
//! The watchers are connections of this process and share the cores with the server: the times include the readers; the
//! server's CPU time is printed as well.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::server::Server;
use crate::shell::Result;

const WATCHERS: usize = 10_000;
const ROUNDS: usize = 20;
/// The maximum time of each wait.
const TIMEOUT: Duration = Duration::from_secs(60);
const CONNECTIONS: (&str, &str) = ("AKVS_LIMITS__MAX_CONNECTIONS", "12000");

/// Measures and prints.
pub(super) fn watch(binary: &Path, folder: &Path) -> Result {
    allow_many_files()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for (title, keyed) in [("the whole namespace", false), ("one key each", true)] {
        let data = folder.join(if keyed { "keyed" } else { "whole" });
        let server = Server::start(binary, &data, &[CONNECTIONS])?;
        println!("\n{WATCHERS} watchers of {title}");
        runtime.block_on(measure(&server, keyed))?;
    }
    Ok(())
}

/// Each connection takes a file descriptor, of this process and of those that it starts.
pub(super) fn allow_many_files() -> Result {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised)?;
    Ok(())
}

/// The changes that the watchers received.
#[derive(Default)]
struct Received {
    ready: AtomicUsize,
    events: AtomicUsize,
    changed: Notify,
}

async fn measure(server: &Server, keyed: bool) -> Result {
    let received = Arc::new(Received::default());
    let mut writer = TcpStream::connect(&server.address).await?;
    writer.set_nodelay(true)?;
    post(&mut writer, "k0").await?;
    let before = server.process.resident_mb()?;
    for number in 0..WATCHERS {
        let query = match keyed {
            true => format!("?key=k{number}"),
            false => String::new(),
        };
        let stream = TcpStream::connect(&server.address).await?;
        tokio::spawn(listen(stream, query, Arc::clone(&received)));
        if number % 100 == 99 {
            received.wait(&received.ready, number + 1).await?;
        }
    }
    received.wait(&received.ready, WATCHERS).await?;
    let resident = server.process.resident_mb()? - before;
    println!(
        "  each takes {:.1} KB of the server's memory",
        (resident * 1024) as f64 / WATCHERS as f64
    );
    let reached = if keyed { 1 } else { WATCHERS };
    let (mut answered, mut all) = (Vec::new(), Vec::new());
    let cpu = server.process.cpu_us()?;
    for round in 0..ROUNDS {
        let start = now();
        post(&mut writer, "k7").await?;
        answered.push(start.elapsed());
        received
            .wait(&received.events, (round + 1) * reached)
            .await?;
        all.push(start.elapsed());
    }
    let cpu = (server.process.cpu_us()? - cpu) / (ROUNDS * reached) as f64;
    println!(
        "  a write is answered in {:.2} ms (median of {ROUNDS}, slowest {:.2})",
        median_ms(&mut answered),
        slowest_ms(&answered)
    );
    println!(
        "  and has reached {reached} of them in {:.1} ms (slowest {:.1}), with {cpu:.1} us of the server's CPU each",
        median_ms(&mut all),
        slowest_ms(&all)
    );
    Ok(())
}

impl Received {
    async fn wait(&self, count: &AtomicUsize, expected: usize) -> Result {
        let reached = async {
            loop {
                let changed = self.changed.notified();
                if count.load(Ordering::Relaxed) >= expected {
                    return;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(TIMEOUT, reached).await;
        waited.map_err(|_| {
            let count = count.load(Ordering::Relaxed);
            format!("{count} of {expected} after {} s", TIMEOUT.as_secs()).into()
        })
    }
}

/// Runs one watcher, which counts the changes that it receives.
async fn listen(mut stream: TcpStream, query: String, received: Arc<Received>) {
    let request = format!("GET /watch/bench{query} HTTP/1.1\r\nhost: bench\r\n\r\n");
    if stream.write_all(request.as_bytes()).await.is_err() {
        return;
    }
    let mut buffer = vec![0; 1_024];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let text = String::from_utf8_lossy(&buffer[..length]);
        if text.contains(": revision") {
            received.ready.fetch_add(1, Ordering::Relaxed);
        }
        let events = text.matches("event: set").count();
        received.events.fetch_add(events, Ordering::Relaxed);
        received.changed.notify_waiters();
    }
}

async fn post(stream: &mut TcpStream, key: &str) -> Result {
    let request =
        format!("POST /kv/bench/{key} HTTP/1.1\r\nhost: bench\r\ncontent-length: 5\r\n\r\nvalue");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"Created") {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err("the server closed the connection".into());
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a stopwatch")]
pub(super) fn now() -> Instant {
    Instant::now()
}

fn median_ms(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn slowest_ms(times: &[Duration]) -> f64 {
    times.iter().max().map_or(0.0, Duration::as_secs_f64) * 1e3
}
