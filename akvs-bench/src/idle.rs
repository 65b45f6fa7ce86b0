//! Idle connections: the memory that each takes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cpu;
use crate::peers::Akvs;
use crate::result::Result;

const CONNECTIONS: u64 = 5_000;
const SETTING: (&str, &str) = ("AKVS_LIMITS__MAX_CONNECTIONS", "12000");

/// Returns the bytes of memory of an idle connection that has had one request.
pub(crate) fn idle(program: &Path, folder: &Path) -> Result<f64> {
    allow_many_files()?;
    let server = Akvs::start(program, &folder.join("idle"), &[SETTING], &cpu::allowed()?)?;
    let before = server.process.held()?.memory_kib;
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut socket = TcpStream::connect(server.address)?;
        socket.write_all(b"GET /kv/bench/k HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")?;
        let mut answer = [0; 1_024];
        if socket.read(&mut answer)? == 0 {
            return Err("the server closed a connection".into());
        }
        open.push(socket);
    }
    let after = server.process.held()?.memory_kib;
    Ok(after.saturating_sub(before) as f64 * 1024.0 / CONNECTIONS as f64)
}

/// Each connection takes a file descriptor, of this process and of the servers that it starts.
pub(crate) fn allow_many_files() -> Result {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}
