//! Reads with and without the read cache.
//!
//! Two servers of the same build with the same data. All keys fit into memory, so this shows the cost of the engine,
//! not of the disk.

use std::path::Path;

use super::figures::{head, pair, row};
use super::server::Server;
use super::wrk::{Load, Request};
use super::{KEYS, VALUE_BYTES};
use crate::shell::Result;

const CONNECTIONS: &[usize] = &[1, 64];
const SECONDS: u64 = 4;
/// Seconds of warm-up of each server at each number of connections.
const WARM: u64 = 1;
/// Durability that fills the servers fast: reads do not depend on it.
const FILL_FAST: (&str, &str) = ("AKVS_ENGINE__DURABILITY", "interval");
const CACHE: &[(&str, &str)] = &[FILL_FAST];
const NO_CACHE: &[(&str, &str)] = &[FILL_FAST, ("AKVS_ENGINE__CACHE_BYTES", "0")];

/// Measures and prints the table.
pub(super) fn reads(binary: &Path, folder: &Path) -> Result {
    let cached = filled("with the cache", binary, &folder.join("cached"), CACHE)?;
    let bare = filled("without", binary, &folder.join("bare"), NO_CACHE)?;
    let load = Load::new(Request::Get, folder)?;
    println!("GET over {KEYS} keys of {VALUE_BYTES} B\n");
    println!("{}", head("cached", "not"));
    for &connections in CONNECTIONS {
        load.run(&cached, connections, WARM)?;
        load.run(&bare, connections, WARM)?;
        let (with, without) = pair(
            &format!("{connections} connections, with the cache and without"),
            || load.run(&cached, connections, SECONDS),
            || load.run(&bare, connections, SECONDS),
        )?;
        println!("{}", row(connections, with, without));
    }
    Ok(())
}

/// Starts a server and stores all keys; prints its memory.
fn filled(title: &str, binary: &Path, data: &Path, settings: &[(&str, &str)]) -> Result<Server> {
    let server = Server::start(binary, data, settings)?;
    let fresh = server.process.resident_mb()?;
    server.fill()?;
    println!(
        "resident {title}: {fresh} MB when fresh, {} MB with {KEYS} keys",
        server.process.resident_mb()?
    );
    Ok(server)
}
