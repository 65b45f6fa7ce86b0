//! `akvs doctor`: one line per check, remedies for failures, and the exit code. Each test changes one check of a sound
//! machine.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::backup::verb;
use crate::common::{Ran, Server, akvs, run};
use crate::full_disk::SmallDisk;

/// The names of all checks.
const CHECKS: [&str; 9] = [
    "settings",
    "server",
    "data directory",
    "file system",
    "space",
    "fsync",
    "clock",
    "descriptors",
    "permissions",
];

fn doctor(data: &Path) -> Ran {
    verb(data, ["doctor"])
}

/// Returns the result and the text of a check.
#[track_caller]
fn result<'a>(ran: &'a Ran, check: &str) -> (&'a str, &'a str) {
    let shown = format!(" {check:<14} ");
    let line = ran
        .stdout
        .lines()
        .find(|line| line.get(5..).is_some_and(|rest| rest.starts_with(&shown)));
    let line = line.unwrap_or_else(|| panic!("no {check}: {ran:?}"));
    (line[..5].trim_end(), &line[5 + shown.len()..])
}

/// Asserts that only these checks fail, with the exit code. The directory of the tests may be on no disk.
#[track_caller]
fn assert_bad(ran: &Ran, bad: &[&str]) {
    let found = CHECKS
        .into_iter()
        .filter(|check| result(ran, check).0 == "fail");
    let found: Vec<_> = found
        .filter(|check| *check != "file system" || bad.contains(check))
        .collect();
    assert_eq!(found, bad, "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), CHECKS.len(), "{ran:?}");
    let is_disk = result(ran, "file system").0 != "fail";
    if is_disk || !bad.is_empty() {
        assert_eq!(ran.code, Some(i32::from(!bad.is_empty())), "{ran:?}");
    }
}

#[test]
fn a_sound_directory_passes_with_and_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let ran = doctor(&data);
    assert_bad(&ran, &[]);
    assert!(
        result(&ran, "data directory")
            .1
            .ends_with("is created at the first start")
    );
    assert!(!data.exists());

    let server = Server::start(&data, &[]);
    let ran = doctor(&data);
    assert_bad(&ran, &[]);
    let expected = format!("process {} accepts writes", server.pid());
    assert!(result(&ran, "server").1.starts_with(&expected), "{ran:?}");
    server.stop();
    let before = fs::read_dir(&data).unwrap().count();
    let ran = doctor(&data);
    assert_bad(&ran, &[]);
    assert_eq!(result(&ran, "server"), ("ok", "not running"));
    assert_eq!(fs::read_dir(&data).unwrap().count(), before);

    Server::start(&data, &[]).kill();
    let ran = doctor(&data);
    assert_bad(&ran, &[]);
    assert!(
        result(&ran, "data directory")
            .1
            .contains("replaces its socket"),
        "{ran:?}"
    );
}

#[test]
fn a_memory_file_system_fails() {
    let Ok(folder) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    let ran = doctor(folder.path());
    assert_bad(&ran, &["file system"]);
    let (_, text) = result(&ran, "file system");
    assert!(
        text.contains("in memory") && text.contains("data_dir"),
        "{text}"
    );
    assert_eq!(ran.stderr, "akvs: 1 check failed\n");
}

#[test]
fn an_unwritable_directory_fails() {
    // Not even root can write there.
    let ran = doctor("/proc/akvs".as_ref());
    assert_eq!(result(&ran, "fsync").0, "fail", "{ran:?}");
    assert!(
        result(&ran, "fsync").1.contains("cannot write to /proc"),
        "{ran:?}"
    );
    assert_eq!(ran.code, Some(1));
}

#[test]
fn a_file_as_data_directory_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let ran = doctor(&file);
    assert_bad(&ran, &["data directory"]);
    assert!(
        result(&ran, "data directory")
            .1
            .ends_with("is not a directory")
    );
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[test]
fn files_readable_by_others_are_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let tokens = folder.path().join("tokens.toml");
    fs::write(&tokens, "").unwrap();
    fs::set_permissions(&tokens, Permissions::from_mode(0o644)).unwrap();
    let ran = doctor(folder.path());
    assert_bad(&ran, &[]);
    let (word, text) = result(&ran, "data directory");
    assert_eq!(word, "warn");
    assert!(text.contains("chmod 700"), "{text}");
    let (word, text) = result(&ran, "permissions");
    assert_eq!(word, "warn");
    assert!(
        text.contains("tokens.toml") && text.contains("chmod 600"),
        "{text}"
    );
}

#[test]
fn a_clock_that_was_set_back_fails() {
    let folder = tempfile::tempdir().unwrap();
    Server::start(folder.path(), &[]).stop();
    let far = UNIX_EPOCH + Duration::from_secs(7_258_118_400);
    let file = File::open(folder.path().join("store/store.id")).unwrap();
    file.set_modified(far).unwrap();
    let ran = doctor(folder.path());
    assert_bad(&ran, &["clock"]);
    let (_, text) = result(&ran, "clock");
    assert!(
        text.contains("2200-01-01") && text.contains("set back"),
        "{text}"
    );
}

#[test]
fn an_exposed_address_without_tokens_fails() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = akvs();
    command
        .env("AKVS_HTTP__LISTEN", "0.0.0.0:0")
        .args(["doctor", "--data-dir"]);
    let ran = run(command.arg(folder.path()));
    assert_bad(&ran, &["settings"]);
    assert!(
        result(&ran, "settings").1.contains("--unauthenticated"),
        "{ran:?}"
    );
}

#[test]
fn invalid_settings_end_the_doctor() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("akvs.toml");
    fs::write(&config, "[engine]\ncache_byte = 1\n").unwrap();
    let ran = verb(
        folder.path(),
        ["doctor", "--config", config.to_str().unwrap()],
    );
    ran.assert_refused(78, &["engine.cache_byte", "engine.cache_bytes"]);
}

#[test]
fn a_full_disk_fails() {
    let Some(disk) = SmallDisk::mount_mib(24) else {
        return;
    };
    let data = disk.path().join("data");
    let server = Server::start(&data, &[]);
    let mut connection = server.connect();
    let value = vec![b'x'; 1_000_000];
    let mut numbers = 0..100;
    let is_full = numbers.any(|number| {
        let path = format!("/kv/large/{number}");
        connection.ask("POST", &path, &value).unwrap().status == 507
    });
    assert!(is_full, "the disk is never full");
    let ran = doctor(&data);
    // The server continues once there is space; until then it accepts writes that need none.
    assert_eq!(result(&ran, "server").0, "ok", "{ran:?}");
    assert_eq!(result(&ran, "space").0, "fail", "{ran:?}");
    assert_eq!(ran.code, Some(1));
}
