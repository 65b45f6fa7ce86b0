//! A connection while it is served: how many of its requests are under way, and an end to one that never asks.
//!
//! actix times the head of the first request of a connection only, waits without an end for the rest of a body that
//! was answered early, and does not end connections of HTTP/2 when the server stops. This stream does: whoever has
//! begun to ask has to have asked in time, whoever says nothing goes once the time to keep a connection is over, and
//! once the end has begun a connection without a request ends. What actix says without a word is explained on its way
//! out.

mod closed;
mod held;

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_http::Protocol;
use actix_server::GracefulShutdownSignal;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

pub(crate) use self::closed::{Closes, Presence};
use self::held::Held;
use crate::answers::{SLICE_BYTES, Shared};
use crate::farewell;
use crate::metrics::Open;

/// The most requests of one connection that are under way at once; only HTTP/2 has more than one.
const MAX_UNDER_WAY: usize = 1_000;
/// So many slices of an answer go out before the worker's other tasks get their turn.
const SLICES_IN_A_ROW: usize = 8;
/// How long the last bytes of an answer may take to be sent when the server stops.
const LINGER: Duration = Duration::from_millis(200);

/// What is known of the requests of a connection.
#[derive(Default)]
struct Progress {
    under_way: Cell<usize>,
    /// Whether bytes came since a request began or ended.
    has_heard: Cell<bool>,
    /// Whether something was asked, or sent, since this was last looked at.
    is_active: Cell<bool>,
    /// Whether the request that is under way may have a body that is not whole yet.
    wants_body: Cell<bool>,
    /// Who waits for the end of the request that is under way.
    waiter: Cell<Option<Waker>>,
}

/// A connection, as its requests know it.
pub(crate) struct Asker {
    progress: Rc<Progress>,
    is_owner: bool,
    is_local: bool,
    _open: Open,
}

/// A request that is under way, until the last byte of its answer is given out.
pub(crate) struct UnderWay(Rc<Progress>);

impl Asker {
    /// One more request, which may have a body; none where there are too many of this connection.
    pub(crate) fn ask(&self, has_body: bool) -> Option<UnderWay> {
        let progress = &self.progress;
        let under_way = progress.under_way.get();
        progress.has_heard.set(false);
        progress.is_active.set(true);
        if under_way >= MAX_UNDER_WAY {
            return None;
        }
        progress.under_way.set(under_way + 1);
        progress.wants_body.set(has_body);
        Some(UnderWay(Rc::clone(progress)))
    }

    /// Whether it came over the socket that only the owner of the data may open.
    pub(crate) fn is_owner(&self) -> bool {
        self.is_owner
    }

    /// The same, of a connection over a Unix socket or not, which no browser has.
    pub(crate) fn with_local(self, is_local: bool) -> Asker {
        Asker { is_local, ..self }
    }

    /// Whether it came over a Unix socket.
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    /// Notes that the body of the request that is under way has come.
    pub(crate) fn has_body(&self) {
        self.progress.wants_body.set(false);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let progress = &self.0;
        progress.under_way.set(progress.under_way.get() - 1);
        progress.has_heard.set(false);
        progress.is_active.set(true);
        if let Some(waiter) = progress.waiter.take() {
            waiter.wake();
        }
    }
}

/// The body of an answer, which is under way for as long as this is there. It goes out in slices, because whoever sends
/// it copies what it gets: not more of it is ever copied than is on its way to the socket.
pub(crate) struct Answer {
    body: Body,
    /// What is left of a part of the body that is longer than a slice.
    rest: Bytes,
    slices: usize,
    /// The memory that is counted for it.
    _held: Option<Box<Shared>>,
    _under_way: Option<UnderWay>,
}

enum Body {
    Some(BoxBody),
    /// None, of an answer to HEAD over HTTP/1.1.
    None,
}

impl Answer {
    pub(crate) fn new(
        body: BoxBody,
        held: Option<Box<Shared>>,
        under_way: Option<UnderWay>,
    ) -> Answer {
        Answer {
            body: Body::Some(body),
            rest: Bytes::new(),
            slices: 0,
            _held: held,
            _under_way: under_way,
        }
    }

    /// The body of an answer that has none, and whose head says by itself how long it would be.
    pub(crate) fn to_head(under_way: Option<UnderWay>) -> Answer {
        Answer {
            body: Body::None,
            rest: Bytes::new(),
            slices: 0,
            _held: None,
            _under_way: under_way,
        }
    }
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        match &self.body {
            Body::Some(body) => body.size(),
            // So that actix adds nothing to the head.
            Body::None => BodySize::Stream,
        }
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.slices >= SLICES_IN_A_ROW {
            self.slices = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.rest.is_empty() {
            let part = match &mut self.body {
                Body::Some(body) => std::task::ready!(Pin::new(body).poll_next(context)),
                Body::None => None,
            };
            match part {
                Some(Ok(part)) if part.len() >= SLICE_BYTES => self.rest = part,
                part => return Poll::Ready(part),
            }
        }
        self.slices += 1;
        let most = self.rest.len().min(SLICE_BYTES);
        Poll::Ready(Some(Ok(self.rest.split_to(most))))
    }
}

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the head of a request.
    pub(crate) head: Duration,
    /// Between two requests.
    pub(crate) idle: Duration,
}

/// A stream of bytes that ends when its client never asks.
pub(crate) struct Connection<T> {
    stream: T,
    progress: Rc<Progress>,
    presence: Presence,
    held: Held,
    patience: Patience,
    /// When to look again. So it costs a request nothing, but comes up to twice as late.
    tick: Pin<Box<Sleep>>,
    /// How often it was looked at in vain since something was begun, and since anything was asked.
    late: u32,
    idle: u32,
    ending: Ending,
    /// Whether bytes of an answer are still to go out.
    has_unsent: bool,
    /// What goes out in place of other bytes, and how many those are.
    farewell: Option<(Vec<u8>, usize)>,
}

/// What the end of the server means to a connection.
enum Ending {
    /// actix sees to it.
    Foreign,
    Waits(Pin<Box<dyn Future<Output = ()>>>),
    Begun,
}

impl<T> Connection<T> {
    /// A connection on which this is spoken.
    pub(crate) fn new(
        stream: T,
        protocol: Protocol,
        patience: Patience,
        ending: GracefulShutdownSignal,
    ) -> Connection<T> {
        let ending = if protocol == Protocol::Http2 {
            Ending::Waits(Box::pin(async move { ending.notified().await }))
        } else {
            Ending::Foreign
        };
        Connection {
            stream,
            progress: Rc::default(),
            presence: Presence::default(),
            held: Held::default(),
            patience,
            tick: Box::pin(sleep(patience.head)),
            late: 0,
            idle: 0,
            ending,
            has_unsent: false,
            farewell: None,
        }
    }

    /// What its requests are to know.
    pub(crate) fn asker(&self, open: Open, is_owner: bool) -> Asker {
        Asker {
            progress: Rc::clone(&self.progress),
            is_owner,
            is_local: false,
            _open: open,
        }
    }

    /// Whether its client has closed its side.
    pub(crate) fn presence(&self) -> Presence {
        self.presence.clone()
    }

    /// Done when it is to end: well, where the server does, and else with an error.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Ending::Waits(ending) = &mut self.ending
            && ending.as_mut().poll(context).is_ready()
        {
            self.ending = Ending::Begun;
            self.look_in(LINGER);
        }
        while self.tick.as_mut().poll(context).is_ready() {
            let (is_over, next) = match self.ending {
                Ending::Begun => (self.is_quiet(), LINGER),
                // A ping that is not answered ends it.
                Ending::Waits(_) => (false, self.patience.head),
                Ending::Foreign => (false, self.patience.head),
            };
            if is_over {
                return Poll::Ready(Ok(()));
            }
            if matches!(self.ending, Ending::Foreign) && self.is_late() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.look_in(next);
        }
        Poll::Pending
    }

    fn look_in(&mut self, time: Duration) {
        self.tick.as_mut().reset(Instant::now() + time);
    }

    /// Whether nothing is under way, and nothing was since this was asked last.
    fn is_quiet(&self) -> bool {
        let was_active = self.progress.is_active.replace(false);
        !was_active && self.progress.under_way.get() == 0
    }

    /// Whether what is written next can only be of actix itself: all answers are sent, and what came since is no
    /// request yet. Nothing that is stored is ever taken for such a word.
    fn is_unasked(&self) -> bool {
        let progress = &self.progress;
        matches!(self.ending, Ending::Foreign)
            && progress.under_way.get() == 0
            && progress.has_heard.get()
            && !self.has_unsent
    }

    fn is_late(&mut self) -> bool {
        if !self.is_quiet() {
            (self.late, self.idle) = (0, 0);
            return false;
        }
        self.idle += 1;
        self.late += u32::from(self.progress.has_heard.get());
        // The first time may have come right after the last byte.
        self.late > 1 || self.patience.head * (self.idle - 1) > self.patience.idle
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Connection<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = match this.ending {
            Ending::Foreign => {
                this.held
                    .poll_read(&mut this.stream, &this.progress, context, buffer)
            }
            Ending::Waits(_) | Ending::Begun => {
                Pin::new(&mut this.stream).poll_read(context, buffer)
            }
        };
        if read.is_pending() {
            return this.poll_end(context);
        }
        if buffer.filled().len() > before {
            this.progress.has_heard.set(true);
        }
        read
    }
}

impl<T: AsyncWrite + Closes + Unpin> AsyncWrite for Connection<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.progress.is_active.set(true);
        let this = &mut *self;
        if this.farewell.is_none() && this.is_unasked() {
            let explained = farewell::explained(bytes);
            this.farewell = explained.map(|explained| (explained, bytes.len()));
        }
        let Some((rest, replaced)) = &mut this.farewell else {
            let written = Pin::new(&mut this.stream).poll_write(context, bytes);
            this.has_unsent = !matches!(&written, Poll::Ready(Ok(some)) if *some == bytes.len());
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
        this.farewell = None;
        Poll::Ready(Ok(replaced))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Also while nothing is read, because a body that came is still being taken in.
        self.presence.look(&self.stream);
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
