//! Detection of a client that has closed its side of a connection, even while unread bytes precede the end.
//!
//! A client that has closed its socket cannot be distinguished from a client that has only ended its output.
//!
//! Over TCP the end arrives behind the bytes that the client sent before. While the receive buffer is full, they wait in
//! the client's send buffer, and no call on this side can see the end: it shows only once they fit into the receive
//! buffer. A reset shows at once.

use std::cell::Cell;
use std::rc::Rc;

use actix_rt::net::{TcpStream, UnixStream};
use futures_util::FutureExt;
use tokio::io::Interest;
use tokio_rustls::server::TlsStream;

/// A stream that detects the end of its input before all of it was read.
pub(crate) trait Closes {
    /// Returns whether the other side has closed its side.
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

/// A flag of whether a client has closed its side, for requests that need it; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Presence(Rc<Flags>);

#[derive(Default)]
struct Flags {
    /// Whether a request needs the flag.
    is_wanted: Cell<bool>,
    is_closed: Cell<bool>,
}

impl Presence {
    /// Returns whether the client has closed its side. The connection checks it only after the first call.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_wanted.set(true);
        self.0.is_closed.get()
    }

    /// Checks the stream, if a request needs the flag.
    pub(super) fn observe(&self, stream: &impl Closes) {
        if self.0.is_wanted.get() && stream.is_closed() {
            self.0.is_closed.set(true);
        }
    }
}
