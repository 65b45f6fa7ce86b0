//! A data folder that cannot be used is refused with one clear text, and left as it was to the byte.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use akvs_core::{DiskEngine, DiskOptions, OpenError};

use common::{at, key, listing, store};

const HELD_FOLDER: &str = "AKVS_TEST_HELD_FOLDER";

/// The refusal, after it was seen that it names the folder, is one line, and changed nothing beside or in it.
fn refusal(around: &Path, folder: &Path) -> OpenError {
    let before = listing(around);
    let Err(error) = DiskEngine::open(&DiskOptions::new(folder)) else {
        panic!("{} was opened", folder.display())
    };
    assert_eq!(listing(around), before);
    let text = error.to_string();
    assert!(text.contains(folder.to_str().expect("a name")), "{text}");
    assert!(!text.contains('\n'), "{text}");
    error
}

fn filled(folder: &Path) {
    let database = common::disk(folder);
    store(&database).set(&key("k"), "v", at(1)).expect("a set");
    database.close().expect("a close");
}

#[test]
fn a_file_in_its_place() {
    let around = tempfile::tempdir().expect("a folder");
    let file = around.path().join("data");
    fs::write(&file, "something else").expect("a file");
    let error = refusal(around.path(), &file);
    assert!(matches!(error, OpenError::NotAFolder(_)), "{error}");
    assert!(error.to_string().ends_with("is not a folder"), "{error}");
}

#[test]
fn a_path_below_a_file() {
    let around = tempfile::tempdir().expect("a folder");
    fs::write(around.path().join("file"), "something else").expect("a file");
    let error = refusal(around.path(), &around.path().join("file").join("data"));
    assert!(matches!(error, OpenError::NotAFolder(_)), "{error}");
}

#[test]
fn one_that_cannot_be_made() {
    let folder = Path::new("/proc/akvs-cannot-be-made/data");
    let Err(error) = DiskEngine::open(&DiskOptions::new(folder)) else {
        panic!("it was made")
    };
    assert!(matches!(error, OpenError::Unusable(..)), "{error}");
    assert!(error.to_string().contains("cannot be used"), "{error}");
}

#[test]
fn one_that_cannot_be_written() {
    let around = tempfile::tempdir().expect("a folder");
    let folder = around.path().join("data");
    fs::create_dir(&folder).expect("a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).expect("rights");
    if fs::write(folder.join("akvs.lock"), "").is_ok() {
        println!("not tested: this user's rights do not bind it");
        return;
    }
    let error = refusal(around.path(), &folder);
    assert!(matches!(error, OpenError::Unusable(..)), "{error}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("rights");
}

#[test]
fn another_programs() {
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
            matches!(&error, OpenError::Foreign(_, name) if name == names[0]),
            "{error}"
        );
        assert!(error.to_string().contains(names[0]), "{error}");
    }
}

#[test]
fn a_newer_format() {
    let around = tempfile::tempdir().expect("a folder");
    filled(around.path());
    fs::write(around.path().join("akvs.format"), "akvs 2\n").expect("a file");
    let error = refusal(around.path(), around.path());
    assert!(matches!(error, OpenError::NewerFormat(_, 2)), "{error}");
    assert!(error.to_string().contains("format 2"), "{error}");
}

#[test]
fn a_format_that_says_nothing() {
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

/// Not a test by itself: the process that holds the folder in the tests below.
#[test]
fn holds_a_folder_until_its_input_ends() {
    if let Some(folder) = std::env::var_os(HELD_FOLDER) {
        let _engine = common::disk_engine(Path::new(&folder));
        println!("\nheld");
        std::io::stdin()
            .read_to_end(&mut Vec::new())
            .expect("the end");
    }
}

/// The process, once it has the folder, and its output, without which it could not end well.
fn holder(folder: &Path) -> (Child, impl Read) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "holds_a_folder_until_its_input_ends",
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
    assert!(held, "it did not get the folder");
    (child, output)
}

#[test]
fn one_that_another_process_has() {
    let around = tempfile::tempdir().expect("a folder");
    let (mut child, _output) = holder(around.path());
    let error = refusal(around.path(), around.path());
    let pid = child.id();
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
    DiskEngine::open(&DiskOptions::new(around.path())).expect("it is free");
}

#[test]
fn one_whose_process_was_killed_is_free() {
    let around = tempfile::tempdir().expect("a folder");
    let (mut child, _output) = holder(around.path());
    child.kill().expect("a kill");
    child.wait().expect("its end");
    DiskEngine::open(&DiskOptions::new(around.path())).expect("it is free");
}
