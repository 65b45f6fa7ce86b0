//! `start`, `stop`, `restart`, `ping`, `pid` and `status`, and their failures.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;

use crate::background::{Background, command, verb};
use crate::common::{Connection, Server, json, run};

/// Verbs that need a server.
const VERBS: [&[&str]; 9] = [
    &["ping"],
    &["pid"],
    &["status"],
    &["status", "--json"],
    &["stop"],
    &["healthcheck"],
    &["attach"],
    &["eval", "ping"],
    &["get", "a", "b"],
];

/// Asserts that each of them reports that no server is running.
#[track_caller]
pub(crate) fn assert_not_running(data: &Path) {
    let socket = data.join("akvs.sock").display().to_string();
    for arguments in VERBS {
        let ran = run(verb(data).args(arguments));
        // Verbs that ask whether a server is running exit with 1, others with 69.
        let code = match arguments[0] {
            "attach" | "eval" | "get" => 69,
            _ => 1,
        };
        ran.assert_refused(code, &["no server is running", &socket]);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn start_prints_the_server_and_stop_waits_for_its_exit() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert_not_running(&data);
    let server = Background::start(&data, &[]);
    let (pid, data) = (server.pid().to_string(), data.display().to_string());
    for part in [
        &*pid,
        &data,
        &format!("{data}/akvs.log"),
        "http://127.0.0.1:",
    ] {
        assert!(
            server.output().contains(part),
            "{part}: {}",
            server.output()
        );
    }
    assert_eq!(server.answer(&["ping"]), "pong\n");
    assert_eq!(server.answer(&["pid"]), format!("{pid}\n"));
    assert_eq!(server.answer(&["healthcheck"]), "");
    let again = run(&mut command(Path::new(&data)));
    again.assert_refused(75, &["already running", &data, &format!("process {pid}")]);

    assert_eq!(server.answer(&["stop"]), "stopped\n");
    assert!(server.has_exited());
    assert_not_running(Path::new(&data));
}

#[test]
fn status_includes_the_last_write() {
    let folder = tempfile::tempdir().unwrap();
    let server = Background::start(folder.path(), &[]);
    let mut connection = Connection::to(server.address()).unwrap();
    for path in ["/kv/a/1", "/kv/a/2", "/kv/b/3"] {
        assert_eq!(connection.ask("POST", path, b"value").unwrap().status, 201);
    }
    let document = json(&server.answer(&["status", "--json"]));
    for (name, value) in [
        ("pid", u64::from(server.pid())),
        ("namespaces", 2),
        ("keys", 3),
        // Each has a key of one byte.
        ("bytes", 18),
        ("watchers", 0),
    ] {
        assert_eq!(document[name], value, "{name}: {document}");
    }
    assert_eq!(
        (&document["engine"], &document["ready"]),
        (&"disk".into(), &true.into())
    );
    assert!(document["connections"].as_u64().unwrap() >= 1);
    let table = server.answer(&["status"]);
    let row = |name: &str| {
        let row = table.lines().find_map(|line| line.strip_prefix(name));
        row.unwrap().trim().to_owned()
    };
    assert_eq!(row("process"), server.pid().to_string());
    assert_eq!((&*row("keys"), &*row("namespaces")), ("3", "2"));
    assert_eq!((&*row("state"), &*row("engine")), ("ready", "disk"));
    assert!(row("version").starts_with(env!("CARGO_PKG_VERSION")));
}

#[test]
fn of_two_concurrent_starts_one_fails() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let start = || {
            let mut command = command(folder.path());
            let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let both = [start(), start()];
        let mut ended = both.map(|one| one.wait_with_output().unwrap());
        ended.sort_by_key(|output| output.status.code());
        let codes = ended.each_ref().map(|output| output.status.code());
        assert_eq!(codes, [Some(0), Some(75)], "round {round}: {ended:?}");
        let [won, lost] = ended.map(|output| {
            let texts = [output.stdout, output.stderr];
            texts.map(|text| String::from_utf8(text).unwrap())
        });
        let server = Background::from_output(folder.path(), won[0].clone());
        assert_eq!((&*won[1], &*lost[0]), ("", ""));
        assert_eq!(lost[1].lines().count(), 1, "{lost:?}");
        assert!(lost[1].contains("in use"), "{lost:?}");
        assert_eq!(server.answer(&["pid"]), format!("{}\n", server.pid()));
        server.signal(Signal::KILL);
        server.wait();
    }
}

#[test]
fn restart_starts_a_new_process_with_the_same_data() {
    let folder = tempfile::tempdir().unwrap();
    let first = Background::start(folder.path(), &[]);
    first.answer(&["set", "a", "b", "c"]);
    let ran = first.run(&["restart", "--listen", "127.0.0.1:0"]);
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{ran:?}");
    let second = Background::from_output(folder.path(), ran.stdout);
    assert!(first.has_exited());
    assert_ne!(first.pid(), second.pid());
    assert_eq!(second.answer(&["get", "a", "b"]), "c");
    second.answer(&["stop"]);
    let ran = second.run(&["restart", "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("no server was running"), "{ran:?}");
    let third = Background::from_output(folder.path(), ran.stdout);
    assert_eq!(third.answer(&["get", "a", "b"]), "c");

    // Errors of the settings are found before the server is stopped.
    let ran = third.run(&["restart", "--log", "a=b=c"]);
    ran.assert_refused(78, &["--log"]);
    assert!(!third.has_exited());
}

#[test]
fn a_failed_start_prints_the_reason_and_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let config = folder.path().join("akvs.toml");
    fs::write(&config, "[limits]\nmax_valu_bytes = 1\n").unwrap();
    let shown = config.display().to_string();
    run(command(&data).arg("--config").arg(&config)).assert_refused(
        78,
        &["limits.max_valu_bytes", "limits.max_value_bytes", &shown],
    );
    run(command(&data).env("AKVS_LIMITS__DRAIN_TIMEOUT", "soon")).assert_refused(
        78,
        &["limits.drain_timeout", "soon", "AKVS_LIMITS__DRAIN_TIMEOUT"],
    );
    assert!(!data.exists(), "refused before anything was made");
    let key = folder.path().join("key.pem").display().to_string();
    run(command(&data)
        .env("AKVS_TLS__KEY", &key)
        .env("AKVS_TLS__CERTIFICATE", &key))
    .assert_refused(78, &["tls.certificate", &key, "cannot read"]);
    run(&mut command(Path::new("/proc/akvs"))).assert_refused(78, &["data_dir", "/proc/akvs"]);
    run(&mut command(&config)).assert_refused(78, &["data_dir", &shown]);

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    run(command(&data).args(["--listen", &address]))
        .assert_refused(1, &[&address, "another program is listening on it"]);
    // The error is in the log too.
    let log = fs::read_to_string(data.join("akvs.log")).unwrap();
    assert!(log.contains("another program is listening on it"), "{log}");
    assert_not_running(&data);
}

#[test]
fn a_directory_of_another_program_is_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "precious").unwrap();
    run(&mut command(folder.path())).assert_refused(78, &["data_dir", "does not belong to AKVS"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_server_in_the_foreground_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let pid = server.pid().to_string();
    run(&mut command(folder.path())).assert_refused(75, &["in use", &format!("process {pid}")]);
    assert_eq!(
        run(verb(folder.path()).arg("pid")).stdout,
        format!("{pid}\n")
    );
    assert_eq!(run(verb(folder.path()).arg("stop")).stdout, "stopped\n");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_hung_server_is_reported_with_its_pid() {
    let folder = tempfile::tempdir().unwrap();
    let server = Background::start(folder.path(), &[]);
    server.signal(Signal::STOP);
    let pid = server.pid().to_string();
    assert_eq!(server.answer(&["pid"]), format!("{pid}\n"));
    let ran = server.run(&["stop", "--timeout", "1"]);
    ran.assert_refused(1, &["still stopping", &pid]);
    std::thread::scope(|scope| {
        for arguments in [["ping"], ["status"]] {
            let server = &server;
            scope.spawn(move || {
                let ran = server.run(&arguments);
                ran.assert_refused(1, &["does not answer", &server.pid().to_string()]);
            });
        }
    });
    // The request to stop takes effect once the process continues.
    server.signal(Signal::CONT);
    server.wait();
    assert_not_running(folder.path());
}

#[test]
fn a_data_directory_may_have_any_name_and_length() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("x".repeat(120)).join("y".repeat(120));
    for (data, engine) in [
        (folder.path().join("my data ü \u{1f5c4}"), "disk"),
        (long, "disk"),
        (folder.path().join("memory"), "memory"),
    ] {
        let server = Background::start(&data, &["--engine", engine]);
        assert_eq!(server.answer(&["ping"]), "pong\n");
        assert_eq!(server.answer(&["set", "a", "b", "c"]), "OK\n");
        assert_eq!(server.answer(&["get", "a", "b"]), "c");
        assert_eq!(server.answer(&["eval", "get a b"]), "c");
        assert_eq!(server.answer(&["stop"]), "stopped\n");
        assert!(server.has_exited());
        assert!(!data.join("akvs.sock").exists());
    }
}

#[test]
fn the_log_is_private_and_rotates_at_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("akvs.log");
    let first = Background::start(folder.path(), &[]);
    first.answer(&["stop"]);
    assert_eq!(mode(&log), 0o600);
    assert!(first.log().contains("listening on"));
    // As if it had logged up to the limit.
    fs::OpenOptions::new()
        .append(true)
        .open(&log)
        .unwrap()
        .set_len(17 << 20)
        .unwrap();
    let second = Background::start(folder.path(), &[]);
    second.answer(&["stop"]);
    let old = folder.path().join("akvs.log.1");
    assert!(fs::metadata(&old).unwrap().len() >= 17 << 20);
    assert!(fs::metadata(&log).unwrap().len() < 1 << 20);
    assert_eq!((mode(&log), mode(&old)), (0o600, 0o600));
}
