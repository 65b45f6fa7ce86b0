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
/// The part of it that is not counted.
const FREE_HEADS_BYTES: usize = MAX_HEAD_BYTES;
/// The part of a connection's responses that is not counted, in bytes.
const FREE_ANSWERS_BYTES: usize = 64 << 10;

/// The memory of a connection.
pub(super) struct ConnectionMemory {
    resources: Arc<Resources>,
    /// The bytes of its heads.
    heads: Cell<usize>,
    /// The bytes of its responses, without those that are counted.
    answers: Cell<usize>,
}

/// A part of it, released when dropped.
pub(super) struct Part {
    connection: Rc<ConnectionMemory>,
    is_head: bool,
    /// The bytes that are not in `_counted`.
    bytes: usize,
    _counted: Option<memory::ResponseReservation>,
}

impl ConnectionMemory {
    pub(super) fn new(resources: &Arc<Resources>) -> ConnectionMemory {
        ConnectionMemory {
            resources: Arc::clone(resources),
            heads: Cell::default(),
            answers: Cell::default(),
        }
    }

    /// Reserves the memory of a head.
    pub(super) fn reserve_head(
        self: &Rc<ConnectionMemory>,
        bytes: usize,
    ) -> std::result::Result<Part, Refusal> {
        let (before, after) = (self.heads.get(), self.heads.get() + bytes);
        if after > MAX_HEADS_BYTES {
            let text = format!(
                "the requests in flight on this connection hold more than {MAX_HEADS_BYTES} bytes; \
                try again later, or on another connection"
            );
            let error = Error::new(Code::Overloaded, text)
                .with("limit", MAX_HEADS_BYTES)
                .with("retry_after_s", 1);
            return Err(Refusal::overloaded(error));
        }
        let more = counted_heads(after) - counted_heads(before);
        let taken = self.resources.body_memory.acquire(more);
        taken.map_err(Refusal::overloaded)?;
        self.heads.set(after);
        Ok(Part {
            connection: Rc::clone(self),
            is_head: true,
            bytes,
            _counted: None,
        })
    }

    /// Reserves memory of a response, or returns the error `overloaded`.
    pub(super) fn reserve_answer(self: &Rc<ConnectionMemory>, bytes: usize) -> Result<Part> {
        let free = bytes.min(FREE_ANSWERS_BYTES.saturating_sub(self.answers.get()));
        let counted = match bytes - free {
            0 => None,
            more => Some(self.resources.response_memory.hold(more)?),
        };
        self.answers.set(self.answers.get() + free);
        Ok(Part {
            connection: Rc::clone(self),
            is_head: false,
            bytes: free,
            _counted: counted,
        })
    }
}

fn counted_heads(bytes: usize) -> usize {
    bytes.saturating_sub(FREE_HEADS_BYTES)
}

impl Drop for Part {
    fn drop(&mut self) {
        let Part {
            connection, bytes, ..
        } = self;
        if !self.is_head {
            connection.answers.set(connection.answers.get() - *bytes);
            return;
        }
        let (before, after) = (connection.heads.get(), connection.heads.get() - *bytes);
        connection.heads.set(after);
        let less = counted_heads(before) - counted_heads(after);
        connection.resources.body_memory.release(less);
    }
}
