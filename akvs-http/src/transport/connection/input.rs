//! The input of a connection, passed on to actix one request at a time; only plain reads are passed on before the reads
//! before them are answered.
//!
//! actix decodes pipelined requests before it has answered those before. It then writes an answer as if to the request that
//! it decoded last (its version, its `Connection`, whether it is a HEAD), continues after an answer that closes the
//! connection, and gives up a connection on which a later body is incomplete. So it gets no request before its turn. Bytes
//! that are not a request are not passed on: actix gets a valid request in their place, which is answered with the refusal.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

use super::Refusal;
use super::head::{Body, Head, Scan, scan};
use super::progress::RequestTracker;

/// The approximate maximum of bytes that are read ahead while a request is in flight.
const HELD_BYTES: usize = 4 << 10;
/// The number of bytes that are read ahead at once.
const READ_BYTES: usize = 4 << 10;
/// The maximum of bytes that are read after the beginning of an answer, of an unwanted body or after the last request: a
/// client that sends a whole value before it reads the answer must receive the answer.
pub(super) const MAX_REST_BYTES: u64 = 32 << 20;
/// The maximum bytes of empty lines before a request.
const MAX_BLANK_BYTES: usize = 4 << 10;
/// The request that is passed on in place of a refused one.
const REFUSED: &[u8] = b"GET * HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n";

/// The event that a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// The answer of the server.
    Answer,
    /// The next request.
    Request,
    /// The rest of a head.
    Head,
    /// The rest of a body whose request is answered, or the end of the connection.
    Rest,
}

/// The input of a connection.
#[derive(Default)]
pub(super) struct Input {
    /// The received bytes that were not passed on.
    bytes: BytesMut,
    /// The number of them that may be passed on.
    cleared: usize,
    /// The number of them that were searched for the end of a head.
    searched: usize,
    /// The rest of the body of the last request that was passed on.
    body: Option<Body>,
    /// The number of bytes received after the beginning of the answer.
    rest: u64,
    /// The number of bytes of empty lines after the last request.
    blank: usize,
    /// Whether all requests in flight are plain reads.
    is_run: bool,
    /// Whether no further request is accepted.
    is_last: bool,
    /// Whether a request was refused, after which more bytes may come.
    is_refused: bool,
    /// Whether actix sees the end of the input after all cleared bytes.
    is_cut: bool,
    /// Whether the client has closed its side.
    is_end: bool,
}

impl Input {
    pub(super) fn poll_read<T: AsyncRead + Unpin>(
        &mut self,
        stream: &mut T,
        progress: &RequestTracker,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            if self.cleared == 0 && !self.bytes.is_empty() {
                let mut bytes = std::mem::take(&mut self.bytes);
                let cleared = self.examine(&mut bytes, progress);
                self.keep(bytes, cleared);
            }
            if self.cleared > 0 {
                let some = self.cleared.min(buffer.remaining());
                buffer.put_slice(&self.bytes[..some]);
                self.bytes.advance(some);
                self.cleared -= some;
                return Poll::Ready(Ok(()));
            }
            let is_held = !self.bytes.is_empty() && !progress.is_answered();
            if self.is_cut || self.is_end && !is_held {
                return Poll::Ready(Ok(()));
            }
            if is_held {
                progress.wake_when_answered(context.waker());
                if self.is_end || self.bytes.len() >= HELD_BYTES {
                    return Poll::Pending;
                }
            }
            if self.bytes.is_empty() && self.has_turn(progress) && !self.is_over(progress) {
                std::task::ready!(self.read_through(stream, progress, context, buffer))?;
                if buffer.filled().len() > before {
                    return Poll::Ready(Ok(()));
                }
            } else {
                std::task::ready!(self.read_ahead(stream, progress, context))?;
            }
        }
    }

    /// Reads into actix's own buffer, and takes back the bytes that must not be passed on.
    fn read_through<T: AsyncRead + Unpin>(
        &mut self,
        stream: &mut T,
        progress: &RequestTracker,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(stream).poll_read(context, buffer))?;
        let received = &mut buffer.filled_mut()[before..];
        self.is_end = received.is_empty();
        let is_rest = self.is_rest(progress);
        let passed = self.examine(received, progress);
        if is_rest {
            self.count_rest(received.len());
        }
        if self.cleared > 0 {
            // The request of a refusal replaces them.
            buffer.set_filled(before);
        } else if passed < received.len() {
            self.bytes.extend_from_slice(&received[passed..]);
            buffer.set_filled(before + passed);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads bytes that are kept for later or discarded.
    fn read_ahead<T: AsyncRead + Unpin>(
        &mut self,
        stream: &mut T,
        progress: &RequestTracker,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut space = [std::mem::MaybeUninit::uninit(); READ_BYTES];
        let mut some = ReadBuf::uninit(&mut space);
        std::task::ready!(Pin::new(stream).poll_read(context, &mut some))?;
        self.is_end = some.filled().is_empty();
        if !self.is_over(progress) {
            self.bytes.extend_from_slice(some.filled());
        }
        if self.is_rest(progress) {
            self.count_rest(some.filled().len());
        }
        Poll::Ready(Ok(()))
    }

    /// Returns whether the next bytes are unwanted: their request is being answered already, or no request may follow.
    fn is_rest(&self, progress: &RequestTracker) -> bool {
        match self.body {
            Some(_) => progress.is_begun(),
            None => self.is_over(progress),
        }
    }

    /// Counts unwanted bytes; after too many of them nothing more is read.
    fn count_rest(&mut self, bytes: usize) {
        self.rest += bytes as u64;
        self.is_cut |= self.rest > MAX_REST_BYTES;
    }

    fn keep(&mut self, bytes: BytesMut, cleared: usize) {
        if self.cleared == 0 {
            (self.bytes, self.cleared) = (bytes, cleared);
        }
    }

    /// Returns whether the next bytes may be passed on: they belong to a body, all requests are answered, or the requests
    /// before them are plain reads that actix has not begun to answer.
    fn has_turn(&self, progress: &RequestTracker) -> bool {
        self.body.is_some() || progress.is_answered() || self.is_run && !progress.is_in_flight()
    }

    /// Returns whether all further bytes are discarded.
    fn is_over(&self, progress: &RequestTracker) -> bool {
        self.body.is_none() && (self.is_last || progress.is_closing())
    }

    /// Returns how many of these bytes may be passed on now. If they are refused, the request in their place is cleared.
    fn examine(&mut self, bytes: &mut [u8], progress: &RequestTracker) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.has_turn(progress) {
            let rest = &mut bytes[at..];
            if let Some(body) = self.body {
                let some = self.examine_body(body, rest, progress);
                at += some;
                if self.is_cut {
                    break;
                }
                continue;
            }
            if self.is_over(progress) {
                return at;
            }
            match (scan_next(rest, self.searched), at) {
                (Next::Blank(some), _) if self.blank < MAX_BLANK_BYTES => {
                    at += some;
                    self.blank += some;
                }
                (Next::Blank(_), 0) if progress.is_answered() => {
                    self.refuse(Refusal::blank(MAX_BLANK_BYTES), progress);
                    break;
                }
                (Next::Blank(_), _) => break,
                (Next::Scan(Scan::Plain(length)), _) => {
                    // The requests before it are plain reads, too, or are answered.
                    self.is_run = true;
                    at += self.pass(length, progress);
                }
                (Next::Scan(Scan::Partial), _) => {
                    self.searched = rest.len();
                    break;
                }
                // The request waits until the reads before it are answered.
                (Next::Scan(_), _) if !progress.is_answered() => break,
                (Next::Scan(Scan::Other(head)), _) => {
                    let Head {
                        length,
                        body,
                        is_last,
                    } = head;
                    self.is_run = false;
                    self.body = Some(body).filter(|body| *body != Body::None);
                    self.is_last = is_last;
                    at += self.pass(length, progress);
                }
                (Next::Scan(Scan::Refused(refusal)), 0) => {
                    self.refuse(refusal, progress);
                    break;
                }
                // The empty lines before it are passed on first.
                (Next::Scan(Scan::Refused(_)), _) => break,
            }
        }
        at
    }

    fn pass(&mut self, length: usize, progress: &RequestTracker) -> usize {
        (self.searched, self.blank, self.rest) = (0, 0, 0);
        progress.count_request();
        if self.is_last {
            progress.close();
        }
        length
    }

    /// Returns how many of these bytes belong to the body of the current request.
    fn examine_body(&mut self, body: Body, bytes: &[u8], progress: &RequestTracker) -> usize {
        let (some, left) = match body {
            Body::None => (0, Body::None),
            Body::Length(length) => {
                let some = length.min(bytes.len() as u64);
                let left = match length - some {
                    0 => Body::None,
                    left => Body::Length(left),
                };
                (some as usize, left)
            }
            Body::Chunks(mut chunks) => match chunks.read(bytes) {
                Ok(some) if chunks.is_done() => (some, Body::None),
                Ok(some) => (some, Body::Chunks(chunks)),
                Err((some, fault)) => {
                    progress.cut_body(fault);
                    (self.is_cut, self.is_last) = (true, true);
                    (some, Body::None)
                }
            },
        };
        self.body = Some(left).filter(|left| *left != Body::None);
        some
    }

    /// Passes on a request that is answered with this refusal; all further bytes are discarded.
    pub(super) fn refuse(&mut self, refusal: Refusal, progress: &RequestTracker) {
        self.bytes = BytesMut::from(REFUSED);
        self.cleared = REFUSED.len();
        (self.is_last, self.is_refused, self.is_run) = (true, true, false);
        progress.refuse(refusal);
    }

    /// Ends the input: the connection no longer waits for the client.
    pub(super) fn cut_body(&mut self) {
        self.is_cut = true;
    }

    /// Returns what the connection waits for.
    pub(super) fn wait(&self, progress: &RequestTracker) -> Wait {
        if progress.is_in_flight() {
            return Wait::Answer;
        }
        match (self.body, self.is_over(progress)) {
            (Some(_), _) | (None, true) if progress.is_answered() => Wait::Rest,
            _ if !progress.is_answered() => Wait::Answer,
            _ if self.bytes.is_empty() => Wait::Request,
            _ => Wait::Head,
        }
    }

    /// Returns whether unread bytes may remain, so that closing the connection at once could discard the last answer.
    pub(super) fn has_unread(&self) -> bool {
        !self.is_end
            && (self.is_refused || self.is_cut || self.body.is_some() || !self.bytes.is_empty())
    }

    /// Records that the client sends after the last request.
    pub(super) fn keep_unread(&mut self) {
        self.is_cut = true;
    }
}

/// The beginning of the bytes between two requests.
enum Next {
    /// An empty line (RFC 9112, section 2.2).
    Blank(usize),
    Scan(Scan),
}

fn scan_next(bytes: &mut [u8], searched: usize) -> Next {
    match bytes {
        [b'\n', ..] => Next::Blank(1),
        [b'\r', b'\n', ..] => Next::Blank(2),
        [b'\r'] => Next::Scan(Scan::Partial),
        _ => Next::Scan(scan(bytes, searched)),
    }
}
