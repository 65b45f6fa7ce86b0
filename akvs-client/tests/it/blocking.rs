//! The blocking client: the same calls, on any thread, without panics.

use std::io::{self, Read};
use std::time::Duration;

use akvs_client::blocking::{Client, Namespace};
use akvs_client::{
    Change, Code, Encoding, Error, IfChanged, ImportMode, ListEntry, Record, RetryPolicy, Settings,
    Text,
};

use akvs_testing::scripted::{ScriptedServer, Step};
use akvs_testing::server::{TestServer, block_on};

fn namespace(app: &TestServer) -> Namespace {
    let client = Client::new(&app.url()).expect("a client");
    client.namespace("ns").expect("a namespace")
}

/// Runs the common calls.
fn run_common_calls(namespace: &Namespace) {
    let minute = Duration::from_secs(60);
    let made = namespace.set("k", &1).if_absent().ttl(minute).send();
    let made = made.expect("a write");
    assert!(made.expires.is_some() && !made.existed);
    let refused = namespace.set("k", &2).if_absent().send();
    assert!(refused.expect_err("there is one").is_precondition_failed());
    assert_eq!(namespace.get_or("k", 0_u8).expect("a read"), 1);
    let update = namespace.update("k", |old: Option<u8>| Some(old? + 1));
    let updated = update.send().expect("an update").expect("a value");
    assert_eq!((updated.value, updated.expires), (2, made.expires));
    assert_eq!(namespace.add("k", 40).send().expect("a sum"), 42);
    let text = namespace.get_with(&Text, "k").expect("a read");
    assert_eq!(text.expect("a value").value, "42");
    let known = namespace.head("k").expect("a head").expect("a key");
    let known = known.revision.expect("a revision");
    let same = namespace.get_if_changed::<u8>("k", known);
    assert_eq!(same.expect("a read"), IfChanged::Unchanged);
    assert!(namespace.del("k").if_revision(known).send().expect("gone"));
    assert!(!namespace.exists("k").expect("a read"));
    assert!(namespace.touch("k").send().expect("an answer").is_none());
}

#[test]
fn calls_work_on_any_thread_and_in_a_runtime() {
    let app = TestServer::start();
    let namespace = namespace(&app);
    run_common_calls(&namespace);
    let other = namespace.clone();
    std::thread::spawn(move || run_common_calls(&other))
        .join()
        .unwrap();
    block_on(async { run_common_calls(&namespace) });
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.build().unwrap();
    runtime.block_on(async move {
        run_common_calls(&namespace);
        // Also drops the last clone of the client within a runtime.
        drop(namespace);
    });
}

#[test]
fn a_watch_is_an_iterator() {
    let app = TestServer::start();
    let namespace = namespace(&app);
    let first = namespace.set("a", &1).send().unwrap().revision.unwrap();
    let mut changes = namespace.watch(|watch| watch.since(first));
    namespace.set("b", &2).send().unwrap();
    let change = changes.next().unwrap().unwrap();
    assert!(matches!(change, Change::Set(stored) if stored.key == "b"));
    // The watch continues without the namespace and its client.
    drop(namespace);
    app.post("/kv/ns/c", "3");
    let change = changes.next().unwrap().unwrap();
    assert!(matches!(change, Change::Set(stored) if stored.key == "c"));
    let mut wrong = self::namespace(&app).watch(|watch| watch.key("a").prefix("b"));
    assert!(wrong.next().unwrap().is_err());
    assert!(wrong.next().is_none());
}

#[test]
fn a_nested_call_and_a_panic_are_errors() {
    let app = TestServer::start();
    let namespace = namespace(&app);
    let inner = namespace.clone();
    let (sender, receiver) = std::sync::mpsc::channel();
    let update = namespace.update("k", move |_| {
        sender.send(inner.get::<u8>("k")).expect("a receiver");
        Some(1_u8)
    });
    assert_eq!(update.send().unwrap().unwrap().value, 1);
    let error = receiver.recv().unwrap().unwrap_err();
    assert!(
        error.to_string().contains("would wait for itself"),
        "{error}"
    );
    let update = namespace.update("k", |_: Option<u8>| panic!("a test"));
    let error = update.send().unwrap_err();
    assert_eq!(error.code(), Some(Code::InvalidRequest));
    // The thread still works.
    assert_eq!(namespace.get_or("k", 0).unwrap(), 1);
}

#[test]
fn errors_and_retries_are_the_same() {
    let server = ScriptedServer::new([Step::Cut, Step::answer("200 OK", "", "7"), Step::Cut]);
    let client = server.builder().build_blocking().unwrap();
    let namespace = client.namespace("ns").unwrap();
    assert_eq!(namespace.get_or("k", 0).unwrap(), 7);
    let error = namespace.set("k", &1).send().unwrap_err();
    assert!(error.is_unknown_outcome(), "{error:?}");
    let once = server.builder().retry(RetryPolicy::disabled());
    let once = once.build_blocking().unwrap().namespace("ns").unwrap();
    assert!(once.get_bytes("k").unwrap_err().is_retryable());
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn lists_are_iterators_and_pages() {
    let app = TestServer::start();
    let namespace = namespace(&app);
    let txn = namespace.txn().check_absent("a/0").set("b", &"one");
    let txn = (0..5).fold(txn, |txn, n| txn.set_bytes(format!("a/{n}"), n.to_string()));
    let done = txn.delete("none").add("n", 7).commit().unwrap();
    assert_eq!(done.results.last().unwrap().value, Some(7));
    let failed = namespace.txn().check_exists("none").touch("b", None);
    let failed = failed.commit().unwrap_err().failed_check().unwrap();
    assert_eq!(failed.key, "none");

    let list = || namespace.list().prefix("a/").start("a/1").end("a/4");
    let keys = |items: Vec<Result<akvs_client::Item, Error>>| -> Vec<_> {
        items.into_iter().map(|item| item.unwrap().key).collect()
    };
    assert_eq!(
        keys(list().limit(2).iter().collect()),
        ["a/1", "a/2", "a/3"]
    );
    let back = list().limit(1).reverse();
    let first = back.page().unwrap();
    let second = back.page_at(&first.cursor.unwrap()).unwrap();
    assert_eq!(second.items[0].key, "a/2");
    assert_eq!(keys(back.iter().collect()), ["a/3", "a/2", "a/1"]);
    let mut moment = namespace.list().values().snapshot();
    assert_eq!(moment.next().unwrap().unwrap().value.unwrap(), "0");
    assert!(namespace.del("b").send().unwrap());
    assert_eq!(moment.count(), 6, "it is of the moment when it was begun");

    let groups = namespace.list().limit(1).delimiter("/");
    let page = groups.page().unwrap();
    assert_eq!(page.prefixes, ["a/"]);
    let next = groups.page_at(&page.cursor.unwrap()).unwrap();
    assert_eq!(next.items[0].key, "n");
    let listed: Result<Vec<ListEntry>, Error> = groups.iter().collect();
    assert_eq!(listed.unwrap().len(), 2);
    let mut wrong = namespace.list().limit(0).iter();
    assert!(wrong.next().unwrap().is_err() && wrong.next().is_none());
}

#[test]
fn namespaces_are_listed_configured_and_dropped() {
    let app = TestServer::start();
    let client = Client::new(&app.url()).unwrap();
    let small = client.namespace("n/small").unwrap();
    assert!(small.configure(&Settings::default().max_keys(2)).unwrap());
    small.txn().set("a/1", &1).set("a/2", &2).commit().unwrap();
    let full = small.set("b", &3).send().unwrap_err();
    assert_eq!(full.code(), Some(Code::QuotaExceeded));
    assert_eq!(small.delete_prefix("a/").unwrap(), 2);
    client.namespace("n").unwrap().set("k", &1).send().unwrap();
    let list = client.namespaces().prefix("n").limit(1);
    let first = list.page().unwrap();
    let second = list.page_at(&first.cursor.unwrap()).unwrap();
    assert_eq!(second.namespaces[0].name, "n/small");
    let names: Vec<_> = list.iter().map(|info| info.unwrap().name).collect();
    assert_eq!(names, ["n", "n/small"]);
    assert!(small.drop_namespace().unwrap() && !small.drop_namespace().unwrap());

    client.ping().unwrap();
    assert!(client.is_ready().unwrap());
    assert_eq!(client.version().unwrap().durability, "none");
    assert!(client.metrics().unwrap().contains("# TYPE akvs_"));
    let keys = vec!["k"; 1_001];
    let many = client.namespace("n").unwrap();
    let error = many.get_many::<u8>(&keys).unwrap_err();
    assert_eq!(error.code(), Some(Code::TooLarge));
    let found = many.get_many::<u8>(&keys[..1_000]).unwrap();
    assert!(found.iter().all(|entry| entry.as_ref().unwrap().value == 1));
    let known = found[0].as_ref().unwrap().revision.unwrap();
    let same = many.get_bytes_if_changed("k", known).unwrap();
    assert_eq!(same, IfChanged::Unchanged);
    let bytes = many.get_many_bytes(["k", "none"]).unwrap();
    assert!(bytes[0].is_some() && bytes[1].is_none());
}

/// A reader that returns one byte at a time, and then fails.
struct Breaking<'a>(&'a [u8]);

impl Read for Breaking<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.0.read(&mut room[..1])? {
            0 => Err(io::Error::other("the disk is gone")),
            length => Ok(length),
        }
    }
}

#[test]
fn an_exported_file_can_be_imported() {
    let app = TestServer::start();
    let namespace = namespace(&app);
    let copy = Client::new(&app.url()).unwrap().namespace("copy").unwrap();
    let numbers = 0..3_000_u32;
    let records = numbers.map(|number| Record::new(number.to_be_bytes().to_vec(), vec![b'v'; 99]));
    let done = namespace.import().records(records).unwrap();
    assert_eq!(done.imported, 3_000);
    for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
        let pieces = namespace.export().bytes(encoding);
        let file: Vec<u8> = pieces.flat_map(|piece| piece.unwrap()).collect();
        let import = || copy.import().encoding(encoding).mode(ImportMode::Replace);
        let done = import().read(&file[..]).unwrap();
        assert_eq!(done.imported, 3_000, "{encoding:?}");
        let mut error =
            &import().read(Breaking(&file[..50])).unwrap_err() as &dyn std::error::Error;
        while let Some(cause) = error.source() {
            error = cause;
        }
        assert_eq!(error.to_string(), "the disk is gone");
    }
    // The records are read on this thread, so their source may be another call of the same client.
    let again = namespace.import().mode(ImportMode::Create);
    let done = again.try_records(namespace.export().records()).unwrap();
    assert_eq!((done.imported, done.skipped), (0, 3_000));
    let done = copy
        .import()
        .pieces(namespace.export().bytes(Encoding::Identity));
    assert_eq!(done.unwrap().imported, 3_000);
    let all = Client::new(&app.url()).unwrap();
    let nowhere = all.import().records([Record::new("k", "v")]).unwrap_err();
    assert_eq!(nowhere.code(), Some(Code::InvalidRequest));
    assert_eq!(all.export().parts().count(), 2 + 6_000);
}
