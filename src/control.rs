//! The running server of a data folder, as whoever owns the data reaches it: over the socket in the folder.
//!
//! It owns the requests below `/admin/` and the process behind the socket. Who listens is told by the socket itself, so
//! that no file that somebody left can be taken for a server. Invariant: a signal goes to the process that was meant,
//! or to none.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use akvs_client::reqwest::{self, Method, Response, StatusCode};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tokio::runtime::Runtime;

use crate::error::CliError;
use crate::socket::{self, ShortPath};

/// How long an answer may take that asks nothing of the disk.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Runs what waits for answers.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    runtime()?.block_on(work)
}

/// What waits for answers, on this thread.
pub(crate) fn runtime() -> Result<Runtime, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| CliError::failed(format!("no runtime: {error}")))
}

/// TLS that trusts nobody, as none is spoken on the socket. Left to itself, the library would read the certificates of
/// the system, and fail where there are none.
fn tls_without_roots() -> Result<ClientConfig, CliError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(CliError::failed)?;
    let builder = builder.with_root_certificates(RootCertStore::empty());
    Ok(builder.with_no_client_auth())
}

/// That no server of a data folder runs.
pub(crate) fn not_running(data_dir: &str) -> String {
    let socket = socket::control_path(data_dir);
    format!(
        "no server is running: nothing listens on {}",
        socket.display()
    )
}

/// A server that runs.
pub(crate) struct ControlClient {
    socket: PathBuf,
    path: ShortPath,
    http: reqwest::Client,
    pid: Option<Pid>,
}

/// How a server is.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) commit: String,
    pub(crate) pid: u32,
    pub(crate) uptime_ms: u64,
    pub(crate) engine: String,
    pub(crate) ready: bool,
    pub(crate) namespaces: u64,
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
    pub(crate) stored_bytes: Option<u64>,
    pub(crate) connections: u64,
    pub(crate) watchers: u64,
    pub(crate) requests: u64,
    pub(crate) elapsed_us: u64,
}

impl ControlClient {
    /// The server of this data folder; none where none runs.
    pub(crate) async fn find(data_dir: &str) -> Result<Option<ControlClient>, CliError> {
        let socket = socket::control_path(data_dir);
        let cannot = |error: io::Error| {
            let socket = socket.display();
            let why = match error.kind() == ErrorKind::PermissionDenied {
                true => "is another user's: run this as the user of the server".to_owned(),
                false => format!("cannot be used: {error}"),
            };
            CliError::failed(format!("the socket {socket} {why}"))
        };
        let path = match ShortPath::new(&socket) {
            Ok(path) => path,
            Err(error) if socket::is_no_listener(&error) => return Ok(None),
            Err(error) => return Err(cannot(error)),
        };
        let stream = match tokio::net::UnixStream::connect(path.path()).await {
            Ok(stream) => stream,
            Err(error) if socket::is_no_listener(&error) => return Ok(None),
            Err(error) => return Err(cannot(error)),
        };
        // It is the process that began to listen. One of another container has no number here.
        let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
        let http = reqwest::Client::builder()
            .unix_socket(path.path())
            .use_preconfigured_tls(tls_without_roots()?);
        let http = http.build().map_err(CliError::failed)?;
        Ok(Some(ControlClient {
            pid: pid.and_then(Pid::from_raw),
            socket,
            path,
            http,
        }))
    }

    /// The server of this data folder, or the failure that none runs.
    pub(crate) async fn expect(data_dir: &str) -> Result<ControlClient, CliError> {
        let found = ControlClient::find(data_dir).await?;
        found.ok_or_else(|| CliError::unreachable(not_running(data_dir)))
    }

    /// Its process, where it has a number here.
    pub(crate) fn pid(&self) -> Option<Pid> {
        self.pid
    }

    /// The socket by which it is reached, short enough for any library; for as long as this is kept.
    pub(crate) fn path(&self) -> &Path {
        self.path.path()
    }

    /// Whether it answers.
    pub(crate) async fn ping(&self) -> Result<String, CliError> {
        self.text(Method::GET, "/ping", String::new()).await
    }

    /// Whether it takes writes; an error says why not.
    pub(crate) async fn ready(&self) -> Result<String, CliError> {
        self.text(Method::GET, "/readyz", String::new()).await
    }

    /// How it is.
    pub(crate) async fn status(&self) -> Result<Status, CliError> {
        let text = self
            .text(Method::GET, "/admin/status", String::new())
            .await?;
        serde_json::from_str(&text)
            .map_err(|error| CliError::failed(format!("the server's status is none: {error}")))
    }

    /// What is logged from here on; nothing changes without a filter.
    pub(crate) async fn log(&self, filter: Option<&str>) -> Result<String, CliError> {
        match filter {
            Some(filter) => self.text(Method::PUT, "/admin/log", filter.into()).await,
            None => self.text(Method::GET, "/admin/log", String::new()).await,
        }
    }

    /// A long answer, as it comes.
    pub(crate) async fn stream(&self, method: Method, path: &str) -> Result<Response, CliError> {
        let request = self.http.request(method, format!("http://localhost{path}"));
        self.answer(request).await
    }

    async fn text(&self, method: Method, path: &str, body: String) -> Result<String, CliError> {
        let request = self.http.request(method, format!("http://localhost{path}"));
        let answer = self.answer(request.timeout(TIMEOUT).body(body)).await?;
        answer.text().await.map_err(|error| self.no_answer(&error))
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Response, CliError> {
        let request = request.header("accept", "application/problem+json, */*");
        let answer = request
            .send()
            .await
            .map_err(|error| self.no_answer(&error))?;
        let status = answer.status();
        if matches!(status, StatusCode::OK | StatusCode::ACCEPTED) {
            return Ok(answer);
        }
        let text = answer.text().await.unwrap_or_default();
        let problem: Problem = serde_json::from_str(&text).unwrap_or_default();
        let detail = problem.detail.unwrap_or_else(|| status.to_string());
        Err(CliError::failed(detail))
    }

    fn no_answer(&self, error: &reqwest::Error) -> CliError {
        let who = match self.pid {
            Some(pid) => format!("process {}", pid.as_raw_nonzero()),
            None => "the server".into(),
        };
        let how = match error.is_timeout() {
            true => "does not answer",
            false => "broke the connection off",
        };
        CliError::unreachable(format!("{who} {how} on {}", self.socket.display()))
    }

    /// Has it stop, and does not wait for that.
    pub(crate) async fn request_stop(&self) -> Result<(), CliError> {
        let asked = self.text(Method::POST, "/admin/stop", String::new());
        asked.await.map(drop)
    }

    /// Has it stop, and waits until its process is gone.
    pub(crate) async fn stop(self, timeout: Duration) -> Result<(), CliError> {
        let process = self.pid.and_then(|pid| {
            let process = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
            // What listens now is what was opened: the number was not given to another process meanwhile.
            socket::is_listening(&self.socket).then_some(process)
        });
        let Some(process) = process else {
            self.request_stop().await?;
            return self.wait_until_closed(timeout).await;
        };
        match rustix::process::pidfd_send_signal(&process, Signal::TERM) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(CliError::failed(format!("it cannot be stopped: {error}"))),
        }
        // Here, as nothing else is waited for: a thread might be refused.
        match wait_for_exit(&process, timeout) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.still_stopping(timeout)),
            Err(error) => Err(CliError::failed(error)),
        }
    }

    /// Waits until nobody listens, where there is no process to wait for.
    async fn wait_until_closed(&self, timeout: Duration) -> Result<(), CliError> {
        let no_answer = async {
            while socket::is_listening(&self.socket) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(timeout, no_answer).await;
        waited.map_err(|_| self.still_stopping(timeout))
    }

    fn still_stopping(&self, timeout: Duration) -> CliError {
        let seconds = timeout.as_secs();
        let who = self.pid.map_or_else(String::new, |pid| {
            format!(" (process {})", pid.as_raw_nonzero())
        });
        CliError::failed(format!(
            "the server{who} is still stopping after {seconds} s"
        ))
    }
}

/// What an error says.
#[derive(Default, Deserialize)]
struct Problem {
    detail: Option<String>,
}

/// Waits until a process is gone.
fn wait_for_exit(process: &OwnedFd, timeout: Duration) -> io::Result<bool> {
    let mut ended = [PollFd::new(process, PollFlags::IN)];
    let timeout = Timespec::try_from(timeout).unwrap_or(Timespec {
        tv_sec: i64::MAX,
        tv_nsec: 0,
    });
    loop {
        match rustix::event::poll(&mut ended, Some(&timeout)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
