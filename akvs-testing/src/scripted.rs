//! A server that does to each request what a script says: answers, cuts, says nothing. It tells what it was asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use akvs_client::{Client, ClientBuilder, Namespace};

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Step {
    /// It is read, and these bytes are all that comes back.
    Say(String),
    /// It is read, and the connection closed.
    Cut,
    /// It is read, and nothing comes as long as the server is there.
    Stall,
}

impl Step {
    /// Answers with this status, header fields and body.
    pub fn answer(status: &str, headers: &str, body: &str) -> Step {
        let length = body.len();
        Step::Say(format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
        ))
    }

    /// A problem document.
    pub fn problem(status: &str, code: &str, headers: &str) -> Step {
        let headers = format!("Content-Type: application/problem+json\r\n{headers}");
        let body = format!("{{\"code\":\"{code}\",\"detail\":\"as told\"}}");
        Step::answer(status, &headers, &body)
    }

    /// A write that was done.
    pub fn created(revision: u64) -> Step {
        let headers = format!("AKVS-Existed: ?0\r\nETag: \"{revision}\"\r\n");
        Step::answer("201 Created", &headers, "Created")
    }
}

/// One connection a request; the last step counts for all requests behind it.
pub struct ScriptedServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ScriptedServer {
    /// Starts a server that takes one step of the script for each request.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> ScriptedServer {
        let steps: Vec<_> = steps.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (log, stop) = (asked.clone(), stopped.clone());
        let thread = std::thread::spawn(move || {
            let mut stalled = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().expect("a connection");
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let request = read_request(&mut stream);
                if request.is_empty() {
                    continue;
                }
                let mut log = log.lock().expect("a log");
                let step = steps.get(log.len()).or(steps.last()).expect("a step");
                log.push(request);
                drop(log);
                match step {
                    // The client may have seen enough before all is sent.
                    Step::Say(text) => drop(stream.write_all(text.as_bytes())),
                    Step::Cut => {}
                    Step::Stall => stalled.push(stream),
                }
            }
        });
        ScriptedServer {
            address,
            asked,
            stopped,
            thread: Some(thread),
        }
    }

    /// A builder of clients of this server.
    pub fn builder(&self) -> ClientBuilder {
        Client::builder().base_url(self.url())
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A namespace of this server, without retries.
    pub fn namespace(&self) -> Namespace {
        let client = self.builder().build().expect("a client");
        client.namespace("ns").expect("a namespace")
    }

    /// The requests until now, heads and bodies.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a log").clone()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes whoever waits for a connection.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

/// An HTTP client of one's own, not built yet. It asks for cryptography, even where it needs none.
pub fn http() -> akvs_client::reqwest::ClientBuilder {
    // Whoever came first did the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    akvs_client::reqwest::Client::builder()
}

/// A request with its body; nothing where the connection ends before it.
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
