//! A connection of HTTP/1.1: the stream below actix, with its timeouts and its own framing of requests.
//!
//! | module | owns |
//! | --- | --- |
//! | `closed` | whether the client has closed its side |
//! | `input` | which bytes are passed on to actix, and when |
//! | `head`, `target`, `chunks`, `token` | the end of a request, and the errors of a malformed one |
//! | `progress` | the requests in flight |
//! | `refusal` | the answer to bytes that are not a request |
//!
//! actix times only the head of the first request of a connection, and waits without end for the rest of a body that was
//! answered early. This stream ends every wait for a client, by one timer that is set at most a few times per request.

mod chunks;
mod closed;
mod head;
mod input;
mod progress;
mod refusal;
mod target;
mod token;

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

/// The time that a client may continue to send after the server closed its side. A reset at once could discard the last answer.
const LINGER: Duration = Duration::from_secs(2);
/// The minimum interval of the checks of a busy connection.
const MIN_TICK: Duration = Duration::from_millis(10);

/// The times that a client may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// The time to send the head of a request.
    pub(crate) head: Duration,
    /// The time between two requests.
    pub(crate) idle: Duration,
    /// The time without reading anything of an answer.
    pub(crate) stall: Duration,
}

/// A stream of bytes that ends when its client takes too long.
pub(crate) struct Connection<T> {
    stream: T,
    progress: Rc<RequestTracker>,
    presence: Presence,
    input: Input,
    timeouts: Timeouts,
    tick: Pin<Box<Sleep>>,
    wait: Wait,
    /// The end of the wait for the rest of a head or of a body.
    deadline: Instant,
    /// The time since which all requests are answered, if they are.
    idle_since: Instant,
    /// Whether bytes were written after the last flush with all requests answered.
    has_written: bool,
    /// Whether bytes of an answer are unsent.
    has_unsent: bool,
    /// The time since which the client has read nothing of them. The kernel has such a timeout only for TCP.
    full_since: Option<Instant>,
    /// The bytes that are sent in place of other bytes, and the number of those.
    replacement: Option<(Vec<u8>, usize)>,
    /// Whether the server has closed its side.
    is_shut: bool,
    /// The number of bytes received after that.
    late_bytes: u64,
}

impl<T> Connection<T> {
    /// Returns a connection whose wait for the first request began at this time.
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

    /// Returns the state that the requests of the connection share.
    pub(crate) fn state(&self, open: ConnectionGuard, is_owner: bool) -> ConnectionState {
        ConnectionState::new(Rc::clone(&self.progress), is_owner, open)
    }

    /// Returns the reason why the body of the current request was cut off.
    pub(crate) fn body_fault(&self) -> BodyFault {
        self.progress.fault()
    }

    /// Returns whether the client has closed its side.
    pub(crate) fn presence(&self) -> Presence {
        self.presence.clone()
    }

    /// Completes when the client has taken too long, with what the connection waited for.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Wait>> {
        let wait = self.input.wait(&self.progress);
        self.begin(wait);
        if self.is_rest_late() {
            return Poll::Ready(Ok(wait));
        }
        while self.tick.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            let deadline = match wait {
                Wait::Answer => self.next_check(now),
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
            let check = self.next_check(now);
            let next = stalled.unwrap_or(deadline);
            self.tick.as_mut().reset(next.min(check));
        }
        Poll::Pending
    }

    /// Sets what the connection waits for, and the deadline if the wait begins now.
    fn begin(&mut self, wait: Wait) {
        if wait != std::mem::replace(&mut self.wait, wait)
            && matches!(wait, Wait::Head | Wait::Rest)
        {
            let now = Instant::now();
            self.deadline = now + self.timeouts.head;
            let check = self.next_check(now);
            self.tick.as_mut().reset(check.min(self.deadline));
        }
    }

    /// Returns whether the client has sent unwanted data for too long. It does not depend on the timer, which is not polled
    /// while a fast client keeps the stream readable.
    fn is_rest_late(&self) -> bool {
        self.wait == Wait::Rest && self.full_since.is_none() && self.deadline <= Instant::now()
    }

    /// Returns the time of the next check: no wait for a request that begins from now on ends before it.
    fn next_check(&self, now: Instant) -> Instant {
        now + self.timeouts.idle.max(MIN_TICK)
    }

    /// Records that the client reads nothing now; returns whether it has read nothing for too long.
    fn is_stalled(&mut self, context: &mut Context<'_>) -> bool {
        let now = Instant::now();
        let end = *self.full_since.get_or_insert(now) + self.timeouts.stall;
        if self.tick.deadline() > end || self.tick.is_elapsed() {
            self.tick.as_mut().reset(end);
            // Registers this task with the timer.
            let _ = self.tick.as_mut().poll(context);
        }
        end <= now
    }

    /// Returns whether the next write can only be an error of actix, which refuses bytes that were passed on. The bytes of
    /// an answer with a stored value are never taken for such an error.
    fn is_protocol_error(&self) -> bool {
        let progress = &self.progress;
        !progress.is_in_flight() && !progress.is_answered() && !self.has_unsent
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
        if this.replacement.is_none() && this.is_protocol_error() {
            let answer = protocol_error::with_problem_body(bytes);
            this.replacement = answer.map(|answer| (answer, bytes.len()));
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
        let this = &mut *self;
        if this.has_written && this.progress.is_answered() {
            this.has_written = false;
            this.idle_since = Instant::now();
            let wait = this.input.wait(&this.progress);
            if wait == Wait::Rest {
                this.begin(wait);
                // actix may not read again before the timer wakes it.
                let _ = this.tick.as_mut().poll(context);
            }
        }
        // Also while actix reads nothing, because a handler is still processing a received body.
        this.presence.observe(&this.stream);
        Pin::new(&mut this.stream).poll_flush(context)
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
                    // Without the timer, which is not polled while a fast client keeps the stream readable.
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
