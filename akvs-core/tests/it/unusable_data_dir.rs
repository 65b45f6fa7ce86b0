//! A data folder that cannot be used is refused with one clear text and left unchanged: content, names, times and
//! permissions.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use akvs_core::{DiskEngine, DiskOptions, FORMAT, OpenError, verify_folder};

use crate::common::{at, key, store};

const HELD_FOLDER: &str = "AKVS_TEST_HELD_FOLDER";

/// The state of a file or a folder, to detect a change.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    /// The content of a file.
    bytes: Option<Vec<u8>>,
    modified: SystemTime,
    mode: u32,
    inode: u64,
}

/// Returns the state of a folder and everything below it.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Listed> {
    let mut found = BTreeMap::new();
    let mut paths = vec![folder.to_owned()];
    while let Some(path) = paths.pop() {
        let metadata = fs::metadata(&path).expect("an entry");
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder");
            paths.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
        let listed = Listed {
            bytes: metadata.is_file().then(|| fs::read(&path).expect("a file")),
            modified: metadata.modified().expect("a time"),
            mode: metadata.mode(),
            inode: metadata.ino(),
        };
        found.insert(path, listed);
    }
    found
}

/// Returns the error, after checking that it names the folder, is one line, and that nothing in or next to it changed.
fn refusal(around: &Path, folder: &Path) -> OpenError {
    let before = tree(around);
    let Err(error) = DiskEngine::open(&DiskOptions::new(folder)) else {
        panic!("{} was opened", folder.display())
    };
    assert_eq!(tree(around), before);
    let text = error.to_string();
    assert!(text.contains(folder.to_str().expect("a name")), "{text}");
    assert!(!text.contains('\n'), "{text}");
    error
}

fn filled(folder: &Path) {
    let database = crate::common::disk(folder);
    store(&database).set(&key("k"), "v", at(1)).expect("a set");
    database.close().expect("a close");
}

#[test]
fn a_file_in_place_of_the_folder_is_refused() {
    let around = tempfile::tempdir().expect("a folder");
    let file = around.path().join("data");
    fs::write(&file, "something else").expect("a file");
    let error = refusal(around.path(), &file);
    assert!(matches!(error, OpenError::NotAFolder(_)), "{error}");
    assert!(error.to_string().ends_with("is not a directory"), "{error}");
}

#[test]
fn a_path_below_a_file_is_refused() {
    let around = tempfile::tempdir().expect("a folder");
    fs::write(around.path().join("file"), "something else").expect("a file");
    let error = refusal(around.path(), &around.path().join("file").join("data"));
    assert!(matches!(error, OpenError::NotAFolder(_)), "{error}");
}

#[test]
fn a_folder_that_cannot_be_created_is_refused() {
    let folder = Path::new("/proc/akvs-cannot-be-made/data");
    let Err(error) = DiskEngine::open(&DiskOptions::new(folder)) else {
        panic!("the folder was created")
    };
    assert!(matches!(error, OpenError::Unusable(..)), "{error}");
    assert!(error.to_string().contains("cannot be used"), "{error}");
}

#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    let around = tempfile::tempdir().expect("a folder");
    let folder = around.path().join("data");
    fs::create_dir(&folder).expect("a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).expect("rights");
    if fs::write(folder.join("akvs.lock"), "").is_ok() {
        println!("SKIPPED: this user may write to any folder");
        return;
    }
    let error = refusal(around.path(), &folder);
    assert!(matches!(error, OpenError::Unusable(..)), "{error}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("rights");
}

#[test]
fn a_folder_of_another_program_is_refused() {
    let around = tempfile::tempdir().expect("a folder");
    for (index, names) in [&["PG_VERSION"][..], &["store"], &["store.new", "akvs.lock"]]
        .iter()
        .enumerate()
    {
        let folder = around.path().join(index.to_string());
        fs::create_dir(&folder).expect("a folder");
        for name in *names {
            fs::write(folder.join(name), "16").expect("a file");
        }
        let error = refusal(around.path(), &folder);
        assert!(
            matches!(&error, OpenError::UnknownFile(_, name) if name == names[0]),
            "{error}"
        );
        assert!(error.to_string().contains(names[0]), "{error}");
    }
}

#[test]
fn a_folder_of_another_format_is_refused() {
    for (found, way_out) in [
        (FORMAT + 1, "use a newer release"),
        (
            FORMAT - 1,
            "back it up with the release that wrote it, then restore the backup",
        ),
        (
            FORMAT - 2,
            "export it with the release that wrote it, then import the export",
        ),
    ] {
        refuses_format(found, way_out);
    }
}

fn refuses_format(other: u64, way_out: &str) {
    let around = tempfile::tempdir().expect("a folder");
    let folder = around.path().join("data");
    filled(&folder);
    fs::write(folder.join("akvs.format"), format!("akvs {other}\n")).expect("a file");
    let error = refusal(around.path(), &folder);
    assert!(
        matches!(error, OpenError::OtherFormat(_, found) if found == other),
        "{error}"
    );
    let reason = format!(" has format {other}: this release reads format {FORMAT}; {way_out}");
    assert!(error.to_string().ends_with(&reason), "{error}");
    let before = tree(around.path());
    let verified = verify_folder(&DiskOptions::new(&folder), &mut |_| (), &mut |_| ());
    let error = verified.expect_err("another format was checked");
    assert!(error.to_string().ends_with(&reason), "{error}");
    assert_eq!(tree(around.path()), before);
}

#[test]
fn a_folder_with_an_invalid_format_is_refused() {
    let texts = [
        &b""[..],
        b"akvs",
        b"akvs 0\n",
        b"akvs -1\n",
        b"akvs one\n",
        b"\xff\xfe\0",
        &[b'9'; 100],
    ];
    let around = tempfile::tempdir().expect("a folder");
    filled(around.path());
    for text in texts {
        fs::write(around.path().join("akvs.format"), text).expect("a file");
        let error = refusal(around.path(), around.path());
        assert!(matches!(error, OpenError::Damaged(..)), "{text:?}: {error}");
        assert!(error.to_string().contains("akvs.format"), "{error}");
    }
}

/// The process that locks the folder in the tests below.
#[test]
#[ignore = "not a test: the tests below start it as the process that locks the folder"]
fn locks_a_folder_until_its_input_ends() {
    if let Some(folder) = std::env::var_os(HELD_FOLDER) {
        let _engine = crate::common::disk_engine(Path::new(&folder));
        println!("\nheld");
        std::io::stdin()
            .read_to_end(&mut Vec::new())
            .expect("the end");
    }
}

/// Returns the process, once it has locked the folder, and its output, which must stay open.
fn start_holder(folder: &Path) -> (Child, impl Read) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "unusable_data_dir::locks_a_folder_until_its_input_ends",
            "--ignored",
            "--nocapture",
        ])
        .env(HELD_FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    let mut lines = output.by_ref().lines().map_while(Result::ok);
    let held = lines.any(|line| line == "held");
    assert!(held, "the process did not lock the folder");
    (child, output)
}

/// Sends a signal to a process.
fn signal(pid: u32, name: &str) {
    let mut kill = Command::new("kill");
    kill.args([format!("-{name}"), pid.to_string()]);
    assert!(kill.status().expect("kill").success());
}

/// Returns whether a stop signal has stopped all threads of a process.
fn is_stopped(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    threads.flatten().all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat"));
        // The state follows the name, which ends with the last parenthesis.
        stat.is_ok_and(|stat| {
            stat.rsplit(") ")
                .next()
                .is_some_and(|rest| rest.starts_with('T'))
        })
    })
}

#[test]
fn a_folder_in_use_by_another_process_is_refused() {
    let around = tempfile::tempdir().expect("a folder");
    let (mut child, _output) = start_holder(around.path());
    let pid = child.id();
    // Its threads may still be changing files.
    signal(pid, "STOP");
    while !is_stopped(pid) {
        std::thread::yield_now();
    }
    let error = refusal(around.path(), around.path());
    signal(pid, "CONT");
    assert!(
        matches!(error, OpenError::Locked(_, Some(found)) if found == pid),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .ends_with(&format!("in use by process {pid}")),
        "{error}"
    );
    drop(child.stdin.take());
    assert!(child.wait().expect("its end").success());
    DiskEngine::open(&DiskOptions::new(around.path())).expect("a free folder");
}

#[test]
fn a_folder_of_a_killed_process_can_be_opened() {
    let around = tempfile::tempdir().expect("a folder");
    let (mut child, _output) = start_holder(around.path());
    child.kill().expect("a kill");
    child.wait().expect("its end");
    DiskEngine::open(&DiskOptions::new(around.path())).expect("a free folder");
}
