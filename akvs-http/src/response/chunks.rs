//! Answers of unknown length, made chunk by chunk on the threads that may wait for the disk.
//!
//! A chunk is made after the client has received the chunk before it: an answer that waits for its reader holds no thread,
//! and no more memory than one chunk, which is counted. If no memory is left for a large chunk, the answer waits.
//!
//! An error cuts the stream off, so that a client sees that the answer is incomplete.

use std::time::Duration;

use akvs_core::{Code, Error, Result};
use akvs_registry::Registry;
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::time::Instant;

use crate::response::memory::{ResponseMemory, ResponseReservation};
use crate::response::rendering::Rendering;

/// The maximum time that an answer holds a snapshot, which keeps replaced values on disk.
pub(crate) const SNAPSHOT_TIME: Duration = Duration::from_secs(3_600);
/// The memory in bytes that a streamed answer holds from its beginning to its end, for its next chunk.
pub(crate) const CHUNK_BYTES: usize = 256 << 10;

/// The next step of a source.
pub(crate) enum Chunk {
    /// A chunk that others follow.
    More(Rendering),
    /// The last chunk.
    Last(Rendering),
    /// No chunk yet: the next one needs this memory in bytes.
    Needs(usize),
}

/// A source of the chunks of an answer.
pub(crate) trait Source: Send + 'static {
    /// Makes the next chunk. The reservation must grow to the memory that it needs. May wait for a disk.
    fn next_chunk(&mut self, held: &mut ResponseReservation) -> Result<Chunk>;
}

/// The threads that make chunks.
pub(crate) enum Threads {
    /// Threads for work that takes long.
    Long,
    /// Threads for work that mostly waits.
    Waiting,
}

/// The state of a streamed answer.
struct Flow<S> {
    what: &'static str,
    until: Option<Instant>,
    registry: Registry,
    memory: ResponseMemory,
    threads: Threads,
    /// None after the last chunk.
    source: Option<S>,
    rest: Rendering,
    held: Option<ResponseReservation>,
}

/// Returns the chunks of a source as a stream. `what` names the answer in the log if it ends early.
pub(crate) fn chunks<S: Source>(
    (registry, memory): (&Registry, &ResponseMemory),
    (what, threads): (&'static str, Threads),
    max_time: Option<Duration>,
    (source, held): (S, ResponseReservation),
) -> impl Stream<Item = Result<Bytes>> + use<S> {
    let flow = Flow {
        what,
        until: max_time.map(|time| Instant::now() + time),
        registry: registry.clone(),
        memory: memory.clone(),
        threads,
        source: Some(source),
        rest: Rendering::default(),
        held: Some(held),
    };
    stream::try_unfold(flow, |mut flow| async move {
        let what = flow.what;
        let slice = flow.next().await;
        let slice = slice.inspect_err(|error| log::error!("{what} ends early: {error}"))?;
        Ok(slice.map(|slice| (slice, flow)))
    })
}

impl<S: Source> Flow<S> {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let mut was_granted = false;
        loop {
            if let Some(slice) = self.rest.next() {
                return Ok(Some(slice));
            }
            let Some(mut source) = self.source.take() else {
                return Ok(None);
            };
            if self.until.is_some_and(|until| Instant::now() >= until) {
                return Err(Error::new(Code::Overloaded, "the client reads too slowly"));
            }
            let mut held = match self.held.take() {
                Some(held) => held,
                None => self.memory.wait(CHUNK_BYTES).await,
            };
            // Memory that this answer waited for is kept, because another waiting answer would take it.
            if !std::mem::take(&mut was_granted) {
                held.shrink(CHUNK_BYTES);
            }
            let work = move || {
                let chunk = source.next_chunk(&mut held)?;
                Ok((source, held, chunk))
            };
            let (source, held, chunk) = match self.threads {
                Threads::Long => self.registry.blocking(work).await?,
                Threads::Waiting => self.registry.waiting(work).await?,
            };
            match chunk {
                Chunk::Last(rest) => (self.rest, self.held) = (rest, Some(held)),
                Chunk::More(rest) => {
                    (self.rest, self.held, self.source) = (rest, Some(held), Some(source));
                }
                Chunk::Needs(bytes) => {
                    // An answer holds nothing while it waits, so that answers never wait for each other.
                    drop(held);
                    self.held = Some(self.memory.wait(bytes).await);
                    was_granted = true;
                    self.source = Some(source);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use akvs_core::{Database, MemoryEngine};
    use akvs_server::{Committer, SystemClock};
    use futures_util::future::join_all;

    use super::*;

    /// More than half of the memory.
    const LARGE: usize = 700 << 10;
    const PIECES: usize = 8;
    /// The number of refusals of a chunk after which the test fails.
    const MAX_REFUSALS: usize = 1_000;

    /// A source of chunks of which two at once exceed the memory.
    struct Large {
        left: usize,
        refusals: Arc<AtomicUsize>,
    }

    impl Source for Large {
        fn next_chunk(&mut self, held: &mut ResponseReservation) -> Result<Chunk> {
            if held.grow(LARGE).is_err() {
                let refusals = self.refusals.fetch_add(1, Ordering::SeqCst);
                assert!(refusals < MAX_REFUSALS, "they refuse each other in turn");
                return Ok(Chunk::Needs(LARGE));
            }
            self.left -= 1;
            held.shrink(CHUNK_BYTES);
            let text = Rendering::from(Bytes::from_static(b"piece"));
            Ok(match self.left {
                0 => Chunk::Last(text),
                _ => Chunk::More(text),
            })
        }
    }

    #[test]
    fn answers_that_wait_for_memory_do_not_take_it_from_each_other() {
        let database = Database::open(Arc::new(MemoryEngine::new()), Default::default()).unwrap();
        let clock = Arc::new(SystemClock::new());
        let committer = Committer::start(database, Default::default(), clock).unwrap();
        let memory = ResponseMemory::new(1 << 20);
        let refusals = Arc::new(AtomicUsize::new(0));
        let answer = || {
            let mut flow = Flow {
                what: "a test",
                until: None,
                registry: Registry::new(committer.clone()),
                memory: memory.clone(),
                threads: Threads::Long,
                source: Some(Large {
                    left: PIECES,
                    refusals: Arc::clone(&refusals),
                }),
                rest: Rendering::default(),
                // So that each answer must wait for memory.
                held: Some(memory.hold(CHUNK_BYTES).unwrap()),
            };
            async move {
                let mut slices = 0;
                while flow.next().await.unwrap().is_some() {
                    slices += 1;
                }
                slices
            }
        };
        let slices =
            actix_web::rt::System::new().block_on(join_all([answer(), answer(), answer()]));
        assert_eq!(slices, [PIECES; 3]);
        // Each chunk is refused at most once.
        let refusals = refusals.load(Ordering::SeqCst);
        assert!(refusals <= 3 * PIECES, "{refusals}");
        committer.stop().unwrap();
    }
}
