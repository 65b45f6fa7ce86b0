//! Targets that are too long, replaced before the `h2` crate sees them: it would end their streams with an error, without
//! an answer.
//!
//! A head with such a target has several frames. This stream collects them; if the target exceeds its limit, it inserts a
//! shorter one and records the stream. All other bytes pass unchanged, and so does a head beyond the limit of collected
//! bytes.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{CONTINUATION, END_HEADERS, FrameState, HEADERS, PREFACE_BYTES};
use super::hpack;

/// The maximum bytes of a head that are collected: more than the limit of a head.
const MAX_BYTES: usize = 192 << 10;
/// The length of the target that replaces a longer one. It exceeds a frame, so that the first frame keeps its length, and
/// the dynamic table (RFC 7541, section 4.4), so that both targets empty the table.
const SHORT_TARGET_BYTES: usize = 60_000;
/// The maximum length of a frame that is passed on.
const FRAME_BYTES: usize = 16 << 10;
/// The flags of a HEADERS frame with padding, and with a priority.
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;
const PRIORITY_BYTES: usize = 5;
/// The length of a frame's header.
const HEAD_BYTES: usize = 9;

/// A stream of frames whose targets are short enough.
pub(super) struct TargetFilter<T> {
    stream: T,
    watch: Rc<FrameState>,
    /// The header of the current frame.
    head: [u8; HEAD_BYTES],
    known: usize,
    /// The number of unread bytes of the current frame.
    left: usize,
    /// The head of a request that is being collected.
    block: Option<Block>,
    /// The collected bytes that must be passed on.
    ready: BytesMut,
    /// The bytes after it.
    rest: BytesMut,
}

struct Block {
    flags: u8,
    first_bytes: usize,
    stream: [u8; 4],
    bytes: BytesMut,
}

impl<T> TargetFilter<T> {
    pub(super) fn new(stream: T, watch: Rc<FrameState>) -> TargetFilter<T> {
        TargetFilter {
            stream,
            watch,
            head: [0; HEAD_BYTES],
            known: 0,
            left: PREFACE_BYTES as usize,
            block: None,
            ready: BytesMut::new(),
            rest: BytesMut::new(),
        }
    }

    /// Reads bytes up to the end of a collected head. Returns how many of them pass unchanged, and how many of the
    /// following ones were collected. The rest must be read again.
    fn read(&mut self, bytes: &[u8]) -> (usize, usize) {
        let (mut at, mut passed) = (0, 0);
        loop {
            let count = (bytes.len() - at).min(self.left);
            self.collect(&bytes[at..at + count]);
            (at, self.left) = (at + count, self.left - count);
            if self.block.is_none() {
                passed = at;
            }
            if self.left == 0 && self.known == 0 && self.end() {
                return (passed, at - passed);
            }
            let Some(byte) = bytes.get(at) else {
                return (passed, at - passed);
            };
            self.collect(&[*byte]);
            self.head[self.known] = *byte;
            (at, self.known) = (at + 1, self.known + 1);
            if self.block.is_none() {
                passed = at;
            }
            if self.known == HEAD_BYTES && self.begin() {
                return (passed, at - passed);
            }
        }
    }

    fn collect(&mut self, bytes: &[u8]) {
        if let Some(block) = &mut self.block {
            block.bytes.put_slice(bytes);
        }
    }

    /// Begins the frame whose header is complete. Returns whether it ends the collection, because it is not part of a valid head.
    fn begin(&mut self) -> bool {
        let [a, b, c, kind, flags, stream @ ..] = self.head;
        self.known = 0;
        self.left = u32::from_be_bytes([0, a, b, c]) as usize;
        let is_small = self.left <= FRAME_BYTES;
        let is_invalid = |_: &mut Block| kind != CONTINUATION || !is_small;
        if let Some(block) = self.block.take_if(is_invalid) {
            self.ready = block.bytes;
            return true;
        }
        if self.block.is_none() && kind == HEADERS && flags & END_HEADERS == 0 && is_small {
            self.block = Some(Block {
                flags,
                first_bytes: self.left,
                stream,
                bytes: BytesMut::new(),
            });
        }
        false
    }

    /// Ends the collection if the frame that has ended is the last one of a head. Returns whether it did.
    fn end(&mut self) -> bool {
        let [.., kind, flags, _, _, _, _] = self.head;
        let is_open = kind == HEADERS || kind == CONTINUATION && flags & END_HEADERS == 0;
        let Some(block) = self
            .block
            .take_if(|block| !is_open || block.bytes.len() > MAX_BYTES)
        else {
            return false;
        };
        let shortened = block.with_short_target();
        if shortened.is_some() {
            let stream = u32::from_be_bytes(block.stream) & (u32::MAX >> 1);
            self.watch.record_long_target(stream);
        }
        self.ready = shortened.unwrap_or(block.bytes);
        true
    }
}

impl Block {
    /// Returns the frames with a shorter target, if the target is too long.
    fn with_short_target(&self) -> Option<BytesMut> {
        let fields = self.fields()?;
        let target = hpack::long_target(&fields)?;
        let mut block = BytesMut::with_capacity(fields.len());
        block.put_slice(&fields[..target.start]);
        hpack::put_length(SHORT_TARGET_BYTES, &mut block);
        block.put_u8(b'/');
        block.put_bytes(b'x', SHORT_TARGET_BYTES - 1);
        block.put_slice(&fields[target.end..]);
        let skipped = self.skipped_bytes();
        let mut frames = BytesMut::from(self.bytes.get(..skipped)?);
        let first = self.first_bytes - skipped;
        frames.put_slice(block.get(..first)?);
        let mut parts = block[first..].chunks(FRAME_BYTES).peekable();
        while let Some(part) = parts.next() {
            frames.put_uint(part.len() as u64, 3);
            let is_last = parts.peek().is_none();
            frames.put_slice(&[CONTINUATION, if is_last { END_HEADERS } else { 0 }]);
            frames.put_slice(&self.stream);
            frames.put_slice(part);
        }
        Some(frames)
    }

    /// Returns the number of bytes of the first frame before its fields.
    fn skipped_bytes(&self) -> usize {
        match self.flags & PRIORITY {
            0 => 0,
            _ => PRIORITY_BYTES,
        }
    }

    /// Returns the fields of all frames; none if the frames have another form than expected.
    fn fields(&self) -> Option<BytesMut> {
        if self.flags & PADDED != 0 {
            return None;
        }
        let mut fields = BytesMut::new();
        fields.put_slice(self.bytes.get(self.skipped_bytes()..self.first_bytes)?);
        let mut rest = self.bytes.get(self.first_bytes..)?;
        while !rest.is_empty() {
            let head = rest.get(..HEAD_BYTES)?;
            if head[3] != CONTINUATION || head[5..] != self.stream {
                return None;
            }
            let end = HEAD_BYTES + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            fields.put_slice(rest.get(HEAD_BYTES..end)?);
            rest = &rest[end..];
        }
        Some(fields)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for TargetFilter<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.ready.is_empty() {
                let count = this.ready.len().min(buffer.remaining());
                buffer.put_slice(&this.ready.split_to(count));
                return Poll::Ready(Ok(()));
            }
            let before = buffer.filled().len();
            if this.rest.is_empty() {
                std::task::ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
            } else {
                let count = this.rest.len().min(buffer.remaining());
                buffer.put_slice(&this.rest.split_to(count));
            }
            let received = &buffer.filled()[before..];
            if received.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let (passed, collected) = this.read(received);
            if passed + collected < received.len() {
                // These bytes follow `ready` and precede `rest`.
                let unread = BytesMut::from(&received[passed + collected..]);
                let rest = std::mem::replace(&mut this.rest, unread);
                this.rest.unsplit(rest);
            }
            buffer.set_filled(before + passed);
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for TargetFilter<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
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
    use std::collections::VecDeque;
    use std::task::Waker;

    use super::*;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    /// A stream of bytes in pieces.
    struct Pieces(VecDeque<Vec<u8>>);

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if let Some(piece) = self.0.front_mut() {
                let some = piece.len().min(buffer.remaining());
                buffer.put_slice(&piece[..some]);
                piece.drain(..some);
                if piece.is_empty() {
                    self.0.pop_front();
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        let head = [
            length[1], length[2], length[3], kind, flags, 0, 0, 0, stream,
        ];
        [&head[..], payload].concat()
    }

    /// Returns a head in frames of this length.
    fn head(flags: u8, stream: u8, fields: &[u8], bytes: usize) -> Vec<u8> {
        let mut parts = fields.chunks(bytes).peekable();
        let mut frames = frame(HEADERS, flags, stream, parts.next().unwrap());
        while let Some(part) = parts.next() {
            let end = if parts.peek().is_none() {
                END_HEADERS
            } else {
                0
            };
            frames.extend(frame(CONTINUATION, end, stream, part));
        }
        frames
    }

    fn fields(target: usize) -> Vec<u8> {
        let mut length = BytesMut::new();
        hpack::put_length(target, &mut length);
        [&b"\x82\x44"[..], &length, &b"a".repeat(target), b"\x86"].concat()
    }

    /// Returns the bytes passed on, read with small buffers from pieces of this size.
    fn passed(bytes: &[u8], piece: usize) -> (Vec<u8>, Vec<u32>) {
        let pieces = bytes.chunks(piece).map(<[u8]>::to_vec).collect();
        let watch = Rc::<FrameState>::default();
        let mut blocks = TargetFilter::new(Pieces(pieces), Rc::clone(&watch));
        let (mut all, mut context) = (Vec::new(), Context::from_waker(Waker::noop()));
        loop {
            let mut space = [0; 10_000];
            let mut buffer = ReadBuf::new(&mut space);
            let read = Pin::new(&mut blocks).poll_read(&mut context, &mut buffer);
            assert!(matches!(read, Poll::Ready(Ok(()))));
            if buffer.filled().is_empty() {
                let long = (0..20).filter(|stream| watch.begin(*stream)).collect();
                return (all, long);
            }
            all.extend_from_slice(buffer.filled());
        }
    }

    #[test]
    fn all_bytes_but_those_of_a_long_target_pass_unchanged() {
        let data = frame(0, 0, 1, &[7; 3_000]);
        let priority = [&[0; 5][..], &fields(20_000)].concat();
        let good = [
            PREFACE,
            &frame(4, 0, 0, &[0; 6]),
            &head(END_HEADERS, 1, &fields(10), 16_000),
            &data,
            &head(0, 3, &fields(65_534), 16_000),
            &head(PRIORITY, 5, &priority, 7_000),
            // Padded, interrupted, a frame too large, and too many bytes.
            &head(PADDED, 7, &fields(70_000), 16_000),
            &frame(HEADERS, 0, 9, &fields(10)),
            &data,
            &frame(HEADERS, 0, 11, &fields(10)),
            &frame(CONTINUATION, END_HEADERS, 11, &[0; 20_000]),
            &frame(HEADERS, 0, 13, b""),
            &frame(CONTINUATION, 0, 13, &[0; 16_000]).repeat(20),
            &data,
        ]
        .concat();
        let long = [0, PRIORITY].map(|flags| {
            let fields = [&vec![0; usize::from(flags) * 5 / 32][..], &fields(70_000)].concat();
            head(flags, 15, &fields, 9_000)
        });
        for long in &long {
            let all = [&good[..], long, &data].concat();
            let (whole, streams) = passed(&all, all.len());
            assert!(whole[..good.len()] == good && whole.ends_with(&data));
            assert_eq!(streams, [15]);
            let shorter = 70_000 - SHORT_TARGET_BYTES;
            assert!((whole.len() + shorter).abs_diff(all.len()) < 100);
            for piece in [1, 8, 9, 10, 1_000, 16_009, 30_000] {
                assert!(passed(&all, piece).0 == whole, "{piece}");
            }
        }
        assert!(passed(&good, 999).0 == good);
    }
}
