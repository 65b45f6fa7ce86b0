//! A bare HTTP connection: sends requests byte for byte, and reads answers as the server sends them.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The maximum time of an answer, after which the test fails.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// A parsed answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body, as far as it was read.
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the value of a field, which must not occur twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let first = values.next();
        assert!(values.next().is_none(), "duplicate field {name}: {self:?}");
        first.map(|(_, value)| &**value)
    }

    /// Returns the revision in the `ETag`.
    pub fn revision(&self) -> u64 {
        let tag = self.header("ETag").map(|tag| tag.trim_matches('"'));
        tag.and_then(|tag| tag.parse().ok())
            .unwrap_or_else(|| panic!("a revision: {self:?}"))
    }

    /// Returns all fields, in order.
    pub fn fields(&self) -> Vec<(String, String)> {
        self.headers.clone()
    }

    /// Returns the body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// Returns the status and the body as text.
    pub fn summary(&self) -> (u16, &str) {
        (self.status, self.text())
    }

    /// Returns the problem document, after checking the members that all of them have.
    pub fn problem(&self) -> serde_json::Map<String, serde_json::Value> {
        assert_eq!(
            self.header("Content-Type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem: serde_json::Map<_, _> =
            serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        let code = problem["code"].as_str().expect("a code");
        assert_eq!(problem["type"], format!("urn:akvs:problem:{code}"));
        assert_eq!(problem["status"], self.status);
        assert!(
            problem["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty())
        );
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty())
        );
        problem
    }

    /// Returns the status and the code of the problem.
    pub fn refusal(&self) -> (u16, String) {
        let problem = self.problem();
        (
            self.status,
            problem["code"].as_str().unwrap_or_default().into(),
        )
    }
}

/// A persistent connection.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Connects over TCP.
    pub fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Connection::from_stream(stream)
    }

    /// Connects to a Unix socket.
    pub fn open_unix(path: &Path) -> Connection {
        let stream = UnixStream::connect(path).expect("a connection");
        // The same system calls read, write and shut down both kinds of sockets.
        Connection::from_stream(TcpStream::from(OwnedFd::from(stream)))
    }

    /// Creates a connection from an open stream.
    pub fn from_stream(stream: TcpStream) -> Connection {
        stream
            .set_read_timeout(Some(ANSWER_TIMEOUT))
            .expect("a time-out");
        stream
            .set_write_timeout(Some(ANSWER_TIMEOUT))
            .expect("a time-out");
        Connection(BufReader::new(stream))
    }

    /// Sends these bytes. A connection that the server has closed is detected when reading.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        match self.0.get_mut().write_all(bytes.as_ref()) {
            Err(error) if !is_closed(error.kind()) => panic!("cannot send: {error}"),
            Ok(()) | Err(_) => {}
        }
    }

    /// Sends a request with these header lines (each ended) and this body, and reads its answer.
    pub fn ask(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        self.send(request(method, path, headers, body));
        self.answer_to(method)
    }

    /// Sends a request as [`ask`](Self::ask) does, and reads only the head of its answer.
    pub fn ask_head(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        self.send(request(method, path, headers, body));
        self.head().expect("a head")
    }

    /// Sends bytes and nothing more, and returns the statuses of all answers to requests of this method.
    pub fn statuses(&mut self, method: &str, bytes: impl AsRef<[u8]>) -> Vec<u16> {
        self.send(bytes);
        self.end_sending();
        std::iter::from_fn(|| self.try_answer(method))
            .map(|answer| answer.status)
            .collect()
    }

    /// Sends many requests before it reads their answers.
    pub fn ask_all(
        &mut self,
        method: &str,
        paths: impl IntoIterator<Item = String>,
        body: &[u8],
    ) -> Vec<Answer> {
        let mut paths = paths.into_iter().peekable();
        let mut answers = Vec::new();
        while paths.peek().is_some() {
            // The buffers between client and server hold this number of requests and answers.
            let few = paths.by_ref().take(if body.len() < 100 { 50 } else { 1 });
            let requests: Vec<_> = few.map(|path| request(method, &path, "", body)).collect();
            self.send(requests.concat());
            answers.extend(requests.iter().map(|_| self.answer_to(method)));
        }
        answers
    }

    /// Reads the answer to a request that is not HEAD.
    pub fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    /// Reads an answer.
    pub fn answer_to(&mut self, method: &str) -> Answer {
        self.try_answer(method)
            .expect("an answer before the connection ends")
    }

    /// Reads the final answer to a request that is not HEAD, and skips informational ones (1xx).
    pub fn final_answer(&mut self) -> Answer {
        loop {
            let answer = self.answer();
            if answer.status >= 200 {
                return answer;
            }
        }
    }

    /// Reads an answer; none where the connection has ended.
    pub fn try_answer(&mut self, method: &str) -> Option<Answer> {
        let mut answer = self.head()?;
        if method != "HEAD" && answer.status >= 200 && !matches!(answer.status, 204 | 304) {
            let length = answer.header("Content-Length").expect("a length");
            let mut body = vec![0; length.parse().expect("a length")];
            self.0.read_exact(&mut body).expect("the whole body");
            answer.body = body;
        }
        Some(answer)
    }

    /// Reads an answer whose body may be chunked.
    pub fn whole_answer_to(&mut self, method: &str) -> Answer {
        let mut answer = self.head().expect("an answer");
        let has_body = method != "HEAD" && !matches!(answer.status, 204 | 304);
        match answer.header("Content-Length").map(str::parse) {
            Some(length) if has_body => {
                answer.body = vec![0; length.expect("a length")];
                self.0.read_exact(&mut answer.body).expect("the whole body");
            }
            None if has_body => {
                while let Some(chunk) = self.chunk().filter(|chunk| !chunk.is_empty()) {
                    answer.body.extend(chunk);
                }
            }
            _ => {}
        }
        answer
    }

    /// Reads the head of an answer; none where the connection has ended.
    pub fn head(&mut self) -> Option<Answer> {
        let status_line = self.line()?;
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| status_line.strip_prefix("HTTP/1.0 "))
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("a status line, not {status_line:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line().expect("the whole head");
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').expect("a field");
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Some(Answer {
            status,
            headers,
            body: Vec::new(),
        })
    }

    /// Reads a chunk of a body (RFC 9112, section 7.1), an empty one at the end; none where the body was cut off.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let length = self.line()?;
        let length = usize::from_str_radix(&length, 16).expect("a chunk's length");
        let mut chunk = vec![0; length + 2];
        match self.0.read_exact(&mut chunk) {
            Err(error) if is_closed(error.kind()) => return None,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
            read => read.expect("the rest of a chunk"),
        }
        assert!(chunk.ends_with(b"\r\n"), "a chunk's end");
        chunk.truncate(length);
        Some(chunk)
    }

    /// Reads the rest of a chunked body.
    pub fn chunked_body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk().expect("the whole body");
            if chunk.is_empty() {
                return body;
            }
            body.extend(chunk);
        }
    }

    /// Reads `count` bytes of a body.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).expect("the whole body");
        bytes
    }

    /// Sends a GET request, and reads its chunked body.
    pub fn ask_streamed(&mut self, path: &str) -> Vec<u8> {
        self.send(request("GET", path, "", b""));
        let head = self.head().expect("a head");
        assert_eq!(head.status, 200, "{path}");
        self.chunked_body()
    }

    /// Returns the ports of both ends, the client's first.
    pub fn ports(&self) -> (u16, u16) {
        let stream = self.0.get_ref();
        let (client, server) = (stream.local_addr(), stream.peer_addr());
        (
            client.expect("an address").port(),
            server.expect("an address").port(),
        )
    }

    /// Reads the rest of the connection, and returns whether the server closed it.
    pub fn is_ended(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => is_closed(error.kind()),
        }
    }

    /// Reads all bytes until the server closes the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("the end");
        rest
    }

    /// Returns whether bytes or the end of the connection arrive within this time.
    pub fn has_input(&mut self, within: Duration) -> bool {
        let stream = self.0.get_ref();
        stream.set_read_timeout(Some(within)).expect("a time-out");
        let has_input = match self.0.fill_buf() {
            Ok(_) => true,
            Err(error) => is_closed(error.kind()),
        };
        let stream = self.0.get_ref();
        stream
            .set_read_timeout(Some(ANSWER_TIMEOUT))
            .expect("a time-out");
        has_input
    }

    /// Closes the sending side of the connection.
    pub fn end_sending(&mut self) {
        self.0
            .get_mut()
            .shutdown(Shutdown::Write)
            .expect("a half-open connection");
    }

    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.0.read_until(b'\n', &mut line) {
            Ok(0) => return None,
            Err(error) if is_closed(error.kind()) => return None,
            Err(error) => panic!("no answer: {error}"),
            Ok(_) => {}
        }
        let text = String::from_utf8(line).expect("a line of text");
        Some(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// Returns the bytes of a request.
pub fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}");
    if !body.is_empty() || method == "POST" {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    [request.as_bytes(), body].concat()
}

fn is_closed(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
    )
}
