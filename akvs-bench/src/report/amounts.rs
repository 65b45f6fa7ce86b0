//! Tables of what grows, and of amounts that are no comparison.

use std::fmt::Write;

use super::goals::number;
use super::lines::short;
use super::tables::{thousands, time};
use crate::results::{Curve, Results};

/// Returns the tables of what was measured.
pub(super) fn amounts(results: &Results) -> String {
    let mut text = String::new();
    for (title, axis, name) in [
        ("More keys", "keys", "keys"),
        ("10,000 keys in more namespaces", "namespaces", "namespaces"),
    ] {
        if let Some(curves) = results.curves.get(name) {
            // Writing to a string cannot fail.
            let _ = write!(text, "### {title}\n\n{}\n", growth(axis, curves));
        }
    }
    let rows = [tail(results), streams(results), watchers(results)].concat();
    if !rows.is_empty() {
        text.push_str("### Other figures\n\n| | |\n| --- | --- |\n");
        for (what, figure) in rows {
            let _ = writeln!(text, "| {what} | {figure} |");
        }
    }
    text
}

fn growth(axis: &str, curves: &[Curve]) -> String {
    let names: Vec<&str> = curves.iter().map(|curve| curve.name.as_str()).collect();
    let mut text = format!(
        "| {axis} | {} |\n| --- |{}\n",
        names.join(" | "),
        " --- |".repeat(names.len())
    );
    let first = curves.first().map_or(&[][..], |curve| &curve.points);
    for (number, (x, _)) in first.iter().enumerate() {
        let cells = curves.iter().map(|curve| {
            let value = curve.points.get(number).map(|point| point.1);
            value.map_or_else(|| "–".to_owned(), thousands)
        });
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(text, "| {} | {} |", short(*x), cells.join(" | "));
    }
    text
}

type Rows = Vec<(String, String)>;

fn tail(results: &Results) -> Rows {
    let mut rows = Rows::new();
    for connections in [64, 512] {
        let of = |name: &str| {
            let name = format!("tail-{connections}-{name}");
            results.figures.get(&name).copied()
        };
        let (Some(p50), Some(p99), Some(p999)) = (of("p50"), of("p99"), of("p999")) else {
            continue;
        };
        let (Some(max), Some(probe)) = (of("max"), of("probe-max")) else {
            continue;
        };
        rows.push((
            format!(
                "durable POST over a minute, {connections} connections: p50, p99, p99.9, longest"
            ),
            format!(
                "{}, {}, {}, {}; the longest sync of another file on the disk meanwhile took {}",
                time(p50),
                time(p99),
                time(p999),
                time(max),
                time(probe)
            ),
        ));
    }
    rows
}

fn streams(results: &Results) -> Rows {
    let mut rows = Rows::new();
    for (name, what) in [
        ("import-rate", "import of 900,000 keys of 100 bytes"),
        ("export-rate", "export of 1,000,000 keys of 100 bytes"),
    ] {
        if let Some(rate) = results.figures.get(name) {
            rows.push((what.to_owned(), format!("{} keys/s", thousands(*rate))));
        }
    }
    let of = |name: &str| results.figures.get(name).copied();
    if let (Some(keys), Some(rate), Some(p99), Some(server)) = (
        of("uncached-keys"),
        of("uncached-rate"),
        of("uncached-p99"),
        of("uncached-server"),
    ) {
        rows.push((
            format!(
                "GET of {} keys with a cache for a tenth of them, 64",
                short(keys)
            ),
            format!(
                "{} requests/s, p99 {}, {} µs of the server's CPU",
                thousands(rate),
                time(p99),
                number(server)
            ),
        ));
    }
    rows
}

fn watchers(results: &Results) -> Rows {
    let of = |name: &str| results.figures.get(name).copied();
    let (Some(answered), Some(all), Some(each)) =
        (of("watch-answered"), of("watch-all"), of("watch-each"))
    else {
        return Rows::new();
    };
    vec![(
        "a change that 1,000 watchers receive".to_owned(),
        format!(
            "answered after {}, received by all after {}, {} µs of the server's CPU for each",
            time(answered),
            time(all),
            number(each)
        ),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growth_has_a_line_for_each_size() {
        let curve = |name: &str, points: &[(f64, f64)]| Curve {
            name: name.to_owned(),
            points: points.to_vec(),
        };
        let curves = [
            curve("GET/s", &[(10_000.0, 93_000.0), (1e6, 90_000.0)]),
            curve("start, ms", &[(10_000.0, 20.0)]),
        ];
        let expected = "\
| keys | GET/s | start, ms |
| --- | --- | --- |
| 10 k | 93,000 | 20 |
| 1 M | 90,000 | – |
";
        assert_eq!(growth("keys", &curves), expected);
    }
}
