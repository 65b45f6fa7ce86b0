//! The tables of the comparison.

use std::fmt::Write;

use super::goals::number;
use crate::compare::cases;
use crate::results::{CaseResult, Results, Row, Sample, Spread};

/// Returns one table for each group of cases, with what was measured of them.
pub(super) fn tables(results: &Results) -> String {
    let mut text = String::new();
    for (title, prefixes) in [
        ("Reads", &["get-"][..]),
        ("Durable writes", &["post-fsync", "mixed", "txn"]),
        (
            "Writes with a sync each 100 ms or each second",
            &["post-interval", "value"],
        ),
        ("Writes without a disk", &["post-memory"]),
        ("Lists", &["list"]),
        ("On both cores, not pinned", &["shared"]),
    ] {
        let cases = cases()
            .into_iter()
            .filter(|case| prefixes.iter().any(|prefix| case.id.starts_with(prefix)));
        let measured: Vec<_> = cases
            .filter_map(|case| results.cases.get(&case.id))
            .collect();
        if !measured.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(text, "### {title}\n\n{}\n", table(&measured));
        }
    }
    text
}

fn table(cases: &[&CaseResult]) -> String {
    let columns = [
        "requests/s",
        "AKVS to it",
        "p50",
        "p99",
        "p99.9",
        "CPU of the server",
        "of the generator",
    ];
    let mut text = format!(
        "| | | {} |\n| --- | --- |{}\n",
        columns.join(" | "),
        " --- |".repeat(columns.len())
    );
    for case in cases {
        let Some(first) = case.rows.first() else {
            continue;
        };
        for (number, row) in case.rows.iter().enumerate() {
            let title = if number == 0 { case.title.as_str() } else { "" };
            if let Some(cells) = cells(row, first) {
                let _ = writeln!(text, "| {title} | {} | {cells} |", row.name);
            }
        }
    }
    text
}

fn cells(row: &Row, first: &Row) -> Option<String> {
    let median = |figure: fn(&Sample) -> f64| {
        Spread::of(row.samples.iter().map(figure)).map(|spread| spread.median)
    };
    let rate = Spread::of(row.samples.iter().map(|sample| sample.rate))?;
    let ratios = first.samples.iter().zip(&row.samples);
    let ratio = Spread::of(ratios.map(|(first, other)| first.rate / other.rate))?;
    let ratio = match row.name == first.name {
        true => String::new(),
        false => number(ratio.median),
    };
    Some(format!(
        "{} ({} to {}) | {ratio} | {} | {} | {} | {} µs | {} µs",
        thousands(rate.median),
        thousands(rate.low),
        thousands(rate.high),
        time(median(|sample| sample.p50)?),
        time(median(|sample| sample.p99)?),
        time(median(|sample| sample.p999)?),
        number(median(|sample| sample.server)?),
        number(median(|sample| sample.client)?),
    ))
}

/// Returns a rate with three digits that count, and commas.
pub(super) fn thousands(rate: f64) -> String {
    let unit = 10_f64.powf((rate.max(1.0).log10().floor() - 2.0).max(0.0));
    let digits = format!("{:.0}", (rate / unit).round() * unit);
    let mut text = String::new();
    for (number, digit) in digits.chars().enumerate() {
        if number > 0 && (digits.len() - number).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn time(us: f64) -> String {
    match us < 1_000.0 {
        true => format!("{us:.0} µs"),
        false => format!("{} ms", number(us / 1e3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count() {
        assert_eq!(thousands(93_712.0), "93,700");
        assert_eq!(thousands(1_204_400.0), "1,200,000");
        assert_eq!(thousands(87.4), "87");
        assert_eq!(time(930.4), "930 µs");
        assert_eq!(time(5_712.0), "5.71 ms");
    }

    #[test]
    fn a_table_has_as_many_cells_in_each_line() {
        let sample = Sample {
            rate: 10.0,
            ..Sample::default()
        };
        let row = |name: &str| Row {
            name: name.to_owned(),
            samples: vec![sample; 3],
        };
        let case = CaseResult {
            title: "GET".to_owned(),
            rows: vec![row("AKVS"), row("other")],
        };
        let table = table(&[&case]);
        let bars: Vec<usize> = table
            .lines()
            .map(|line| line.matches('|').count())
            .collect();
        assert_eq!(bars, [10; 4]);
        assert!(
            table.contains("| other | 10 (10 to 10) | 1.00 |"),
            "{table}"
        );
    }
}
