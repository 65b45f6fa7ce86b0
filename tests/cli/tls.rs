//! TLS with real files, and its reload on SIGHUP.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{CertificateParams, KeyPair};
use rustix::process::Signal;

use crate::common::{Server, akvs, run};

/// Creates a directory with `cert.pem` and `key.pem`.
fn certificate(folder: &Path) {
    let params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    let key = KeyPair::generate().unwrap();
    fs::write(
        folder.join("cert.pem"),
        params.self_signed(&key).unwrap().pem(),
    )
    .unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

fn command(folder: &Path) -> Command {
    let mut command = akvs();
    command
        .env("AKVS_TLS__CERTIFICATE", folder.join("cert.pem"))
        .env("AKVS_TLS__KEY", folder.join("key.pem"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.join("data"));
    command
}

/// Requests `/ping` with curl, which trusts only this certificate.
fn ping(port: &str, trusted: &PathBuf) -> Option<String> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "30", "--cacert"]);
    curl.arg(trusted)
        .arg(format!("https://localhost:{port}/ping"));
    let ran = run(&mut curl);
    (ran.code == Some(0)).then_some(ran.stdout)
}

#[test]
fn certificates_are_reloaded_on_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certificate(folder);
    let mut server = Server::spawn(&mut command(folder));
    let line = server.wait_for("listening on https://127.0.0.1:");
    let port = line
        .rsplit(':')
        .next()
        .unwrap()
        .trim_end_matches(['"', '}'])
        .to_owned();
    let (old, new) = (folder.join("old.pem"), folder.join("cert.pem"));
    fs::copy(&new, &old).unwrap();
    assert_eq!(ping(&port, &old).as_deref(), Some("pong"));

    // An invalid certificate changes nothing.
    fs::write(&new, "nonsense").unwrap();
    server.signal(Signal::HUP);
    let line = server.wait_for("certificates not reloaded");
    assert!(
        line.contains("tls.certificate") && line.contains("cert.pem"),
        "{line}"
    );
    assert_eq!(ping(&port, &old).as_deref(), Some("pong"));

    certificate(folder);
    server.signal(Signal::HUP);
    server.wait_for("SIGHUP");
    server.wait_for("certificates reloaded");
    assert_eq!(ping(&port, &old), None);
    assert_eq!(ping(&port, &new).as_deref(), Some("pong"));
    server.stop();
}

#[test]
fn invalid_tls_files_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    run(&mut command(folder)).assert_refused(78, &["tls.certificate", "cert.pem", "cannot read"]);
    certificate(folder);
    let key = fs::read(folder.join("key.pem")).unwrap();
    certificate(folder);
    fs::write(folder.join("key.pem"), key).unwrap();
    run(&mut command(folder)).assert_refused(
        78,
        &["tls.key", "key.pem", "does not belong to the certificate"],
    );
    let mut half = akvs();
    half.env("AKVS_TLS__KEY", folder.join("key.pem"));
    run(half.arg("--data-dir").arg(folder.join("data")))
        .assert_refused(78, &["tls.key", "tls.certificate"]);
    assert!(!folder.join("data").exists());
}

#[test]
fn the_log_filter_is_reloaded_on_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("akvs.toml");
    fs::write(&config, "[log]\nfilter = \"info\"\n").unwrap();
    let mut command = akvs();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--config"])
        .arg(&config);
    command.arg("--data-dir").arg(folder.path().join("data"));
    let mut server = Server::from_command(&mut command);
    fs::write(
        &config,
        "[log]\nfilter = \"debug\"\n[limits]\nmax_value_bytes = 7\n",
    )
    .unwrap();
    server.signal(Signal::HUP);
    server.wait_for("only after a restart");
    assert_eq!(server.ask("POST", "/kv/n/k", b"longer than 7").status, 201);
    server.wait_for("/kv/n/k");
    fs::write(&config, "[log]\nfilter = \"loud,\n").unwrap();
    server.signal(Signal::HUP);
    server.wait_for("settings not reloaded");
    server.stop();
}
