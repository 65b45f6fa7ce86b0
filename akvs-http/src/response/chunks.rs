//! An answer of unknown length, made a piece at a time on the threads that may wait for the disk.
//!
//! A piece is made once the client has taken the one before it: an answer that waits for its reader holds no thread,
//! and no more memory than one piece, which is counted. Where there is no memory for a large piece, the answer waits.
//!
//! What fails on the way cuts the stream off, so that nobody takes a part for the whole.

use std::time::Duration;

use akvs_core::{Code, Error, Result};
use akvs_registry::Registry;
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::time::Instant;

use crate::response::memory::{ResponseMemory, ResponseReservation};
use crate::response::rendering::Rendering;

/// A snapshot is held for so long at the most: it keeps the space of what is replaced meanwhile.
pub(crate) const SNAPSHOT_TIME: Duration = Duration::from_secs(3_600);
/// The memory that an answer of this kind holds from its beginning to its end, for its next piece, in bytes.
pub(crate) const PIECE_BYTES: usize = 256 << 10;

/// What came next.
pub(crate) enum Chunk {
    /// This, and more behind it.
    More(Rendering),
    /// This was the last.
    Last(Rendering),
    /// Nothing yet: the next piece needs so much memory.
    Needs(usize),
}

/// What such an answer is made of.
pub(crate) trait Source: Send + 'static {
    /// The next piece, for which so much memory is held; to be grown to what it needs. May wait for a disk.
    fn piece(&mut self, held: &mut ResponseReservation) -> Result<Chunk>;
}

/// Where pieces are made.
pub(crate) enum Threads {
    /// On those for work that takes long.
    Long,
    /// On those for work that mostly waits.
    Waiting,
}

/// How far an answer is.
struct Flow<S> {
    what: &'static str,
    until: Option<Instant>,
    registry: Registry,
    memory: ResponseMemory,
    threads: Threads,
    /// None once the last piece was made.
    source: Option<S>,
    rest: Rendering,
    held: Option<ResponseReservation>,
}

/// What a source gives until it says that there is no more. `what` names it in the log, should it end early.
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
                None => self.memory.wait(PIECE_BYTES).await,
            };
            // What was waited for is kept, else others that wait would take it, and so on in turn.
            if !std::mem::take(&mut was_granted) {
                held.shrink(PIECE_BYTES);
            }
            let work = move || {
                let piece = source.piece(&mut held)?;
                Ok((source, held, piece))
            };
            let (source, held, piece) = match self.threads {
                Threads::Long => self.registry.blocking(work).await?,
                Threads::Waiting => self.registry.waiting(work).await?,
            };
            match piece {
                Chunk::Last(rest) => (self.rest, self.held) = (rest, Some(held)),
                Chunk::More(rest) => {
                    (self.rest, self.held, self.source) = (rest, Some(held), Some(source));
                }
                Chunk::Needs(bytes) => {
                    // Nothing is held while it waits, so that those that wait never wait for each other.
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
    /// How often a piece may be refused before it is clear that there is no end to it.
    const MAX_REFUSALS: usize = 1_000;

    /// A source of pieces that are too large for two of them at once.
    struct Large {
        left: usize,
        refusals: Arc<AtomicUsize>,
    }

    impl Source for Large {
        fn piece(&mut self, held: &mut ResponseReservation) -> Result<Chunk> {
            if held.grow(LARGE).is_err() {
                let refusals = self.refusals.fetch_add(1, Ordering::SeqCst);
                assert!(refusals < MAX_REFUSALS, "they refuse each other in turn");
                return Ok(Chunk::Needs(LARGE));
            }
            self.left -= 1;
            held.shrink(PIECE_BYTES);
            let text = Rendering::from(Bytes::from_static(b"piece"));
            Ok(match self.left {
                0 => Chunk::Last(text),
                _ => Chunk::More(text),
            })
        }
    }

    #[test]
    fn answers_that_wait_for_memory_do_not_take_it_from_one_another_in_turn() {
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
                // So that none gets what it needs without waiting.
                held: Some(memory.hold(PIECE_BYTES).unwrap()),
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
        // Each piece is refused once at most.
        let refusals = refusals.load(Ordering::SeqCst);
        assert!(refusals <= 3 * PIECES, "{refusals}");
        committer.stop().unwrap();
    }
}
