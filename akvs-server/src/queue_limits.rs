//! The limits of a queue of writes: how many requests may wait, and how many bytes they hold.

use std::sync::atomic::{AtomicUsize, Ordering};

use akvs_core::{Code, Error, Result};

/// The size of a queue, and its limits.
#[derive(Debug)]
pub(crate) struct QueueLimits {
    max_writes: usize,
    max_bytes: usize,
    writes: AtomicUsize,
    bytes: AtomicUsize,
}

impl QueueLimits {
    pub(crate) fn new(max_writes: usize, max_bytes: usize) -> QueueLimits {
        QueueLimits {
            max_writes,
            max_bytes,
            writes: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    /// Adds a request, unless the queue is full.
    pub(crate) fn admit(&self, bytes: usize) -> Result<()> {
        let overloaded = |what: &str, limit: usize| {
            Error::new(
                Code::Overloaded,
                format!("too many queued {what}: at most {limit} may wait"),
            )
            .with("limit", limit)
            .with("retry_after_s", 1)
        };
        if self.writes.fetch_add(1, Ordering::Relaxed) >= self.max_writes {
            self.writes.fetch_sub(1, Ordering::Relaxed);
            return Err(
                overloaded("writes", self.max_writes).with("setting", "limits.max_queued_writes")
            );
        }
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) >= self.max_bytes {
            self.discharge(1, bytes);
            return Err(overloaded("bytes", self.max_bytes));
        }
        Ok(())
    }

    /// Removes requests.
    pub(crate) fn discharge(&self, requests: usize, bytes: usize) {
        self.writes.fetch_sub(requests, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Returns the number of requests.
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }

    /// Returns the bytes that they hold.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}
