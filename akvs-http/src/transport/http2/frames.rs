//! The state of the frames on the wire: since when a head is incomplete, and since when nothing can be sent.
//!
//! The `h2` crate does not expose incomplete heads, and reads all heads at once. Here heads are passed to it one at a
//! time; checking them is left to it.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What comes before the first frame (RFC 9113, section 3.4).
pub(super) const PREFACE_BYTES: u32 = 24;
pub(super) const HEADERS: u8 = 1;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const END_HEADERS: u8 = 4;
/// The most requests with too long targets that are known at once.
const MAX_LONG_TARGETS: usize = 128;

/// The most bytes of trailers, as they are sent, of requests that are under way. Nothing reads them here, and they may
/// take two hundred times as many bytes of memory.
const MAX_TRAILER_BYTES: usize = 8 << 10;

/// The state of the frames of a connection.
#[derive(Default)]
pub(super) struct FrameState {
    head_since: Cell<Option<Instant>>,
    full_since: Cell<Option<Instant>>,
    is_held: Cell<bool>,
    /// The requests that are under way, and how many bytes of trailers came of each.
    under_way: RefCell<Vec<(u32, usize)>>,
    /// How many came of all of them.
    trailer_bytes: Cell<usize>,
    /// The requests that are to come whose targets were too long.
    long_targets: RefCell<Vec<u32>>,
}

impl FrameState {
    /// Since when a head, or a frame before its kind is known, is not whole.
    pub(super) fn head_since(&self) -> Option<Instant> {
        self.head_since.get()
    }

    /// The time since when the client has read nothing of what must be sent.
    pub(super) fn full_since(&self) -> Option<Instant> {
        self.full_since.get()
    }

    /// Whether a head has come, behind which nothing is read before [`read_on`](Self::read_on): the `h2` crate would
    /// take in all that there are before it gives out the first.
    pub(super) fn is_held(&self) -> bool {
        self.is_held.get()
    }

    /// Lets more be read. Nothing is woken by it.
    pub(super) fn read_on(&self) {
        self.is_held.set(false);
    }

    /// Notes that a request is under way; whether its target was too long.
    pub(super) fn begin(&self, stream: u32) -> bool {
        self.under_way.borrow_mut().push((stream, 0));
        let mut long = self.long_targets.borrow_mut();
        let found = long.iter().position(|found| *found == stream);
        found.map(|at| long.swap_remove(at)).is_some()
    }

    /// Notes that the target of a request that is to come was too long.
    pub(super) fn note_long_target(&self, stream: u32) {
        let mut long = self.long_targets.borrow_mut();
        if long.len() == MAX_LONG_TARGETS {
            // Its request did not come: it was none.
            long.remove(0);
        }
        long.push(stream);
    }

    /// Notes that a request is under way no longer.
    pub(super) fn end(&self, stream: u32) {
        let mut under_way = self.under_way.borrow_mut();
        if let Some(at) = under_way.iter().position(|(found, _)| *found == stream) {
            let (_, bytes) = under_way.swap_remove(at);
            self.trailer_bytes.set(self.trailer_bytes.get() - bytes);
        }
    }

    /// Whether more trailers came than are kept.
    pub(super) fn has_many_trailers(&self) -> bool {
        self.trailer_bytes.get() > MAX_TRAILER_BYTES
    }

    fn note_trailers(&self, stream: u32, bytes: usize) {
        let mut under_way = self.under_way.borrow_mut();
        let found = under_way.iter_mut().find(|(found, _)| *found == stream);
        if let Some((_, sum)) = found {
            *sum += bytes;
            self.trailer_bytes.set(self.trailer_bytes.get() + bytes);
        }
    }
}

/// A stream of frames.
pub(super) struct FrameStream<T> {
    /// Also read once the `h2` crate has ended.
    stream: Rc<RefCell<T>>,
    frames: Frames,
    watch: Rc<FrameState>,
    /// What came behind a head and is not passed on yet.
    rest: BytesMut,
}

impl<T> FrameStream<T> {
    pub(super) fn new(stream: Rc<RefCell<T>>, watch: Rc<FrameState>) -> FrameStream<T> {
        FrameStream {
            stream,
            frames: Frames {
                start: [0; 9],
                known: 0,
                left: PREFACE_BYTES,
                is_head: false,
                newest: 0,
                is_trailer: false,
            },
            watch,
            rest: BytesMut::new(),
        }
    }

    fn note_sent<R>(&self, sent: &Poll<R>) {
        match (sent, self.watch.full_since()) {
            (Poll::Ready(_), Some(_)) => self.watch.full_since.set(None),
            (Poll::Pending, None) => self.watch.full_since.set(Some(Instant::now())),
            (Poll::Ready(_), None) | (Poll::Pending, Some(_)) => {}
        }
    }

    /// Notes how far the frames are once some bytes are passed on.
    fn note_read(&self, has_ended: bool) {
        if has_ended {
            self.watch.is_held.set(true);
        }
        match (self.frames.is_open(), self.watch.head_since()) {
            (false, _) => self.watch.head_since.set(None),
            (true, Some(_)) if !has_ended => {}
            (true, _) => self.watch.head_since.set(Some(Instant::now())),
        }
    }
}

/// How far frames were read.
struct Frames {
    /// The head of the frame that has begun: its length, kind, flags and stream.
    start: [u8; 9],
    /// How many bytes of that have come.
    known: u32,
    /// How many bytes of it are to come, once its head is whole.
    left: u32,
    /// Whether more of a request's head, or of its trailers, is to come.
    is_head: bool,
    /// The newest stream.
    newest: u32,
    /// Whether what is being read are trailers.
    is_trailer: bool,
}

impl Frames {
    /// Reads on, up to the end of a head: how many of these bytes those are, and whether a head ended with them.
    fn read(&mut self, bytes: &[u8], watch: &FrameState) -> (usize, bool) {
        let mut at = 0;
        loop {
            let some = (bytes.len() - at).min(self.left as usize);
            at += some;
            self.left -= some as u32;
            if self.left == 0 && self.is_head && self.is_last_of_head() {
                self.is_head = false;
                return (at, true);
            }
            let Some(first) = bytes.get(at) else {
                return (at, false);
            };
            if let Some(place) = self.start.get_mut(self.known as usize) {
                *place = *first;
            }
            (at, self.known) = (at + 1, self.known + 1);
            if self.known == 9 {
                self.begin(watch);
            }
        }
    }

    /// Begins the frame whose head is whole.
    fn begin(&mut self, watch: &FrameState) {
        let [a, b, c, kind, _, stream @ ..] = self.start;
        // The first bit means nothing.
        let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
        self.left = u32::from_be_bytes([0, a, b, c]);
        self.known = 0;
        self.is_head |= matches!(kind, HEADERS | CONTINUATION);
        if kind == HEADERS {
            self.is_trailer = stream <= self.newest;
            self.newest = self.newest.max(stream);
        }
        if self.is_trailer && matches!(kind, HEADERS | CONTINUATION) {
            watch.note_trailers(stream, self.left as usize);
        }
    }

    fn is_last_of_head(&self) -> bool {
        let [_, _, _, kind, flags, ..] = self.start;
        self.known == 0 && matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0
    }

    /// Whether something has begun that may be a head.
    fn is_open(&self) -> bool {
        self.is_head || self.known > 0
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for FrameStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.watch.is_held() {
            // Whoever polls this looks at the head first, and polls it again.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if this.rest.is_empty() {
            std::task::ready!(Pin::new(&mut *this.stream.borrow_mut()).poll_read(context, buffer))?;
            let came = &buffer.filled()[before..];
            let (passed, has_ended) = this.frames.read(came, &this.watch);
            this.rest.extend_from_slice(&came[passed..]);
            buffer.set_filled(before + passed);
            this.note_read(has_ended);
        } else {
            let some = this.rest.len().min(buffer.remaining());
            let (passed, has_ended) = this.frames.read(&this.rest[..some], &this.watch);
            buffer.put_slice(&this.rest[..passed]);
            this.rest.advance(passed);
            if this.rest.is_empty() {
                // It is seldom needed.
                this.rest = BytesMut::new();
            }
            this.note_read(has_ended);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for FrameStream<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut *self.stream.borrow_mut()).poll_write(context, bytes);
        self.note_sent(&sent);
        sent
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut *self.stream.borrow_mut()).poll_write_vectored(context, parts);
        self.note_sent(&sent);
        sent
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.borrow_mut()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.borrow_mut()).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = payload.len() as u8;
        [&[0, 0, length, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn a_head_is_open_until_its_last_frame_is_whole() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let closed = [
            preface.clone(),
            frame(4, 0, &[0; 6]),
            frame(HEADERS, END_HEADERS, b"head"),
            frame(0, 1, b"data"),
            frame(HEADERS, 0, b"head"),
            frame(CONTINUATION, END_HEADERS, b""),
        ];
        let open = [frame(HEADERS, 0, b"head"), frame(CONTINUATION, 0, b"more")];
        let half = [frame(HEADERS, END_HEADERS, b"head")[..11].to_vec()];
        let kind = [frame(6, 0, b"")[..3].to_vec()];
        let data = [frame(0, 0, b"data")[..11].to_vec()];
        for (more, is_open) in [
            (&[][..], false),
            (&open[..1], true),
            (&open[..], true),
            (&half[..], true),
            (&kind[..], true),
            (&data[..], false),
        ] {
            let bytes = [closed.concat(), more.concat()].concat();
            for cut in 0..bytes.len() {
                let (mut frames, watch) = (
                    FrameStream::new(Rc::new(RefCell::new(())), Rc::default()).frames,
                    FrameState::default(),
                );
                let mut ends = 0;
                for mut part in [&bytes[..cut], &bytes[cut..]] {
                    while !part.is_empty() {
                        let (passed, has_ended) = frames.read(part, &watch);
                        assert!(passed > 0);
                        (part, ends) = (&part[passed..], ends + u32::from(has_ended));
                    }
                }
                assert_eq!(frames.is_open(), is_open, "{more:?} cut at {cut}");
                assert_eq!(ends, 2, "{more:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn trailers_count_for_as_long_as_their_request_is_under_way() {
        let (mut frames, watch) = (
            FrameStream::new(Rc::new(RefCell::new(())), Rc::default()).frames,
            FrameState::default(),
        );
        let mut read = |mut bytes: &[u8]| {
            while !bytes.is_empty() {
                bytes = &bytes[frames.read(bytes, &watch).0..];
            }
        };
        read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        read(&frame(HEADERS, END_HEADERS, &[0; 200]));
        watch.begin(1);
        assert_eq!(watch.trailer_bytes.get(), 0);
        read(&frame(HEADERS, 0, &[0; 200]));
        read(&frame(CONTINUATION, END_HEADERS, &[0; 100]));
        assert_eq!(watch.trailer_bytes.get(), 300);
        watch.end(1);
        read(&frame(HEADERS, END_HEADERS, &[0; 200]));
        assert_eq!(watch.trailer_bytes.get(), 0);
    }
}
