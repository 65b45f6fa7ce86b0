//! What an import sends: bytes as they come, or records that are written as they come.
//!
//! It owns no more than a piece of it. Invariant: a stream that fails ends the body before its end, so that nobody takes
//! a part for the whole.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http_body::Frame;

use super::line;
use super::record::Record;
use super::verifier::Checksum;

/// So much is sent at once of many small records.
const CHUNK_BYTES: usize = 64 << 10;

type Failure = Box<dyn StdError + Send + Sync>;
type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// A body that is a stream. Nobody ever waits for the lock: it only says that no two threads poll at once.
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

/// A body of these pieces.
pub(super) fn from_chunks<E: Into<Failure>>(
    chunks: impl Stream<Item = Result<impl Into<Bytes>, E>> + Send + 'static,
) -> reqwest::Body {
    let chunks = chunks.map(|chunk| chunk.map(Into::into).map_err(Into::into));
    reqwest::Body::wrap(StreamBody(Mutex::new(Box::pin(chunks))))
}

/// A file of this namespace with these records.
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

/// How far a file was written.
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
    /// The next piece, and what follows it.
    async fn chunk(mut self) -> Result<(Bytes, Option<Self>), Failure> {
        while self.text.len() < CHUNK_BYTES {
            match self.records.next().await {
                Some(record) => {
                    line::write_record(&record.map_err(Into::into)?, &mut self.text);
                    self.count += 1;
                }
                None => {
                    self.sum.update(&self.text);
                    line::write_end(self.count, &self.sum.hex(), &mut self.text);
                    return Ok((self.text.into(), None));
                }
            }
        }
        let chunk = Bytes::from(std::mem::take(&mut self.text));
        self.sum.update(&chunk);
        Ok((chunk, Some(self)))
    }
}
