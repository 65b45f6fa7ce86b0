//! Retries, and errors of unknown outcome.

use std::error::Error as _;
use std::time::Duration;

use akvs_client::{Code, Error, Namespace, RetryPolicy, Revision};

use akvs_testing::scripted::{ScriptedServer, Step};
use akvs_testing::server::block_on;

fn value() -> Step {
    Step::answer("200 OK", "ETag: \"7\"\r\n", "1")
}

/// All failures that may pass.
fn passing() -> Vec<Step> {
    vec![
        Step::Cut,
        Step::answer("502 Bad Gateway", "", "a proxy's page"),
        Step::answer("503 Service Unavailable", "", ""),
        Step::answer("504 Gateway Timeout", "", ""),
        Step::answer("408 Request Timeout", "", ""),
        Step::answer("429 Too Many Requests", "", ""),
        Step::problem("503 Service Unavailable", "overloaded", ""),
        Step::problem("503 Service Unavailable", "unavailable", ""),
        Step::problem("503 Service Unavailable", "closing", ""),
    ]
}

/// The failures after which a write may have been applied.
fn outcome_unknown() -> Vec<Step> {
    let mut steps = passing();
    steps.truncate(5);
    steps.push(Step::problem("504 Gateway Timeout", "outcome_unknown", ""));
    steps
}

fn seven() -> Revision {
    Revision::new(7)
}

#[test]
fn reads_are_repeated() {
    for step in passing() {
        let server = ScriptedServer::new([step.clone(), value()]);
        let read = block_on(server.namespace().get_or("k", 0));
        assert_eq!(read.unwrap(), 1, "{step:?}");
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn a_truncated_value_is_requested_again() {
    let cut = Step::send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    let server = ScriptedServer::new([cut, value()]);
    assert_eq!(block_on(server.namespace().get_or("k", 0)).unwrap(), 1);
}

/// An answer with a truncated body.
fn cut_within(body: &str) -> Step {
    let length = body.len() + 1;
    Step::send(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

#[test]
fn a_multi_get_is_repeated() {
    let body = r#"{"items":[{"key":"k","revision":7,"value":"1"},null]}"#;
    let first = passing().into_iter().chain([cut_within(body)]);
    for step in first {
        let server = ScriptedServer::new([step.clone(), Step::answer("200 OK", "", body)]);
        let found = block_on(server.namespace().get_many::<u8>(["k", "none"]));
        let found = found.unwrap_or_else(|error| panic!("{step:?}: {error:?}"));
        assert_eq!(found[0].as_ref().map(|entry| entry.value), Some(1));
        assert!(found[1].is_none());
        let requests = server.requests();
        assert!(requests[0].starts_with("POST /get/ns "), "{requests:?}");
        assert_eq!(
            (requests.len(), &requests[0]),
            (2, &requests[1]),
            "with its keys"
        );
    }
    // A failed read has no unknown outcome.
    let server = ScriptedServer::new([Step::Cut]);
    let error = block_on(server.namespace().get_many::<u8>(["k"])).unwrap_err();
    assert!(error.is_retryable() && !error.is_unknown_outcome());
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn truncated_pages_are_requested_again() {
    let keys = r#"{"revision":7,"items":[{"key":"k","revision":7,"size":1}],"cursor":"#;
    let (first, last) = (format!(r#"{keys}"more"}}"#), format!("{keys}null}}"));
    let server = ScriptedServer::new([
        cut_within(&first),
        Step::answer("200 OK", "", &first),
        cut_within(&last),
        Step::answer("200 OK", "", &last),
    ]);
    let namespace = server.namespace();
    block_on(async {
        let mut items = namespace.list().stream();
        assert_eq!(items.next().await.unwrap().unwrap().key, "k");
        assert_eq!(items.next().await.unwrap().unwrap().key, "k");
        assert!(items.next().await.is_none());
    });
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    assert_eq!((&requests[0], &requests[2]), (&requests[1], &requests[3]));
    assert!(requests[3].starts_with("GET /kv/ns?limit=1000&cursor=more "));

    let page = r#"{"namespaces":[],"cursor":null}"#;
    let server = ScriptedServer::new([cut_within(page), Step::answer("200 OK", "", page)]);
    let client = server.builder().build().unwrap();
    let page = block_on(client.namespaces().page()).unwrap();
    assert!(page.namespaces.is_empty());
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn permanent_errors_are_not_repeated() {
    for step in [
        Step::problem("400 Bad Request", "invalid_request", ""),
        Step::problem("401 Unauthorized", "unauthorized", ""),
        Step::problem("500 Internal Server Error", "storage", ""),
        Step::problem("507 Insufficient Storage", "storage_full", ""),
        Step::answer("301 Moved Permanently", "Location: /x\r\n", ""),
        Step::answer("204 No Content", "", ""),
    ] {
        let server = ScriptedServer::new([step.clone(), value()]);
        let error = block_on(server.namespace().get_bytes("k")).unwrap_err();
        assert!(!error.is_retryable() && !error.is_unknown_outcome());
        assert_eq!(server.requests().len(), 1, "{step:?}");
        assert_eq!(
            error.is_unauthorized(),
            error.code() == Some(Code::Unauthorized)
        );
    }
}

#[test]
fn a_deletion_is_repeated() {
    for step in passing() {
        let done = Step::answer("200 OK", "AKVS-Existed: ?0\r\n", "OK");
        let server = ScriptedServer::new([step, done]);
        assert!(!block_on(server.namespace().del("k")).unwrap());
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn a_plain_write_is_not_repeated_after_it_was_sent() {
    let writes: [fn(&Namespace) -> akvs_client::Set; 2] = [
        |namespace| namespace.set("k", &1),
        |namespace| namespace.set("k", &1).if_exists(),
    ];
    for write in writes {
        for step in outcome_unknown() {
            let server = ScriptedServer::new([step.clone(), Step::created(8)]);
            let error = block_on(write(&server.namespace())).unwrap_err();
            assert_eq!(server.requests().len(), 1, "{step:?}");
            assert!(error.is_unknown_outcome(), "{step:?}: {error:?}");
            assert!(!error.is_retryable());
            let core = akvs_core::Error::from(error).code();
            assert_eq!(core, Code::OutcomeUnknown);
        }
    }
    for call in ["add", "append", "touch"] {
        let server = ScriptedServer::new([Step::Cut]);
        let namespace = server.namespace();
        let error = match call {
            "add" => block_on(namespace.add("k", 1)).unwrap_err(),
            "append" => block_on(namespace.append("k", "x")).unwrap_err(),
            _ => block_on(namespace.touch("k")).unwrap_err(),
        };
        assert!(error.is_unknown_outcome() && server.requests().len() == 1);
    }
}

#[test]
fn a_plain_write_is_repeated_if_it_was_not_applied() {
    for step in passing().split_off(5) {
        let server = ScriptedServer::new([step.clone(), Step::created(8)]);
        let written = block_on(server.namespace().set("k", &1)).unwrap();
        assert_eq!(written.revision, Some(Revision::new(8)), "{step:?}");
        let requests = server.requests();
        assert_eq!((requests.len(), &requests[0]), (2, &requests[1]));
    }
}

#[test]
fn a_repeated_conditional_write_that_is_refused_has_an_unknown_outcome() {
    let refused = || {
        Step::problem(
            "412 Precondition Failed",
            "precondition_failed",
            "ETag: \"9\"\r\n",
        )
    };
    let writes: [fn(&Namespace) -> akvs_client::Set; 2] = [
        |namespace| namespace.set("k", &1).if_revision(seven()),
        |namespace| namespace.set("k", &1).if_absent(),
    ];
    for write in writes {
        for step in outcome_unknown() {
            let server = ScriptedServer::new([step.clone(), Step::created(8)]);
            block_on(write(&server.namespace())).unwrap();
            assert_eq!(server.requests().len(), 2, "{step:?}");

            let server = ScriptedServer::new([step.clone(), refused()]);
            let error = block_on(write(&server.namespace())).unwrap_err();
            assert!(matches!(error, Error::UnknownOutcome { .. }), "{step:?}");
            assert!(error.is_unknown_outcome() && !error.is_precondition_failed());
            assert_eq!(error.current_revision(), Some(Revision::new(9)));
            assert_eq!(error.code(), Some(Code::OutcomeUnknown));
        }
        // A write that was refused first was not applied: the failed condition is a plain error.
        for step in passing().split_off(5) {
            let server = ScriptedServer::new([step.clone(), refused()]);
            let error = block_on(write(&server.namespace())).unwrap_err();
            assert!(error.is_precondition_failed(), "{step:?}: {error:?}");
            assert!(!error.is_unknown_outcome());
        }
    }
}

#[test]
fn an_unknown_outcome_survives_the_last_try() {
    // The later tries are definitely refused.
    for last in [
        Step::problem("503 Service Unavailable", "closing", ""),
        Step::problem("401 Unauthorized", "unauthorized", ""),
    ] {
        let server = ScriptedServer::new([Step::Cut, last]);
        let write = server.namespace().set("k", &1).if_absent();
        let error = block_on(write).unwrap_err();
        assert!(error.is_unknown_outcome() && !error.is_unauthorized());
        assert!(error.to_string().contains("as scripted"), "{error}");
        let server =
            ScriptedServer::new([Step::Cut, Step::problem("403 Forbidden", "forbidden", "")]);
        let error = block_on(server.namespace().del("k")).unwrap_err();
        assert!(error.is_unknown_outcome(), "{error:?}");
    }
    let server = ScriptedServer::new([Step::Cut]);
    let write = server.namespace().set("k", &1).if_absent();
    let error = block_on(write).unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome { .. }));
    assert!(error.source().is_some());
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn the_policy_bounds_the_retries() {
    for retries in [0, 1, 5] {
        let policy = RetryPolicy::default().initial_backoff(Duration::ZERO);
        let server = ScriptedServer::new([Step::Cut]);
        let client = server.builder().retry(policy.max_retries(retries)).build();
        let namespace = client.unwrap().namespace("ns").unwrap();
        let error = block_on(namespace.get_bytes("k")).unwrap_err();
        assert!(error.is_retryable() && !error.is_unknown_outcome());
        assert_eq!(server.requests().len(), retries as usize + 1);
    }
}

#[test]
fn clones_share_a_budget() {
    const CALLS: usize = 40;
    let policy = RetryPolicy::default().initial_backoff(Duration::ZERO);
    let server = ScriptedServer::new([Step::Cut]);
    let client = server.builder().retry(policy.max_retries(10)).build();
    let client = client.unwrap();
    block_on(async {
        for _ in 0..CALLS {
            let namespace = client.clone().namespace("ns").unwrap();
            namespace.get_bytes("k").await.unwrap_err();
        }
    });
    let retries = server.requests().len() - CALLS;
    // Ten, a tenth of the calls, and some that time adds on a slow machine.
    assert!((10..100).contains(&retries), "{retries}");
}

/// Runs with a clock that jumps to the next timer when the runtime is idle; returns the time that has passed.
fn on_paused_clock(call: impl AsyncFnOnce()) -> Duration {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let begin = tokio::time::Instant::now();
        call().await;
        begin.elapsed()
    })
}

#[test]
fn retry_after_is_honoured() {
    let date =
        "Date: Sun, 09 Sep 2001 01:46:40 GMT\r\nRetry-After: Sun, 09 Sep 2001 01:46:51 GMT\r\n";
    for field in ["Retry-After: 11\r\n", date] {
        let busy = Step::problem("503 Service Unavailable", "overloaded", field);
        let server = ScriptedServer::new([busy, Step::created(8)]);
        // Without timeouts: the clock would jump to them while a socket is read.
        let http = akvs_testing::scripted::http()
            .pool_idle_timeout(None)
            .build();
        let client = server.builder().http_client(http.unwrap());
        let client = client.call_timeout(Duration::MAX).build().unwrap();
        let namespace = client.namespace("ns").unwrap();
        let waited = on_paused_clock(async || {
            namespace.set("k", &1).await.unwrap();
        });
        assert_eq!(waited.as_secs(), 11, "{field}");
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn a_wait_beyond_the_call_timeout_is_not_started() {
    let busy = Step::problem(
        "503 Service Unavailable",
        "overloaded",
        "Retry-After: 61\r\n",
    );
    let server = ScriptedServer::new([busy, value()]);
    let error = block_on(server.namespace().get_bytes("k")).unwrap_err();
    assert_eq!(error.code(), Some(Code::Overloaded));
    assert!(error.is_retryable());
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_retry_ends_at_the_call_timeout() {
    let server = ScriptedServer::new([Step::Stall]);
    let builder = server.builder().timeout(Duration::from_secs(30));
    let client = builder.call_timeout(Duration::from_secs(50)).build();
    let namespace = client.unwrap().namespace("ns").unwrap();
    // The first try takes all of its time; the call timeout ends the second one.
    let waited = on_paused_clock(async || {
        let error = namespace.get_bytes("k").await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
    });
    assert_eq!(waited.as_secs(), 50);
}
