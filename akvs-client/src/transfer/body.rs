//! The body of an import: a stream of bytes or of records.
//!
//! It holds at most one chunk. Invariant: a stream that fails truncates the body, so that a part is never taken for the
//! whole.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use akvs_api::export::Checksum;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http_body::Frame;

use super::line;
use super::record::Record;

/// The size of a chunk of small records.
const CHUNK_BYTES: usize = 64 << 10;

type Failure = Box<dyn StdError + Send + Sync>;
type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// A streamed body. The lock is never contended: it only makes the body `Sync`.
struct StreamBody(Mutex<Chunks>);

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let chunks = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let chunk = chunks.as_mut().poll_next(context);
        chunk.map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

/// Returns a body of these chunks.
pub(super) fn from_chunks<E: Into<Failure>>(
    chunks: impl Stream<Item = Result<impl Into<Bytes>, E>> + Send + 'static,
) -> reqwest::Body {
    let chunks = chunks.map(|chunk| chunk.map(Into::into).map_err(Into::into));
    reqwest::Body::wrap(StreamBody(Mutex::new(Box::pin(chunks))))
}

/// Returns the file of this namespace with these records.
pub(super) fn from_records<E: Into<Failure>>(
    namespace: &str,
    records: impl Stream<Item = Result<Record, E>> + Send + 'static,
) -> reqwest::Body {
    let mut text = Vec::new();
    line::write_first(namespace, &mut text);
    let state = Some(FileWriter {
        records: Box::pin(records),
        text,
        sum: Checksum::default(),
        count: 0,
    });
    from_chunks(stream::try_unfold(state, async |state| match state {
        Some(writer) => writer.chunk().await.map(Some),
        None => Ok(None),
    }))
}

/// The state of a file that is being written.
struct FileWriter<S: ?Sized> {
    text: Vec<u8>,
    sum: Checksum,
    count: u64,
    records: Pin<Box<S>>,
}

impl<S, E> FileWriter<S>
where
    S: Stream<Item = Result<Record, E>>,
    E: Into<Failure>,
{
    /// Returns the next chunk, and the writer if there is more.
    async fn chunk(mut self) -> Result<(Bytes, Option<Self>), Failure> {
        while self.text.len() < CHUNK_BYTES {
            match self.records.next().await {
                Some(record) => {
                    line::write_record(&record.map_err(Into::into)?, &mut self.text);
                    self.count += 1;
                }
                None => {
                    self.sum.update(&self.text);
                    self.sum.write_end(self.count, &mut self.text);
                    return Ok((self.text.into(), None));
                }
            }
        }
        let chunk = Bytes::from(std::mem::take(&mut self.text));
        self.sum.update(&chunk);
        Ok((chunk, Some(self)))
    }
}
