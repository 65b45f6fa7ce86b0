//! Usage of all verbs: the order of flags, aliases, times, paths with `~`, exit codes.

use std::fs;

use crate::background::{Background, verb};
use crate::common::{Server, akvs, run};

#[test]
fn flags_may_precede_their_verb() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    fs::write(&file, "[limits]\nmax_connections = 7\n").unwrap();
    let file = file.to_str().unwrap();
    for words in [
        &["--config", file, "config", "check"][..],
        &["config", "--config", file, "check"],
        &["config", "check", "--config", file],
    ] {
        let ran = run(akvs().args(words));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains(file), "{ran:?}");
    }
    let data = folder.path().join("data");
    let server = Background::start(&data, &["--engine", "memory"]);
    let data = data.to_str().unwrap();
    let url = format!("http://{}", server.address());
    for words in [
        &["--data-dir", data, "set", "a", "b", "c"][..],
        &["--url", &url, "--timeout", "5s", "get", "a", "b"],
        &["--data-dir", data, "ns", "ls"],
        &["ns", "--data-dir", data, "ls", "--json"],
        &["--data-dir", data, "eval", "get a b"],
        &["--data-dir", data, "token", "ls"],
        &["--data-dir", data, "healthcheck"],
    ] {
        let ran = run(akvs().args(words));
        assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
    }
    // A flag of another verb is refused, and a repeated flag too.
    run(akvs().args(["--engine", "memory", "get", "a", "b"])).assert_refused(2, &["--engine"]);
    run(akvs().args(["--config", file, "config", "check", "--config", file]))
        .assert_refused(2, &["--config"]);
}

#[test]
fn the_flags_of_eval_may_follow_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let first = Background::start(&one, &["--engine", "memory"]);
    let second = Background::start(&other, &["--engine", "memory"]);
    second.answer(&["set", "a", "b", "of the other"]);
    first.answer(&["set", "a", "b", "of the first"]);
    let other = other.to_str().unwrap();
    for words in [
        &["eval", "get a b", "--data-dir", other][..],
        &["eval", "get", "a", "b", "--data-dir", other],
        &["eval", "--data-dir", other, "get a b"],
    ] {
        let ran = run(akvs()
            .args(words)
            .env("AKVS_DATA_DIR", folder.path().join("one")));
        assert_eq!(ran.stdout, "of the other", "{words:?}: {ran:?}");
    }
    // Words of the line stay in it.
    let set = [
        "eval",
        "set",
        "a",
        "t",
        "v",
        "--ttl",
        "1h30m",
        "--data-dir",
        other,
    ];
    assert_eq!(run(akvs().args(set)).stdout, "OK\n");
    run(verb(&one).args(["eval", "get a b", "--url", "x"])).assert_refused(2, &["--url"]);
}

#[test]
fn a_leading_tilde_is_the_home_folder() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("a.toml");
    let text = "data_dir = \"~/data\"\n[auth]\ntokens = \"~/tokens.toml\"\n[log]\nfile = \"~/a.log\"\n\
        [http]\nlisten = \"unix:~/a.sock\"\n";
    fs::write(&config, text).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let akvs = || {
        let mut command = akvs();
        command
            .current_dir(elsewhere.path())
            .env("HOME", home.path());
        command
    };
    for words in [&["--config=~/a.toml"][..], &["--config", "~/a.toml"]] {
        let shown = run(akvs().args(["config", "show"]).args(words)).stdout;
        for (key, path) in [
            ("data_dir", "data"),
            ("auth.tokens", "tokens.toml"),
            ("log.file", "a.log"),
        ] {
            let line = format!("{key} = \"{}\"", home.path().join(path).display());
            assert!(shown.contains(&line), "{shown}");
        }
        let listen = format!("unix:{}", home.path().join("a.sock").display());
        assert!(shown.contains(&listen), "{shown}");
    }
    for (name, value) in [
        ("AKVS_CONFIG", "~/a.toml"),
        ("AKVS_DATA_DIR", "~/data"),
        ("AKVS_TLS__CERTIFICATE", "~/x"),
    ] {
        let key = [("AKVS_TLS__KEY", "~/y")];
        let ran = run(akvs().args(["config", "show"]).env(name, value).envs(key));
        let home = home.path().display().to_string();
        let refused = name != "AKVS_TLS__CERTIFICATE";
        assert_eq!(ran.code, Some(if refused { 78 } else { 0 }), "{ran:?}");
        assert!(refused || ran.stdout.contains(&home), "{ran:?}");
    }
    run(akvs().args(["config", "show", "--data-dir", "~other/x"]))
        .assert_refused(78, &["data_dir", "~other/x", "home directory"]);
    run(akvs().args([
        "get",
        "a",
        "b",
        "--url",
        "127.0.0.1:1",
        "--token-file=~/none",
    ]))
    .assert_refused(78, &[home.path().join("none").to_str().unwrap()]);
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[test]
fn times_have_one_syntax() {
    let folder = tempfile::tempdir().unwrap();
    let server = Background::start(folder.path(), &["--engine", "memory"]);
    for time in ["90", "90s", "1500ms", "1h30m", "7d", "1m 30s"] {
        let settings = run(akvs()
            .args(["config", "show"])
            .env("AKVS_LIMITS__DRAIN_TIMEOUT", time));
        // Seven days exceed the maximum of this setting.
        let code = if time == "7d" || time == "1h30m" {
            78
        } else {
            0
        };
        assert_eq!(settings.code, Some(code), "{time}: {settings:?}");
        assert!(!settings.stderr.contains("invalid time"), "{settings:?}");
        server.answer(&["set", "a", "b", "c", "--ttl", time]);
        server.answer(&["touch", "a", "b", "--ttl", time]);
        let txn = format!(r#"{{"ops":[{{"op":"set","key":"b","value":"c","ttl":"{time}"}}]}}"#);
        server.answer(&["txn", "a", &txn]);
        let timeout = if time == "7d" { "1d" } else { time };
        server.answer(&["get", "a", "b", "--timeout", timeout]);
        let name = format!("t{}", time.replace(' ', ""));
        let new = ["token", "new", &name, "--rights", "read", "--expires", time];
        let made = server.run(&new);
        assert_eq!(made.code, Some(0), "{time}: {made:?}");
    }
    for time in ["", "0", "1.5h", "1h30", "5 apples", "-1"] {
        let flag = format!("--ttl={time}");
        let ran = server.run(&["set", "a", "b", "c", &flag]);
        assert_eq!(ran.code, Some(2), "{time}: {ran:?}");
        let settings = run(akvs()
            .args(["config", "show"])
            .env("AKVS_LIMITS__DRAIN_TIMEOUT", time));
        assert_eq!(settings.code, Some(78), "{time}: {settings:?}");
    }
}

#[test]
fn verbs_have_aliases_of_other_stores() {
    let folder = tempfile::tempdir().unwrap();
    let server = Background::start(folder.path(), &["--engine", "memory"]);
    for (words, answer) in [
        (&["put", "a", "b", "c"][..], "OK\n"),
        (&["incr", "a", "n", "2"], "2\n"),
        (&["keys", "a"], "b\nn\n"),
        (&["list", "a"], "b\nn\n"),
        (&["rm", "a", "b"], "OK\n"),
        (&["delete", "a", "n"], "OK\n"),
        (&["eval", "put a b c"], "OK\n"),
        (&["eval", "keys a"], "b\n"),
        (&["eval", "rm a b"], "OK\n"),
    ] {
        assert_eq!(server.answer(words), answer, "{words:?}");
    }
    for (word, meant) in [
        ("scan", "'ls'"),
        ("remove", "'del'"),
        ("gett", "'get'"),
        ("subscribe", "'watch'"),
    ] {
        run(verb(folder.path()).arg(word)).assert_refused(2, &[word, meant]);
        run(verb(folder.path()).args(["eval", word])).assert_refused(2, &[word, meant]);
    }
    let ran = run(verb(folder.path()).arg("nonsense"));
    assert!(!ran.stderr.contains("did you mean"), "{ran:?}");
}

#[test]
fn a_missing_key_and_an_unreachable_server_have_different_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, &["--engine", "memory"]);
    let address = server.address().to_owned();
    let get = |url: &str| run(akvs().args(["get", "a", "b", "--url", url]));
    get(&address).assert_refused(1, &["no such key"]);
    run(verb(&data).args(["touch", "a", "b"])).assert_refused(1, &["no such key"]);
    run(verb(&data).args(["eval", "get a b"])).assert_refused(1, &["no such key"]);
    server.stop();
    get(&address).assert_refused(69, &["cannot be reached"]);
    for words in [
        &["get", "a", "b"][..],
        &["set", "a", "b", "c"],
        &["ls", "a"],
        &["export"],
        &["eval", "get a b"],
        &["watch", "a"],
    ] {
        run(verb(&data).args(words)).assert_refused(69, &["no server is running"]);
    }
    run(verb(&data).arg("healthcheck")).assert_refused(1, &["no server is running"]);
}

#[test]
fn a_watch_of_a_missing_namespace_prints_a_note_and_waits() {
    let folder = tempfile::tempdir().unwrap();
    let server = Background::start(folder.path(), &["--engine", "memory"]);
    server.answer(&["set", "there-too", "k", "v"]);
    let mut watch = verb(folder.path());
    watch.args(["watch", "there", "--limit", "1"]);
    let mut watch = watch
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = std::io::BufReader::new(watch.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut output, &mut line).unwrap();
    assert!(
        line.contains("namespace \"there\" does not exist yet"),
        "{line}"
    );
    // Written repeatedly, until the watch has started and receives a change.
    let received = std::thread::scope(|scope| {
        let received = scope.spawn(|| watch.wait_with_output().unwrap());
        while !received.is_finished() {
            server.answer(&["set", "there", "k", "v"]);
        }
        received.join().unwrap()
    });
    let received = String::from_utf8(received.stdout).unwrap();
    assert!(received.ends_with("set k\n"), "{received}");
    // For an existing namespace there is no note.
    let ran = server.run(&["watch", "there", "--state", "--limit", "1"]);
    assert_eq!(ran.stderr, "", "{ran:?}");
}
