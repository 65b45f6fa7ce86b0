//! One run: the loop around epoll, and its pace.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use super::answer::{Protocol, Reader};
use super::connection::{Arrived, Connection};
use super::figures::{Cpu, Outcome};
use super::template::{Filler, Template};
use crate::clock;
use crate::result::Result;

/// The shared buffer for reading: an answer of 1 MiB takes four reads.
const BUFFER_BYTES: usize = 256 << 10;
const EVENTS: usize = 1_024;
/// The longest sleep, so that the end of a run is noticed.
const NAP: Duration = Duration::from_millis(20);
/// No answer for this long ends a run with an error.
const PATIENCE: Duration = Duration::from_secs(30);

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// Each connection keeps this number of requests without an answer.
    Closed { depth: usize },
    /// At fixed moments, this number in a second, each on a free connection.
    Open { per_second: f64 },
}

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// After a time without and a time with measurement.
    After { warm: Duration, measured: Duration },
    /// When this number of requests has been answered.
    Answers(u64),
}

/// Requests to a server.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) protocol: Protocol,
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    pub(crate) end: End,
    /// Requests with their shares in percent.
    pub(crate) mix: Vec<(u32, Template)>,
    pub(crate) keys: u64,
    pub(crate) namespaces: u64,
    /// Take keys in order, beginning with this one, instead of at random.
    pub(crate) first: Option<u64>,
    pub(crate) seed: u64,
}

/// Runs a load. The meter is read when the measured time begins and when it ends.
pub(crate) fn run(load: &Load, meter: &mut dyn FnMut() -> Result<Cpu>) -> Result<Outcome> {
    // Otherwise the kernel wakes the thread up to 50 µs late.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
    let mut run = Run::new(load)?;
    run.measure(meter)
}

struct Run<'a> {
    load: &'a Load,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    reader: Reader,
    /// Connections without a request, for an open loop: used in turn.
    free: VecDeque<usize>,
    filler: Filler,
    start: Instant,
    /// Requests that were written.
    written: u64,
    /// The last moment at which an answer arrived.
    last: u64,
    outcome: Outcome,
}

impl Run<'_> {
    fn new(load: &Load) -> Result<Run<'_>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(load.connections);
        for number in 0..load.connections {
            let connection = Connection::open(load.address)?;
            let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&epoll, &connection.socket, data, flags)?;
            connections.push(connection);
        }
        Ok(Run {
            load,
            epoll,
            free: (0..connections.len()).collect(),
            connections,
            reader: Reader::new(load.protocol),
            filler: Filler::new(load.keys, load.namespaces, load.first, load.seed),
            start: clock::now(),
            written: 0,
            last: 0,
            outcome: Outcome::new()?,
        })
    }

    fn measure(&mut self, meter: &mut dyn FnMut() -> Result<Cpu>) -> Result<Outcome> {
        let (warm, end) = match self.load.end {
            End::After { warm, measured } => (nanos(warm), nanos(warm + measured)),
            End::Answers(_) => (0, u64::MAX),
        };
        let mut marks = (0, Duration::ZERO, Cpu::default());
        let mut measuring = warm == 0;
        if measuring {
            marks = (0, clock::thread_cpu(), meter()?);
        }
        self.start = clock::now();
        self.begin()?;
        let mut events = Vec::with_capacity(EVENTS);
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut now = 0;
        while now < end && !self.is_done() {
            if !measuring && now >= warm {
                measuring = true;
                self.outcome = Outcome::new()?;
                marks = (now, clock::thread_cpu(), meter()?);
            }
            let nap = self.send_due(now)?;
            self.wait(nap, &mut events)?;
            now = self.now();
            self.handle(now, &events, &mut buffer)?;
            if now.saturating_sub(self.last) > nanos(PATIENCE) {
                return Err(format!("no answer for {} s", PATIENCE.as_secs()).into());
            }
        }
        let (begin, client, server) = marks;
        let mut outcome = std::mem::replace(&mut self.outcome, Outcome::new()?);
        outcome.client = clock::thread_cpu().saturating_sub(client);
        outcome.server = meter()?.since(server);
        outcome.elapsed = Duration::from_nanos(now.saturating_sub(begin));
        if let Pace::Open { per_second } = self.load.pace {
            self.add_unanswered(&mut outcome, now, per_second, begin);
        }
        Ok(outcome)
    }

    fn now(&self) -> u64 {
        nanos(self.start.elapsed())
    }

    fn is_done(&self) -> bool {
        matches!(self.load.end, End::Answers(count) if self.outcome.answers >= count)
    }

    /// Sends the first requests of a closed loop.
    fn begin(&mut self) -> Result {
        let Pace::Closed { depth } = self.load.pace else {
            return Ok(());
        };
        for number in 0..self.connections.len() {
            self.write(number, depth, 0);
            self.connections[number].flush()?;
        }
        Ok(())
    }

    /// Writes up to this number of requests to the buffer of a connection.
    fn write(&mut self, number: usize, count: usize, time: u64) {
        let left = match self.load.end {
            End::Answers(total) => total.saturating_sub(self.written),
            End::After { .. } => u64::MAX,
        };
        let connection = &mut self.connections[number];
        for _ in 0..(count as u64).min(left) {
            let template = choose(&self.load.mix, &mut self.filler);
            self.filler.write(template, &mut connection.output);
            connection.waiting.push_back(time);
            self.written += 1;
        }
    }

    /// Sends the requests of an open loop whose moment has come; returns the time to the next.
    fn send_due(&mut self, now: u64) -> Result<Duration> {
        let Pace::Open { per_second } = self.load.pace else {
            return Ok(NAP);
        };
        loop {
            let due = moment(self.written, per_second);
            if due > now {
                return Ok(Duration::from_nanos(due - now).min(NAP));
            }
            // The next answer frees one.
            let Some(number) = self.free.pop_front() else {
                return Ok(NAP);
            };
            self.write(number, 1, due);
            self.connections[number].flush()?;
        }
    }

    fn wait(&self, nap: Duration, events: &mut Vec<epoll::Event>) -> Result {
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(nap.subsec_nanos()),
        };
        events.clear();
        let buffer = rustix::buffer::spare_capacity(events);
        match epoll::wait(&self.epoll, buffer, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn handle(&mut self, now: u64, events: &[epoll::Event], buffer: &mut [u8]) -> Result {
        let mut arrived = Arrived::default();
        for event in events {
            let number = usize::try_from(event.data.u64())?;
            self.connections[number].receive(&mut self.reader, buffer, &mut arrived)?;
            let count = arrived.times.len();
            for time in arrived.times.drain(..) {
                self.outcome
                    .latency
                    .saturating_record(now.saturating_sub(time));
                self.outcome.answers += 1;
                self.last = now;
            }
            match self.load.pace {
                Pace::Closed { .. } => self.write(number, count, now),
                Pace::Open { .. } => self.free.extend((0..count).map(|_| number)),
            }
            self.connections[number].flush()?;
        }
        self.outcome.failed += arrived.failed;
        if self.outcome.failure.is_none() {
            self.outcome.failure = arrived.failure;
        }
        Ok(())
    }

    /// Counts the requests whose moment came before the end, with the time that they have waited.
    fn add_unanswered(&self, outcome: &mut Outcome, now: u64, per_second: f64, begin: u64) {
        let on_their_way = self.connections.iter().flat_map(|it| &it.waiting).copied();
        let not_sent = (self.written..)
            .map(|number| moment(number, per_second))
            .take_while(|due| *due <= now);
        for time in on_their_way.chain(not_sent).filter(|due| *due >= begin) {
            outcome.latency.saturating_record(now.saturating_sub(time));
            outcome.unanswered += 1;
        }
    }
}

/// Returns the intended moment of a request of an open loop.
fn moment(number: u64, per_second: f64) -> u64 {
    (number as f64 * 1e9 / per_second) as u64
}

fn choose<'a>(mix: &'a [(u32, Template)], filler: &mut Filler) -> &'a Template {
    let mut percent = if mix.len() > 1 { filler.percent() } else { 0 };
    for (share, template) in mix {
        if percent < *share {
            return template;
        }
        percent -= share;
    }
    &mix[0].1
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that answers each line, after the delay of its number on the connection.
    fn serve(connections: usize, delay: fn(usize) -> Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for socket in listener.incoming().take(connections) {
                let mut socket = socket.unwrap();
                let lines = BufReader::new(socket.try_clone().unwrap()).lines();
                thread::spawn(move || {
                    for (number, line) in lines.map_while(|line| line.ok()).enumerate() {
                        thread::sleep(delay(number));
                        let answer: &[u8] = match line.as_str() {
                            "bad" => b"-ERR no\r\n",
                            _ => b"+OK\r\n",
                        };
                        // The generator may have gone.
                        let _ = socket.write_all(answer);
                    }
                });
            }
        });
        address
    }

    fn load(address: SocketAddr, text: &str, pace: Pace, end: End) -> Load {
        Load {
            address,
            protocol: Protocol::Resp,
            connections: 2,
            pace,
            end,
            mix: vec![(100, Template::parse(text, 0).unwrap())],
            keys: 1,
            namespaces: 1,
            first: None,
            seed: 1,
        }
    }

    fn no_meter() -> Result<Cpu> {
        Ok(Cpu::default())
    }

    #[test]
    fn a_number_of_answers_ends_a_run() {
        let address = serve(2, |_| Duration::ZERO);
        let load = load(
            address,
            "a\r\n",
            Pace::Closed { depth: 3 },
            End::Answers(50),
        );
        let outcome = run(&load, &mut no_meter).unwrap().checked().unwrap();
        assert_eq!((outcome.answers, outcome.latency.len()), (50, 50));
    }

    #[test]
    fn an_open_loop_counts_from_the_intended_moment() {
        // One answer takes 300 ms, in which 60 moments pass.
        let address = serve(2, |number| {
            Duration::from_millis(if number == 10 { 300 } else { 0 })
        });
        let end = End::After {
            warm: Duration::ZERO,
            measured: Duration::from_millis(1_000),
        };
        let load = load(address, "a\r\n", Pace::Open { per_second: 200.0 }, end);
        let outcome = run(&load, &mut no_meter).unwrap().checked().unwrap();
        let all = (outcome.answers + outcome.unanswered) as f64;
        let moments = outcome.elapsed.as_secs_f64() * 200.0;
        assert!((all - moments).abs() < 2.0, "{all} of {moments}");
        assert!(outcome.quantile_us(1.0) >= 300_000.0);
        // Both connections stall, each once; a closed loop would have seen only two slow answers.
        assert!(outcome.quantile_us(0.9) >= 50_000.0);
    }

    #[test]
    fn failures_are_errors() {
        let address = serve(2, |_| Duration::ZERO);
        let load = load(
            address,
            "bad\r\n",
            Pace::Closed { depth: 1 },
            End::Answers(4),
        );
        let outcome = run(&load, &mut no_meter).unwrap();
        assert_eq!(outcome.failed, 4);
        let error = outcome.checked().map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("-ERR no"), "{error}");
    }

    #[test]
    fn shares_choose_templates() {
        let template = |text: &str| Template::parse(text, 0).unwrap();
        let mix = [(90, template("a")), (10, template("bb"))];
        let mut filler = Filler::new(1, 1, None, 3);
        let long = (0..1_000).filter(|_| choose(&mix, &mut filler).len() == 2);
        assert!((60..140).contains(&long.count()));
    }
}
