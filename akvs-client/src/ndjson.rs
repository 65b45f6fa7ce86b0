//! Streamed bodies: read chunk by chunk or line by line, never held as a whole.
//!
//! It owns the incomplete line. It does not know the meaning of lines. Invariant: a truncated body is an error, never
//! an end.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use reqwest::{RequestBuilder, Response, StatusCode, Version};
use tokio::time::timeout;

use crate::Client;
use crate::error::{Error, Result, protocol_error};

/// Overrides the timeout of a request: a stream takes as long as its reader. Timers are limited to about two years.
pub(crate) const NO_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The time that the server may take for the next chunk.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// A body that is being read.
pub(crate) struct Body {
    response: Response,
}

impl Body {
    /// Sends a request whose answer is bounded neither in time nor in length.
    pub(crate) async fn open(client: &Client, request: RequestBuilder) -> Result<Body> {
        let request = request.timeout(NO_TIMEOUT);
        let answer = client.send(request, &[StatusCode::OK]).await?;
        let response = answer.map_err(Error::api)?;
        match has_end(&response) {
            true => Ok(Body { response }),
            false => Err(protocol_error(
                "invalid answer: expected Content-Length or a chunked body",
            )),
        }
    }

    /// Returns the headers of the answer.
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Returns the next chunk; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        match timeout(IDLE_TIMEOUT, self.response.chunk()).await {
            Ok(chunk) => Ok(chunk?),
            Err(_) => Err(protocol_error(format!(
                "the server sent nothing for {IDLE_TIMEOUT:?}"
            ))),
        }
    }
}

/// Returns whether the end of the body is marked, so that a closed connection means truncation (RFC 9112, section 6.3).
fn has_end(response: &Response) -> bool {
    let headers = response.headers();
    response.version() > Version::HTTP_11
        || headers.contains_key(CONTENT_LENGTH)
        || headers.contains_key(TRANSFER_ENCODING)
}

/// The lines of a body.
pub(crate) struct Lines {
    body: Body,
    text: LineBuffer,
}

impl Lines {
    pub(crate) fn new(client: &Client, body: Body) -> Lines {
        let max_bytes = usize::try_from(client.max_answer_bytes()).unwrap_or(usize::MAX);
        Lines {
            body,
            text: LineBuffer::new(max_bytes),
        }
    }

    /// Returns the next line with its newline; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(line) = self.text.line()? {
                return Ok(Some(line));
            }
            match self.body.chunk().await? {
                Some(chunk) => self.text.push(&chunk),
                None if self.text.is_empty() => return Ok(None),
                None => return Err(protocol_error("truncated answer: it ends within a line")),
            }
        }
    }
}

/// A buffer that splits text into lines.
pub(crate) struct LineBuffer {
    text: BytesMut,
    /// The length of the prefix that is known to have no newline.
    searched: usize,
    max_bytes: usize,
}

impl LineBuffer {
    pub(crate) fn new(max_bytes: usize) -> LineBuffer {
        LineBuffer {
            text: BytesMut::new(),
            searched: 0,
            max_bytes,
        }
    }

    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.text.extend_from_slice(chunk);
    }

    /// Returns whether no text is left, not even of an incomplete line.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns the next complete line with its newline.
    pub(crate) fn line(&mut self) -> Result<Option<Bytes>> {
        let unseen = &self.text[self.searched..];
        let Some(at) = unseen.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.text.len();
            return match self.searched <= self.max_bytes {
                true => Ok(None),
                false => Err(protocol_error(format!(
                    "line of the answer too long: expected at most {} bytes (max_value_bytes)",
                    self.max_bytes
                ))),
            };
        };
        // Copied, because a slice that is kept would keep the whole buffer.
        let length = self.searched + at + 1;
        let line = Bytes::copy_from_slice(&self.text[..length]);
        self.text.advance(length);
        self.searched = 0;
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_from_any_chunks() {
        let text = b"one\n\nthree is longer\nrest";
        for size in 1..=text.len() {
            let mut buffer = LineBuffer::new(100);
            let mut lines = Vec::new();
            for chunk in text.chunks(size) {
                buffer.push(chunk);
                while let Some(line) = buffer.line().unwrap() {
                    lines.push(line);
                }
            }
            assert_eq!(lines, ["one\n", "\n", "three is longer\n"], "{size}");
            assert!(!buffer.is_empty());
        }
    }

    #[test]
    fn an_endless_line_is_an_error_at_the_limit() {
        let mut buffer = LineBuffer::new(4);
        buffer.push(b"abcd");
        assert!(buffer.line().unwrap().is_none());
        buffer.push(b"e");
        let error = buffer.line().unwrap_err().to_string();
        assert!(error.contains("4 bytes"), "{error}");
    }
}
