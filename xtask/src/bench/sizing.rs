//! Sizing: memory and disk space of keys, values, connections, watchers and namespaces, and the time to start, back up,
//! verify and restore.
//!
//! It owns the figures of `docs/operations.md`, as rows in the same order. It has no thresholds.

mod load;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;

use self::load::{Connection, get, post, send};
use super::server::Server;
use super::watch;
use crate::shell::{Result, program};

const KEYS: usize = 1_000_000;
const CONNECTIONS: usize = 10_000;
const WATCHERS: usize = 1_000;
const NAMESPACES: usize = 10_000;
const SETTING: (&str, &str) = ("AKVS_LIMITS__MAX_CONNECTIONS", "12000");
const INTERVAL: (&str, &str) = ("AKVS_ENGINE__DURABILITY", "interval");
const CACHE: &str = "AKVS_ENGINE__CACHE_BYTES";
const MIB: f64 = 1024.0 * 1024.0;

/// Measures and prints.
pub(super) fn sizing(binary: &Path, folder: &Path) -> Result {
    watch::allow_many_files()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let bench = Bench {
        binary,
        folder,
        runtime,
    };
    bench.waiting()?;
    bench.keys()?;
    for (title, count, length) in [
        ("1,000,000 × 1 KiB", KEYS, 1 << 10),
        ("1,000 × 1 MiB", 1_000, 1 << 20),
    ] {
        for noise in [true, false] {
            bench.values(title, count, length, noise)?;
        }
    }
    Ok(())
}

struct Bench<'a> {
    binary: &'a Path,
    folder: &'a Path,
    runtime: Runtime,
}

impl Bench<'_> {
    /// Measures idle connections, watchers and namespaces. Each kind has its own server, because a server reuses
    /// memory.
    fn waiting(&self) -> Result {
        let start = |name| Server::start(self.binary, &self.folder.join(name), &[SETTING]);
        let server = start("connections")?;
        row("at rest, empty", memory(&server)?);
        let held = self.held(&server, CONNECTIONS, "/ping", false)?;
        row_each("10,000 idle connections", held, CONNECTIONS);
        let server = start("watchers")?;
        let held = self.held(&server, WATCHERS, "/watch/bench", true)?;
        row_each("1,000 watchers", held, WATCHERS);
        let server = start("namespaces")?;
        let before = server.process.resident_kb()?;
        let requests = Arc::new(|number| post(&format!("n{number}"), "key", b"value"));
        self.send(&server, NAMESPACES, requests)?;
        let held = server.process.resident_kb()?.saturating_sub(before);
        row_each("10,000 namespaces, each just written to", held, NAMESPACES);
        Ok(())
    }

    /// Returns the additional memory of the server while this number of connections is open, in KiB.
    fn held(&self, server: &Server, count: usize, path: &str, endless: bool) -> Result<u64> {
        let before = server.process.resident_kb()?;
        self.runtime.block_on(async {
            let mut all = Vec::with_capacity(count);
            for _ in 0..count {
                let mut connection = Connection::to(&server.address).await?;
                match endless {
                    true => connection.begin(&get(path)).await?,
                    false => connection.ask(&get(path)).await?,
                }
                all.push(connection);
            }
            Ok(server.process.resident_kb()?.saturating_sub(before))
        })
    }

    /// A million small keys: memory with several caches, disk, and starts.
    fn keys(&self) -> Result {
        let data = self.folder.join("keys");
        let server = Server::start(self.binary, &data, &[])?;
        let took = self.timed(|| self.send(&server, KEYS, values("k", 100, true)))?;
        let rate = KEYS as f64 / took.as_secs_f64();
        row("written, by 64 clients", format!("{rate:.0} a second"));
        row("1,000,000 × 100 B written", memory(&server)?);
        row("  on disk", disk(&data)?);
        stop(server)?;
        for (title, cache) in [
            ("256 MiB, the default", None),
            ("0", Some("0")),
            ("1 GiB", Some("1GiB")),
        ] {
            let settings: Vec<_> = cache.map(|cache| (CACHE, cache)).into_iter().collect();
            let server = Server::start(self.binary, &data, &settings)?;
            row(&format!("  started, cache {title}"), memory(&server)?);
            let read = Arc::new(|number| get(&format!("/kv/bench/k{number}")));
            let took = self.timed(|| self.send(&server, KEYS, read))?;
            let rate = KEYS as f64 / took.as_secs_f64();
            let memory = memory(&server)?;
            row(
                "  all of them read",
                format!("{memory}; {rate:.0} a second"),
            );
            stop(server)?;
        }
        self.starts(&data)?;
        fs::remove_dir_all(&data)?;
        let server = Server::start(self.binary, &data, &[INTERVAL])?;
        let took = self.timed(|| self.send(&server, KEYS, values("k", 100, true)))?;
        let rate = KEYS as f64 / took.as_secs_f64();
        row("written with interval", format!("{rate:.0} a second"));
        stop(server)?;
        fs::remove_dir_all(&data)?;
        Ok(())
    }

    /// Measures the time until it serves.
    fn starts(&self, data: &Path) -> Result {
        for title in ["a stop", "kill -9"] {
            let mut server = None;
            let took = self.timed(|| {
                server = Some(Server::start(self.binary, data, &[])?);
                Ok(())
            })?;
            row(&format!("start after {title}"), seconds(took));
            if let Some(server) = server {
                // The journal is at its largest.
                self.send(&server, KEYS / 5, values("k", 100, true))?;
                // Killed with the value.
                drop(server);
            }
        }
        Ok(())
    }

    /// A gigabyte of values: disk, overwriting, and backups.
    fn values(&self, title: &str, count: usize, length: usize, noise: bool) -> Result {
        let kind = if noise { "random" } else { "compressible" };
        let data = self.folder.join("values");
        // Faster, and the same on disk.
        let server = Server::start(self.binary, &data, &[INTERVAL])?;
        let took = self.timed(|| self.send(&server, count, values("k", length, noise)))?;
        row(&format!("{title}, {kind}"), disk(&data)?);
        row("  written in", seconds(took));
        row("  memory", memory(&server)?);
        for _ in 0..3 {
            self.send(&server, count, values("k", length, noise))?;
        }
        row("  all overwritten three times", disk(&data)?);
        stop(server)?;
        if noise {
            self.backups(&data)?;
        }
        fs::remove_dir_all(&data)?;
        Ok(())
    }

    fn backups(&self, data: &Path) -> Result {
        let (file, copy) = (self.folder.join("backup"), self.folder.join("copy"));
        let akvs = |verb: &[&str], file: Option<&PathBuf>, data: &Path| {
            let mut command = program(self.binary, verb);
            command.args(file).arg("--data-dir").arg(data);
            self.timed(|| match command.output()? {
                output if output.status.success() => Ok(()),
                output => Err(String::from_utf8_lossy(&output.stderr).into()),
            })
        };
        let took = akvs(&["backup"], Some(&file), data)?;
        let bytes = fs::metadata(&file)?.len() as f64 / MIB;
        row("  backup", format!("{}, {bytes:.0} MiB", seconds(took)));
        row("  verify", seconds(akvs(&["verify"], None, data)?));
        row(
            "  restore",
            seconds(akvs(&["restore"], Some(&file), &copy)?),
        );
        row("  on disk, restored", disk(&copy)?);
        fs::remove_file(&file)?;
        fs::remove_dir_all(&copy)?;
        Ok(())
    }

    fn send(&self, server: &Server, count: usize, requests: load::Requests) -> Result {
        self.runtime
            .block_on(send(&server.address, count, requests))
    }

    fn timed(&self, work: impl FnOnce() -> Result) -> Result<Duration> {
        let start = watch::now();
        work()?;
        Ok(start.elapsed())
    }
}

/// Returns the requests that store a value under each number.
fn values(prefix: &'static str, length: usize, noise: bool) -> load::Requests {
    // Longer than the window of a compressor.
    let source = match noise {
        true => noise_of(2 << 20),
        false => "the same again and again, ".repeat(length / 16 + 1).into(),
    };
    let places = source.len() / length;
    Arc::new(move |number| {
        let at = number % places * length;
        post(
            "bench",
            &format!("{prefix}{number}"),
            &source[at..at + length],
        )
    })
}

/// Returns incompressible bytes.
fn noise_of(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = (0..length.div_ceil(8)).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(length).collect()
}

/// Stops a server and waits until it has ended.
fn stop(mut server: Server) -> Result {
    let pid = Pid::from_child(&server.process.0);
    kill_process(pid, Signal::TERM)?;
    match server.process.0.wait()?.success() {
        true => Ok(()),
        false => Err("the server did not stop well".into()),
    }
}

/// Returns the memory of a server.
fn memory(server: &Server) -> Result<String> {
    let (now, max) = (server.process.resident_kb()?, server.process.max_kb()?);
    Ok(format!("{} MiB, at most {}", now / 1024, max / 1024))
}

/// Returns the disk space of a folder.
fn disk(folder: &Path) -> Result<String> {
    let (mut bytes, mut folders) = (0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // A file that was deleted meanwhile takes no space.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                folders.push(entry.path());
            }
            bytes += metadata.blocks() * 512;
        }
    }
    Ok(format!("{:.0} MiB on disk", bytes as f64 / MIB))
}

fn seconds(took: Duration) -> String {
    format!("{:.2} s", took.as_secs_f64())
}

fn row_each(what: &str, kib: u64, count: usize) {
    let each = kib as f64 / count as f64;
    row(what, format!("{} MiB, {each:.1} KiB each", kib / 1024));
}

fn row(what: &str, figure: impl std::fmt::Display) {
    println!("| {what} | {figure} |");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_length_and_noise_differs() {
        for noise in [true, false] {
            let requests = values("k", 100, noise);
            let (one, other) = (requests(1), requests(2));
            let [one, other] = [&one, &other].map(|request| &request[request.len() - 100..]);
            assert_eq!(one != other, noise);
            assert!(!one.contains(&b'\n') || noise);
        }
    }

    #[test]
    fn disk_space_includes_subdirectories() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/file"), vec![1; 3 << 20]).unwrap();
        assert!(disk(folder.path()).unwrap().starts_with("3 MiB"));
    }
}
