//! How far the frames on the wire are: since when a head is not whole, and since when nothing can be sent.
//!
//! The `h2` crate keeps to itself what has not come whole. Nothing is judged here: it judges what it reads.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What comes before the first frame (RFC 9113, section 3.4).
const PREFACE_BYTES: u32 = 24;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// What is seen of a connection.
#[derive(Default)]
pub(super) struct Watch {
    head_since: Cell<Option<Instant>>,
    full_since: Cell<Option<Instant>>,
}

impl Watch {
    /// Since when a head, or a frame before its kind is known, is not whole.
    pub(super) fn head_since(&self) -> Option<Instant> {
        self.head_since.get()
    }

    /// Since when the client takes nothing of what is to be sent.
    pub(super) fn full_since(&self) -> Option<Instant> {
        self.full_since.get()
    }
}

/// A stream of frames.
pub(super) struct Watched<T> {
    stream: T,
    frames: Frames,
    watch: Rc<Watch>,
}

impl<T> Watched<T> {
    pub(super) fn new(stream: T, watch: Rc<Watch>) -> Watched<T> {
        Watched {
            stream,
            frames: Frames {
                start: [0; 5],
                known: 0,
                left: PREFACE_BYTES,
                is_head: false,
            },
            watch,
        }
    }

    fn note_sent<R>(&self, sent: &Poll<R>) {
        match (sent, self.watch.full_since()) {
            (Poll::Ready(_), Some(_)) => self.watch.full_since.set(None),
            (Poll::Pending, None) => self.watch.full_since.set(Some(Instant::now())),
            (Poll::Ready(_), None) | (Poll::Pending, Some(_)) => {}
        }
    }
}

/// How far frames were read.
struct Frames {
    /// The length, the kind and the flags of the frame that has begun.
    start: [u8; 5],
    /// How many bytes of its nine-byte head have come.
    known: u32,
    /// How many bytes of it are to come, once its head is whole.
    left: u32,
    /// Whether more of a request's head is to come.
    is_head: bool,
}

impl Frames {
    /// Reads on; whether a head ended among these bytes.
    fn read(&mut self, mut bytes: &[u8]) -> bool {
        let mut has_ended = false;
        loop {
            let some = bytes.len().min(self.left as usize);
            bytes = &bytes[some..];
            self.left -= some as u32;
            if self.left == 0 && self.is_head && self.is_last_of_head() {
                (self.is_head, has_ended) = (false, true);
            }
            let Some((first, rest)) = bytes.split_first() else {
                return has_ended;
            };
            if let Some(place) = self.start.get_mut(self.known as usize) {
                *place = *first;
            }
            (bytes, self.known) = (rest, self.known + 1);
            if self.known == 9 {
                let [a, b, c, kind, _] = self.start;
                self.left = u32::from_be_bytes([0, a, b, c]);
                self.known = 0;
                self.is_head |= matches!(kind, HEADERS | CONTINUATION);
            }
        }
    }

    fn is_last_of_head(&self) -> bool {
        let [.., kind, flags] = self.start;
        self.known == 0 && matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0
    }

    /// Whether something has begun that may be a head.
    fn is_open(&self) -> bool {
        self.is_head || self.known > 0
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let has_ended = this.frames.read(&buffer.filled()[before..]);
        match (this.frames.is_open(), this.watch.head_since()) {
            (false, _) => this.watch.head_since.set(None),
            (true, Some(_)) if !has_ended => {}
            (true, _) => this.watch.head_since.set(Some(Instant::now())),
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note_sent(&sent);
        sent
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.note_sent(&sent);
        sent
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
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
                let mut frames = Watched::new((), Rc::default()).frames;
                frames.read(&bytes[..cut]);
                frames.read(&bytes[cut..]);
                assert_eq!(frames.is_open(), is_open, "{more:?} cut at {cut}");
            }
        }
    }
}
