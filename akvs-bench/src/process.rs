//! A server process: started on chosen cores, observed through `/proc`, and ended.
//!
//! It does not know what the process does. The process ends when the value is dropped.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::CpuSet;

use crate::clock;
use crate::cpu;
use crate::load::Cpu;
use crate::result::Result;

/// The maximum time until a server is ready.
const START: Duration = Duration::from_secs(120);
/// The time between two looks at a server.
const STEP: Duration = Duration::from_millis(10);
/// Below this share of a core a server is idle.
const IDLE: f64 = 0.02;
const IDLE_WINDOW: Duration = Duration::from_millis(100);
/// The maximum time to wait until a server is idle.
const SETTLE: Duration = Duration::from_secs(5);

/// A child process that ends when the value is dropped.
pub(crate) struct Process(pub(crate) Child);

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) memory_kib: u64,
    pub(crate) max_memory_kib: u64,
    pub(crate) descriptors: usize,
    /// Bytes that it has made the kernel write to disks.
    pub(crate) written: u64,
}

impl Process {
    /// Starts a command that may use only these cores.
    pub(crate) fn start(command: &mut Command, cores: &CpuSet) -> Result<Process> {
        let before = cpu::allowed()?;
        // The child inherits it: cores that it sees later would be too many.
        cpu::limit(cores)?;
        let started = command.spawn();
        cpu::limit(&before)?;
        let name = command.get_program().to_string_lossy().into_owned();
        let child = started.map_err(|error| format!("cannot start {name}: {error}"))?;
        Ok(Process(child))
    }

    /// Waits until it accepts connections.
    pub(crate) fn await_port(&mut self, address: SocketAddr) -> Result {
        let begin = clock::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.0.try_wait()? {
                return Err(format!("a server ended before it was ready: {status}").into());
            }
            if begin.elapsed() > START {
                return Err(format!("a server was not ready after {} s", START.as_secs()).into());
            }
            thread::sleep(STEP);
        }
        Ok(())
    }

    /// Waits until its background work is done, for a time at most.
    pub(crate) fn settle(&self) -> Result {
        let begin = clock::now();
        while begin.elapsed() < SETTLE {
            let before = self.cpu()?.total();
            thread::sleep(IDLE_WINDOW);
            let used = self.cpu()?.total().saturating_sub(before);
            if used.as_secs_f64() < IDLE_WINDOW.as_secs_f64() * IDLE {
                break;
            }
        }
        Ok(())
    }

    /// Returns its CPU time, with its children's.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        let main = self.proc()?;
        let mut all = vec![];
        for thread in main.tasks()? {
            // A thread may have ended.
            let children = thread.and_then(|thread| thread.children());
            all.extend(children.unwrap_or_default());
        }
        let children = all
            .into_iter()
            .filter_map(|id| procfs::process::Process::new(i32::try_from(id).ok()?).ok());
        let mut cpu = Cpu::default();
        for process in children.chain([main]) {
            let stat = process.stat()?;
            cpu.user += ticks(stat.utime);
            cpu.system += ticks(stat.stime);
        }
        Ok(cpu)
    }

    /// Returns what it holds at this moment.
    pub(crate) fn held(&self) -> Result<Held> {
        let proc = self.proc()?;
        let status = proc.status()?;
        Ok(Held {
            memory_kib: status.vmrss.unwrap_or_default(),
            max_memory_kib: status.vmhwm.unwrap_or_default(),
            descriptors: proc.fd_count()?,
            written: proc.io()?.write_bytes,
        })
    }

    /// Ends it with a signal and waits for it.
    pub(crate) fn stop(mut self) -> Result {
        kill_process(Pid::from_child(&self.0), Signal::TERM)?;
        match self.0.wait()? {
            status if status.success() => Ok(()),
            status => Err(format!("a server did not stop well: {status}").into()),
        }
    }

    fn proc(&self) -> Result<procfs::process::Process> {
        Ok(procfs::process::Process::new(i32::try_from(self.0.id())?)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The child may have ended before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ticks(count: u64) -> Duration {
    Duration::from_secs_f64(count as f64 / procfs::ticks_per_second() as f64)
}

/// Returns an address with a free port, for servers that cannot choose one by themselves.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Returns what `find` finds in the first matching line. Later lines are read and dropped, so that their writer never
/// blocks.
pub(crate) fn await_line<T: Send + 'static>(
    output: impl Read + Send + 'static,
    find: fn(&str) -> Option<T>,
) -> Result<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut seen = String::new();
        let mut lines = BufReader::new(output).lines().map_while(|line| line.ok());
        let found = lines.find_map(|line| {
            seen.push_str(&line);
            seen.push('\n');
            find(&line)
        });
        // The caller may have stopped waiting.
        let _ = sender.send(found.ok_or(seen));
        lines.for_each(drop);
    });
    match receiver.recv_timeout(START) {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(seen)) => Err(format!("a server ended before it was ready:\n{seen}").into()),
        Err(_) => Err(format!("a server was not ready after {} s", START.as_secs()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(line: &str) -> Option<u8> {
        line.strip_prefix("ready ")?.parse().ok()
    }

    #[test]
    fn the_first_matching_line_counts() {
        let output = "starting\nready 7\nready 8\n".as_bytes();
        assert_eq!(await_line(output, number).unwrap(), 7);
    }

    #[test]
    fn the_output_of_a_failed_start_is_quoted() {
        let error = await_line("no room\n".as_bytes(), number).unwrap_err();
        assert!(error.to_string().ends_with("\nno room\n"), "{error}");
    }

    #[test]
    fn a_process_ends_with_its_value() {
        let cores = cpu::allowed().unwrap();
        let process = Process::start(Command::new("sleep").arg("600"), &cores).unwrap();
        let proc = format!("/proc/{}", process.0.id());
        assert!(process.cpu().unwrap().total() < Duration::from_secs(1));
        assert!(process.held().unwrap().descriptors > 0);
        assert!(std::fs::exists(&proc).unwrap());
        drop(process);
        assert!(!std::fs::exists(&proc).unwrap());
    }
}
