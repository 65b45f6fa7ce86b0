//! HTTP by hand: requests to the byte, and answers as they come.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The time that an answer may take before the test fails.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// An answer, taken apart.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body, as far as it was read.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of the field of this name, which must not be there twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let first = values.next();
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        first.map(|(_, value)| &**value)
    }

    /// The revision of its `ETag`.
    pub fn revision(&self) -> u64 {
        let tag = self.header("ETag").map(|tag| tag.trim_matches('"'));
        tag.and_then(|tag| tag.parse().ok())
            .unwrap_or_else(|| panic!("a revision: {self:?}"))
    }

    /// All fields, in their order.
    pub fn fields(&self) -> Vec<(String, String)> {
        self.headers.clone()
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The status and the body's text.
    pub fn summary(&self) -> (u16, &str) {
        (self.status, self.text())
    }

    /// The problem document, checked as far as all have the same members.
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

    /// The status and the problem's code.
    pub fn refusal(&self) -> (u16, String) {
        let problem = self.problem();
        (
            self.status,
            problem["code"].as_str().unwrap_or_default().into(),
        )
    }
}

/// A connection that is kept alive.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Connects over TCP.
    pub fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Connection::over(stream)
    }

    /// A connection to a Unix socket.
    pub fn open_unix(path: &Path) -> Connection {
        let stream = UnixStream::connect(path).expect("a connection");
        // It is read, written and shut down by the same calls as one over TCP.
        Connection::over(TcpStream::from(OwnedFd::from(stream)))
    }

    /// The same connection as this handle of it.
    pub fn over(stream: TcpStream) -> Connection {
        stream
            .set_read_timeout(Some(ANSWER_TIMEOUT))
            .expect("a time-out");
        stream
            .set_write_timeout(Some(ANSWER_TIMEOUT))
            .expect("a time-out");
        Connection(BufReader::new(stream))
    }

    /// Sends bytes as they are. That the other side closed already is for the reading to find out.
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
            // So many fit into all buffers on their way, and their answers too.
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

    /// Reads the answer to a request that is not HEAD, past any that only say that the rest may come.
    pub fn final_answer(&mut self) -> Answer {
        loop {
            let answer = self.answer();
            if answer.status >= 200 {
                return answer;
            }
        }
    }

    /// Reads an answer, or none where the connection has ended.
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

    /// Reads an answer whose body may come in chunks.
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

    /// Reads an answer up to its body, or none where the connection has ended.
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

    /// Reads a chunk of a body (RFC 9112, section 7.1), an empty one at its end; none where it was cut off before.
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

    /// Reads the rest of a body that comes in chunks.
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

    /// Asks for what is sent in chunks, and reads all of it.
    pub fn ask_streamed(&mut self, path: &str) -> Vec<u8> {
        self.send(request("GET", path, "", b""));
        let head = self.head().expect("a head");
        assert_eq!(head.status, 200, "{path}");
        self.chunked_body()
    }

    /// Both ends' ports, this one's first.
    pub fn ports(&self) -> (u16, u16) {
        let stream = self.0.get_ref();
        let (here, there) = (stream.local_addr(), stream.peer_addr());
        (
            here.expect("an address").port(),
            there.expect("an address").port(),
        )
    }

    /// Whether the server ended the connection; what it still sends is read first.
    pub fn is_ended(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => is_closed(error.kind()),
        }
    }

    /// What comes until the server ends the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("the end");
        rest
    }

    /// Whether something comes within this time: bytes, or the end.
    pub fn has_something(&mut self, within: Duration) -> bool {
        let stream = self.0.get_ref();
        stream.set_read_timeout(Some(within)).expect("a time-out");
        let something = match self.0.fill_buf() {
            Ok(_) => true,
            Err(error) => is_closed(error.kind()),
        };
        let stream = self.0.get_ref();
        stream
            .set_read_timeout(Some(ANSWER_TIMEOUT))
            .expect("a time-out");
        something
    }

    /// Says that nothing more will be sent.
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

/// The bytes of a request.
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
