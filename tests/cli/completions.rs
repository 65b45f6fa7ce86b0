//! Shell completions parse, and the manual page renders.

use std::io::ErrorKind;
use std::process::{Command, Stdio};

use crate::background::verb;
use crate::common::{akvs, output, run};

const VERBS: [&str; 22] = [
    "serve",
    "console",
    "start",
    "stop",
    "restart",
    "ping",
    "pid",
    "status",
    "attach",
    "eval",
    "get",
    "set",
    "del",
    "add",
    "touch",
    "ls",
    "watch",
    "txn",
    "ns",
    "token",
    "config",
    "completions",
];

#[test]
fn completions_parse_and_name_each_verb() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(akvs().args(["completions", shell]));
        assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
        for verb in VERBS {
            assert!(ran.stdout.contains(verb), "{shell}: {verb}");
        }
        let mut check = Command::new(shell);
        check.arg("-n").stdout(Stdio::null()).stderr(Stdio::null());
        let is_there = check
            .stdin(Stdio::null())
            .spawn()
            .map(|mut child| child.wait());
        match is_there {
            Ok(_) => {}
            // Only what this machine has can be asked.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => panic!("{shell}: {error}"),
        }
        let output = output(Command::new(shell).arg("-n"), ran.stdout.as_bytes());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*errors), (Some(0), ""), "{shell}");
    }
}

#[test]
fn bash_completes_a_verb() {
    let script = run(akvs().args(["completions", "bash"])).stdout;
    let script = format!(
        "{script}\nCOMP_WORDS=(akvs comp); COMP_CWORD=1; _akvs akvs comp akvs; echo \"${{COMPREPLY[@]}}\"\n"
    );
    let output = output(Command::new("bash").arg("--norc"), script.as_bytes());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "completions\n");
}

#[test]
fn the_manual_page_has_each_verb_and_renders() {
    let page = run(akvs().arg("man"));
    assert_eq!((page.code, &*page.stderr), (Some(0), ""));
    for verb in VERBS {
        let heading = format!(".SH \"AKVS {}\"\n", verb.to_uppercase());
        assert!(page.stdout.contains(&heading), "{verb}");
    }
    // Those below others too, with their flags.
    for (verb, flag) in [
        ("token new", "\\-\\-expires"),
        ("token rm", "\\-\\-config"),
        ("ns set", "\\-\\-max\\-keys"),
        ("ns drop", "\\-\\-confirm"),
        ("config check", "\\-\\-listen"),
    ] {
        let heading = format!(".SH \"AKVS {}\"\n", verb.to_uppercase());
        let (_, section) = page.stdout.split_once(&heading).expect(verb);
        let section = section.split(".SH \"AKVS").next().unwrap();
        assert!(section.contains(flag), "{verb}: {section}");
    }
    let mut groff = Command::new("groff");
    groff
        .args(["-man", "-Tutf8", "-ww", "-K", "utf8"])
        .stdin(Stdio::null());
    match groff
        .stdout(Stdio::null())
        .spawn()
        .map(|mut child| child.wait())
    {
        Ok(_) => {
            let output = output(&mut groff, page.stdout.as_bytes());
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), &*errors), (Some(0), ""));
            // Wherever the line is broken.
            let page = String::from_utf8_lossy(&output.stdout);
            let words: Vec<&str> = page.split_whitespace().collect();
            assert!(words.join(" ").contains("[default: fsync]"));
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
    }
}

#[test]
fn help_goes_to_stdout_and_usage_errors_to_stderr() {
    let folder = tempfile::tempdir().unwrap();
    for words in [
        &["--help"][..],
        &["get", "--help"],
        &["ns", "set", "-h"],
        &["--version"],
    ] {
        let ran = run(verb(folder.path()).args(words));
        assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{words:?}");
        assert!(ran.stdout.contains("akvs"), "{ran:?}");
    }
    let ran = run(verb(folder.path()).arg("gett"));
    assert_eq!((ran.code, &*ran.stdout), (Some(2), ""));
    assert!(ran.stderr.contains("'get'"), "{ran:?}");
}
