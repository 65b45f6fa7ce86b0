//! The state of the frames on the wire: since when a head is incomplete, and since when nothing can be sent.
//!
//! The `h2` crate does not expose incomplete heads, and reads all available heads at once. This stream passes it one head
//! at a time; `h2` checks them.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The length of the preface before the first frame (RFC 9113, section 3.4).
pub(super) const PREFACE_BYTES: u32 = 24;
pub(super) const HEADERS: u8 = 1;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const END_HEADERS: u8 = 4;
/// The maximum number of streams with too long targets that are kept.
const MAX_LONG_TARGETS: usize = 128;

/// The maximum bytes of trailers on the wire, of all requests in flight. The server does not read trailers, and they may
/// take two hundred times as much memory.
const MAX_TRAILER_BYTES: usize = 8 << 10;

/// The state of the frames of a connection.
#[derive(Default)]
pub(super) struct FrameState {
    head_since: Cell<Option<Instant>>,
    full_since: Cell<Option<Instant>>,
    is_held: Cell<bool>,
    /// The streams of the requests in flight, each with the bytes of its trailers.
    in_flight: RefCell<Vec<(u32, usize)>>,
    /// The bytes of all their trailers.
    trailer_bytes: Cell<usize>,
    /// The streams of coming requests whose targets are too long.
    long_targets: RefCell<Vec<u32>>,
}

impl FrameState {
    /// Returns the time since which a head, or a frame of unknown type, is incomplete.
    pub(super) fn head_since(&self) -> Option<Instant> {
        self.head_since.get()
    }

    /// Returns the time since which the client has read nothing of the unsent bytes.
    pub(super) fn full_since(&self) -> Option<Instant> {
        self.full_since.get()
    }

    /// Returns whether a head has ended, after which nothing is read before [`resume`](Self::resume): `h2` would read all
    /// available heads before it returns the first.
    pub(super) fn is_held(&self) -> bool {
        self.is_held.get()
    }

    /// Lets the stream read the next head. Wakes no task.
    pub(super) fn resume(&self) {
        self.is_held.set(false);
    }

    /// Adds a request in flight; returns whether its target was too long.
    pub(super) fn begin(&self, stream: u32) -> bool {
        self.in_flight.borrow_mut().push((stream, 0));
        let mut long = self.long_targets.borrow_mut();
        let found = long.iter().position(|found| *found == stream);
        found.map(|at| long.swap_remove(at)).is_some()
    }

    /// Records that the target of a coming request is too long.
    pub(super) fn record_long_target(&self, stream: u32) {
        let mut long = self.long_targets.borrow_mut();
        if long.len() == MAX_LONG_TARGETS {
            // No request followed: `h2` refused the head.
            long.remove(0);
        }
        long.push(stream);
    }

    /// Removes a request in flight.
    pub(super) fn end(&self, stream: u32) {
        let mut in_flight = self.in_flight.borrow_mut();
        if let Some(at) = in_flight.iter().position(|(found, _)| *found == stream) {
            let (_, bytes) = in_flight.swap_remove(at);
            self.trailer_bytes.set(self.trailer_bytes.get() - bytes);
        }
    }

    /// Returns whether the trailers exceed their limit.
    pub(super) fn has_many_trailers(&self) -> bool {
        self.trailer_bytes.get() > MAX_TRAILER_BYTES
    }

    fn count_trailers(&self, stream: u32, bytes: usize) {
        let mut in_flight = self.in_flight.borrow_mut();
        let found = in_flight.iter_mut().find(|(found, _)| *found == stream);
        if let Some((_, sum)) = found {
            *sum += bytes;
            self.trailer_bytes.set(self.trailer_bytes.get() + bytes);
        }
    }
}

/// A stream of frames.
pub(super) struct FrameStream<T> {
    /// Shared, because it is read after `h2` has ended, too.
    stream: Rc<RefCell<T>>,
    frames: Frames,
    watch: Rc<FrameState>,
    /// The bytes after a head that were not passed on.
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

    fn record_write<R>(&self, sent: &Poll<R>) {
        match (sent, self.watch.full_since()) {
            (Poll::Ready(_), Some(_)) => self.watch.full_since.set(None),
            (Poll::Pending, None) => self.watch.full_since.set(Some(Instant::now())),
            (Poll::Ready(_), None) | (Poll::Pending, Some(_)) => {}
        }
    }

    /// Updates the state after bytes were passed on.
    fn record_read(&self, has_ended: bool) {
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

/// The parser of frames.
struct Frames {
    /// The header of the current frame: its length, type, flags and stream.
    start: [u8; 9],
    /// The number of its bytes that were read.
    known: u32,
    /// The number of unread bytes of the current frame, after its header is complete.
    left: u32,
    /// Whether the head of a request, or its trailers, are incomplete.
    is_head: bool,
    /// The newest stream.
    newest: u32,
    /// Whether the current head is trailers.
    is_trailer: bool,
}

impl Frames {
    /// Reads up to the end of a head. Returns the number of bytes read, and whether a head ended with them.
    fn read(&mut self, bytes: &[u8], watch: &FrameState) -> (usize, bool) {
        let mut at = 0;
        loop {
            let count = (bytes.len() - at).min(self.left as usize);
            at += count;
            self.left -= count as u32;
            if self.left == 0 && self.is_head && self.is_last_of_head() {
                self.is_head = false;
                return (at, true);
            }
            let Some(first) = bytes.get(at) else {
                return (at, false);
            };
            if let Some(byte) = self.start.get_mut(self.known as usize) {
                *byte = *first;
            }
            (at, self.known) = (at + 1, self.known + 1);
            if self.known == 9 {
                self.begin(watch);
            }
        }
    }

    /// Begins the frame whose header is complete.
    fn begin(&mut self, watch: &FrameState) {
        let [a, b, c, kind, _, stream @ ..] = self.start;
        // The first bit is reserved.
        let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
        self.left = u32::from_be_bytes([0, a, b, c]);
        self.known = 0;
        self.is_head |= matches!(kind, HEADERS | CONTINUATION);
        if kind == HEADERS {
            self.is_trailer = stream <= self.newest;
            self.newest = self.newest.max(stream);
        }
        if self.is_trailer && matches!(kind, HEADERS | CONTINUATION) {
            watch.count_trailers(stream, self.left as usize);
        }
    }

    fn is_last_of_head(&self) -> bool {
        let [_, _, _, kind, flags, ..] = self.start;
        self.known == 0 && matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0
    }

    /// Returns whether a frame has begun that may be a head.
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
            // The driver takes the request of the head first, and polls again.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if this.rest.is_empty() {
            std::task::ready!(Pin::new(&mut *this.stream.borrow_mut()).poll_read(context, buffer))?;
            let received = &buffer.filled()[before..];
            let (passed, has_ended) = this.frames.read(received, &this.watch);
            this.rest.extend_from_slice(&received[passed..]);
            buffer.set_filled(before + passed);
            this.record_read(has_ended);
        } else {
            let count = this.rest.len().min(buffer.remaining());
            let (passed, has_ended) = this.frames.read(&this.rest[..count], &this.watch);
            buffer.put_slice(&this.rest[..passed]);
            this.rest.advance(passed);
            if this.rest.is_empty() {
                // Frees the memory, which is seldom needed.
                this.rest = BytesMut::new();
            }
            this.record_read(has_ended);
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
        self.record_write(&sent);
        sent
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut *self.stream.borrow_mut()).poll_write_vectored(context, parts);
        self.record_write(&sent);
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
    fn a_head_is_open_until_its_last_frame_is_complete() {
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
    fn trailers_count_while_their_request_is_in_flight() {
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
