//! Import and export: one stream each, as fast as the server takes or gives it.
//!
//! It owns a minimal HTTP client for streams. The lines are written while they are sent, at a fraction of what the
//! server's side costs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::clock;
use crate::load::{Filler, Template};
use crate::peers::VALUE_BYTES;
use crate::result::Result;

/// The bytes of a chunk that is sent.
const CHUNK_BYTES: usize = 256 << 10;
/// The maximum time without any byte.
const PATIENCE: Duration = Duration::from_secs(60);
/// The bytes of an answer that an error shows.
const SHOWN: usize = 300;
const FIRST: &str = r#"{"akvs":1,"namespace":"bench","revision":1,"created":"2026-01-01T00:00:00.000Z","settings":{}}"#;
const LINE: &str = r#"{"key":"k{{key}}","value":"{{value}}","revision":1,"created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z"}"#;

/// Imports the keys from `first` to before `end`; returns how long it took.
pub(crate) fn import(address: SocketAddr, first: u64, end: u64) -> Result<Duration> {
    let mut socket = connect(address)?;
    let line = Template::parse(&format!("{LINE}\n"), VALUE_BYTES)?;
    let mut filler = Filler::new(end, 1, Some(first), first);
    let mut hash = Sha256::new();
    let start = clock::now();
    socket.write_all(
        b"POST /import/bench HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
    )?;
    let mut lines = format!("{FIRST}\n").into_bytes();
    for _ in first..end {
        filler.write(&line, &mut lines);
        if lines.len() >= CHUNK_BYTES {
            hash.update(&lines);
            send(&mut socket, &lines)?;
            lines.clear();
        }
    }
    hash.update(&lines);
    let sum: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let count = end - first;
    writeln!(lines, r#"{{"end":true,"count":{count},"sha256":"{sum}"}}"#)?;
    send(&mut socket, &lines)?;
    socket.write_all(b"0\r\n\r\n")?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    let took = start.elapsed();
    let text = String::from_utf8_lossy(&answer);
    match text.contains(&format!(r#""imported":{count},"#)) {
        true => Ok(took),
        false => Err(format!("an import failed: {}", shown(&text)).into()),
    }
}

/// Exports the namespace; returns how long it took and how many bytes came.
pub(crate) fn export(address: SocketAddr) -> Result<(Duration, u64)> {
    let mut socket = connect(address)?;
    let start = clock::now();
    socket
        .write_all(b"GET /export/bench HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut buffer = vec![0; CHUNK_BYTES];
    let (mut bytes, mut tail) = (0, Vec::new());
    loop {
        let length = socket.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        bytes += length as u64;
        tail.extend_from_slice(&buffer[length.saturating_sub(SHOWN)..length]);
        tail.drain(..tail.len().saturating_sub(SHOWN));
    }
    let text = String::from_utf8_lossy(&tail);
    match text.contains(r#""end":true"#) {
        true => Ok((start.elapsed(), bytes)),
        false => Err(format!("an export ended early: {}", shown(&text)).into()),
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn send(socket: &mut TcpStream, chunk: &[u8]) -> Result {
    write!(socket, "{:x}\r\n", chunk.len())?;
    socket.write_all(chunk)?;
    Ok(socket.write_all(b"\r\n")?)
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
