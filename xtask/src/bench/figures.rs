//! Figures of a run, their medians over runs, and tables that compare two of them.
//!
//! It does not know where figures come from, and judges none.

use crate::shell::Result;

/// The number of runs of each of a pair.
const RUNS: usize = 3;

/// The figures of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figures {
    /// Answers per second.
    pub(super) rate: f64,
    /// Median latency, in ms.
    pub(super) p50_ms: f64,
    /// 99th percentile of the latency, in ms.
    pub(super) p99_ms: f64,
    /// CPU time of the server per request, in µs.
    pub(super) cpu_us: f64,
}

/// Returns the head of a table of [`row`]s.
pub(super) fn head(one: &str, other: &str) -> String {
    let pair = format!("{one} : {other} (ratio)");
    let columns = [
        "requests/s",
        "p50, ms",
        "p99, ms",
        "server CPU per request, µs",
    ];
    format!(
        "| connections | {} |\n| --- | {} |",
        columns
            .map(|column| format!("{column}: {pair}"))
            .join(" | "),
        columns.map(|_| "---").join(" | ")
    )
}

/// Returns two sets of figures as a row of a table.
pub(super) fn row(connections: usize, one: Figures, other: Figures) -> String {
    let cells = [
        cell(one.rate, other.rate, 0),
        cell(one.p50_ms, other.p50_ms, 2),
        cell(one.p99_ms, other.p99_ms, 2),
        cell(one.cpu_us, other.cpu_us, 1),
    ];
    format!("| {connections} | {} |", cells.join(" | "))
}

fn cell(one: f64, other: f64, decimals: usize) -> String {
    format!("{one:.decimals$} : {other:.decimals$} ({:.2})", one / other)
}

/// Measures two things in alternation, so that other load on the machine affects both; returns the medians of each.
pub(super) fn pair(
    title: &str,
    mut one: impl FnMut() -> Result<Figures>,
    mut other: impl FnMut() -> Result<Figures>,
) -> Result<(Figures, Figures)> {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for number in 1..=RUNS {
        ones.push(one()?);
        others.push(other()?);
        // Shows progress and the spread of the runs.
        eprintln!(
            "{title}, run {number}: {:.0} and {:.0} requests/s, p99 {:.2} and {:.2} ms",
            ones[number - 1].rate,
            others[number - 1].rate,
            ones[number - 1].p99_ms,
            others[number - 1].p99_ms
        );
    }
    Ok((medians(&ones), medians(&others)))
}

/// Returns the median of each figure.
fn medians(runs: &[Figures]) -> Figures {
    Figures {
        rate: median(runs, |run| run.rate),
        p50_ms: median(runs, |run| run.p50_ms),
        p99_ms: median(runs, |run| run.p99_ms),
        cpu_us: median(runs, |run| run.cpu_us),
    }
}

fn median(runs: &[Figures], figure: fn(&Figures) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(figure).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(rate: f64, p50_ms: f64, p99_ms: f64, cpu_us: f64) -> Figures {
        Figures {
            rate,
            p50_ms,
            p99_ms,
            cpu_us,
        }
    }

    #[test]
    fn each_figure_has_its_own_median() {
        let runs = [
            figures(900.0, 3.0, 10.0, 7.0),
            figures(1000.0, 1.0, 30.0, 9.0),
            figures(80.0, 2.0, 20.0, 8.0),
        ];
        assert_eq!(medians(&runs), figures(900.0, 2.0, 20.0, 8.0));
    }

    #[test]
    fn a_pair_is_measured_in_turn() {
        let order = std::cell::RefCell::new(String::new());
        let run = |name: char, rate: f64| {
            let order = &order;
            move || {
                order.borrow_mut().push(name);
                Ok(figures(rate, 1.0, 1.0, 1.0))
            }
        };
        let (one, other) = pair("a test", run('A', 1.0), run('B', 2.0)).unwrap();
        assert_eq!(*order.borrow(), "ABABAB");
        assert_eq!((one.rate, other.rate), (1.0, 2.0));
    }

    #[test]
    fn a_failed_run_gives_no_figures() {
        let good = || Ok(figures(1.0, 1.0, 1.0, 1.0));
        assert!(pair("a test", good, || Err("refused".into())).is_err());
    }

    #[test]
    fn a_row_shows_both_and_their_ratio_under_its_head() {
        let row = row(
            16,
            figures(1500.0, 0.5, 2.0, 10.0),
            figures(1000.0, 1.0, 1.0, 8.0),
        );
        assert_eq!(
            row,
            "| 16 | 1500 : 1000 (1.50) | 0.50 : 1.00 (0.50) | 2.00 : 1.00 (2.00) | 10.0 : 8.0 (1.25) |"
        );
        for line in head("ours", "theirs").lines() {
            assert_eq!(line.matches('|').count(), row.matches('|').count());
        }
    }
}
