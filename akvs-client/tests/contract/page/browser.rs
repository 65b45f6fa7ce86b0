//! The page in a real browser, where one is installed: that its policy lets its own scripts run, and that what is
//! stored is shown and never obeyed.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use akvs_http::Right;

use crate::app::TestApp;
use crate::tokens;

const PATIENCE: Duration = Duration::from_secs(60);

fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut programs = std::env::split_paths(&path).map(|folder| folder.join("chromium"));
    programs.find(|program| program.is_file())
}

/// The document after the scripts have run, or none where there is no browser.
fn document(app: &TestApp, fragment: &str) -> Option<String> {
    let Some(browser) = browser() else {
        eprintln!("skipped: chromium is not installed");
        return None;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--disable-quic", "--disable-sync", "--no-first-run"])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
        ])
        .arg(format!("--user-data-dir={}", folder.path().display()))
        // Timers run ahead for so long, in ms, whenever no answer is awaited; then the document is printed.
        .args(["--virtual-time-budget=3000", "--dump-dom"])
        .arg(format!("{}/{fragment}", app.url()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a browser");
    let mut output = child.stdout.take().expect("its output");
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = output.read_to_string(&mut text);
        // Nobody waits any more where it took too long.
        let _ = tell.send(read.map(|_| text));
    });
    let text = told.recv_timeout(PATIENCE);
    // It has ended, or has to.
    let _ = child.kill();
    child.wait().expect("its end");
    Some(text.expect("a browser that answers").expect("text"))
}

#[test]
fn what_is_stored_is_shown_and_never_obeyed() {
    let app = TestApp::start();
    let script = "<script>document.title='obeyed'</script>";
    let shown = "&lt;script&gt;document.title='obeyed'&lt;/script&gt;";
    let escaped = script.replace('<', "%3C").replace('>', "%3E");
    let escaped = escaped.replace('/', "%2F").replace('\'', "%27");
    let path = format!("/kv/{escaped}/{escaped}");
    assert_eq!(app.post(&path, script).status, 201);
    let key64 = "PHNjcmlwdD5kb2N1bWVudC50aXRsZT0nb2JleWVkJzwvc2NyaXB0Pg";
    for (fragment, elements) in [
        ("#/".to_owned(), vec!["<bdi>"]),
        (
            format!("#/{escaped}"),
            vec!["<bdi id=\"keys-namespace\">", "<bdi>"],
        ),
        (
            format!("#/{escaped}/{key64}"),
            vec![
                "id=\"entry-title\" tabindex=\"-1\">",
                "aria-label=\"Value\">",
            ],
        ),
    ] {
        let Some(document) = document(&app, &fragment) else {
            return;
        };
        assert!(
            document.contains("durability none"),
            "the scripts run: {document}"
        );
        for element in elements {
            let expected = format!("{element}{shown}");
            assert!(document.contains(&expected), "{expected} in {document}");
        }
        assert!(!document.contains("<title>obeyed"), "{document}");
    }
}

#[test]
fn who_has_no_token_is_asked_for_it_and_shown_nothing() {
    let secret = tokens::token("secret", &[Right::Admin], &["*"]);
    let app = TestApp::with(tokens::options(vec![secret]));
    assert_eq!(
        tokens::ask(&app, "secret", "POST", "/kv/hidden/k", "v").status,
        201
    );
    let Some(document) = document(&app, "#/") else {
        return;
    };
    let dialog = document.split("<dialog ").nth(1).expect("a dialog");
    let dialog = dialog.split_once('>').expect("its end").0;
    assert!(dialog.contains("open"), "{dialog}");
    assert!(document.contains("a token is needed"), "{document}");
    assert!(!document.contains(">hidden<") && !document.contains("durability none"));
}
