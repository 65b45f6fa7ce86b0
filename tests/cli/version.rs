//! `akvs --version`.

use crate::common::{akvs, run};

#[test]
fn the_version_is_one_line() {
    for flag in ["--version", "-V"] {
        let ran = run(akvs().arg(flag));
        assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
        assert_eq!(
            ran.stdout,
            concat!("akvs ", env!("CARGO_PKG_VERSION"), "\n")
        );
    }
}

#[test]
fn the_long_version_identifies_the_build() {
    let rows = |words: &[&str]| {
        let ran = run(akvs().args(words));
        assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
        ran.stdout
    };
    let text = rows(&["--version", "--long"]);
    assert_eq!(rows(&["--long", "-V"]), text);
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.splitn(2, ' ').map(str::trim).collect())
        .collect();
    let [version, commit, date, target, engines, format] = &lines[..] else {
        panic!("{text}")
    };
    assert_eq!(version[..], ["akvs", env!("CARGO_PKG_VERSION")]);
    // The build has a commit of AKVS_COMMIT, of git, or none.
    assert_eq!(commit[..], ["commit", env!("BUILT_COMMIT")]);
    let is_known = env!("BUILT_DATE").parse::<u64>().is_ok();
    assert_eq!(date[0], "date");
    assert_eq!(
        humantime::parse_rfc3339(date[1]).is_ok(),
        is_known,
        "{text}"
    );
    assert_eq!(date[1] == "unknown", !is_known, "{text}");
    assert_eq!(target[0], "target");
    assert!(target[1].contains(std::env::consts::ARCH), "{text}");
    assert_eq!(engines[0], "engines");
    let number = engines[1]
        .strip_prefix("disk (lsm-tree ")
        .and_then(|rest| rest.strip_suffix("), memory"));
    let number = number.unwrap_or_else(|| panic!("{text}"));
    // The version in Cargo.lock.
    let locked = include_str!("../../Cargo.lock");
    assert!(locked.contains(&format!("name = \"lsm-tree\"\nversion = \"{number}\"")));
    assert_eq!(format[0], "format");
    let format = format[1].split(' ').next().map(str::parse);
    assert_eq!(format, Some(Ok(akvs_core::FORMAT)), "{text}");
}

#[test]
fn long_requires_version() {
    let ran = run(akvs().arg("--long"));
    ran.assert_refused(2, &["--version"]);
}
