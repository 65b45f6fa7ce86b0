//! The goals, and how far they are reached.

use std::fmt::Write;

use crate::peers::Kind;
use crate::results::{Results, Spread};

/// A figure with a bound.
struct Goal {
    what: &'static str,
    bound: Bound,
    unit: &'static str,
    reached: Option<Spread>,
    /// What the figure depends on besides.
    remark: String,
}

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// Returns the table of goals; what was not measured has a dash.
pub(crate) fn goals(results: &Results) -> String {
    let mut text = "| goal | bound | reached | |\n| --- | --- | --- | --- |\n".to_owned();
    for goal in all(results) {
        let (sign, bound) = match goal.bound {
            Bound::AtLeast(bound) => ("≥", bound),
            Bound::AtMost(bound) => ("≤", bound),
        };
        let unit = goal.unit;
        let (reached, verdict) = match goal.reached {
            Some(spread) => (format!("{}{unit}", spread_of(spread)), goal.verdict(spread)),
            None => ("–".to_owned(), "not measured"),
        };
        let what = goal.what;
        let remark = match goal.remark.as_str() {
            "" => String::new(),
            remark => format!("; {remark}"),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {what} | {sign} {}{unit} | {reached} | {verdict}{remark} |",
            number(bound)
        );
    }
    text
}

impl Goal {
    fn verdict(&self, reached: Spread) -> &'static str {
        let is_met = match self.bound {
            Bound::AtLeast(bound) => reached.median >= bound,
            Bound::AtMost(bound) => reached.median <= bound,
        };
        if is_met { "met" } else { "**missed**" }
    }
}

fn all(results: &Results) -> Vec<Goal> {
    let mut goals = ratios(results);
    goals.extend(tails(results));
    goals.extend(sizes(results));
    goals
}

/// Rates in relation to other servers: what, the lowest ratio, the case, and the two servers.
const RATIOS: &[(&str, f64, &str, Kind, Kind)] = &[
    (
        "durable POST, 64 connections, to Redis with AOF always",
        0.75,
        "post-fsync-64",
        Kind::AkvsFsync,
        Kind::RedisAlways,
    ),
    (
        "the same on both cores",
        1.0,
        "shared-post-fsync-64",
        Kind::AkvsFsync,
        Kind::RedisAlways,
    ),
    (
        "the same, 512 connections",
        0.6,
        "post-fsync-512",
        Kind::AkvsFsync,
        Kind::RedisAlways,
    ),
    (
        "the same, 1 connection",
        0.95,
        "post-fsync-1",
        Kind::AkvsFsync,
        Kind::RedisAlways,
    ),
    (
        "POST, memory engine, 64, to Redis without AOF",
        0.5,
        "post-memory-64",
        Kind::AkvsMemory,
        Kind::RedisOff,
    ),
    (
        "GET, 64 connections, to bare actix-web",
        0.85,
        "get-64",
        Kind::AkvsFsync,
        Kind::Actix,
    ),
    (
        "GET, pipelines of 16, to bare actix-web",
        0.65,
        "get-64-p16",
        Kind::AkvsFsync,
        Kind::Actix,
    ),
];

fn ratios(results: &Results) -> Vec<Goal> {
    let ratios = RATIOS.iter().map(|&(what, bound, case, one, other)| Goal {
        what,
        bound: Bound::AtLeast(bound),
        unit: " ×",
        reached: results.ratio(case, one.name(), other.name()),
        remark: String::new(),
    });
    let user = results.samples("post-fsync-64", Kind::AkvsFsync.name());
    let user = user.and_then(|samples| Spread::of(samples.iter().map(|it| it.server_user)));
    let user = Goal {
        what: "CPU of a durable POST in user space, 64 connections",
        bound: Bound::AtMost(10.0),
        unit: " µs",
        reached: user,
        remark: String::new(),
    };
    ratios.chain([user]).collect()
}

/// The tail of durable writes.
fn tails(results: &Results) -> Vec<Goal> {
    let figure = |name: &str| results.figures.get(name).copied();
    let mut goals = Vec::new();
    for (connections, relation, worst) in [
        (
            64,
            "p99 to p50 of durable POST over a minute, 64",
            "longest durable POST in that minute, 64",
        ),
        (512, "the same, 512", "the same, 512"),
    ] {
        let of = |name: &str| figure(&format!("tail-{connections}-{name}"));
        let quotient = of("p99").zip(of("p50")).map(|(p99, p50)| p99 / p50);
        let probe = of("probe-max")
            .map(|us| format!("the longest sync of the disk took {:.0} ms", us / 1e3));
        goals.push(single(relation, Bound::AtMost(3.0), " ×", quotient));
        let mut longest = single(
            worst,
            Bound::AtMost(50.0),
            " ms",
            of("max").map(|us| us / 1e3),
        );
        longest.remark = probe.unwrap_or_default();
        goals.push(longest);
    }
    goals
}

/// Amounts and sizes.
fn sizes(results: &Results) -> Vec<Goal> {
    use Bound::{AtLeast, AtMost};
    let figure = |what, bound, unit, name: &str| {
        single(what, bound, unit, results.figures.get(name).copied())
    };
    let thousand = |what, bound, name: &str| {
        let value = results.figures.get(name).map(|rate| rate / 1e3);
        single(what, AtLeast(bound), " k/s", value)
    };
    let idle = results
        .figures
        .get("idle-connection")
        .map(|bytes| bytes / 1024.0);
    vec![
        thousand("import", 200.0, "import-rate"),
        thousand("export", 600.0, "export-rate"),
        figure(
            "bytes to disk for a put, 1 connection",
            AtMost(4_800.0),
            " B",
            "disk-bytes-1",
        ),
        figure(
            "the same, 64, 10⁴ keys",
            AtMost(620.0),
            " B",
            "disk-bytes-64",
        ),
        figure(
            "the same, 64, 10⁶ keys",
            AtMost(850.0),
            " B",
            "disk-bytes-64-large",
        ),
        figure(
            "durable POST, 64, 10⁶ keys, to 10⁴ keys",
            AtLeast(0.9),
            " ×",
            "post-ratio-1000000",
        ),
        figure(
            "the same, 8 × 10⁶ keys",
            AtLeast(0.8),
            " ×",
            "post-ratio-8000000",
        ),
        figure(
            "start after kill -9, 10⁶ keys",
            AtMost(0.6),
            " s",
            "start-s",
        ),
        figure(
            "memory of an entry of 100 bytes",
            AtMost(350.0),
            " B",
            "memory-entry",
        ),
        single("memory of an idle connection", AtMost(12.0), " KiB", idle),
    ]
}

fn single(what: &'static str, bound: Bound, unit: &'static str, value: Option<f64>) -> Goal {
    Goal {
        what,
        bound,
        unit,
        reached: value.and_then(|value| Spread::of([value].into_iter())),
        remark: String::new(),
    }
}

fn spread_of(spread: Spread) -> String {
    let Spread { median, low, high } = spread;
    match low == high {
        true => number(median),
        false => format!("{} ({} to {})", number(median), number(low), number(high)),
    }
}

/// Returns a number with three digits that count.
pub(super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_missed_or_not_measured() {
        let mut results = Results::default();
        results.figures.insert("import-rate".to_owned(), 250_000.0);
        results.figures.insert("start-s".to_owned(), 1.8);
        let table = goals(&results);
        let line = |what: &str| table.lines().find(|line| line.contains(what)).unwrap();
        assert_eq!(line("| import |"), "| import | ≥ 200 k/s | 250 k/s | met |");
        assert!(line("| start").ends_with("| ≤ 0.60 s | 1.80 s | **missed** |"));
        assert!(line("| export").ends_with("| – | not measured |"));
    }
}
