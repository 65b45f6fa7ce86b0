//! A non-blocking connection: requests out, answers in.
//!
//! It owns the bytes that are on their way and the times of the requests without an answer. It does not know what is
//! sent or when. epoll must report it edge-triggered: it reads and writes until the socket would block.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::answer::{Answer, Reader};
use crate::result::Result;

/// The maximum bytes of an answer whose length is not known from its first bytes.
const MAX_PARTIAL: usize = 64 << 20;
/// The bytes of a failed answer that its error shows.
const SHOWN: usize = 200;

/// Answers that arrived.
#[derive(Default)]
pub(super) struct Arrived {
    /// The times of their requests.
    pub(super) times: Vec<u64>,
    /// How many of them report a failure.
    pub(super) failed: u64,
    /// The beginning of the first that does.
    pub(super) failure: Option<String>,
}

/// A connection of the load generator.
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    /// The beginning of an answer that is not complete.
    partial: Vec<u8>,
    /// Bytes of an answer of known length that are still to arrive, and its success.
    missing: usize,
    success: bool,
    /// Requests that are not sent yet.
    pub(super) output: Vec<u8>,
    sent: usize,
    /// The times of the requests without an answer, in their order.
    pub(super) waiting: VecDeque<u64>,
}

impl Connection {
    /// Connects.
    pub(super) fn open(address: SocketAddr) -> Result<Connection> {
        let socket = TcpStream::connect(address)
            .map_err(|error| format!("cannot connect to {address}: {error}"))?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Connection {
            socket,
            partial: Vec::new(),
            missing: 0,
            success: false,
            output: Vec::new(),
            sent: 0,
            waiting: VecDeque::new(),
        })
    }

    /// Sends what the socket takes.
    pub(super) fn flush(&mut self) -> Result {
        while self.sent < self.output.len() {
            match send(&self.socket, &self.output[self.sent..], SendFlags::NOSIGNAL) {
                Ok(sent) => self.sent += sent,
                // epoll reports when there is room.
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(format!("a connection failed: {error}").into()),
            }
        }
        self.output.clear();
        self.sent = 0;
        Ok(())
    }

    /// Reads what has arrived, through a buffer that all connections share.
    pub(super) fn receive(
        &mut self,
        reader: &mut Reader,
        buffer: &mut [u8],
        arrived: &mut Arrived,
    ) -> Result {
        loop {
            match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => return Err("the server closed a connection".into()),
                Ok((length, _)) => {
                    self.take(reader, &buffer[..length], arrived)?;
                    // The socket is empty: data that arrives from now on is a new event.
                    if length < buffer.len() {
                        return Ok(());
                    }
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(format!("a connection failed: {error}").into()),
            }
        }
    }

    fn take(&mut self, reader: &mut Reader, mut bytes: &[u8], arrived: &mut Arrived) -> Result {
        if self.missing > 0 {
            let length = self.missing.min(bytes.len());
            self.missing -= length;
            bytes = &bytes[length..];
            if self.missing > 0 {
                return Ok(());
            }
            self.answered(self.success, &[], arrived)?;
        }
        if self.partial.is_empty() {
            let used = self.parse(reader, bytes, arrived)?;
            self.partial.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(bytes);
        let used = self.parse(reader, &partial, arrived)?;
        partial.drain(..used);
        self.partial = partial;
        match self.partial.len() <= MAX_PARTIAL {
            true => Ok(()),
            false => Err("an answer has no end".into()),
        }
    }

    /// Reads all answers in these bytes; returns how many bytes they are.
    fn parse(&mut self, reader: &mut Reader, bytes: &[u8], arrived: &mut Arrived) -> Result<usize> {
        let mut used = 0;
        while used < bytes.len() {
            let rest = &bytes[used..];
            let Answer::Known { length, success } = reader.read(rest) else {
                break;
            };
            if length > rest.len() {
                (self.missing, self.success) = (length - rest.len(), success);
                return Ok(bytes.len());
            }
            self.answered(success, &rest[..length], arrived)?;
            used += length;
        }
        Ok(used)
    }

    fn answered(&mut self, success: bool, bytes: &[u8], arrived: &mut Arrived) -> Result {
        let time = self.waiting.pop_front().ok_or_else(|| {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
            format!("an answer without a request: {text:?}")
        })?;
        arrived.times.push(time);
        if !success {
            arrived.failed += 1;
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).into_owned();
            arrived.failure.get_or_insert(text);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connection = Connection::open(address).unwrap();
        (connection, listener.accept().unwrap().0)
    }

    fn receive(connection: &mut Connection, answers: usize) -> Arrived {
        let mut arrived = Arrived::default();
        // Smaller than an answer.
        let mut buffer = [0; 4];
        while arrived.times.len() < answers {
            connection
                .receive(&mut Reader::Resp, &mut buffer, &mut arrived)
                .unwrap();
        }
        arrived
    }

    #[test]
    fn answers_belong_to_requests_in_their_order() {
        let (mut connection, mut server) = pair();
        connection.output.extend(b"PING\r\n");
        connection.flush().unwrap();
        server.read_exact(&mut [0; 6]).unwrap();
        connection.waiting.extend([10, 20, 30, 40]);
        server
            .write_all(b"+OK\r\n$12\r\nabcdefghijkl\r\n-ERR no\r\n:1")
            .unwrap();
        let arrived = receive(&mut connection, 3);
        assert_eq!(arrived.times, [10, 20, 30]);
        assert_eq!(arrived.failed, 1);
        server.write_all(b"2\r\n").unwrap();
        assert_eq!(receive(&mut connection, 1).times, [40]);
    }

    #[test]
    fn a_closed_connection_and_a_surplus_answer_are_errors() {
        let (mut connection, mut server) = pair();
        server.write_all(b"+OK\r\n").unwrap();
        drop(server);
        let mut ended = Ok(());
        while ended.is_ok() {
            ended = connection.receive(&mut Reader::Resp, &mut [0; 64], &mut Arrived::default());
        }
        assert!(ended.unwrap_err().to_string().contains("without a request"));
        let mut ended = Ok(());
        while ended.is_ok() {
            ended = connection.receive(&mut Reader::Resp, &mut [0; 64], &mut Arrived::default());
        }
        assert!(ended.unwrap_err().to_string().contains("closed"));
    }
}
