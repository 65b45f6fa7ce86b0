//! Data folders that older releases made, and what those said of them: `fixtures/README.md` says how they came to be.
//!
//! The tests of the store and those of the program share it. It judges nothing.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// A packed data folder, and what it is.
pub(crate) struct Fixture {
    pub(crate) name: &'static str,
    pub(crate) format: u64,
    archive: &'static [u8],
}

/// All of them.
pub(crate) const FIXTURES: [Fixture; 2] = [
    Fixture {
        name: "format-1/clean",
        format: 1,
        archive: include_bytes!("../fixtures/format-1/clean.tar.zst"),
    },
    Fixture {
        name: "format-1/killed",
        format: 1,
        archive: include_bytes!("../fixtures/format-1/killed.tar.zst"),
    },
];

/// What an older release said of all that it held.
pub(crate) struct Expected {
    /// When it was asked, in ms.
    pub(crate) asked_ms: u64,
    pub(crate) keys: Vec<ExpectedKey>,
}

/// What it said of a key.
pub(crate) struct ExpectedKey {
    pub(crate) namespace: String,
    pub(crate) key: Vec<u8>,
    /// None where it was not there.
    pub(crate) entry: Option<ExpectedEntry>,
}

/// An entry as it was answered.
pub(crate) struct ExpectedEntry {
    pub(crate) revision: u64,
    /// The header fields that tell of it, by their names in small letters.
    pub(crate) fields: BTreeMap<String, String>,
    sha256: Vec<u8>,
}

impl Fixture {
    /// Unpacks it to `data` below a folder.
    pub(crate) fn unpack(&self, folder: &Path) -> Expected {
        let archive = zstd::stream::read::Decoder::new(self.archive).expect("an archive");
        let unpacked = tar::Archive::new(archive).unpack(folder);
        unpacked.expect("an unpacked archive");
        Expected::read(&folder.join("expected.ndjson"))
    }
}

impl Expected {
    fn read(path: &Path) -> Expected {
        let text = fs::read_to_string(path).expect("what is expected");
        let mut lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("a line"));
        let first = lines.next().expect("a first line");
        Expected {
            asked_ms: first["asked_ms"].as_u64().expect("a time"),
            keys: lines.map(|line| ExpectedKey::of(&line)).collect(),
        }
    }

    /// The namespaces that have a key.
    pub(crate) fn namespaces(&self) -> BTreeSet<&str> {
        let present = self.keys.iter().filter(|key| key.entry.is_some());
        present.map(|key| &*key.namespace).collect()
    }

    /// How many keys are there.
    pub(crate) fn present(&self) -> usize {
        self.keys.iter().filter(|key| key.entry.is_some()).count()
    }

    /// The newest revision of an entry.
    pub(crate) fn newest(&self) -> u64 {
        let entries = self.keys.iter().filter_map(|key| key.entry.as_ref());
        entries.map(|entry| entry.revision).max().expect("an entry")
    }
}

impl ExpectedKey {
    fn of(line: &Value) -> ExpectedKey {
        ExpectedKey {
            namespace: line["namespace"].as_str().expect("a name").to_owned(),
            key: bytes(line, "key").expect("a key"),
            entry: line
                .get("absent")
                .is_none()
                .then(|| ExpectedEntry::of(line)),
        }
    }
}

impl ExpectedEntry {
    fn of(line: &Value) -> ExpectedEntry {
        let texts = line.as_object().expect("an object").iter();
        let fields: BTreeMap<String, String> = texts
            .filter(|(name, _)| {
                ![
                    "namespace",
                    "key",
                    "key_hex",
                    "value",
                    "value_hex",
                    "sha256",
                ]
                .contains(&name.as_str())
            })
            .map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned()))
            .collect();
        let sha256 = match bytes(line, "value") {
            Some(value) => Sha256::digest(value).to_vec(),
            None => unhex(line["sha256"].as_str().expect("a digest")),
        };
        ExpectedEntry {
            revision: fields["etag"].trim_matches('"').parse().expect("a number"),
            fields,
            sha256,
        }
    }

    /// Whether this is its value.
    pub(crate) fn is(&self, value: &[u8]) -> bool {
        Sha256::digest(value)[..] == self.sha256
    }
}

/// A text, or the bytes that are no text, under this name.
fn bytes(line: &Value, name: &str) -> Option<Vec<u8>> {
    let text = line.get(name).and_then(Value::as_str);
    let hex = line.get(format!("{name}_hex")).and_then(Value::as_str);
    text.map(|text| text.as_bytes().to_vec()).or(hex.map(unhex))
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16);
    digits.map(|pair| byte(pair).expect("a byte")).collect()
}
