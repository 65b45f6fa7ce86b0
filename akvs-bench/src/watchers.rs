//! Watchers: the time until a change has reached all of them, and what each costs the server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use memchr::memmem::{Finder, find};
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::clock;
use crate::peers::Akvs;
use crate::result::Result;

const CHANGES: usize = 20;
/// The maximum time of each wait.
const PATIENCE: Duration = Duration::from_secs(30);
const EVENT: &[u8] = b"event: set";

/// What a change costs.
pub(crate) struct Reach {
    /// Medians over the changes.
    pub(crate) answered: Duration,
    pub(crate) all: Duration,
    /// CPU time of the server for each watcher and change.
    pub(crate) each: Duration,
}

/// Clients that watch the same.
pub(crate) struct Watchers {
    epoll: OwnedFd,
    sockets: Vec<TcpStream>,
    /// The changes that they have received.
    seen: Arc<AtomicU64>,
    event: Finder<'static>,
}

impl Watchers {
    /// Subscribes this number of clients.
    pub(crate) fn subscribe(address: SocketAddr, query: &str, count: usize) -> Result<Watchers> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut sockets = Vec::with_capacity(count);
        for number in 0..count {
            let mut socket = connect(address)?;
            write!(
                socket,
                "GET /watch/bench{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            )?;
            read_until(&mut socket, b": revision")?;
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&epoll, &socket, data, epoll::EventFlags::IN)?;
            sockets.push(socket);
        }
        Ok(Watchers {
            epoll,
            sockets,
            seen: Arc::default(),
            event: Finder::new(EVENT),
        })
    }

    /// Returns the number of changes that they have received, which goes on.
    pub(crate) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.seen)
    }

    /// Receives changes until the flag is set.
    pub(crate) fn count_until(&self, ended: &AtomicBool) -> Result {
        while !ended.load(Ordering::Relaxed) {
            self.receive()?;
        }
        Ok(())
    }

    /// Receives this number of changes.
    fn await_count(&self, count: u64) -> Result {
        let start = clock::now();
        let first = self.seen.load(Ordering::Relaxed);
        loop {
            let seen = self.seen.load(Ordering::Relaxed) - first;
            if seen >= count {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("a change reached {seen} of {count} watchers").into());
            }
            self.receive()?;
        }
    }

    /// Receives what has arrived, or waits for it for a moment.
    fn receive(&self) -> Result {
        let mut events = Vec::with_capacity(1_024);
        let mut buffer = [0; 16 << 10];
        let moment = Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        let room = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(&self.epoll, room, Some(&moment)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let socket = &self.sockets[usize::try_from(event.data.u64())?];
            let (length, _) = recv(socket, &mut buffer[..], RecvFlags::empty())?;
            if length == 0 {
                return Err("the server ended a watch".into());
            }
            // An event is far smaller than a segment, and few are split.
            let changes = self.event.find_iter(&buffer[..length]).count();
            self.seen.fetch_add(changes as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Lets this number of clients watch one namespace, and changes it several times.
pub(crate) fn watch(server: &Akvs, count: usize) -> Result<Reach> {
    let mut writer = connect(server.address)?;
    post(&mut writer)?;
    let watchers = Watchers::subscribe(server.address, "", count)?;
    let (mut answered, mut all) = (Vec::new(), Vec::new());
    let before = server.process.cpu()?.total();
    for _ in 0..CHANGES {
        let start = clock::now();
        post(&mut writer)?;
        answered.push(start.elapsed());
        watchers.await_count(count as u64)?;
        all.push(start.elapsed());
    }
    let used = server.process.cpu()?.total().saturating_sub(before);
    Ok(Reach {
        answered: median(answered),
        all: median(all),
        each: used / u32::try_from(CHANGES * count)?,
    })
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn post(socket: &mut TcpStream) -> Result {
    socket.write_all(
        b"POST /kv/bench/k HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nvalue",
    )?;
    read_until(socket, b"\r\n\r\nCreated")
}

fn read_until(socket: &mut TcpStream, text: &[u8]) -> Result {
    let (mut seen, mut buffer) = (Vec::new(), [0; 1_024]);
    while find(&seen, text).is_none() {
        match socket.read(&mut buffer)? {
            0 => return Err("the server closed a connection".into()),
            length => seen.extend_from_slice(&buffer[..length]),
        }
    }
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
