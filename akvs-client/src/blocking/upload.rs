//! Streams whose elements are produced on the thread that waits for a call.
//!
//! It owns the transfer of elements to the client's thread. It does not know the elements. Invariant: an element is
//! produced only when it is requested, and a stream whose source panics fails instead of ending.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::mpsc;

use futures_util::Stream;
use futures_util::stream::try_unfold;
use tokio::sync::oneshot;

use super::runtime::{Runtime, panicked};
use crate::error::Result;

pub(super) type Failure = Box<dyn StdError + Send + Sync>;

/// The elements that the caller's thread produces, on the client's thread.
pub(super) type Upload<P> = Pin<Box<dyn Stream<Item = Result<P, Failure>> + Send>>;

/// The messages of the client's thread to the caller's.
enum Message<P, T> {
    Wanted(oneshot::Sender<Option<Result<P, Failure>>>),
    Done(T),
}

impl Runtime {
    /// Runs a call that takes a stream, and waits for it. The elements are produced on the calling thread, so that the
    /// source may be slow, and may use the same client.
    pub(super) fn run_upload<P, T, F>(
        &self,
        mut next: impl FnMut() -> Option<Result<P, Failure>>,
        call: impl FnOnce(Upload<P>) -> F,
    ) -> Result<T>
    where
        P: Send + 'static,
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel();
        let requests = sender.clone();
        let stream = try_unfold(requests, async |requests| {
            let (back, made) = oneshot::channel();
            requests
                .send(Message::Wanted(back))
                .map_err(|_| source_panicked())?;
            let next = made.await.map_err(|_| source_panicked())?.transpose()?;
            Ok(next.map(|element| (element, requests)))
        });
        let future = call(Box::pin(stream));
        self.spawn(async move {
            // The caller waits below.
            let _ = sender.send(Message::Done(future.await));
        })?;
        loop {
            match receiver.recv().map_err(panicked)? {
                // The stream may have been dropped since.
                Message::Wanted(back) => drop(back.send(next())),
                Message::Done(done) => return Ok(done),
            }
        }
    }
}

fn source_panicked() -> Failure {
    "the source of the import panicked".into()
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use futures_util::StreamExt;

    use super::*;

    #[test]
    fn a_stream_whose_source_panics_fails() {
        let runtime = Runtime::start().unwrap();
        let (sender, receiver) = mpsc::channel();
        let mut left = 2;
        let make = || {
            left -= 1;
            (left > 0)
                .then_some(Ok(left))
                .or_else(|| panic!("the source fails"))
        };
        let call = |upload: Upload<u8>| async move {
            let all: Vec<_> = upload.map(|made| made.ok()).collect().await;
            sender.send(all).unwrap();
        };
        let ended = catch_unwind(AssertUnwindSafe(|| runtime.run_upload(make, call)));
        assert!(ended.is_err());
        assert_eq!(receiver.recv().unwrap(), [Some(1), None]);
    }

    #[test]
    fn elements_are_produced_on_the_callers_thread_on_request() {
        let runtime = Runtime::start().unwrap();
        let here = std::thread::current().id();
        let mut made = 0;
        let make = || {
            assert_eq!(std::thread::current().id(), here);
            made += 1;
            Some(Ok(made))
        };
        let call = |upload: Upload<u8>| upload.take(3).map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(runtime.run_upload(make, call).unwrap(), [1, 2, 3]);
        assert_eq!(made, 3);
    }
}
