//! An answer of unknown length, made a piece at a time on the threads that may wait for the disk.
//!
//! What fails on the way cuts the stream off, so that nobody takes a part for the whole.

use std::time::Duration;

use akvs_core::{Code, Error, Result};
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::time::Instant;

use super::blocking;

/// A snapshot is held for so long at the most: it keeps the space of what is replaced meanwhile.
pub(super) const SNAPSHOT_TIME: Duration = Duration::from_secs(3_600);

/// A piece, and where to go on; none where the piece before was the last.
type Piece<S> = Result<Option<(Bytes, Option<S>)>>;

/// What `next` gives until it says that there is no more. `what` names it in the log, should it end early.
pub(super) fn pieces<S: Send + 'static>(
    what: &'static str,
    max_time: Option<Duration>,
    first: S,
    next: fn(S) -> Piece<S>,
) -> impl Stream<Item = Result<Bytes>> {
    let until = max_time.map(|time| Instant::now() + time);
    stream::try_unfold(Some(first), move |at| async move {
        let Some(at) = at else {
            return Ok(None);
        };
        let piece = match until.is_none_or(|until| Instant::now() < until) {
            true => blocking(move || next(at)).await,
            false => Err(Error::new(Code::Overloaded, "it was read too slowly")),
        };
        piece.inspect_err(|error| log::error!("{what} ends early: {error}"))
    })
}
