//! Whether a client has closed its side of a connection, seen also while nobody reads what it has sent before.
//!
//! A client that is gone looks like one that has only ended what it sends: neither the one nor the other is told by the
//! bytes that are still to be read.

use std::cell::Cell;
use std::rc::Rc;

use actix_rt::net::{TcpStream, UnixStream};
use futures_util::FutureExt;
use tokio::io::Interest;
use tokio_rustls::server::TlsStream;

/// A stream that knows whether the other side sends no more.
pub(crate) trait Closes {
    /// Whether the other side has ended what it sends, though not all of it may be read.
    fn is_closed(&self) -> bool;
}

impl Closes for TcpStream {
    fn is_closed(&self) -> bool {
        let ready = self.ready(Interest::READABLE).now_or_never();
        ready.is_some_and(|ready| ready.is_ok_and(|ready| ready.is_read_closed()))
    }
}

impl Closes for UnixStream {
    fn is_closed(&self) -> bool {
        let ready = self.ready(Interest::READABLE).now_or_never();
        ready.is_some_and(|ready| ready.is_ok_and(|ready| ready.is_read_closed()))
    }
}

impl Closes for TlsStream<TcpStream> {
    fn is_closed(&self) -> bool {
        self.get_ref().0.is_closed()
    }
}

/// Whether a client has closed its side, for those requests that look; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Presence(Rc<Seen>);

#[derive(Default)]
struct Seen {
    /// Whether a request wants to know.
    is_wanted: Cell<bool>,
    is_closed: Cell<bool>,
}

impl Presence {
    /// Whether the client has closed its side, as far as that was seen since this was asked first.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_wanted.set(true);
        self.0.is_closed.get()
    }

    /// Looks, if a request wants to know.
    pub(super) fn observe(&self, stream: &impl Closes) {
        if self.0.is_wanted.get() && stream.is_closed() {
            self.0.is_closed.set(true);
        }
    }
}
