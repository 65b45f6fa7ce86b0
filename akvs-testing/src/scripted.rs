//! A server that follows a script: it answers, closes the connection, or sends nothing, and records the requests.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use akvs_client::{Client, ClientBuilder, Namespace};

/// How long a script may take before the test fails.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a step that waits for the client checks whether the server was dropped.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The action on a request after it was read. All but [`Hold`](Self::Hold) and [`Stall`](Self::Stall) close the
/// connection.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes one by one, then waits until the client closes the connection.
    Trickle(Vec<Vec<u8>>),
    /// Sends these bytes, then waits until the client closes the connection. Later requests wait too.
    Hold(Vec<u8>),
    /// Sends nothing.
    Cut,
    /// Sends nothing and keeps the connection open until the server is dropped. Later requests are served.
    Stall,
}

impl Step {
    /// Sends this text.
    pub fn send(text: impl Into<Vec<u8>>) -> Step {
        Step::Send(text.into())
    }

    /// Answers with this status, these header lines (each ended) and this body.
    pub fn answer(status: &str, headers: &str, body: &str) -> Step {
        let length = body.len();
        Step::send(format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
        ))
    }

    /// Answers with a problem document.
    pub fn problem(status: &str, code: &str, headers: &str) -> Step {
        let headers = format!("Content-Type: application/problem+json\r\n{headers}");
        let body = format!("{{\"code\":\"{code}\",\"detail\":\"as scripted\"}}");
        Step::answer(status, &headers, &body)
    }

    /// Answers as to a write of a new key.
    pub fn created(revision: u64) -> Step {
        let headers = format!("AKVS-Existed: ?0\r\nETag: \"{revision}\"\r\n");
        Step::answer("201 Created", &headers, "Created")
    }

    /// Performs the step. The client may close the connection before everything is sent.
    fn run(&self, mut stream: TcpStream, shared: &Shared, stalled: &mut Vec<TcpStream>) {
        stream.set_nodelay(true).expect("an option");
        match self {
            Step::Send(bytes) => drop(stream.write_all(bytes)),
            Step::Trickle(parts) => {
                for part in parts {
                    let _ = stream.write_all(part);
                }
                shared.wait_for_close(&mut stream);
            }
            Step::Hold(bytes) => {
                if stream.write_all(bytes).is_ok() {
                    shared.wait_for_close(&mut stream);
                }
            }
            Step::Cut => {}
            Step::Stall => stalled.push(stream),
        }
    }
}

/// The state that the server's thread shares with the test.
#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<String>>,
    is_stopped: AtomicBool,
    is_finished: Mutex<bool>,
    finished: Condvar,
}

impl Shared {
    fn wait_for_close(&self, stream: &mut TcpStream) {
        stream
            .set_read_timeout(Some(POLL_INTERVAL))
            .expect("an option");
        while !self.is_stopped.load(Ordering::SeqCst) {
            match stream.read(&mut [0; 64]) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => {}
                Err(_) => return,
            }
        }
    }
}

/// A server that takes one step of its script for each request, each on a connection of its own.
pub struct ScriptedServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl ScriptedServer {
    /// Starts a server that repeats the last step for all later requests.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> ScriptedServer {
        ScriptedServer::start(free_port(), steps, true)
    }

    /// Starts a server that takes each step once, and then stops listening.
    pub fn once(steps: impl IntoIterator<Item = Step>) -> ScriptedServer {
        ScriptedServer::once_at(free_port(), steps)
    }

    /// Starts a server as [`once`](Self::once) does, on this listener.
    pub fn once_at(listener: TcpListener, steps: impl IntoIterator<Item = Step>) -> ScriptedServer {
        ScriptedServer::start(listener, steps, false)
    }

    fn start(
        listener: TcpListener,
        steps: impl IntoIterator<Item = Step>,
        repeats_last: bool,
    ) -> ScriptedServer {
        let steps: Vec<_> = steps.into_iter().collect();
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let thread_shared = shared.clone();
        let thread = std::thread::spawn(move || {
            run(&listener, &steps, repeats_last, &thread_shared);
            drop(listener);
            *thread_shared.is_finished.lock().expect("a flag") = true;
            thread_shared.finished.notify_all();
        });
        ScriptedServer {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// Returns a builder of clients of this server.
    pub fn builder(&self) -> ClientBuilder {
        Client::builder().base_url(self.url())
    }

    /// Returns the base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns a namespace of this server, of a client with the defaults.
    pub fn namespace(&self) -> Namespace {
        let client = self.builder().build().expect("a client");
        client.namespace("ns").expect("a namespace")
    }

    /// Returns the requests so far, heads and bodies.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().expect("a log").clone()
    }

    /// Returns whether all steps of a script without repetition were taken.
    pub fn is_finished(&self) -> bool {
        *self.shared.is_finished.lock().expect("a flag")
    }

    /// Waits until all steps of a script without repetition were taken, and returns the requests.
    pub fn finish(self) -> Vec<String> {
        let is_finished = self.shared.is_finished.lock().expect("a flag");
        let is_running = |is_finished: &mut bool| !*is_finished;
        let waited =
            (self.shared.finished).wait_timeout_while(is_finished, SCRIPT_TIMEOUT, is_running);
        assert!(*waited.expect("a flag").0, "a script that ends");
        self.requests()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::SeqCst);
        if !self.is_finished() {
            // Wakes the thread where it waits for a connection.
            drop(TcpStream::connect(self.address));
        }
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

fn run(listener: &TcpListener, steps: &[Step], repeats_last: bool, shared: &Shared) {
    let mut stalled = Vec::new();
    let mut taken = 0;
    while repeats_last || taken < steps.len() {
        let (mut stream, _) = listener.accept().expect("a connection");
        if shared.is_stopped.load(Ordering::SeqCst) {
            return;
        }
        let request = read_request(&mut stream);
        if request.is_empty() {
            continue;
        }
        shared.requests.lock().expect("a log").push(request);
        let step = steps.get(taken).or(steps.last()).expect("a step");
        step.run(stream, shared, &mut stalled);
        taken += 1;
    }
}

/// Returns a builder of HTTP clients. Its cryptography is chosen even where none is needed.
pub fn http() -> akvs_client::reqwest::ClientBuilder {
    // An earlier caller may have installed the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    akvs_client::reqwest::Client::builder()
}

/// Reads a request with its body; an empty text where the connection ends before it.
pub fn read_request(stream: &mut impl Read) -> String {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => read.push(byte[0]),
            _ => return String::new(),
        }
    }
    let head = String::from_utf8_lossy(&read).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |text| text.trim().parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    read.extend(body);
    String::from_utf8(read).expect("text")
}
