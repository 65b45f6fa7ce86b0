//! A real browser, driven over the Chrome DevTools Protocol through a pipe: one process for any number of pages.
//!
//! It owns the browser's process and the protocol. It does not know the page.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::{Value, json};

/// The maximum time of an answer of the browser.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The browser reads commands from descriptor 3 and writes answers to descriptor 4.
const SCRIPT: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null";

/// A browser, ended with the test.
pub(super) struct Browser {
    child: Child,
    commands: ChildStdin,
    answers: Receiver<Value>,
    sent: Cell<u64>,
    _folder: tempfile::TempDir,
}

/// A page with storage of its own.
pub(super) struct Page<'a> {
    browser: &'a Browser,
    session: String,
    url: String,
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut programs = std::env::split_paths(&path).map(|folder| folder.join("chromium"));
    programs.find(|program| program.is_file())
}

impl Browser {
    /// Starts a browser; without one, reports that and returns none.
    pub(super) fn start() -> Option<Browser> {
        let Some(program) = program() else {
            eprintln!(
                "SKIPPED: chromium is not installed, so the admin page is not tested in a browser"
            );
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT])
            .arg(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
            ])
            .args([
                "--disable-quic",
                "--disable-sync",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .args(["--remote-debugging-pipe", "about:blank"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a browser");
        let mut output = BufReader::new(child.stdout.take().expect("its answers"));
        let (sender, answers) = mpsc::channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while output
                .read_until(0, &mut message)
                .is_ok_and(|bytes| bytes > 0)
            {
                let text = message.strip_suffix(&[0]).unwrap_or(&message);
                let sent = serde_json::from_slice(text).map(|message| sender.send(message));
                if !sent.is_ok_and(|sent| sent.is_ok()) {
                    return;
                }
                message.clear();
            }
        });
        Some(Browser {
            commands: child.stdin.take().expect("its commands"),
            child,
            answers,
            sent: Cell::new(0),
            _folder: folder,
        })
    }

    /// Opens an empty page.
    pub(super) fn page(&self) -> Page<'_> {
        let context = self.ask(None, "Target.createBrowserContext", &json!({}));
        let context = &context["result"]["browserContextId"];
        let blank = json!({"url": "about:blank", "browserContextId": context});
        let target = self.ask(None, "Target.createTarget", &blank);
        let target = json!({"targetId": target["result"]["targetId"], "flatten": true});
        let attached = self.ask(None, "Target.attachToTarget", &target);
        let session = attached["result"]["sessionId"].as_str();
        Page {
            browser: self,
            session: session.expect("a session").to_owned(),
            url: String::new(),
        }
    }

    /// Sends a command, and waits for its answer.
    fn ask(&self, session: Option<&str>, method: &str, params: &Value) -> Value {
        let id = self.sent.get() + 1;
        self.sent.set(id);
        let mut command = json!({"id": id, "method": method, "params": params});
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        let mut commands = &self.commands;
        let sent = commands.write_all(format!("{command}\0").as_bytes());
        sent.expect("a browser that listens");
        loop {
            let answer = self.answers.recv_timeout(ANSWER_TIMEOUT);
            let answer = answer.unwrap_or_else(|error| panic!("{method} {params}: {error}"));
            if answer["id"] == id {
                return answer;
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Page<'_> {
    /// Opens a URL.
    pub(super) fn open(&mut self, url: &str) {
        self.url = url.to_owned();
        // Through another document, so that the scripts run again also where only the fragment differs.
        for url in ["about:blank", url] {
            let went = self.ask("Page.navigate", &json!({"url": url}));
            assert_eq!(went["result"].get("errorText"), None, "{url}: {went}");
        }
    }

    /// Reloads the page.
    pub(super) fn reload(&self) {
        self.run("window.isOld = true");
        self.ask("Page.reload", &json!({}));
        self.until("!window.isOld && document.readyState === 'complete'");
    }

    /// Runs a script, and returns its result.
    pub(super) fn run(&self, script: &str) -> Value {
        let ran = self.evaluate(script);
        assert_eq!(
            ran["result"].get("exceptionDetails"),
            None,
            "{script}: {ran}"
        );
        ran["result"]["result"]["value"].clone()
    }

    /// Waits until this condition holds.
    #[track_caller]
    pub(super) fn until(&self, condition: &str) {
        let wait = format!(
            "new Promise((resolve) => {{ let left = 2000; const check = () => {{ \
             if ({condition}) resolve(true); else if (left--) setTimeout(check, 10); else resolve(false); }}; check(); }})"
        );
        // The document in which it runs may be replaced meanwhile.
        for _ in 0..5 {
            let ran = self.evaluate(&wait);
            match ran["result"]["result"]["value"].as_bool() {
                Some(true) => return,
                Some(false) => break,
                None => {}
            }
        }
        let shown = self.run("document.body.innerText + '\\n' + location.href");
        panic!(
            "{}: the condition does not hold: {condition}\n{}",
            self.url,
            shown.as_str().unwrap_or_default()
        );
    }

    /// Clicks on the element of a selector, by keyboard. Waits until a button is enabled.
    pub(super) fn click(&self, selector: &str) {
        let element = format!("document.querySelector({})", json!(selector));
        self.until(&format!(
            "{element} && {element}.getClientRects().length > 0 && !{element}.ariaBusy"
        ));
        self.run(&format!("{element}.focus(); {element}.click()"));
    }

    fn evaluate(&self, script: &str) -> Value {
        let params = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        self.ask("Runtime.evaluate", &params)
    }

    fn ask(&self, method: &str, params: &Value) -> Value {
        self.browser.ask(Some(&self.session), method, params)
    }
}
