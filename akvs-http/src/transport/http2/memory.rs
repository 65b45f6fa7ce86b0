//! The memory of the requests of a connection. The memory of a connection of HTTP/1.1, which has one request at a time, is
//! not counted; the rest counts towards `limits.max_body_memory_bytes` and `limits.max_response_memory_bytes`.
//!
//! Compressed fields (RFC 7541) cost their sender a few bytes, so the heads of a connection have a limit of their own.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use akvs_core::{Code, Error, Result};

use crate::response::memory;
use crate::transport::connection::{MAX_HEAD_BYTES, Refusal};
use crate::transport::resources::Resources;

/// The maximum memory of the heads of a connection's requests, in bytes.
const MAX_HEADS_BYTES: usize = 2 << 20;
/// The approximate memory of a request without its head, until its stream ends: the stream, its unread frames and the
/// future that answers it. 32,000 open writes take 14 KiB each, and 16 KiB each with one byte of their bodies.
const STREAM_BYTES: usize = 16 << 10;
/// The part of a connection's requests that is not counted, in bytes: a few, or one with the largest head.
const FREE_REQUESTS_BYTES: usize = MAX_HEAD_BYTES;
/// The part of a connection's responses that is not counted, in bytes.
const FREE_ANSWERS_BYTES: usize = 64 << 10;

/// The memory of a connection.
pub(super) struct ConnectionMemory {
    resources: Arc<Resources>,
    requests: Cell<Requests>,
    /// The bytes of its responses, without those that are counted.
    answers: Cell<usize>,
}

/// The requests of a connection that are in flight.
#[derive(Clone, Copy, Default)]
struct Requests {
    count: usize,
    /// The bytes of their heads.
    heads: usize,
}

impl Requests {
    /// The bytes that count with those of all connections.
    fn counted(self) -> usize {
        (self.count * STREAM_BYTES + self.heads).saturating_sub(FREE_REQUESTS_BYTES)
    }
}

/// The memory of a request, released when dropped.
pub(super) struct RequestPart {
    connection: Rc<ConnectionMemory>,
    /// The bytes of its head.
    head: usize,
}

/// The memory of a response, released when dropped.
pub(super) struct AnswerPart {
    connection: Rc<ConnectionMemory>,
    /// The bytes that are not in `_counted`.
    bytes: usize,
    _counted: Option<memory::ResponseReservation>,
}

impl ConnectionMemory {
    pub(super) fn new(resources: &Arc<Resources>) -> ConnectionMemory {
        ConnectionMemory {
            resources: Arc::clone(resources),
            requests: Cell::default(),
            answers: Cell::default(),
        }
    }

    /// Reserves the memory of a request whose head has this size.
    pub(super) fn reserve_request(
        self: &Rc<ConnectionMemory>,
        head: usize,
    ) -> std::result::Result<RequestPart, Refusal> {
        let before = self.requests.get();
        let after = Requests {
            count: before.count + 1,
            heads: before.heads + head,
        };
        if after.heads > MAX_HEADS_BYTES {
            let text = format!(
                "the requests in flight on this connection hold more than {MAX_HEADS_BYTES} bytes; \
                try again later, or on another connection"
            );
            let error = Error::new(Code::Overloaded, text)
                .with("limit", MAX_HEADS_BYTES)
                .with("retry_after_s", 1);
            return Err(Refusal::overloaded(error));
        }
        let taken = self
            .resources
            .body_memory
            .acquire(after.counted() - before.counted());
        taken.map_err(Refusal::overloaded)?;
        self.requests.set(after);
        Ok(RequestPart {
            connection: Rc::clone(self),
            head,
        })
    }

    /// Reserves memory of a response, or returns the error `overloaded`.
    pub(super) fn reserve_answer(self: &Rc<ConnectionMemory>, bytes: usize) -> Result<AnswerPart> {
        let free = bytes.min(FREE_ANSWERS_BYTES.saturating_sub(self.answers.get()));
        let counted = match bytes - free {
            0 => None,
            more => Some(self.resources.response_memory.hold(more)?),
        };
        self.answers.set(self.answers.get() + free);
        Ok(AnswerPart {
            connection: Rc::clone(self),
            bytes: free,
            _counted: counted,
        })
    }
}

impl Drop for RequestPart {
    fn drop(&mut self) {
        let connection = &self.connection;
        let before = connection.requests.get();
        let after = Requests {
            count: before.count - 1,
            heads: before.heads - self.head,
        };
        connection.requests.set(after);
        let less = before.counted() - after.counted();
        connection.resources.body_memory.release(less);
    }
}

impl Drop for AnswerPart {
    fn drop(&mut self) {
        let answers = &self.connection.answers;
        answers.set(answers.get() - self.bytes);
    }
}
