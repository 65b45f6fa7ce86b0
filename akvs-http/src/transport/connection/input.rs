//! What a client sends, passed on to the framework one request at a time; only reads without anything unusual follow
//! each other at once.
//!
//! The framework decodes what it is given before it has answered what was before. It then writes an answer as if to the
//! request that it has decoded last (its version, its `Connection`, whether it is a HEAD), goes on after an answer that
//! closes the connection, and gives up a connection on which a later body is only partly there. So it is not given a
//! request before its turn. What is no request it is not given at all: it gets a request that it can read in its place,
//! which is answered with the refusal.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

use super::Refusal;
use super::head::{Body, Head, Scan, scan};
use super::progress::RequestTracker;

/// The most bytes that are taken from a client behind a request that is under way, about.
const HELD_BYTES: usize = 4 << 10;
/// How many bytes are read at once where the framework has no buffer for them.
const READ_BYTES: usize = 4 << 10;
/// The most bytes that are taken in behind the beginning of an answer, of a body that nothing reads any more or behind
/// the last request: a client that sends a value before it looks for the answer is to find it.
pub(super) const MAX_REST_BYTES: u64 = 32 << 20;
/// The most bytes of empty lines before a request.
const MAX_BLANK_BYTES: usize = 4 << 10;
/// A request in place of one that is refused.
const REFUSED: &[u8] = b"GET * HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n";

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// The server.
    Answer,
    /// The next request.
    Request,
    /// The rest of a head.
    Head,
    /// The rest of a body whose request is answered, or the end of the connection.
    Rest,
}

/// What came, and what of it may be passed on.
#[derive(Default)]
pub(super) struct Input {
    /// What came and is not passed on yet.
    bytes: BytesMut,
    /// How many of them are to be passed on.
    cleared: usize,
    /// In how many of them the end of a head was looked for in vain.
    searched: usize,
    /// What is left of the body of the request that was passed on last.
    body: Option<Body>,
    /// How many bytes came behind the beginning of the answer.
    rest: u64,
    /// How many bytes of empty lines came behind the last request.
    blank: usize,
    /// Whether only plain reads were passed on since all was answered.
    is_run: bool,
    /// Whether nothing more is taken for a request.
    is_last: bool,
    /// Whether something was refused, behind which more may come.
    is_refused: bool,
    /// Whether the framework is to see the end once it has all that is cleared.
    is_cut: bool,
    /// Whether the client has ended its side.
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

    /// Reads into the framework's own buffer, and takes back what is not to be passed on.
    fn read_through<T: AsyncRead + Unpin>(
        &mut self,
        stream: &mut T,
        progress: &RequestTracker,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(stream).poll_read(context, buffer))?;
        let came = &mut buffer.filled_mut()[before..];
        self.is_end = came.is_empty();
        let is_rest = self.is_rest(progress);
        let passed = self.examine(came, progress);
        if is_rest {
            self.count_rest(came.len());
        }
        if self.cleared > 0 {
            // A refusal stands in their place.
            buffer.set_filled(before);
        } else if passed < came.len() {
            self.bytes.extend_from_slice(&came[passed..]);
            buffer.set_filled(before + passed);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads what is kept for later, or for nothing.
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

    /// Whether what comes next serves nothing: its request is being answered already, or none follows.
    fn is_rest(&self, progress: &RequestTracker) -> bool {
        match self.body {
            Some(_) => progress.is_begun(),
            None => self.is_over(progress),
        }
    }

    /// Counts what serves nothing; a client that sends too much of it is not read any longer, however fast it is.
    fn count_rest(&mut self, bytes: usize) {
        self.rest += bytes as u64;
        self.is_cut |= self.rest > MAX_REST_BYTES;
    }

    fn keep(&mut self, bytes: BytesMut, cleared: usize) {
        if self.cleared == 0 {
            (self.bytes, self.cleared) = (bytes, cleared);
        }
    }

    /// Whether what comes next may be passed on: it is of a body, or no answer is awaited but those to plain reads that
    /// the framework has not begun to answer.
    fn has_turn(&self, progress: &RequestTracker) -> bool {
        self.body.is_some() || progress.is_answered() || self.is_run && !progress.is_under_way()
    }

    /// Whether whatever comes is thrown away.
    fn is_over(&self, progress: &RequestTracker) -> bool {
        self.body.is_none() && (self.is_last || progress.is_closing())
    }

    /// How many of these bytes may be passed on now. Where they are refused, what is passed on in their place is
    /// cleared.
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
                    // What is passed on before it was plain too, or is answered.
                    self.is_run = true;
                    at += self.passed(length, progress);
                }
                (Next::Scan(Scan::Partial), _) => {
                    self.searched = rest.len();
                    break;
                }
                // It has to wait until the reads before it are answered.
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
                    at += self.passed(length, progress);
                }
                (Next::Scan(Scan::Refused(refusal)), 0) => {
                    self.refuse(refusal, progress);
                    break;
                }
                // The blank lines before it first.
                (Next::Scan(Scan::Refused(_)), _) => break,
            }
        }
        at
    }

    fn passed(&mut self, length: usize, progress: &RequestTracker) -> usize {
        (self.searched, self.blank, self.rest) = (0, 0, 0);
        progress.count_request();
        if self.is_last {
            progress.close();
        }
        length
    }

    /// How many of these bytes are of the body of the request that is under way.
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

    /// Has this answered in place of whatever comes.
    pub(super) fn refuse(&mut self, refusal: Refusal, progress: &RequestTracker) {
        self.bytes = BytesMut::from(REFUSED);
        self.cleared = REFUSED.len();
        (self.is_last, self.is_refused, self.is_run) = (true, true, false);
        progress.refuse(refusal);
    }

    /// Says that the client is not waited for any longer.
    pub(super) fn cut_body(&mut self) {
        self.is_cut = true;
    }

    /// What is waited for.
    pub(super) fn wait(&self, progress: &RequestTracker) -> Wait {
        if progress.is_under_way() {
            return Wait::Answer;
        }
        match (self.body, self.is_over(progress)) {
            (Some(_), _) | (None, true) if progress.is_answered() => Wait::Rest,
            _ if !progress.is_answered() => Wait::Answer,
            _ if self.bytes.is_empty() => Wait::Request,
            _ => Wait::Head,
        }
    }

    /// Whether the client goes on sending, so that an end at once would overtake the last answer.
    pub(super) fn has_unread(&self) -> bool {
        !self.is_end
            && (self.is_refused || self.is_cut || self.body.is_some() || !self.bytes.is_empty())
    }

    /// Notes that the client went on sending behind the last request.
    pub(super) fn keep_unread(&mut self) {
        self.is_cut = true;
    }
}

/// What bytes between two requests begin with.
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
