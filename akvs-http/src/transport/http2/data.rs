//! The unsent bytes of an answer: its request is in flight, and its memory counts, until they are sent.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use h2::{Reason, SendStream};

/// A part of an answer that `h2` sends.
pub(super) struct DataPiece {
    bytes: Bytes,
    unsent: Option<Rc<Unsent>>,
}

/// The number of an answer's bytes that were passed to `h2` and are not sent.
#[derive(Default)]
pub(super) struct Unsent {
    bytes: Cell<usize>,
    waiter: Cell<Option<Waker>>,
}

impl DataPiece {
    /// Returns a part of an answer whose unsent bytes are counted there.
    pub(super) fn new(bytes: Bytes, unsent: &Rc<Unsent>) -> DataPiece {
        unsent.bytes.set(unsent.bytes.get() + bytes.len());
        DataPiece {
            bytes,
            unsent: Some(Rc::clone(unsent)),
        }
    }

    /// Returns the end of an answer.
    pub(super) fn end() -> DataPiece {
        DataPiece {
            bytes: Bytes::new(),
            unsent: None,
        }
    }

    fn count_sent(&self, bytes: usize) {
        let Some(unsent) = &self.unsent else { return };
        let left = unsent.bytes.get().saturating_sub(bytes);
        unsent.bytes.set(left);
        if left == 0
            && let Some(waiter) = unsent.waiter.take()
        {
            waiter.wake();
        }
    }
}

impl Buf for DataPiece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.count_sent(count);
    }
}

impl Drop for DataPiece {
    fn drop(&mut self) {
        self.count_sent(self.bytes.len());
    }
}

impl Unsent {
    /// Waits until all bytes are sent or discarded with their stream, while the client reads some of them within each
    /// stall timeout. A client may have reduced its window after the bytes were passed to `h2`.
    pub(super) async fn wait(
        &self,
        stream: &mut SendStream<DataPiece>,
        stall: Duration,
    ) -> Result<(), Reason> {
        loop {
            let before = self.bytes.get();
            let all = poll_fn(|context| {
                if self.bytes.get() == 0 {
                    return Poll::Ready(Ok(()));
                }
                if stream.poll_reset(context).is_ready() {
                    return Poll::Ready(Err(Reason::CANCEL));
                }
                self.waiter.set(Some(context.waker().clone()));
                Poll::Pending
            });
            match tokio::time::timeout(stall, all).await {
                Ok(done) => return done,
                Err(_) if self.bytes.get() < before => {}
                Err(_) => return Err(Reason::CANCEL),
            }
        }
    }
}
