//! A body that is read as it comes, in pieces or in lines, and that nobody holds as a whole.
//!
//! It owns the text that is not a whole line yet. It does not know what a line says. Invariant: a body that was cut off
//! is an error, never an end.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use reqwest::{RequestBuilder, Response, StatusCode, Version};
use tokio::time::timeout;

use crate::Client;
use crate::error::{Error, Result, protocol_error};

/// Overrides the time that a whole exchange may take: a stream takes as long as who reads it. Timers reach no further
/// than about two years.
pub(crate) const NO_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How long the server may take for the next piece.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// A body that is being read.
pub(crate) struct Body {
    response: Response,
}

impl Body {
    /// Sends a request whose answer has no bound in time or length.
    pub(crate) async fn open(client: &Client, request: RequestBuilder) -> Result<Body> {
        let request = request.timeout(NO_TIMEOUT);
        let answer = client.send(request, &[StatusCode::OK]).await?;
        let response = answer.map_err(Error::api)?;
        match has_end(&response) {
            true => Ok(Body { response }),
            false => Err(protocol_error(
                "the end of the answer could not be told from a cut",
            )),
        }
    }

    /// The head of the answer.
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// What comes next; none at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        match timeout(IDLE_TIMEOUT, self.response.chunk()).await {
            Ok(chunk) => Ok(chunk?),
            Err(_) => Err(protocol_error(format!("nothing came for {IDLE_TIMEOUT:?}"))),
        }
    }
}

/// Whether the end of the body is marked, so that a connection that closes is a cut (RFC 9112, section 6.3).
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

    /// The next line with its newline; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(line) = self.text.line()? {
                return Ok(Some(line));
            }
            match self.body.chunk().await? {
                Some(chunk) => self.text.push(&chunk),
                None if self.text.is_empty() => return Ok(None),
                None => return Err(protocol_error("the answer ends within a line")),
            }
        }
    }
}

/// Text that is cut into lines.
pub(crate) struct LineBuffer {
    text: BytesMut,
    /// What of it has no newline.
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

    /// Whether all lines were taken, and there is no part of another one.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The next line with its newline, if it is whole.
    pub(crate) fn line(&mut self) -> Result<Option<Bytes>> {
        let unseen = &self.text[self.searched..];
        let Some(at) = unseen.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.text.len();
            return match self.searched <= self.max_bytes {
                true => Ok(None),
                false => Err(protocol_error(format!(
                    "a line of the answer has more than the {} bytes that this client takes",
                    self.max_bytes
                ))),
            };
        };
        // Copied: a line that is kept would else keep its neighbours too.
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
    fn lines_are_put_together_from_any_pieces() {
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
    fn a_line_without_end_is_given_up_at_the_bound() {
        let mut buffer = LineBuffer::new(4);
        buffer.push(b"abcd");
        assert!(buffer.line().unwrap().is_none());
        buffer.push(b"e");
        let error = buffer.line().unwrap_err().to_string();
        assert!(error.contains("4 bytes"), "{error}");
    }
}
