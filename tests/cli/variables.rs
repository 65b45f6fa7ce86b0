//! Variables that begin with `AKVS_` and are not settings: injected, misspelt, or of another program.

use crate::background::{Background, verb};
use crate::common::{Server, akvs, run};

/// The variables that Kubernetes and Docker inject for a service `akvs`, a service `akvs-http-listen`, and a link.
const INJECTED: [(&str, &str); 16] = [
    ("AKVS_SERVICE_HOST", "10.0.0.1"),
    ("AKVS_SERVICE_PORT", "8080"),
    ("AKVS_SERVICE_PORT_HTTP", "8080"),
    ("AKVS_PORT", "tcp://10.0.0.1:8080"),
    ("AKVS_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
    ("AKVS_PORT_8080_TCP_PROTO", "tcp"),
    ("AKVS_PORT_8080_TCP_PORT", "8080"),
    ("AKVS_PORT_8080_TCP_ADDR", "10.0.0.1"),
    ("AKVS_PORT_53_UDP_ADDR", "10.0.0.1"),
    ("AKVS_HTTP_LISTEN_SERVICE_HOST", "10.0.0.2"),
    ("AKVS_HTTP_LISTEN_PORT", "tcp://10.0.0.2:80"),
    ("AKVS_HTTP_LISTEN_PORT_80_TCP_ADDR", "10.0.0.2"),
    ("AKVS_HTTP_PORT", "udp://10.0.0.2:80"),
    ("AKVS_NAME", "/web/akvs"),
    ("AKVS_ENV_PATH", "/usr/bin"),
    ("AKVS_ENV_AKVS_ENGINE__KIND", "disk"),
];

#[test]
fn injected_variables_do_not_affect_verbs() {
    let folder = tempfile::tempdir().unwrap();
    let check = run(akvs().args(["config", "check"]).envs(INJECTED));
    assert_eq!((check.code, &*check.stderr), (Some(0), ""), "{check:?}");
    let server = Background::start(folder.path(), &["--engine", "memory"]);
    for words in [
        &["healthcheck"][..],
        &["ping"],
        &["status"],
        &["set", "a", "b", "c"],
        &["eval", "get a b"],
        &["token", "ls"],
    ] {
        let ran = run(verb(folder.path()).args(words).envs(INJECTED));
        assert_eq!(
            (ran.code, &*ran.stderr),
            (Some(0), ""),
            "{words:?}: {ran:?}"
        );
    }
    drop(server);
    let mut serve = akvs();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--engine", "memory"]);
    serve.args(["--log", "info", "--data-dir"]);
    serve.arg(folder.path().join("other")).envs(INJECTED);
    Server::from_command(&mut serve);
}

#[test]
fn a_misspelt_setting_is_refused_with_a_suggestion() {
    for verb in [&["serve"][..], &["healthcheck"], &["config", "check"]] {
        for (name, meant) in [
            ("AKVS_HTTP_LISTEN", "AKVS_HTTP__LISTEN"),
            ("AKVS_LISTEN", "AKVS_HTTP__LISTEN"),
            ("AKVS_DATADIR", "AKVS_DATA_DIR"),
            ("AKVS_ENGINE__KNID", "AKVS_ENGINE__KIND"),
            (
                "AKVS_LIMITS__MAX_VALUES_BYTES",
                "AKVS_LIMITS__MAX_VALUE_BYTES",
            ),
            ("AKVS_TOKEN_FIEL", "AKVS_TOKEN_FILE"),
            ("AKVS_CONFG", "AKVS_CONFIG"),
        ] {
            run(akvs().args(verb).env(name, "x")).assert_refused(78, &[name, meant]);
        }
    }
}

#[test]
fn any_other_variable_is_logged_as_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let others = [("AKVS_IMAGE_TAG", "1"), ("AKVS_PORT", "8080")];
    let mut serve = akvs();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--engine", "memory"]);
    serve.arg("--data-dir").arg(folder.path()).envs(others);
    let mut server = Server::spawn(&mut serve);
    for (name, _) in others {
        let line = server.wait_for("unknown environment variable");
        assert!(line.contains(name) && line.contains("warn"), "{line}");
    }
    server.wait_for("listening on");
    let check = run(akvs().args(["config", "check"]).envs(others));
    assert_eq!(
        (check.code, check.stderr.lines().count()),
        (Some(0), 2),
        "{check:?}"
    );
    // A verb of a client does not warn.
    let ping = run(verb(folder.path()).arg("ping").envs(others));
    assert_eq!((ping.code, &*ping.stderr), (Some(0), ""), "{ping:?}");
}
