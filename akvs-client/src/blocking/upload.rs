//! A stream whose elements are made on the thread that waits for a call.
//!
//! It owns the way of an element from there to the client's thread. It does not know what they are. Invariant: one is
//! made only when it is wanted, and where no more can be made, the stream fails instead of ending.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::mpsc;

use futures_util::Stream;
use futures_util::stream::try_unfold;
use tokio::sync::oneshot;

use super::runtime::{Runtime, lost};
use crate::error::Result;

pub(super) type Failure = Box<dyn StdError + Send + Sync>;

/// What the caller's thread makes, as the client's thread sees it.
pub(super) type Upload<P> = Pin<Box<dyn Stream<Item = Result<P, Failure>> + Send>>;

/// What the client's thread says to the one that waits.
enum Said<P, T> {
    Wanted(oneshot::Sender<Option<Result<P, Failure>>>),
    Done(T),
}

impl Runtime {
    /// Runs a call that takes a stream. Its elements are made on this thread, which waits anyway: so they may be slow,
    /// and may be made by calls of the same client.
    pub(super) fn run_fed<P, T, F>(
        &self,
        mut next: impl FnMut() -> Option<Result<P, Failure>>,
        call: impl FnOnce(Upload<P>) -> F,
    ) -> Result<T>
    where
        P: Send + 'static,
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (tell, told) = mpsc::channel();
        let want = tell.clone();
        let stream = try_unfold(want, async |want| {
            let (back, made) = oneshot::channel();
            want.send(Said::Wanted(back)).map_err(|_| gone())?;
            let next = made.await.map_err(|_| gone())?.transpose()?;
            Ok(next.map(|element| (element, want)))
        });
        let future = call(Box::pin(stream));
        self.spawn(async move {
            // Whoever asked waits below.
            let _ = tell.send(Said::Done(future.await));
        })?;
        loop {
            match told.recv().map_err(lost)? {
                // Whoever wanted it may have given up since.
                Said::Wanted(back) => drop(back.send(next())),
                Said::Done(done) => return Ok(done),
            }
        }
    }
}

fn gone() -> Failure {
    "the function that makes what is sent panicked".into()
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use futures_util::StreamExt;

    use super::*;

    #[test]
    fn a_stream_whose_maker_panics_fails_and_does_not_end_well() {
        let runtime = Runtime::start().unwrap();
        let (tell, told) = mpsc::channel();
        let mut left = 2;
        let make = || {
            left -= 1;
            (left > 0)
                .then_some(Ok(left))
                .or_else(|| panic!("as asked"))
        };
        let call = |fed: Upload<u8>| async move {
            let all: Vec<_> = fed.map(|made| made.ok()).collect().await;
            tell.send(all).unwrap();
        };
        let ended = catch_unwind(AssertUnwindSafe(|| runtime.run_fed(make, call)));
        assert!(ended.is_err());
        assert_eq!(told.recv().unwrap(), [Some(1), None]);
    }

    #[test]
    fn what_is_made_is_made_on_the_thread_that_waits_and_only_when_it_is_wanted() {
        let runtime = Runtime::start().unwrap();
        let here = std::thread::current().id();
        let mut made = 0;
        let make = || {
            assert_eq!(std::thread::current().id(), here);
            made += 1;
            Some(Ok(made))
        };
        let call = |fed: Upload<u8>| fed.take(3).map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(runtime.run_fed(make, call).unwrap(), [1, 2, 3]);
        assert_eq!(made, 3);
    }
}
