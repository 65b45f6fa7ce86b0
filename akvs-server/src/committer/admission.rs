//! The limits of the queue: how many requests may wait, and how many bytes they hold.

use std::sync::atomic::Ordering;

use akvs_core::{Code, Error, Result};

use super::Shared;
use crate::CommitterOptions;

impl Shared {
    /// Adds a request to the counts of the queue, unless the queue is full.
    pub(super) fn admit(&self, bytes: usize) -> Result<()> {
        let overloaded = |what: &str, limit: usize| {
            Error::new(
                Code::Overloaded,
                format!("too many queued {what}: at most {limit} may wait"),
            )
            .with("limit", limit)
            .with("retry_after_s", 1)
        };
        let CommitterOptions {
            max_queued_writes,
            max_queued_bytes,
            ..
        } = self.resources.options;
        if self.queued.fetch_add(1, Ordering::Relaxed) >= max_queued_writes {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            return Err(
                overloaded("writes", max_queued_writes).with("setting", "limits.max_queued_writes")
            );
        }
        if self.queued_bytes.fetch_add(bytes, Ordering::Relaxed) >= max_queued_bytes {
            self.discharge(1, bytes);
            return Err(overloaded("bytes", max_queued_bytes));
        }
        Ok(())
    }

    /// Removes requests from the counts of the queue.
    pub(super) fn discharge(&self, requests: usize, bytes: usize) {
        self.queued.fetch_sub(requests, Ordering::Relaxed);
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
