//! Data that an older release wrote: all of it is there, it goes on, and only its first change makes it newer.

mod common;
#[path = "common/filled.rs"]
mod filled;
#[path = "common/fixture.rs"]
mod fixture;

use std::fs;
use std::path::{Path, PathBuf};

use akvs_core::engine::Limit;
use akvs_core::{
    Code, Database, DiskOptions, FORMAT, Key, Namespace, Store, Timestamp, restore, verify_folder,
};

use common::{at, disk, key, listing, store_of};
use filled::backup;
use fixture::{Expected, FIXTURES, Fixture};

const ALL: Limit = Limit {
    rows: usize::MAX,
    bytes: usize::MAX,
};
/// A namespace that each of them has.
const NAME: &str = "plain";

/// A fixture, unpacked.
struct Old {
    fixture: &'static Fixture,
    folder: tempfile::TempDir,
    expected: Expected,
}

impl Old {
    fn each() -> impl Iterator<Item = Old> {
        FIXTURES.iter().map(Old::of)
    }

    /// The one that opens soonest.
    fn smallest() -> Old {
        Old::of(&FIXTURES[1])
    }

    fn of(fixture: &'static Fixture) -> Old {
        let folder = tempfile::tempdir().expect("a folder");
        let expected = fixture.unpack(folder.path());
        Old {
            fixture,
            folder,
            expected,
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn now(&self) -> Timestamp {
        at(self.expected.asked_ms)
    }

    /// Changes a key that is not one of those expected.
    fn change(&self, database: &Database) -> u64 {
        let outcome = store_of(database, NAME).set(&key("new"), "new", self.now());
        outcome.expect("a set").revision.expect("a revision").get()
    }

    /// All is there as the older release said, and besides only so many keys.
    #[track_caller]
    fn assert_there(&self, database: &Database, new: usize) {
        let (now, name) = (self.now(), self.fixture.name);
        for expected in &self.expected.keys {
            let wanted = format!("{name}: {} {:?}", expected.namespace, expected.key);
            let namespace = Namespace::new(&expected.namespace).expect("a name");
            let key = Key::new(expected.key.clone()).expect("a key");
            let known = database.has_namespace(&namespace).expect("a look");
            let found = known.then(|| {
                let store = Store::new(database, namespace).expect("a store");
                store.get(&key, now)
            });
            match (&expected.entry, found) {
                (Some(entry), Some(Ok(found))) => {
                    let field = |name| entry.fields.get(name).map(String::as_bytes);
                    let types = &found.representation;
                    let content_type = types.content_type.as_ref().map(|field| field.as_bytes());
                    let encoding = types.content_encoding.as_ref();
                    assert!(entry.is(&found.value), "{wanted}");
                    assert_eq!(found.revision.get(), entry.revision, "{wanted}");
                    // One that says nothing is answered so.
                    let content_type = content_type.unwrap_or(b"application/octet-stream");
                    assert_eq!(Some(content_type), field("content-type"), "{wanted}");
                    let encoding = encoding.map(|field| field.as_bytes());
                    assert_eq!(encoding, field("content-encoding"), "{wanted}");
                    let expires = field("akvs-expires").is_some();
                    assert_eq!(found.deadline.is_some(), expires, "{wanted}");
                }
                (None, None) => {}
                (None, Some(Err(error))) if error.code() == Code::NotFound => {}
                (_, found) => panic!("{wanted}: {found:?}"),
            }
        }
        let namespaces = database.namespaces(None, 1_000).expect("the namespaces");
        let names = namespaces.iter().map(|info| info.name.as_str());
        assert!(names.eq(self.expected.namespaces()), "{name}");
        let counted: u64 = namespaces.iter().map(|info| info.counts.keys).sum();
        let listed: usize = namespaces
            .iter()
            .map(|info| {
                let view = database.view(&info.name).expect("a view");
                let all = view.entries(b"", None, ALL, now).expect("the entries");
                all.entries.len()
            })
            .sum();
        let present = self.expected.present() + new;
        assert_eq!((counted, listed), (present as u64, present), "{name}");
    }
}

fn said_format(data: &Path) -> String {
    fs::read_to_string(data.join("akvs.format")).expect("a format")
}

#[track_caller]
fn assert_good(data: &Path) {
    let mut findings = Vec::new();
    let mut sink = |finding: akvs_core::Finding| findings.push(finding.to_string());
    let verified = verify_folder(&DiskOptions::new(data), &mut sink, &mut |_| ());
    assert_eq!(verified.expect("a check").findings, 0, "{findings:?}");
}

#[test]
fn all_is_there_and_stays_of_its_format_until_it_changes() {
    for old in Old::each() {
        for _ in 0..2 {
            assert_good(&old.data());
            let database = disk(&old.data());
            assert_eq!(database.older_format(), Some(old.fixture.format));
            assert!(database.revision().get() >= old.expected.newest());
            old.assert_there(&database, 0);
            database.close().expect("a close");
        }
        assert_eq!(
            said_format(&old.data()),
            format!("akvs {}\n", old.fixture.format),
            "its own release would refuse it now"
        );
    }
}

#[test]
fn it_goes_on_as_the_newest_format() {
    for old in Old::each() {
        let database = disk(&old.data());
        let before = database.revision().get();
        assert_eq!(old.change(&database), before + 1);
        assert_eq!(said_format(&old.data()), format!("akvs {FORMAT}\n"));
        old.assert_there(&database, 1);
        database.close().expect("a close");
        drop(database);
        assert_good(&old.data());
        let database = disk(&old.data());
        assert_eq!(database.older_format(), None);
        assert_eq!(database.revision().get(), before + 1);
        old.assert_there(&database, 1);
        assert_eq!(old.change(&database), before + 2);
    }
}

#[test]
fn its_history_begins_where_it_was_found() {
    for old in Old::each() {
        let database = disk(&old.data());
        let found = database.revision();
        let namespace = Namespace::new(NAME).expect("a name");
        for first in [true, false] {
            let changes = u64::from(!first);
            let view = database.view(&namespace).expect("a view");
            assert_eq!(view.floor(), found);
            let early = akvs_core::Revision::new(old.expected.newest() - 1);
            let gone = view.changes(early, ALL, false);
            assert_eq!(gone.expect_err("no history").code(), Code::HistoryGone);
            let told = view.changes(found, ALL, false);
            assert_eq!(told.expect("changes").events.len() as u64, changes);
            old.change(&database);
        }
    }
}

#[test]
fn a_backup_of_it_is_the_same_again() {
    for old in Old::each() {
        for new in [0, 1] {
            let database = disk(&old.data());
            if new > 0 {
                old.change(&database);
            }
            let file = backup(&database);
            drop(database);
            let around = tempfile::tempdir().expect("a folder");
            let copy = around.path().join("copy");
            restore(&file[..], &DiskOptions::new(&copy), &mut |_| ()).expect("a restore");
            assert_good(&copy);
            let database = disk(&copy);
            old.assert_there(&database, new);
            let older = (new == 0).then_some(old.fixture.format);
            assert_eq!(database.older_format(), older);
        }
    }
}

/// What a crash may leave between the folder's word and the first change, which are not one step.
#[test]
fn where_the_first_change_was_interrupted_it_is_made_again() {
    let newest = format!("akvs {FORMAT}\n");
    for (name, text) in [
        ("akvs.format.new", ""),
        ("akvs.format.new", &*newest),
        ("akvs.format", &*newest),
    ] {
        let old = Old::smallest();
        fs::write(old.data().join(name), text).expect("a file");
        let database = disk(&old.data());
        assert_eq!(database.older_format(), Some(old.fixture.format));
        old.change(&database);
        assert_eq!(said_format(&old.data()), newest);
        old.assert_there(&database, 1);
        database.close().expect("a close");
        drop(database);
        assert_good(&old.data());
    }
}

/// An older release looks at the folder first, so that is what must refuse it, before anything in it is changed.
#[test]
fn no_row_is_newer_than_the_folder_says() {
    let old = Old::smallest();
    let database = disk(&old.data());
    let before = listing(&old.data());
    // In its place nobody can write the file that says it.
    fs::create_dir(old.data().join("akvs.format.new")).expect("a folder");
    let refused = store_of(&database, NAME).set(&key("new"), "new", old.now());
    assert_eq!(refused.expect_err("a change").code(), Code::Storage);
    fs::remove_dir(old.data().join("akvs.format.new")).expect("no folder");
    assert_eq!(listing(&old.data()), before);
    drop(database);
    old.assert_there(&disk(&old.data()), 0);
}
