//! The cases of the comparison, as a table.

use crate::peers::{Kind, Request, VALUE_BYTES};

/// The cores of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cores {
    /// The server on one, the generator on another.
    Pinned,
    /// Both on all.
    Shared,
}

/// How requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Style {
    /// As fast as answers come, with this number of requests without an answer on each connection.
    Closed { depth: usize },
    /// At this share of what the slowest server of another case reached, for the latency.
    Open { share: f64, of: &'static str },
}

/// A case: the same load for several servers.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) cores: Cores,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) connections: usize,
    pub(crate) style: Style,
    /// Requests with their shares in percent.
    pub(crate) mix: Vec<(u32, Request)>,
    /// The number of keys.
    pub(crate) keys: u64,
}

/// Keys of most cases: they fit into every cache.
pub(crate) const KEYS: u64 = 10_000;
const CONNECTIONS: [usize; 5] = [1, 16, 64, 256, 512];
const SET: Request = Request::Set(VALUE_BYTES);
const MIB: usize = 1 << 20;

/// Returns all cases, in the order in which they are measured.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(gets());
    cases.extend(sets());
    cases.extend(others());
    cases.extend(shared());
    cases
}

fn case(id: &str, title: &str, kinds: &[Kind], connections: usize, request: Request) -> Case {
    Case {
        id: id.to_owned(),
        title: title.to_owned(),
        cores: Cores::Pinned,
        kinds: kinds.to_vec(),
        connections,
        style: Style::Closed { depth: 1 },
        mix: vec![(100, request)],
        keys: KEYS,
    }
}

fn gets() -> Vec<Case> {
    use Kind::{Actix, AkvsFsync, Etcd, Nginx, RedisOff, Webdis};
    let all = [AkvsFsync, Actix, Nginx, RedisOff, Webdis, Etcd];
    let fast = [AkvsFsync, Actix, Nginx, RedisOff];
    let mut piped = case(
        "get-64-p16",
        "GET, 64, pipelines of 16",
        &fast,
        64,
        Request::Get,
    );
    piped.style = Style::Closed { depth: 16 };
    let mut open = case(
        "get-64-open",
        "GET, 64, at a fixed rate",
        &fast,
        64,
        Request::Get,
    );
    open.style = Style::Open {
        share: 0.5,
        of: "get-64",
    };
    vec![
        case("get-1", "GET, 1 connection", &fast, 1, Request::Get),
        case("get-64", "GET, 64", &all, 64, Request::Get),
        case("get-512", "GET, 512", &fast, 512, Request::Get),
        piped,
        open,
    ]
}

fn sets() -> Vec<Case> {
    use Kind::{
        Actix, AkvsFsync, AkvsInterval, AkvsMemory, Etcd, RedisAlways, RedisEverySecond, RedisOff,
        Webdis,
    };
    let mut cases = Vec::new();
    for connections in CONNECTIONS {
        let durable: &[Kind] = match connections {
            64 => &[AkvsFsync, RedisAlways, Etcd],
            _ => &[AkvsFsync, RedisAlways],
        };
        let memory: &[Kind] = match connections {
            64 => &[AkvsMemory, RedisOff, Actix, Webdis],
            1 | 512 => &[AkvsMemory, RedisOff, Actix],
            _ => &[AkvsMemory, RedisOff],
        };
        for (name, title, kinds) in [
            ("fsync", "durable POST", durable),
            (
                "interval",
                "POST, interval",
                &[AkvsInterval, RedisEverySecond],
            ),
            ("memory", "POST, memory engine", memory),
        ] {
            let unit = if connections == 1 { " connection" } else { "" };
            cases.push(case(
                &format!("post-{name}-{connections}"),
                &format!("{title}, {connections}{unit}"),
                kinds,
                connections,
                SET,
            ));
        }
    }
    let kinds = [AkvsMemory, RedisOff, Actix];
    let title = "POST, memory engine, 64, pipelines of 16";
    let mut piped = case("post-memory-64-p16", title, &kinds, 64, SET);
    piped.style = Style::Closed { depth: 16 };
    cases.push(piped);
    let kinds = [AkvsFsync, RedisAlways];
    let title = "durable POST, 64, at a fixed rate";
    let mut open = case("post-fsync-64-open", title, &kinds, 64, SET);
    open.style = Style::Open {
        share: 0.5,
        of: "post-fsync-64",
    };
    cases.push(open);
    cases
}

fn others() -> Vec<Case> {
    use Kind::{
        AkvsFsync, AkvsInterval, AkvsMemory, Etcd, RedisAlways, RedisEverySecond, RedisOff,
    };
    let durable = [AkvsFsync, RedisAlways];
    let mut mixed = case(
        "mixed-64",
        "90 % GET, 10 % durable POST, 64",
        &durable,
        64,
        SET,
    );
    mixed.mix = vec![(90, Request::Get), (10, SET)];
    let interval = [AkvsInterval, RedisEverySecond];
    let mut write = case(
        "value-1m-post",
        "POST of 1 MiB, interval, 8",
        &interval,
        8,
        SET,
    );
    write.mix = vec![(100, Request::Set(MIB))];
    write.keys = 32;
    let kinds = [AkvsInterval, RedisEverySecond];
    let mut read = case("value-1m-get", "GET of 1 MiB, 8", &kinds, 8, Request::Get);
    read.keys = 32;
    vec![
        mixed,
        case(
            "list-100",
            "list of 100 with values, 16",
            &[AkvsFsync, Etcd],
            16,
            Request::List(100),
        ),
        case(
            "get-many-100",
            "100 keys at once, 16",
            &[AkvsMemory, RedisOff],
            16,
            Request::GetMany(100),
        ),
        case(
            "txn-10",
            "durable transaction of 10, 64",
            &[AkvsFsync, RedisAlways, Etcd],
            64,
            Request::Transaction(10),
        ),
        write,
        read,
    ]
}

fn shared() -> Vec<Case> {
    use Kind::{Actix, AkvsFsync, AkvsMemory, Nginx, RedisAlways, RedisOff};
    let durable: &[Kind] = &[AkvsFsync, RedisAlways];
    let mut cases = vec![
        case(
            "shared-get-64",
            "GET, 64",
            &[AkvsFsync, Actix, Nginx, RedisOff],
            64,
            Request::Get,
        ),
        case(
            "shared-post-fsync-1",
            "durable POST, 1 connection",
            durable,
            1,
            SET,
        ),
        case("shared-post-fsync-64", "durable POST, 64", durable, 64, SET),
        case(
            "shared-post-fsync-512",
            "durable POST, 512",
            durable,
            512,
            SET,
        ),
        case(
            "shared-post-memory-64",
            "POST, memory engine, 64",
            &[AkvsMemory, RedisOff, Actix],
            64,
            SET,
        ),
    ];
    for case in &mut cases {
        case.cores = Cores::Shared;
    }
    cases
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn cases_have_names_of_their_own_and_servers_that_know_their_requests() {
        let cases = cases();
        let ids: BTreeSet<&str> = cases.iter().map(|case| case.id.as_str()).collect();
        assert_eq!(ids.len(), cases.len());
        for case in &cases {
            assert!(case.mix.iter().map(|(share, _)| share).sum::<u32>() == 100);
            for kind in &case.kinds {
                for (_, request) in &case.mix {
                    let template = request.template(*kind).unwrap();
                    assert!(template.is_some(), "{} {kind:?}", case.id);
                }
            }
            if let Style::Open { of, .. } = case.style {
                assert!(ids.contains(of), "{of}");
            }
        }
    }
}
