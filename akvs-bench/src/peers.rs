//! The servers that are compared: how each is started, and which of its requests does the same.
//!
//! All listen on a free port of the loopback, have their files in the folder that they are given, and end with their
//! value. Settings are defaults except where a comparison would be unfair or run into a limit.

mod akvs;
mod requests;
mod start;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::thread::CpuSet;

pub(crate) use self::akvs::{Akvs, command, port_in};
pub(crate) use self::requests::{Request, VALUE_BYTES};
use crate::load::Protocol;
use crate::process::Process;
use crate::result::Result;

/// A kind of server, with its durability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    AkvsFsync,
    AkvsInterval,
    AkvsMemory,
    Actix,
    Nginx,
    RedisAlways,
    RedisEverySecond,
    RedisOff,
    Webdis,
    Etcd,
}

impl Kind {
    /// Returns its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::AkvsFsync => "AKVS",
            Kind::AkvsInterval => "AKVS, interval",
            Kind::AkvsMemory => "AKVS, memory engine",
            Kind::Actix => "bare actix-web",
            Kind::Nginx => "nginx",
            Kind::RedisAlways => "Redis, AOF always",
            Kind::RedisEverySecond => "Redis, AOF everysec",
            Kind::RedisOff => "Redis, no AOF",
            Kind::Webdis => "webdis",
            Kind::Etcd => "etcd",
        }
    }

    /// Returns the protocol of its clients.
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Kind::RedisAlways | Kind::RedisEverySecond | Kind::RedisOff => Protocol::Resp,
            Kind::AkvsFsync
            | Kind::AkvsInterval
            | Kind::AkvsMemory
            | Kind::Actix
            | Kind::Nginx
            | Kind::Webdis
            | Kind::Etcd => Protocol::Http,
        }
    }

    /// Returns the program of a Debian package that it needs, and the package.
    pub(crate) fn program(self) -> Option<(&'static str, &'static str)> {
        match self {
            Kind::AkvsFsync | Kind::AkvsInterval | Kind::AkvsMemory | Kind::Actix => None,
            Kind::Nginx => Some(("nginx", "nginx-light")),
            Kind::RedisAlways | Kind::RedisEverySecond | Kind::RedisOff => {
                Some(("redis-server", "redis-server"))
            }
            Kind::Webdis => Some(("webdis", "webdis")),
            Kind::Etcd => Some(("etcd", "etcd-server")),
        }
    }
}

/// A running server.
pub(crate) struct Peer {
    pub(crate) kind: Kind,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// A server behind it, whose CPU time counts too.
    pub(crate) behind: Option<Process>,
}

impl Peer {
    /// Starts a server on these cores with its files in a new folder below this one.
    pub(crate) fn start(kind: Kind, akvs: &Path, below: &Path, cores: &CpuSet) -> Result<Peer> {
        let folder = tempfile::Builder::new().prefix("peer").tempdir_in(below)?;
        // Removed with all folders at the end of the program.
        let folder = folder.keep();
        start::start(kind, akvs, &folder, cores)
            .map_err(|error| format!("{}: {error}", kind.name()).into())
    }

    /// Returns the CPU time of all of its processes.
    pub(crate) fn cpu(&self) -> Result<crate::load::Cpu> {
        let mut cpu = self.process.cpu()?;
        if let Some(behind) = &self.behind {
            let more = behind.cpu()?;
            cpu.user += more.user;
            cpu.system += more.system;
        }
        Ok(cpu)
    }
}

/// Returns whether a program can be found, also where only administrators look.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
