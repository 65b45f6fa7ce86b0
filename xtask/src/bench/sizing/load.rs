//! Many concurrent requests, each of which must succeed.
//!
//! It owns a minimal HTTP/1.1 client for the answers of AKVS. It measures nothing.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::shell::Result;

/// The number of requests in flight.
const CLIENTS: usize = 64;

/// Returns the bytes of a request, by its number.
pub(super) type Requests = Arc<dyn Fn(usize) -> Vec<u8> + Send + Sync>;

/// Sends this number of requests.
pub(super) async fn send(address: &str, count: usize, requests: Requests) -> Result {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS.min(count) {
        let (address, requests) = (address.to_owned(), Arc::clone(&requests));
        clients.spawn(async move {
            let mut connection = Connection::to(&address).await?;
            for number in (client..count).step_by(CLIENTS) {
                connection.ask(&requests(number)).await?;
            }
            Ok::<(), String>(())
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    Ok(())
}

/// Returns a request that stores a value.
pub(super) fn post(namespace: &str, key: &str, value: &[u8]) -> Vec<u8> {
    let length = value.len();
    let head = format!(
        "POST /kv/{namespace}/{key} HTTP/1.1\r\nhost: bench\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), value].concat()
}

/// Returns a request that reads.
pub(super) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").into_bytes()
}

/// A persistent connection.
pub(super) struct Connection {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Connection {
    pub(super) async fn to(address: &str) -> std::result::Result<Connection, String> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|error| format!("no connection: {error}"))?;
        let stream = stream.set_nodelay(true).map(|()| stream);
        Ok(Connection {
            stream: stream.map_err(|error| error.to_string())?,
            bytes: Vec::new(),
        })
    }

    /// Sends a request and reads its answer, which must have a length.
    pub(super) async fn ask(&mut self, request: &[u8]) -> std::result::Result<(), String> {
        let failed = |error: std::io::Error| format!("a connection failed: {error}");
        self.stream.write_all(request).await.map_err(failed)?;
        self.head(request).await?;
        let end = end_of(&self.bytes).ok_or("the answer has no content-length")?;
        while self.bytes.len() < end {
            self.read().await?;
        }
        self.bytes.clear();
        Ok(())
    }

    /// Sends a request and reads the head of the answer, whose body does not end.
    pub(super) async fn begin(&mut self, request: &[u8]) -> std::result::Result<(), String> {
        let sent = self.stream.write_all(request).await;
        sent.map_err(|error| error.to_string())?;
        self.head(request).await
    }

    async fn head(&mut self, request: &[u8]) -> std::result::Result<(), String> {
        while !self.bytes.windows(4).any(|part| part == b"\r\n\r\n") {
            self.read().await?;
        }
        match self.bytes.starts_with(b"HTTP/1.1 20") {
            true => Ok(()),
            false => Err(format!(
                "{} was answered {}",
                first_line(request),
                first_line(&self.bytes)
            )),
        }
    }

    async fn read(&mut self) -> std::result::Result<(), String> {
        match self.stream.read_buf(&mut self.bytes).await {
            Ok(0) => Err("the server closed the connection".into()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("a connection failed: {error}")),
        }
    }
}

fn first_line(bytes: &[u8]) -> String {
    let line = bytes
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
}

/// Returns the end of an answer, by its head.
fn end_of(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|part| part == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&answer[..head]).ok()?;
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    Some(head + 4 + length?.trim().parse::<usize>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_head_says() {
        let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 7\r\netag: \"1\"\r\n\r\nCreated";
        assert_eq!(end_of(answer), Some(answer.len()));
        assert_eq!(end_of(b"HTTP/1.1 200 OK\r\n\r\n"), None);
        assert_eq!(first_line(answer), "HTTP/1.1 201 Created");
    }
}
