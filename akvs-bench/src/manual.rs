//! `akvs-bench load`: one load for a server that runs already, for experiments.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};

use crate::load::{self, Cpu, End, Load, Pace};
use crate::peers::{Kind, Request};
use crate::result::Result;

/// Arguments of `akvs-bench load`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The server's address and port
    address: SocketAddr,
    /// The requests
    #[arg(value_enum, default_value_t = What::Get)]
    request: What,
    /// Speak the protocol of Redis
    #[arg(long)]
    redis: bool,
    /// The number of connections
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// The requests without an answer on each connection
    #[arg(long, default_value_t = 1)]
    depth: usize,
    /// Send this number of requests in a second, whatever the answers do
    #[arg(long)]
    rate: Option<f64>,
    /// The measured time
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// The number of keys
    #[arg(long, default_value_t = 10_000)]
    keys: u64,
    /// The length of values in bytes
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,
    /// Write each key once before
    #[arg(long)]
    fill: bool,
    /// The server's process, for its CPU time
    #[arg(long)]
    pid: Option<i32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    Get,
    Set,
    /// Nine of ten are GET
    Mixed,
    List,
    Transaction,
}

/// Sends the load and prints its figures.
pub(crate) fn load(args: &Args) -> Result {
    let kind = match args.redis {
        true => Kind::RedisOff,
        false => Kind::AkvsFsync,
    };
    let set = Request::Set(args.value_bytes);
    let mix = match args.request {
        What::Get => vec![(100, Request::Get)],
        What::Set => vec![(100, set)],
        What::Mixed => vec![(90, Request::Get), (10, set)],
        What::List => vec![(100, Request::List(100))],
        What::Transaction => vec![(100, Request::Transaction(10))],
    };
    if args.fill {
        let mut load = of(args, kind, &[(100, set)])?;
        load.end = End::Answers(args.keys);
        load.first = Some(0);
        load.pace = Pace::Closed { depth: 1 };
        load::run(&load, &mut || Ok(Cpu::default()))?.checked()?;
    }
    let load = of(args, kind, &mix)?;
    let outcome = load::run(&load, &mut || meter(args.pid))?.checked()?;
    println!("requests/s            {:.0}", outcome.rate());
    for (name, quantile) in [("50", 0.5), ("99", 0.99), ("99.9", 0.999), ("100", 1.0)] {
        println!(
            "latency, {name:>4} %       {:.0} µs",
            outcome.quantile_us(quantile)
        );
    }
    if outcome.unanswered > 0 {
        println!("without an answer     {}", outcome.unanswered);
    }
    let client = outcome.each_us(outcome.client);
    println!("CPU of the generator  {client:.2} µs a request");
    if args.pid.is_some() {
        let (user, all) = (outcome.server.user, outcome.server.total());
        let (user, all) = (outcome.each_us(user), outcome.each_us(all));
        println!("CPU of the server     {all:.2} µs a request, {user:.2} in user space");
    }
    Ok(())
}

fn of(args: &Args, kind: Kind, mix: &[(u32, Request)]) -> Result<Load> {
    let mut templates = Vec::new();
    for (share, request) in mix {
        let template = request.template(kind)?;
        templates.push((*share, template.ok_or("the server has no such request")?));
    }
    Ok(Load {
        address: args.address,
        protocol: kind.protocol(),
        connections: args.connections,
        pace: match args.rate {
            Some(per_second) => Pace::Open { per_second },
            None => Pace::Closed { depth: args.depth },
        },
        end: End::After {
            warm: Duration::from_millis(300),
            measured: Duration::from_secs_f64(args.seconds),
        },
        mix: templates,
        keys: args.keys,
        namespaces: 1,
        first: None,
        seed: 1,
    })
}

fn meter(pid: Option<i32>) -> Result<Cpu> {
    let Some(pid) = pid else {
        return Ok(Cpu::default());
    };
    let stat = procfs::process::Process::new(pid)?.stat()?;
    let time =
        |ticks: u64| Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64);
    Ok(Cpu {
        user: time(stat.utime),
        system: time(stat.stime),
    })
}
