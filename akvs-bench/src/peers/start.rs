//! How each server is started.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::thread::CpuSet;

use super::{Akvs, Kind, Peer, akvs, find};
use crate::process::{Process, await_line, free_address};
use crate::result::Result;

const DURABILITY: &str = "AKVS_ENGINE__DURABILITY";
const ENGINE: &str = "AKVS_ENGINE__KIND";

/// Starts a server and waits until it accepts connections.
pub(super) fn start(kind: Kind, akvs: &Path, folder: &Path, cores: &CpuSet) -> Result<Peer> {
    match kind {
        Kind::AkvsFsync => ours(kind, akvs, folder, (DURABILITY, "fsync"), cores),
        Kind::AkvsInterval => ours(kind, akvs, folder, (DURABILITY, "interval"), cores),
        Kind::AkvsMemory => ours(kind, akvs, folder, (ENGINE, "memory"), cores),
        Kind::Actix => actix(cores),
        Kind::Nginx => nginx(folder, cores),
        Kind::RedisAlways => redis(kind, folder, &["yes", "--appendfsync", "always"], cores),
        Kind::RedisEverySecond => redis(kind, folder, &["yes", "--appendfsync", "everysec"], cores),
        Kind::RedisOff => redis(kind, folder, &["no"], cores),
        Kind::Webdis => webdis(folder, cores),
        Kind::Etcd => etcd(folder, cores),
    }
}

fn ours(
    kind: Kind,
    program: &Path,
    folder: &Path,
    setting: (&str, &str),
    cores: &CpuSet,
) -> Result<Peer> {
    let Akvs { process, address } = Akvs::start(program, folder, &[setting], cores)?;
    Ok(Peer {
        kind,
        process,
        address,
        behind: None,
    })
}

fn actix(cores: &CpuSet) -> Result<Peer> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("reference").stdout(Stdio::piped());
    let mut process = Process::start(&mut command, cores)?;
    let stdout = process.0.stdout.take().ok_or("it has no stdout")?;
    let port = await_line(stdout, akvs::port_in)?;
    Ok(Peer {
        kind: Kind::Actix,
        process,
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        behind: None,
    })
}

/// Returns a server that was started and accepts connections.
fn await_peer(kind: Kind, command: &mut Command, at: SocketAddr, cores: &CpuSet) -> Result<Peer> {
    let mut process = Process::start(command.stdout(Stdio::null()), cores)?;
    process.await_port(at)?;
    Ok(Peer {
        kind,
        process,
        address: at,
        behind: None,
    })
}

fn installed(name: &str) -> Result<Command> {
    let program = find(name).ok_or_else(|| format!("{name} is not installed"))?;
    Ok(Command::new(program))
}

fn redis(kind: Kind, folder: &Path, append_only: &[&str], cores: &CpuSet) -> Result<Peer> {
    let address = free_address()?;
    let mut command = installed("redis-server")?;
    command.args(["--bind", "127.0.0.1", "--port"]);
    command.arg(address.port().to_string());
    // Rewrites of the file are left out: they fork, and would fall into some rounds only.
    command.args(["--save", "", "--auto-aof-rewrite-percentage", "0"]);
    command.args(["--tcp-backlog", "4096", "--dir"]).arg(folder);
    command.arg("--appendonly").args(append_only);
    await_peer(kind, &mut command, address, cores)
}

fn nginx(folder: &Path, cores: &CpuSet) -> Result<Peer> {
    let address = free_address()?;
    let place = folder.display();
    let value = "v".repeat(100);
    let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {place}/{name};"))
        .join("\n");
    let text = format!(
        "daemon off; master_process off; worker_processes 1; pid {place}/pid; error_log {place}/error.log;
events {{ worker_connections 4096; }}
http {{
{temp}
access_log off; keepalive_requests 1000000000; keepalive_timeout 75s; default_type application/octet-stream;
server {{ listen {address} backlog=4096; location / {{ return 200 '{value}'; }} }}
}}
"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text)?;
    let mut command = installed("nginx")?;
    command.arg("-p").arg(folder).arg("-c").arg(file);
    // It reports its default error log, which it does not use.
    command.stderr(Stdio::null());
    await_peer(Kind::Nginx, &mut command, address, cores)
}

fn webdis(folder: &Path, cores: &CpuSet) -> Result<Peer> {
    let redis = redis(Kind::RedisOff, folder, &["no"], cores)?;
    let address = free_address()?;
    let text = format!(
        r#"{{"redis_host":"127.0.0.1","redis_port":{},"http_host":"127.0.0.1","http_port":{},"threads":1,
"pool_size":10,"daemonize":false,"database":0,"acl":[],"verbosity":0,"logfile":"{}"}}"#,
        redis.address.port(),
        address.port(),
        folder.join("log").display(),
    );
    let file = folder.join("webdis.json");
    fs::write(&file, text)?;
    let mut command = installed("webdis")?;
    command.arg(file).stderr(Stdio::null());
    let mut peer = await_peer(Kind::Webdis, &mut command, address, cores)?;
    peer.behind = Some(redis.process);
    Ok(peer)
}

fn etcd(folder: &Path, cores: &CpuSet) -> Result<Peer> {
    let (client, internal) = (free_address()?, free_address()?);
    let (client_url, peer_url) = (format!("http://{client}"), format!("http://{internal}"));
    let mut command = installed("etcd")?;
    command.args(["--name", "bench", "--log-level", "error", "--data-dir"]);
    command.arg(folder.join("etcd"));
    for (flag, value) in [
        ("--listen-client-urls", &client_url),
        ("--advertise-client-urls", &client_url),
        ("--listen-peer-urls", &peer_url),
        ("--initial-advertise-peer-urls", &peer_url),
        ("--initial-cluster", &format!("bench={peer_url}")),
    ] {
        command.arg(flag).arg(value);
    }
    command.stderr(Stdio::null());
    await_peer(Kind::Etcd, &mut command, client, cores)
}
