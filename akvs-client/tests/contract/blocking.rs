//! The blocking client: the same calls, on any thread, and never a panic.

use std::time::Duration;

use akvs_client::blocking::{Client, Namespace};
use akvs_client::{Change, Code, IfChanged, RetryPolicy, Text};

use crate::app::{TestApp, block_on};
use crate::scripted::{Scripted, Step};

fn namespace(app: &TestApp) -> Namespace {
    let client = Client::new(&app.url()).expect("a client");
    client.namespace("ns").expect("a namespace")
}

/// What every program does.
fn go_through(namespace: &Namespace) {
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
fn all_calls_go_on_any_thread_and_within_a_runtime() {
    let app = TestApp::start();
    let namespace = namespace(&app);
    go_through(&namespace);
    let other = namespace.clone();
    std::thread::spawn(move || go_through(&other))
        .join()
        .unwrap();
    block_on(async { go_through(&namespace) });
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.build().unwrap();
    runtime.block_on(async move {
        go_through(&namespace);
        // The last of the client goes here too.
        drop(namespace);
    });
}

#[test]
fn a_watch_is_an_iterator() {
    let app = TestApp::start();
    let namespace = namespace(&app);
    let first = namespace.set("a", &1).send().unwrap().revision.unwrap();
    let mut changes = namespace.watch(|watch| watch.since(first));
    namespace.set("b", &2).send().unwrap();
    let change = changes.next().unwrap().unwrap();
    assert!(matches!(change, Change::Set(stored) if stored.key == "b"));
    // It goes on without the namespace and its client.
    drop(namespace);
    app.post("/kv/ns/c", "3");
    let change = changes.next().unwrap().unwrap();
    assert!(matches!(change, Change::Set(stored) if stored.key == "c"));
    let mut wrong = self::namespace(&app).watch(|watch| watch.key("a").prefix("b"));
    assert!(wrong.next().unwrap().is_err());
    assert!(wrong.next().is_none());
}

#[test]
fn a_call_within_a_call_is_an_error_and_a_panic_too() {
    let app = TestApp::start();
    let namespace = namespace(&app);
    let inner = namespace.clone();
    let (tell, told) = std::sync::mpsc::channel();
    let update = namespace.update("k", move |_| {
        tell.send(inner.get::<u8>("k")).expect("somebody");
        Some(1_u8)
    });
    assert_eq!(update.send().unwrap().unwrap().value, 1);
    let error = told.recv().unwrap().unwrap_err();
    assert!(
        error.to_string().contains("would wait for itself"),
        "{error}"
    );
    let update = namespace.update("k", |_: Option<u8>| panic!("as asked"));
    let error = update.send().unwrap_err();
    assert_eq!(error.code(), Some(Code::InvalidRequest));
    // The thread is as good as before.
    assert_eq!(namespace.get_or("k", 0).unwrap(), 1);
}

#[test]
fn errors_and_retries_are_the_same() {
    let server = Scripted::new([Step::Cut, Step::answer("200 OK", "", "7"), Step::Cut]);
    let client = server.builder().build_blocking().unwrap();
    let namespace = client.namespace("ns").unwrap();
    assert_eq!(namespace.get_or("k", 0).unwrap(), 7);
    let error = namespace.set("k", &1).send().unwrap_err();
    assert!(error.is_unknown_outcome(), "{error:?}");
    let once = server.builder().retry(RetryPolicy::none());
    let once = once.build_blocking().unwrap().namespace("ns").unwrap();
    assert!(once.get_bytes("k").unwrap_err().is_retryable());
    assert_eq!(server.asked().len(), 4);
}
