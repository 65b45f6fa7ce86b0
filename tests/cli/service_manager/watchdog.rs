//! The watchdog is notified as long as the server is healthy, and no longer.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use super::Manager;
use crate::common::{Connection, Server};

/// Maximum interval of the notifications.
const INTERVAL: Duration = Duration::from_millis(200);
/// Silence is a multiple of that: a busy machine may be late.
const SILENCE: Duration = Duration::from_secs(4);
/// Maximum number of notifications before the test fails.
const MAX_NOTIFICATIONS: usize = 200;
/// The pipe of the log holds 64 KiB, and each request logs a line with its path.
const REQUESTS: usize = 200;

fn is_well(notification: &[String]) -> bool {
    notification == ["WATCHDOG=1"]
}

#[test]
fn only_a_healthy_server_notifies_the_watchdog() {
    let manager = Manager::new();
    let mut command = manager.serve();
    command.env("WATCHDOG_USEC", INTERVAL.as_micros().to_string());
    command.args(["--log", "off,akvs_http::access=debug"]);
    // Nothing reads its log: once the pipe is full, logging blocks.
    let mut child = Ended(command.stderr(Stdio::piped()).spawn().unwrap());
    let address = manager.ready();
    for _ in 0..3 {
        assert!(is_well(&manager.notification()));
    }

    let mut connection = Connection::to(&address).unwrap();
    let path = format!("/kv/a/{}", "k".repeat(900));
    let request = format!("GET {path} HTTP/1.1\r\nHost: akvs\r\n\r\n");
    connection.send(request.repeat(REQUESTS)).unwrap();
    let silent = (0..MAX_NOTIFICATIONS).any(|_| manager.notification_within(SILENCE).is_none());
    assert!(silent, "it hangs, and says that all is well");

    let mut log = child.0.stderr.take().unwrap();
    std::thread::spawn(move || log.read_to_end(&mut Vec::new()));
    assert!(is_well(&manager.notification()), "it hangs no more");
    for _ in 0..REQUESTS {
        assert_eq!(connection.answer().unwrap().status, 404);
    }
}

#[test]
fn a_watchdog_of_another_process_is_ignored() {
    let manager = Manager::new();
    let mut command = manager.serve();
    command
        .env("WATCHDOG_USEC", "1000")
        .env("WATCHDOG_PID", "1");
    let server = Server::spawn(&mut command);
    let address = manager.ready();
    for _ in 0..50 {
        let answer = Connection::to(&address).unwrap().ask("GET", "/ping", b"");
        assert_eq!(answer.unwrap().status, 200);
    }
    server.signal(rustix::process::Signal::TERM);
    // The next notification: none came in between.
    assert_eq!(manager.notification()[0], "STOPPING=1");
    assert_eq!(server.wait().code(), Some(0));
}

/// A process that is killed with the test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
