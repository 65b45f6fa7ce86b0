//! The end of an answer, and whether it reports success.
//!
//! It reads no more of an answer than its length takes: the generator must cost less than the servers.

mod http;
mod resp;

use self::http::Http;

/// The part of an answer that has arrived.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Answer {
    /// Its length is not known yet.
    Unknown,
    /// Its length, which may be more than has arrived, and whether it is a success.
    Known { length: usize, success: bool },
}

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    Http,
    /// The protocol of Redis.
    Resp,
}

/// A reader of answers, for any number of connections.
pub(crate) enum Reader {
    Http(Box<Http>),
    Resp,
}

impl Reader {
    /// Returns a reader for a protocol.
    pub(crate) fn new(protocol: Protocol) -> Reader {
        match protocol {
            Protocol::Http => Reader::Http(Box::default()),
            Protocol::Resp => Reader::Resp,
        }
    }

    /// Reads the answer that these bytes begin with.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Answer {
        match self {
            Reader::Http(http) => http.read(bytes),
            Reader::Resp => resp::read(bytes),
        }
    }
}
