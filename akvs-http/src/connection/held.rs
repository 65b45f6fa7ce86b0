//! What a client sends behind a request that is under way, and a HEAD behind any other: kept back until it is its turn.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use bytes::BytesMut;
use memchr::memmem;
use tokio::io::{AsyncRead, ReadBuf};

use super::Progress;

/// The most bytes that are taken from a client behind a request that is under way, about.
const HELD_BYTES: usize = 4 << 10;
/// A body may hold the word as well. So often it is looked at what it is.
const MOST_CUTS: u32 = 64;

/// Bytes that actix is not to see yet. It writes an answer as if to the request that it has read last, so that a HEAD
/// behind a request would take the body of that one's answer: a HEAD is given to it alone, and nothing else while it has
/// something to answer.
#[derive(Default)]
pub(super) struct Held {
    bytes: BytesMut,
    /// Whether nothing comes behind them.
    is_end: bool,
    /// Whether what was given out is still to be looked at.
    is_paused: bool,
    /// How often that was so in the body of a request.
    cuts: u32,
}

impl Held {
    pub(super) fn poll_read<T: AsyncRead + Unpin>(
        &mut self,
        stream: &mut T,
        progress: &Progress,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let is_under_way = progress.under_way.get() > 0;
        if is_under_way && !progress.wants_body.get() {
            return self.poll_behind(stream, progress, context);
        }
        if std::mem::take(&mut self.is_paused) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if self.bytes.is_empty() && !self.is_end {
            std::task::ready!(Pin::new(stream).poll_read(context, buffer))?;
        } else {
            let some = self.bytes.len().min(buffer.remaining());
            buffer.put_slice(&self.bytes.split_to(some));
        }
        let came = &buffer.filled()[before..];
        self.cuts = if is_under_way { self.cuts } else { 0 };
        if self.cuts < MOST_CUTS
            && let Some(start) = head_behind(came)
        {
            self.cuts += 1;
            let mut rest = BytesMut::from(&came[start..]);
            rest.unsplit(std::mem::take(&mut self.bytes));
            self.bytes = rest;
            self.is_paused = true;
            buffer.set_filled(before + start);
        }
        Poll::Ready(Ok(()))
    }

    /// Holds what comes while a request is under way, and sees whether its client is still there.
    fn poll_behind<T: AsyncRead + Unpin>(
        &mut self,
        stream: &mut T,
        progress: &Progress,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_end && self.bytes.len() < HELD_BYTES {
            let mut space = [MaybeUninit::uninit(); HELD_BYTES];
            let mut some = ReadBuf::uninit(&mut space);
            match Pin::new(&mut *stream).poll_read(context, &mut some) {
                Poll::Pending => break,
                Poll::Ready(read) => read?,
            }
            self.is_end = some.filled().is_empty();
            self.bytes.extend_from_slice(some.filled());
        }
        if self.is_end && self.bytes.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if !self.bytes.is_empty() {
            progress.waiter.set(Some(context.waker().clone()));
        }
        Poll::Pending
    }
}

/// Where a HEAD begins that something stands before.
fn head_behind(bytes: &[u8]) -> Option<usize> {
    static WORD: LazyLock<memmem::Finder<'_>> = LazyLock::new(|| memmem::Finder::new(b"HEAD "));
    WORD.find(bytes.get(1..)?).map(|at| at + 1)
}
