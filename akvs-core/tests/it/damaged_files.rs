//! Whatever file of a store is damaged, the store is refused, or a read fails, or all data is as it was acknowledged up
//! to some commit at or after the watermark.
//!
//! `AKVS_DAMAGE_CASES` sets the number of cases, `AKVS_DAMAGE_SEED` selects other cases.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use akvs_core::engine::Durability;
use akvs_core::{
    Code, Counts, Database, DiskEngine, DiskOptions, Error, GarbageCollector, Op, Options, Revision,
};
use bytes::Bytes;

use crate::common::{at, key, store_named};
use crate::sample_data::Prng;

const NAMES: [&str; 2] = ["one", "two"];
const KEYS: u64 = 200;
const GROUPS: u64 = 500;
const USUAL_CASES: u64 = 120;
/// Long enough for a slow machine, and far longer than a case takes.
const CASE_TIMEOUT: Duration = Duration::from_secs(120);

/// An acknowledged change: namespace, key, and the value, unless it was removed.
type Change = (usize, u64, Option<Bytes>);

/// A folder that was written, and the acknowledged changes in it.
struct Written {
    folder: tempfile::TempDir,
    groups: Vec<(Revision, Vec<Change>)>,
    watermark: Revision,
}

fn disk_options(folder: &Path) -> DiskOptions {
    DiskOptions {
        // Small memtables, so that the tables are written one by one, at different times.
        memtable_bytes: 48 << 10,
        ..DiskOptions::new(folder)
    }
}

fn options() -> Options {
    Options {
        cache_bytes: 0,
        ..Options::default()
    }
}

fn open(folder: &Path) -> Result<Database, String> {
    let engine = DiskEngine::open(&disk_options(folder)).map_err(|error| error.to_string())?;
    Database::open(Arc::new(engine), options()).map_err(|error| error.to_string())
}

/// Writes a store in two runs. The first ends cleanly; the second ends cleanly if `closed` is set, else as if killed.
fn write(prng: &mut Prng, closed: bool) -> Written {
    let folder = tempfile::tempdir().expect("a folder");
    let mut written = Written {
        folder,
        groups: Vec::new(),
        watermark: Revision::ZERO,
    };
    for sitting in 0..2 {
        let database = open(written.folder.path()).expect("a database");
        for index in 0..GROUPS {
            let group = write_group(&database, prng, &format!("{sitting} {index}"));
            written.groups.push(group);
            if sitting == 1 && index == GROUPS / 2 {
                written.watermark = database.revision();
                database
                    .raise_watermark(written.watermark)
                    .expect("a watermark");
            }
        }
        drop_another(&database);
        if sitting == 0 || closed {
            database.close().expect("a close");
            written.watermark = database.revision();
        }
    }
    written
}

fn write_group(database: &Database, prng: &mut Prng, text: &str) -> (Revision, Vec<Change>) {
    let stores = NAMES.map(|name| store_named(database, name));
    let mut group = database.group();
    let mut changes = Vec::new();
    for _ in 0..1 + prng.below(8) {
        let (name, number) = (prng.below(2) as usize, prng.below(KEYS));
        let length = match prng.below(30) {
            0 => 20_000,
            1..=4 => 1_000,
            _ => 30,
        };
        let value = (prng.below(6) > 0).then(|| Bytes::from(text.repeat(length / text.len() + 1)));
        let op = value.clone().map_or_else(Op::delete, Op::set);
        let outcome = group.apply(&stores[name], &key(number.to_string()), op, at(1));
        if outcome.expect("a change").revision.is_some() {
            changes.push((name, number, value));
        }
    }
    let committed = group.commit(Durability::Synced).expect("a commit");
    (committed.revision, changes)
}

/// Creates a namespace, drops it and sweeps some of it.
fn drop_another(database: &Database) {
    let store = store_named(database, "dropped");
    let mut group = database.group();
    for number in 0..20_u64 {
        group
            .apply(&store, &key(number.to_string()), Op::set("v"), at(1))
            .expect("a change");
    }
    group.commit(Durability::Synced).expect("a commit");
    let mut group = database.group();
    group.drop_namespace(&store).expect("a drop");
    group.commit(Durability::Synced).expect("a commit");
    assert!(
        GarbageCollector::default()
            .step(database, 7)
            .expect("a step")
    );
}

impl Written {
    /// Returns the state at a revision; none where no commit ended there.
    fn state(&self, revision: Revision) -> [BTreeMap<u64, Bytes>; 2] {
        let mut state = [BTreeMap::new(), BTreeMap::new()];
        let past = self.groups.iter().take_while(|(end, _)| *end <= revision);
        for (name, number, value) in past.flat_map(|(_, changes)| changes) {
            match value {
                Some(value) => state[*name].insert(*number, value.clone()),
                None => state[*name].remove(number),
            };
        }
        state
    }

    fn history(&self, revision: Revision, name: usize) -> u64 {
        let past = self.groups.iter().take_while(|(end, _)| *end <= revision);
        let changes = past.flat_map(|(_, changes)| changes);
        changes.filter(|change| change.0 == name).count() as u64
    }

    /// Checks the result of opening a copy and reading all of it. Where only the end of a file was truncated, no later
    /// data may remain after the watermark; otherwise all must exist but the last commits, which one gap may remove.
    fn evaluate(&self, folder: &Path, cut: bool) -> Result<&'static str, String> {
        let database = match open(folder) {
            Ok(database) => database,
            Err(text) if text.is_empty() || text.contains('\n') => {
                return Err(format!("refused with {text:?}"));
            }
            Err(_) => return Ok("refused"),
        };
        let revision = database.revision();
        let compacted_revision = match cut {
            true => self.watermark,
            false => self.watermark.max(self.groups[self.groups.len() - 6].0),
        };
        if revision < compacted_revision {
            return Err(format!("opened at {revision}, before {compacted_revision}"));
        }
        let state = self.state(revision);
        let mut outcome = "whole";
        for (index, name) in NAMES.iter().enumerate() {
            let name = akvs_core::Namespace::new(name).map_err(|error| error.to_string())?;
            let store = match akvs_core::Store::new(&database, name) {
                Ok(store) => store,
                Err(error) => {
                    outcome = expected(&error)?;
                    continue;
                }
            };
            for number in 0..KEYS {
                let found = store.find(number.to_string().as_bytes(), at(1));
                let found = match found {
                    Ok(found) => found.map(|entry| entry.value),
                    Err(error) => {
                        outcome = expected(&error)?;
                        continue;
                    }
                };
                if found.as_ref() != state[index].get(&number) {
                    let text = format!("key {number} is wrong at revision {revision}");
                    return Err(text);
                }
            }
            let size =
                |(number, value): (&u64, &Bytes)| (number.to_string().len() + value.len()) as u64;
            let counts = Counts {
                keys: state[index].len() as u64,
                bytes: state[index].iter().map(size).sum(),
                history: self.history(revision, index),
            };
            if store.counts() != counts {
                return Err(format!(
                    "{:?} where {counts:?} are at {revision}",
                    store.counts()
                ));
            }
        }
        let after = revision < self.groups.last().map_or(Revision::ZERO, |group| group.0);
        Ok(if after && outcome == "whole" {
            "earlier"
        } else {
            outcome
        })
    }
}

/// Returns whether a read of a damaged part may fail with this error.
fn expected(error: &Error) -> Result<&'static str, String> {
    match error.code() == Code::Corrupted || error.code() == Code::Storage {
        true => Ok("an error"),
        false => Err(format!("a read answered {error}")),
    }
}

/// Copies a folder; files that are never written again are shared.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let (from, to) = entry
            .map(|entry| (entry.path(), to.join(entry.file_name())))
            .expect("an entry");
        if from.is_dir() {
            fs::create_dir(&to).expect("a folder");
            copy(&from, &to);
        } else if from
            .components()
            .any(|part| part.as_os_str() == "tables" || part.as_os_str() == "blobs")
        {
            fs::hard_link(&from, &to).expect("a link");
        } else {
            fs::copy(&from, &to).expect("a copy");
        }
    }
}

/// Returns all files below a folder, and the folders of the tables and of the log.
fn files(folder: &Path) -> Vec<PathBuf> {
    let listed = crate::common::listing(folder).into_keys();
    let tables = folder.join("store");
    let below = |path: &Path| path.starts_with(&tables) && path != tables;
    listed
        .filter(|path| path.is_file() || below(path))
        .collect()
}

/// Damages one file, and returns how.
fn damage(folder: &Path, files: &[PathBuf], prng: &mut Prng) -> String {
    let mut segments = files
        .iter()
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"));
    let path = match prng.below(3) {
        0 => segments.next_back().expect("a segment"),
        _ => &files[prng.below(files.len() as u64) as usize],
    };
    let path = folder.join(path);
    let name = path
        .strip_prefix(folder)
        .expect("a file of it")
        .display()
        .to_string();
    if path.is_dir() {
        fs::remove_dir_all(&path).expect("a removal");
        return format!("{name}/ is missing");
    }
    // A file of its own, where it was shared.
    let mut bytes = fs::read(&path).expect("a file");
    fs::remove_file(&path).expect("a removal");
    let place = prng.below(bytes.len() as u64) as usize;
    let how = match prng.below(10) {
        0 => return format!("{name} is missing"),
        1..=3 => {
            bytes.truncate(place);
            format!("{name} ends at {place}")
        }
        4..=6 if !bytes.is_empty() => {
            let bit = prng.below(8);
            bytes[place] ^= 1 << bit;
            format!("{name} has bit {bit} of byte {place} flipped")
        }
        _ => {
            let place = if prng.below(2) == 0 {
                place
            } else {
                place / 512 * 512
            };
            let end = bytes.len().min(place + 512);
            bytes[place..end].fill(0);
            format!("{name} has zeros from {place} to {end}")
        }
    };
    fs::write(&path, &bytes).expect("a file");
    if name.ends_with(".log") && prng.below(8) == 0 {
        let file = OpenOptions::new().write(true).open(&path).expect("a file");
        file.set_len(64 << 20).expect("room after what is in it");
    }
    how
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

fn assert_damage_is_detected(closed: bool) {
    let seed = number("AKVS_DAMAGE_SEED", 0x9e37_79b9_7f4a_7c15);
    let cases = number("AKVS_DAMAGE_CASES", USUAL_CASES) / 2;
    let mut prng = Prng(seed + u64::from(closed));
    let written = Arc::new(write(&mut prng, closed));
    let names: Vec<PathBuf> = files(written.folder.path())
        .into_iter()
        .map(|path| {
            path.strip_prefix(written.folder.path())
                .map(Path::to_owned)
                .expect("a file of it")
        })
        .collect();
    let (sender, receiver) = mpsc::channel();
    let work = Arc::clone(&written);
    let worker = std::thread::spawn(move || {
        for _ in 0..cases {
            let copied = tempfile::tempdir_in(work.folder.path().parent().expect("a place"))
                .expect("a folder");
            copy(work.folder.path(), copied.path());
            let how = damage(copied.path(), &names, &mut prng);
            let cut = how.contains(" ends at ") || how.ends_with(" is missing");
            sender.send(Err(how)).expect("a receiver");
            sender
                .send(Ok(work.evaluate(copied.path(), cut)))
                .expect("a receiver");
        }
    });
    let mut outcomes = BTreeMap::<&str, u64>::new();
    let mut wrong = Vec::new();
    let mut case = String::new();
    loop {
        match receiver.recv_timeout(CASE_TIMEOUT) {
            Ok(Err(how)) => case = how,
            Ok(Ok(Ok(outcome))) => *outcomes.entry(outcome).or_default() += 1,
            Ok(Ok(Err(text))) => wrong.push(format!("{case}: {text}")),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("{case}: it does not end"),
        }
    }
    assert!(worker.join().is_ok(), "{case}: a panic");
    println!("{outcomes:?}");
    assert!(
        wrong.is_empty(),
        "{} of {cases}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        outcomes
            .get("refused")
            .is_some_and(|times| times * 4 > cases),
        "{outcomes:?}"
    );
}

#[test]
fn damage_after_a_clean_end_is_detected() {
    assert_damage_is_detected(true);
}

#[test]
fn damage_after_a_kill_is_detected() {
    assert_damage_is_detected(false);
}
