//! A connection of HTTP/1.1 while it is served: what the framework gets to read of it, and an end to one that never
//! asks.
//!
//! | module | owns |
//! | --- | --- |
//! | `closed` | whether the client has closed its side |
//! | `input` | which bytes are passed on, and when |
//! | `head`, `target`, `chunks` | where a request ends, and what is wrong with one |
//! | `progress` | the requests that are under way |
//! | `refusal` | the answer to what is no request |
//!
//! The framework times the head of the first request of a connection only, and waits without an end for the rest of a
//! body that was answered early. This stream ends every wait for a client, by one timer that is set anew at most a few
//! times for each request.

mod chunks;
mod closed;
mod head;
mod input;
mod progress;
mod refusal;
mod target;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

pub(crate) use self::closed::{Closes, Presence};
pub(crate) use self::head::{MAX_FIELDS, MAX_HEAD_BYTES, MAX_TARGET_BYTES};
use self::input::{Input, MAX_REST_BYTES, Wait};
use self::progress::RequestTracker;
pub(crate) use self::progress::{Answer, ConnectionState, RequestGuard};
pub(crate) use self::refusal::Refusal;
pub(crate) use self::target::is_host;
use crate::metrics::ConnectionGuard;
use crate::request::body::BodyFault;
use crate::transport::protocol_error;

/// How long a client may go on sending once the connection is closed. An end at once would overtake the last answer.
const LINGER: Duration = Duration::from_secs(2);
/// The shortest time after which a connection that is busy is looked at again.
const MIN_TICK: Duration = Duration::from_millis(10);

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// For the head of a request.
    pub(crate) head: Duration,
    /// Between two requests.
    pub(crate) idle: Duration,
    /// Without taking anything of an answer.
    pub(crate) stall: Duration,
}

/// A stream of bytes that ends when its client never asks.
pub(crate) struct Connection<T> {
    stream: T,
    progress: Rc<RequestTracker>,
    presence: Presence,
    input: Input,
    timeouts: Timeouts,
    tick: Pin<Box<Sleep>>,
    wait: Wait,
    /// When the wait for the rest of a head or of a body is over.
    deadline: Instant,
    /// Since when all is answered, where that is so.
    idle_since: Instant,
    /// Whether something was written since this was noted.
    has_written: bool,
    /// Whether bytes of an answer are still to go out.
    has_unsent: bool,
    /// Since when the client takes nothing of them. The system sees to that only over TCP.
    full_since: Option<Instant>,
    /// What goes out in place of other bytes, and how many those are.
    replacement: Option<(Vec<u8>, usize)>,
    /// Whether the server has ended its side.
    is_shut: bool,
    /// How many bytes came behind that.
    late_bytes: u64,
}

impl<T> Connection<T> {
    /// A connection whose first request began to arrive, or was waited for, since then.
    pub(crate) fn new(stream: T, timeouts: Timeouts, since: Instant) -> Connection<T> {
        let deadline = since + timeouts.head;
        Connection {
            stream,
            progress: Rc::default(),
            presence: Presence::default(),
            input: Input::default(),
            timeouts,
            tick: Box::pin(sleep_until(deadline.min(since + timeouts.idle))),
            wait: Wait::Head,
            deadline,
            idle_since: since,
            has_written: false,
            has_unsent: false,
            full_since: None,
            replacement: None,
            is_shut: false,
            late_bytes: 0,
        }
    }

    /// What its requests are to know.
    pub(crate) fn state(&self, open: ConnectionGuard, is_owner: bool) -> ConnectionState {
        ConnectionState::new(Rc::clone(&self.progress), is_owner, open)
    }

    /// Why the body of the request that is under way ends early.
    pub(crate) fn body_fault(&self) -> BodyFault {
        self.progress.fault()
    }

    /// Whether its client has closed its side.
    pub(crate) fn presence(&self) -> Presence {
        self.presence.clone()
    }

    /// Done when the client was waited for too long; for what.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Wait>> {
        let wait = self.input.wait(&self.progress);
        self.begin(wait);
        if self.is_rest_late() {
            return Poll::Ready(Ok(wait));
        }
        while self.tick.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            let deadline = match wait {
                Wait::Answer => self.look_after(now),
                Wait::Request => self.idle_since + self.timeouts.idle,
                Wait::Head | Wait::Rest => self.deadline,
            };
            let stalled = self.full_since.map(|since| since + self.timeouts.stall);
            if stalled.is_some_and(|end| end <= now) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            if deadline <= now && stalled.is_none() {
                return Poll::Ready(Ok(wait));
            }
            let look = self.look_after(now);
            let next = stalled.unwrap_or(deadline);
            self.tick.as_mut().reset(next.min(look));
        }
        Poll::Pending
    }

    /// Notes what is waited for, and until when where that begins now.
    fn begin(&mut self, wait: Wait) {
        if wait != std::mem::replace(&mut self.wait, wait)
            && matches!(wait, Wait::Head | Wait::Rest)
        {
            let now = Instant::now();
            self.deadline = now + self.timeouts.head;
            let look = self.look_after(now);
            self.tick.as_mut().reset(look.min(self.deadline));
        }
    }

    /// Whether the client goes on with what serves nothing for too long. It need not be waited for: a fast one leaves
    /// the timer no turn.
    fn is_rest_late(&self) -> bool {
        self.wait == Wait::Rest && self.full_since.is_none() && self.deadline <= Instant::now()
    }

    /// When to look again at the latest: no wait for a request that begins after now is over before.
    fn look_after(&self, now: Instant) -> Instant {
        now + self.timeouts.idle.max(MIN_TICK)
    }

    /// Notes that the client takes nothing now; whether that has gone on for too long.
    fn is_stalled(&mut self, context: &mut Context<'_>) -> bool {
        let now = Instant::now();
        let end = *self.full_since.get_or_insert(now) + self.timeouts.stall;
        if self.tick.deadline() > end || self.tick.is_elapsed() {
            self.tick.as_mut().reset(end);
            // Else it would wake nobody.
            let _ = self.tick.as_mut().poll(context);
        }
        end <= now
    }

    /// Whether what is written next can only be of the framework itself, which takes for no request what was passed on.
    /// Nothing that is stored is ever taken for such a word.
    fn is_unasked(&self) -> bool {
        let progress = &self.progress;
        !progress.is_under_way() && !progress.is_answered() && !self.has_unsent
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Connection<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let (input, progress) = (&mut this.input, &this.progress);
            let read = input.poll_read(&mut this.stream, progress, context, buffer);
            if read.is_ready() {
                let wait = this.input.wait(&this.progress);
                if wait == Wait::Rest {
                    this.begin(wait);
                    if this.is_rest_late() {
                        this.input.cut_body();
                    }
                }
                return read;
            }
            match std::task::ready!(this.poll_late(context))? {
                Wait::Head => this.input.refuse(Refusal::late(), &this.progress),
                Wait::Answer | Wait::Request | Wait::Rest => this.input.cut_body(),
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Closes + Unpin> AsyncWrite for Connection<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.has_written = true;
        if this.replacement.is_none() && this.is_unasked() {
            let explained = protocol_error::with_problem_body(bytes);
            this.replacement = explained.map(|explained| (explained, bytes.len()));
        }
        let Some((rest, replaced)) = &mut this.replacement else {
            let written = Pin::new(&mut this.stream).poll_write(context, bytes);
            this.has_unsent = !matches!(&written, Poll::Ready(Ok(some)) if *some == bytes.len());
            if written.is_ready() {
                this.full_since = None;
            } else if this.is_stalled(context) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            return written;
        };
        while !rest.is_empty() {
            let written = Pin::new(&mut this.stream).poll_write(context, rest);
            match std::task::ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                some => drop(rest.drain(..some)),
            }
        }
        let replaced = *replaced;
        this.replacement = None;
        Poll::Ready(Ok(replaced))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_written && self.progress.is_answered() {
            self.has_written = false;
            self.idle_since = Instant::now();
        }
        // Also while nothing is read, because a body that came is still being taken in.
        self.presence.observe(&self.stream);
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.is_shut {
            std::task::ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            this.is_shut = true;
            this.deadline = Instant::now() + LINGER.min(this.timeouts.head);
            this.tick.as_mut().reset(this.deadline);
        }
        let mut space = [std::mem::MaybeUninit::uninit(); 4 << 10];
        loop {
            let mut some = ReadBuf::uninit(&mut space);
            match Pin::new(&mut this.stream).poll_read(context, &mut some) {
                Poll::Ready(Ok(())) if !some.filled().is_empty() => {
                    this.input.keep_unread();
                    this.late_bytes += some.filled().len() as u64;
                    // However fast it is: it leaves the timer no turn.
                    let is_over = this.late_bytes > MAX_REST_BYTES;
                    if is_over || this.deadline <= Instant::now() {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending if !this.input.has_unread() => return Poll::Ready(Ok(())),
                Poll::Pending => return this.tick.as_mut().poll(context).map(Ok),
            }
        }
    }
}
