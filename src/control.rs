//! The client of the control socket, which every server creates in its data directory.
//!
//! It owns the requests below `/admin/` and the process that listens on the socket. The kernel names that process, so
//! no stale file can be mistaken for a server. Invariant: a signal reaches the process that was opened, or none.

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

/// Timeout of a request that does not read the disk.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Runs `work` on a new runtime.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    runtime()?.block_on(work)
}

/// Creates a runtime on this thread.
pub(crate) fn runtime() -> Result<Runtime, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| CliError::failed(format!("cannot create the async runtime: {error}")))
}

/// Returns a TLS configuration without roots, as the socket does not use TLS. By default the library would load the
/// certificates of the system, and fail if there are none.
fn tls_without_roots() -> Result<ClientConfig, CliError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(CliError::failed)?;
    let builder = builder.with_root_certificates(RootCertStore::empty());
    Ok(builder.with_no_client_auth())
}

/// Returns the error text for a data directory without a running server.
pub(crate) fn not_running(data_dir: &str) -> String {
    let socket = socket::control_path(data_dir);
    format!(
        "no server is running: nothing listens on {}",
        socket.display()
    )
}

/// A client of a running server.
pub(crate) struct ControlClient {
    socket: PathBuf,
    path: ShortPath,
    http: reqwest::Client,
    pid: Option<Pid>,
}

/// The answer of `/admin/status`.
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
    /// Connects to the server of a data directory. Returns none if no server is running.
    pub(crate) async fn find(data_dir: &str) -> Result<Option<ControlClient>, CliError> {
        let socket = socket::control_path(data_dir);
        let connect_error = |error: io::Error| {
            let socket = socket.display();
            let hint = if error.kind() == ErrorKind::PermissionDenied {
                "; run this command as the user of the server"
            } else {
                ""
            };
            CliError::failed(format!("cannot connect to {socket}: {error}{hint}"))
        };
        let path = match ShortPath::new(&socket) {
            Ok(path) => path,
            Err(error) if socket::is_no_listener(&error) => return Ok(None),
            Err(error) => return Err(connect_error(error)),
        };
        let stream = match tokio::net::UnixStream::connect(path.path()).await {
            Ok(stream) => stream,
            Err(error) if socket::is_no_listener(&error) => return Ok(None),
            Err(error) => return Err(connect_error(error)),
        };
        // The process that created the socket; none if it runs in another PID namespace.
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

    /// Connects to the server of a data directory. Fails if no server is running.
    pub(crate) async fn expect(data_dir: &str) -> Result<ControlClient, CliError> {
        let found = ControlClient::find(data_dir).await?;
        found.ok_or_else(|| CliError::unreachable(not_running(data_dir)))
    }

    /// Returns the server's process, if it is visible in this PID namespace.
    pub(crate) fn pid(&self) -> Option<Pid> {
        self.pid
    }

    /// Returns a path to the socket that is short enough for any library. It is valid as long as `self`.
    pub(crate) fn path(&self) -> &Path {
        self.path.path()
    }

    /// Returns `pong` if the server answers.
    pub(crate) async fn ping(&self) -> Result<String, CliError> {
        self.text(Method::GET, "/ping", String::new()).await
    }

    /// Succeeds if the server accepts writes; the error says why it does not.
    pub(crate) async fn ready(&self) -> Result<String, CliError> {
        self.text(Method::GET, "/readyz", String::new()).await
    }

    /// Returns the server's status.
    pub(crate) async fn status(&self) -> Result<Status, CliError> {
        let text = self
            .text(Method::GET, "/admin/status", String::new())
            .await?;
        serde_json::from_str(&text)
            .map_err(|error| CliError::failed(format!("invalid status from the server: {error}")))
    }

    /// Sets the log filter if one is given, and returns the current one.
    pub(crate) async fn log(&self, filter: Option<&str>) -> Result<String, CliError> {
        match filter {
            Some(filter) => self.text(Method::PUT, "/admin/log", filter.into()).await,
            None => self.text(Method::GET, "/admin/log", String::new()).await,
        }
    }

    /// Sends a request and returns the response, whose body is then read in chunks.
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
        let how = if error.is_timeout() {
            "does not answer"
        } else {
            "closed the connection"
        };
        CliError::unreachable(format!("{who} {how} on {}", self.socket.display()))
    }

    /// Requests a stop, and does not wait for it.
    pub(crate) async fn request_stop(&self) -> Result<(), CliError> {
        let asked = self.text(Method::POST, "/admin/stop", String::new());
        asked.await.map(drop)
    }

    /// Stops the server, and waits until its process has ended.
    pub(crate) async fn stop(self, timeout: Duration) -> Result<(), CliError> {
        let process = self.pid.and_then(|pid| {
            let process = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
            // The process still listens, so its id has not been reused since it was opened.
            socket::is_listening(&self.socket).then_some(process)
        });
        let Some(process) = process else {
            self.request_stop().await?;
            return self.wait_until_closed(timeout).await;
        };
        match rustix::process::pidfd_send_signal(&process, Signal::TERM) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(CliError::failed(format!("cannot stop the server: {error}"))),
        }
        // Polled on this thread, which has nothing else to do: the system might refuse another one.
        match wait_for_exit(&process, timeout) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.still_stopping(timeout)),
            Err(error) => Err(CliError::failed(error)),
        }
    }

    /// Waits until nothing listens on the socket, for a server whose process is not visible.
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
            "the server{who} is still stopping after {seconds} s; try a longer --timeout"
        ))
    }
}

/// The problem document of an error.
#[derive(Default, Deserialize)]
struct Problem {
    detail: Option<String>,
}

/// Waits until a process has ended.
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
