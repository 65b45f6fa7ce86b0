//! The control socket, whatever the address, tokens or TLS; and shared Unix sockets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rcgen::{CertificateParams, KeyPair};
use rustix::process::Signal;

use crate::background::{Background, command, verb};
use crate::common::{Server, akvs, json, run};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Creates a token with all rights.
fn token(data: &Path) -> String {
    let ran = run(verb(data).args(["token", "new", "ops", "--rights", "admin"]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout.trim_end().to_owned()
}

#[test]
fn the_control_socket_needs_no_token_and_no_tls() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let files = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    fs::write(&files[0], params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(&files[1], key.serialize_pem()).unwrap();
    token(&data);
    let mut command = command(&data);
    command.env("AKVS_TLS__CERTIFICATE", &files[0]);
    let ran = run(command.env("AKVS_TLS__KEY", &files[1]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let server = Background::from_output(&data, ran.stdout);
    assert!(
        server.output().contains("https://127.0.0.1:"),
        "{}",
        server.output()
    );
    assert_eq!(mode(&data.join("akvs.sock")), 0o600);
    assert_eq!(server.answer(&["ping"]), "pong\n");
    assert_eq!(server.answer(&["set", "a", "b", "c"]), "OK\n");
    assert_eq!(server.answer(&["eval", "get a b"]), "c");
    let status = json(&server.answer(&["status", "--json"]));
    assert_eq!(status["keys"], 1);
    // A token is ignored where none is needed.
    let ran = run(verb(&data)
        .args(["get", "a", "b"])
        .env("AKVS_TOKEN", "another"));
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "c"), "{ran:?}");
    assert_eq!(server.answer(&["stop"]), "stopped\n");
    assert!(server.has_exited());
}

#[test]
fn admin_routes_exist_only_on_the_control_socket() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let token = token(&data);
    let shared = folder.path().join("shared.sock");
    let unix = format!("unix:{}", shared.display());
    let mut server = Server::start(&data, &["--listen", &unix]);
    server.wait_for(&unix);
    let ask = |method: &str, path: &str| {
        let mut connection = server.connect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: akvs\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
        );
        connection.send(request).unwrap();
        connection.answer().unwrap().status
    };
    for (method, path) in [
        ("GET", "/admin/status"),
        ("GET", "/admin/log"),
        ("PUT", "/admin/log"),
        ("POST", "/admin/stop"),
        ("GET", "/admin/"),
    ] {
        assert_eq!(ask(method, path), 404, "{method} {path}");
        assert_eq!(
            over(&shared, method, path, &token).0,
            404,
            "{method} {path}"
        );
    }
    assert_eq!(ask("GET", "/kv"), 200);
    // A shared socket is not the control socket: it requires a token.
    assert_eq!(over(&shared, "GET", "/kv", &token).0, 200);
    assert_eq!(over(&shared, "GET", "/kv", "another").0, 401);
    server.stop();
}

/// Sends a request over a Unix socket as curl does; returns status and body.
fn over(socket: &Path, method: &str, path: &str, token: &str) -> (u16, String) {
    let mut curl = std::process::Command::new("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--max-time",
        "30",
        "--write-out",
        "\n%{http_code}",
    ]);
    curl.args(["--header", &format!("Authorization: Bearer {token}")]);
    curl.arg("--unix-socket").arg(socket);
    let ran = run(curl.args(["--request", method, &format!("http://localhost{path}")]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let (body, status) = ran.stdout.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

#[test]
fn a_unix_socket_is_served_and_removed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("shared.sock");
    let unix = format!("unix:{}", socket.display());
    // A stale socket is replaced.
    drop(UnixListener::bind(&socket).unwrap());
    let mut command = akvs();
    command.args(["serve", "--listen", &unix, "--data-dir"]);
    let mut server = Server::spawn(command.arg(folder.path().join("data")));
    server.wait_for(&format!("listening on {unix}"));
    assert_eq!(mode(&socket), 0o660);
    assert_eq!(over(&socket, "GET", "/ping", ""), (200, "pong".into()));
    for arguments in [&["set", "a", "b", "c"][..], &["get", "a", "b"]] {
        let ran = run(akvs().args(arguments).args(["--url", &unix]));
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    server.stop();
    assert!(!socket.exists());
}

#[test]
fn a_unix_socket_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("shared.sock");
    let unix = format!("unix:{}", socket.display());
    let _listener = UnixListener::bind(&socket).unwrap();
    let data = folder.path().join("data");
    let refused = |path: &str| {
        let ran = run(akvs().args(["--listen", path, "--data-dir"]).arg(&data));
        ran.assert_refused(1, &["cannot listen on", path]);
    };
    refused(&unix);
    assert!(UnixStream::connect(&socket).is_ok());
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    refused(&format!("unix:{}", file.display()));
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn a_stale_shared_socket_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix:{}", folder.path().join("shared.sock").display());
    let data = folder.path().join("data");
    let mut first = Server::start(&data, &["--listen", &unix]);
    first.wait_for(&unix);
    first.signal(Signal::KILL);
    first.wait();
    let mut second = Server::start(&data, &["--listen", &unix]);
    second.wait_for(&unix);
    second.stop();
}
