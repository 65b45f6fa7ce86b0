//! The server as process 1, as in a container.
//!
//! That needs a PID namespace; the test is skipped with a message if the system allows none.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::background::verb;
use crate::common::{Server, akvs, run};

/// The ways into a namespace: as root, and as any user.
const WAYS: [&[&str]; 2] = [&[], &["--user", "--map-root-user"]];

fn unshare(way: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(way);
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    command.stdin(Stdio::null());
    command
}

#[test]
fn process_1_handles_signals_and_reaps_orphans() {
    let way = WAYS.into_iter().find(|way| {
        let tried = unshare(way).arg("true").stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    });
    let Some(way) = way else {
        eprintln!(
            "no namespace of process ids can be made here: the server was not tried as the first process"
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut command = unshare(way);
    let plain = akvs();
    for (name, _) in plain.get_envs() {
        command.env_remove(name);
    }
    command.arg(plain.get_program());
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "debug"]);
    let mut server = Server::from_command(command.arg("--data-dir").arg(folder.path()));
    // Its id outside of the namespace.
    let pid = run(verb(folder.path()).arg("pid")).stdout;
    let pid = pid.trim();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let inner = status.lines().find(|line| line.starts_with("NSpid:"));
    assert!(inner.unwrap().ends_with("\t1"), "{inner:?}");

    // A process whose parent ends first, and that ends with its stdin.
    let mut enter = Command::new("nsenter");
    enter.args(["--target", pid, "--pid", "--mount"]);
    if !way.is_empty() {
        enter.args(["--user", "--preserve-credentials"]);
    }
    enter.args(["sh", "-c", "(exec 4<&0; cat <&4 >/dev/null 2>&1 &)"]);
    let mut parent = enter.stdin(Stdio::piped()).spawn().unwrap();
    let stdin = parent.stdin.take();
    assert!(parent.wait().unwrap().success());
    let children = || fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    assert_ne!(children(), "", "it has fallen to the server");
    drop(stdin);
    server.wait_for("reaped orphaned process");
    assert_eq!(children(), "");

    assert_eq!(server.ask("POST", "/kv/a/b", b"c").status, 201);
    let server_pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
    kill_process(server_pid, Signal::TERM).unwrap();
    server.wait_for("stopped");
    assert_eq!(server.wait().code(), Some(0));
}
