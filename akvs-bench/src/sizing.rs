//! `akvs-bench sizing`: memory and disk space of connections, watchers, namespaces, keys and values, and the time to
//! start, back up, verify and restore.
//!
//! It owns the figures of `docs/operations.md`, as rows in the same order. It has no thresholds.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Args as ClapArgs;

use crate::load::{self, Cpu, End, Load, Pace, Protocol, Template};
use crate::peers::{Akvs, VALUE_BYTES};
use crate::result::Result;
use crate::watchers::Watchers;
use crate::{clock, cpu, idle};

const WATCHERS: usize = 1_000;
const NAMESPACES: u64 = 10_000;
const CONNECTIONS: usize = 64;
const INTERVAL: (&str, &str) = ("AKVS_ENGINE__DURABILITY", "interval");
const CACHE: &str = "AKVS_ENGINE__CACHE_BYTES";
const MIB: f64 = 1024.0 * 1024.0;

/// Arguments of `akvs-bench sizing`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The number of small keys, a thousand times that of large ones
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
}

/// Measures and prints.
pub(crate) fn sizing(program: &Path, args: &Args) -> Result {
    idle::allow_many_files()?;
    let folder = tempfile::Builder::new().prefix("akvs-sizing").tempdir()?;
    let sizing = Sizing {
        program,
        folder: folder.path(),
        keys: args.keys,
    };
    sizing.waiting()?;
    sizing.keys()?;
    for (count, length) in [(args.keys, 1 << 10), (args.keys / 1_000, 1 << 20)] {
        for random in [true, false] {
            sizing.values(count, length, random)?;
        }
    }
    Ok(())
}

struct Sizing<'a> {
    program: &'a Path,
    folder: &'a Path,
    keys: u64,
}

impl Sizing<'_> {
    fn start(&self, name: &str, settings: &[(&str, &str)]) -> Result<Akvs> {
        let data = self.folder.join(name);
        Akvs::start(self.program, &data, settings, &cpu::allowed()?)
    }

    /// Measures idle connections, watchers and namespaces. Each kind has its own server, because a server reuses
    /// memory.
    fn waiting(&self) -> Result {
        let each = idle::idle(self.program, self.folder)?;
        row("each idle connection, of 5,000", kib(each));
        let server = self.start("watchers", &[])?;
        row("at rest, empty", memory(&server)?);
        let before = server.process.held()?.memory_kib;
        let watchers = Watchers::subscribe(server.address, "", WATCHERS)?;
        let held = server.process.held()?.memory_kib - before;
        drop(watchers);
        let each = held as f64 * 1024.0 / WATCHERS as f64;
        row("each watcher with its connection, of 1,000", kib(each));
        let server = self.start("namespaces", &[])?;
        let before = server.process.held()?.memory_kib;
        let path = "/kv/n{{namespace}}/k";
        let mut load = of(&server, post(path, 5, None)?, NAMESPACES);
        load.namespaces = NAMESPACES;
        send(&load)?;
        let held = server.process.held()?.memory_kib.saturating_sub(before);
        let each = held as f64 * 1024.0 / NAMESPACES as f64;
        row("each namespace in use, of 10,000", kib(each));
        Ok(())
    }

    /// Measures many small keys: memory with several caches, disk, and starts.
    fn keys(&self) -> Result {
        let data = self.folder.join("keys");
        let server = self.start("keys", &[])?;
        let value = post(KEY, VALUE_BYTES, None)?;
        let took = send(&of(&server, value.clone(), self.keys))?;
        row("keys of 100 bytes", self.keys);
        row("  written by 64 clients", self.rate(took));
        row("  memory", memory(&server)?);
        server.process.settle()?;
        row("  disk", disk(&data)?);
        server.process.stop()?;
        for (title, cache) in [
            ("256 MiB, the default", None),
            ("0", Some("0")),
            ("1 GiB", Some("1GiB")),
        ] {
            let settings: Vec<_> = cache.map(|cache| (CACHE, cache)).into_iter().collect();
            let server = self.start("keys", &settings)?;
            row(&format!("  started, cache {title}"), memory(&server)?);
            let took = send(&of(&server, get()?, self.keys))?;
            row("    all of them read", self.rate(took));
            row("    memory", memory(&server)?);
            server.process.stop()?;
        }
        for title in ["a stop", "kill -9"] {
            let start = clock::now();
            let server = self.start("keys", &[])?;
            row(&format!("  start after {title}"), seconds(start.elapsed()));
            // The log is at its largest when it is killed, with the value.
            send(&of(&server, value.clone(), self.keys / 5))?;
        }
        fs::remove_dir_all(&data)?;
        let server = self.start("keys", &[INTERVAL])?;
        let took = send(&of(&server, value, self.keys))?;
        row("  written with interval", self.rate(took));
        server.process.stop()?;
        Ok(fs::remove_dir_all(&data)?)
    }

    /// Measures larger values: disk, overwriting, and backups.
    fn values(&self, count: u64, length: usize, random: bool) -> Result {
        let kind = if random { "random" } else { "text" };
        let data = self.folder.join("values");
        // Faster, and the same on disk.
        let server = self.start("values", &[INTERVAL])?;
        let text = "the same again and again, ".repeat(length / 16);
        let value = match random {
            true => post(KEY, length, None)?,
            false => post(KEY, length, Some(&text[..length]))?,
        };
        let load = of(&server, value, count);
        let took = send(&load)?;
        row(
            &format!("{count} values of {} KiB, {kind}", length >> 10),
            seconds(took),
        );
        row("  memory", memory(&server)?);
        server.process.settle()?;
        row("  disk", disk(&data)?);
        for _ in 0..3 {
            send(&load)?;
        }
        server.process.settle()?;
        row("  disk, all overwritten three times", disk(&data)?);
        server.process.stop()?;
        if random {
            self.backups(&data)?;
        }
        Ok(fs::remove_dir_all(&data)?)
    }

    fn backups(&self, data: &Path) -> Result {
        let (file, copy) = (self.folder.join("backup"), self.folder.join("copy"));
        let akvs = |verb: &str, file: Option<&PathBuf>, data: &Path| -> Result<Duration> {
            let start = clock::now();
            let mut command = Command::new(self.program);
            command.arg(verb).args(file).arg("--data-dir").arg(data);
            match command.output()? {
                output if output.status.success() => Ok(start.elapsed()),
                output => Err(String::from_utf8_lossy(&output.stderr).into()),
            }
        };
        let took = akvs("backup", Some(&file), data)?;
        let bytes = fs::metadata(&file)?.len() as f64 / MIB;
        row("  backup", format!("{}, {bytes:.0} MiB", seconds(took)));
        row("  verify", seconds(akvs("verify", None, data)?));
        row("  restore", seconds(akvs("restore", Some(&file), &copy)?));
        row("  disk, restored", disk(&copy)?);
        fs::remove_file(&file)?;
        Ok(fs::remove_dir_all(&copy)?)
    }

    fn rate(&self, took: Duration) -> String {
        format!("{:.0} a second", self.keys as f64 / took.as_secs_f64())
    }
}

const KEY: &str = "/kv/bench/k{{key}}";

fn get() -> Result<Template> {
    Template::parse(&format!("GET {KEY} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), 0)
}

/// Returns a POST of a random value, or of this one.
fn post(path: &str, length: usize, value: Option<&str>) -> Result<Template> {
    let value = value.unwrap_or("{{value}}");
    let head = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}");
    Template::parse(&format!("{head}\r\n\r\n{value}"), length)
}

/// Returns this number of requests, each for the next key.
fn of(server: &Akvs, template: Template, count: u64) -> Load {
    Load {
        address: server.address,
        protocol: Protocol::Http,
        connections: CONNECTIONS,
        pace: Pace::Closed { depth: 1 },
        end: End::Answers(count),
        mix: vec![(100, template)],
        keys: count,
        namespaces: 1,
        first: Some(0),
        seed: 1,
    }
}

fn send(load: &Load) -> Result<Duration> {
    let outcome = load::run(load, &mut || Ok(Cpu::default()))?;
    Ok(outcome.checked()?.elapsed)
}

fn memory(server: &Akvs) -> Result<String> {
    let held = server.process.held()?;
    let (now, max) = (held.memory_kib / 1024, held.max_memory_kib / 1024);
    Ok(format!("{now} MiB, at most {max}"))
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
    Ok(format!("{:.0} MiB", bytes as f64 / MIB))
}

fn seconds(took: Duration) -> String {
    format!("{:.2} s", took.as_secs_f64())
}

fn kib(bytes: f64) -> String {
    format!("{:.1} KiB", bytes / 1024.0)
}

fn row(what: &str, figure: impl std::fmt::Display) {
    println!("| {what} | {figure} |");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_space_includes_subdirectories() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/file"), vec![1; 3 << 20]).unwrap();
        assert_eq!(disk(folder.path()).unwrap(), "3 MiB");
    }
}
