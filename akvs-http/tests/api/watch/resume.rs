//! Resuming: every later change, once, in order, or a 410 where not all of them are kept.

use akvs_http::Options;

use super::sse::{Event, Watch};
use akvs_testing::raw::{Answer, request};
use akvs_testing::server::TestServer;

/// The configured number of kept changes in tests with a short history; a few more may be kept.
const KEPT: u64 = 16;

/// Writes `count` values to a few keys in turn, and returns the revisions.
fn write(app: &TestServer, count: usize, value: &str) -> Vec<u64> {
    let paths = (0..count).map(|number| format!("/kv/ns/{}", number % 5));
    let answers = app.connect().ask_all("POST", paths, value.as_bytes());
    answers.iter().map(Answer::revision).collect()
}

fn revisions(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.change().2).collect()
}

/// Asserts that a resume after any revision receives all later changes, including those made while it is open.
fn assert_resumes(app: &TestServer) {
    // Without a watcher, changes are read from the history, in several pages.
    let mut written = write(app, 500, "value");
    let resume = |since: u64| Watch::resume(app, "", Some(since));
    for at in [0, 250, 499] {
        let mut watch = resume(written[at]);
        assert_eq!(watch.first_comment, format!("revision {}", written[at]));
        let received = revisions(&watch.events(499 - at));
        assert_eq!(received, written[at + 1..]);
    }
    // From here on changes are read from memory.
    let _open = Watch::open(app, "");
    written.extend(write(app, 400, "value"));
    let missed = (0..900).step_by(97).chain([499, 500, 898, 899]);
    let mut watches: Vec<_> = missed.map(|at| (at, resume(written[at]))).collect();
    written.push(app.post("/kv/ns/later", "").revision());
    for (at, watch) in &mut watches {
        let received = revisions(&watch.events(900 - *at));
        assert_eq!(received, written[*at + 1..]);
    }
    let mut watch = resume(written[900]);
    let newest = app.post("/kv/ns/newest", "").revision();
    assert_eq!(watch.event().change(), ("set", "newest", newest));
}

#[test]
fn a_resume_has_every_later_change_once_in_order() {
    assert_resumes(&TestServer::start());
}

#[test]
fn a_resume_from_a_slow_disk_has_every_later_change_once_in_order() {
    assert_resumes(&TestServer::on_slow_disk());
}

#[test]
fn resumes_while_writers_run_miss_nothing() {
    for app in [TestServer::start(), TestServer::on_slow_disk()] {
        let begin = app.post("/kv/ns/begin", "").revision();
        let (written, watches) = std::thread::scope(|scope| {
            let writers = [(); 3].map(|()| scope.spawn(|| write(&app, 250, "")));
            let mut last = begin;
            let mut received = Vec::new();
            // A watcher that is cut off repeatedly, after more and more events.
            for count in 1..35 {
                let mut watch = Watch::resume(&app, "", Some(last));
                let events = revisions(&watch.events(count));
                last = *events.last().expect("an event");
                received.extend(events);
            }
            let written = writers.map(|writer| writer.join().expect("a writer"));
            (written.concat(), (received, last))
        });
        let (mut received, last) = watches;
        let mut rest = Watch::resume(&app, "", Some(last));
        received.extend(revisions(&rest.events(written.len() - received.len())));
        let mut written = written;
        written.sort_unstable();
        assert_eq!(received, written);
    }
}

#[test]
fn a_watch_that_starts_during_a_commit_receives_its_changes() {
    // The commit takes some time, and no later commit can compensate for a missing event.
    let app = TestServer::on_disk();
    let mut writer = app.connect();
    let mut last = writer.ask("POST", "/kv/other/key", "", b"").revision();
    for round in 0..60 {
        writer.send(request("POST", &format!("/kv/{round}/key"), "", b""));
        let path = format!("/watch/{round}?since={last}");
        let mut watch = Watch::on_connection(app.connect(), &path, "");
        last = writer.answer().revision();
        assert_eq!(watch.event().change(), ("set", "key", last));
    }
}

#[test]
fn last_event_id_takes_precedence_over_since() {
    let app = TestServer::start();
    let written = write(&app, 10, "");
    let next = |query: &str, header: &str| {
        let path = format!("/watch/ns?{query}");
        Watch::on_connection(app.connect(), &path, header)
            .event()
            .change()
            .2
    };
    let id = |at: usize| format!("Last-Event-ID: {}\r\n", written[at]);
    let since = |at: usize| format!("since={}", written[at]);
    assert_eq!(next(&since(2), ""), written[3]);
    assert_eq!(next("", &id(2)), written[3]);
    assert_eq!(next(&since(2), &id(7)), written[8]);
    assert_eq!(next(&since(7), &id(2)), written[3]);
    assert_eq!(next("since=0", &id(7)), written[8]);
    // An `id:` without text, by which a browser forgets its id.
    assert_eq!(next(&since(2), "Last-Event-ID:\r\n"), written[3]);
    // A valid header does not compensate for an invalid parameter.
    let answer = app.connect().ask("GET", "/watch/ns?since=x", &id(7), b"");
    assert_eq!(answer.status, 400);
}

#[test]
fn a_resume_reports_drops() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let begin = connection.ask("POST", "/kv/ns/0", "", b"").revision();
    for round in 1..6 {
        assert_eq!(
            connection
                .ask("DELETE", "/kv/ns?confirm=ns", "", b"")
                .status,
            200
        );
        connection.ask("POST", &format!("/kv/ns/{round}"), "", b"");
    }
    let mut watch = Watch::resume(&app, "", Some(begin));
    for round in 1..6 {
        let dropped = watch.event();
        assert_eq!(
            (&*dropped.name, dropped.data["key"].is_null()),
            ("drop", true)
        );
        // A watcher that was cut off after the drop receives the same events.
        let mut resumed = Watch::resume(&app, "", dropped.id);
        let set = watch.event();
        assert_eq!((&*set.name, set.key()), ("set", &*round.to_string()));
        assert_eq!(resumed.event(), set);
    }
}

#[test]
fn a_resume_has_a_replaced_value_only_if_it_was_short() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let begin = connection.ask("POST", "/kv/ns/begin", "", b"").revision();
    let (short, long) = ("s".repeat(1_024), "l".repeat(1_025));
    for value in [&short, &long, &short, &long] {
        connection.ask("POST", "/kv/ns/key", "", value.as_bytes());
    }
    let mut watch = Watch::resume(&app, "values=true", Some(begin));
    let received = watch.events(4);
    let values: Vec<_> = received
        .iter()
        .map(|event| event.data.get("value"))
        .collect();
    let (short, long) = (short.into(), long.into());
    assert!(values == [Some(&short), None, Some(&short), Some(&long)]);
    let sizes: Vec<_> = received
        .iter()
        .map(|event| event.data["size"].as_u64())
        .collect();
    assert_eq!(sizes, [1_024, 1_025, 1_024, 1_025].map(Some));
}

/// Returns the revisions of the changes after `since`, up to `last`; none where they are compacted.
fn revisions_since(app: &TestServer, since: u64, last: u64) -> Option<Vec<u64>> {
    let answer = app
        .connect()
        .ask("HEAD", &format!("/watch/ns?since={since}"), "", b"");
    if answer.status == 410 {
        return None;
    }
    let mut watch = Watch::open(app, &format!("since={since}"));
    let mut received = Vec::new();
    while received.last() != Some(&last) {
        received.push(watch.event().change().2);
    }
    Some(received)
}

#[test]
fn a_revision_before_the_history_is_410() {
    let app = TestServer::with_history(KEPT, Options::default());
    let written = write(&app, 60, "");
    let (first, newest) = (written[0], written[59]);
    let mut connection = app.connect();
    let mut ask = |since: u64| connection.ask("GET", &format!("/watch/ns?since={since}"), "", b"");
    let answer = ask(first);
    assert_eq!(answer.refusal(), (410, "history_gone".into()));
    let problem = answer.problem();
    let oldest = problem["oldest"].as_u64().unwrap();
    assert_eq!(problem["newest"], newest);
    assert_eq!(problem["since"], first);
    // At least the configured number of changes is kept, and not many more.
    let kept = newest - oldest;
    assert!((KEPT..=2 * KEPT).contains(&kept), "{kept}");
    assert_eq!(ask(oldest - 1).status, 410);
    let at = written
        .iter()
        .position(|revision| *revision == oldest)
        .unwrap();
    assert_eq!(
        revisions_since(&app, oldest, newest).unwrap(),
        written[at + 1..]
    );
    // The state is available nevertheless.
    assert_eq!(Watch::open(&app, "since=0").state().0.len(), 5);
}

#[test]
fn a_resume_after_any_revision_has_all_later_changes_or_is_410() {
    // Value lengths with which the changes in memory reach less far back than the history, as far, and further.
    for length in [40_000, 10_000, 0] {
        let app = TestServer::with_history(KEPT, Options::default());
        let _open = Watch::open(&app, "");
        let written = write(&app, 60, &"x".repeat(length));
        let mut known = 0;
        for (at, since) in written.iter().enumerate().take(59) {
            if let Some(received) = revisions_since(&app, *since, written[59]) {
                assert_eq!(received, written[at + 1..], "{length}");
                known += 1;
            } else {
                assert_eq!(known, 0, "{length}: a later revision is compacted");
            }
        }
        assert!(known >= 16, "{length}: only {known}");
    }
}

#[test]
fn a_future_revision_is_410() {
    // The result is the same with a watcher, for which the newest changes are in memory.
    for watched in [false, true] {
        let app = TestServer::start();
        let _open = watched.then(|| Watch::open(&app, ""));
        let newest = app.post("/kv/ns/key", "").revision();
        for since in [newest + 1, u64::MAX] {
            for (query, header) in [
                (format!("since={since}"), String::new()),
                (String::new(), format!("Last-Event-ID: {since}\r\n")),
            ] {
                let path = format!("/watch/ns?{query}");
                let answer = app.connect().ask("GET", &path, &header, b"");
                assert_eq!(answer.refusal(), (410, "history_gone".into()), "{since}");
                assert_eq!(answer.problem()["newest"], newest);
            }
        }
    }
}

#[test]
fn a_watch_can_start_at_a_revision_of_another_namespace() {
    let app = TestServer::start();
    let first = app.post("/kv/ns/a", "").revision();
    let between = app.post("/kv/other/b", "").revision();
    let last = app.post("/kv/ns/c", "").revision();
    assert!(first < between && between < last);
    assert_eq!(
        Watch::resume(&app, "", Some(between)).event().change(),
        ("set", "c", last)
    );
    let newest = app.post("/kv/other/d", "").revision();
    let mut watch = Watch::resume(&app, "", Some(newest));
    let stored = app.post("/kv/ns/e", "").revision();
    assert_eq!(watch.event().change(), ("set", "e", stored));
}
