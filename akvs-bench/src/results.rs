//! What was measured, kept in a file: parts that are measured one after the other make one report.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::load::Outcome;
use crate::result::Result;

/// The figures of one run against one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Answers per second.
    pub(crate) rate: f64,
    /// Quantiles of the latency in µs.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
    /// CPU time of the server per request in µs, and its part in user space.
    pub(crate) server: f64,
    pub(crate) server_user: f64,
    /// CPU time of the generator per request in µs.
    pub(crate) client: f64,
}

impl Sample {
    /// Takes the figures of a run.
    pub(crate) fn from_outcome(outcome: &Outcome) -> Sample {
        Sample {
            rate: outcome.rate(),
            p50: outcome.quantile_us(0.5),
            p99: outcome.quantile_us(0.99),
            p999: outcome.quantile_us(0.999),
            max: outcome.quantile_us(1.0),
            server: outcome.each_us(outcome.server.total()),
            server_user: outcome.each_us(outcome.server.user),
            client: outcome.each_us(outcome.client),
        }
    }
}

/// The samples of one server in one case: one for each round, in the order of the rounds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) samples: Vec<Sample>,
}

/// All samples of one case.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CaseResult {
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
}

/// A curve of a picture: one value for each place on the axis.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Everything that was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// The machine and the build.
    pub(crate) machine: String,
    /// The comparison, by the case's name.
    pub(crate) cases: BTreeMap<String, CaseResult>,
    /// Single figures, by name.
    pub(crate) figures: BTreeMap<String, f64>,
    /// Curves of pictures, by the picture's name.
    pub(crate) curves: BTreeMap<String, Vec<Curve>>,
}

impl Results {
    /// Reads the file; a missing or old one is empty.
    pub(crate) fn read(file: &Path) -> Results {
        fs::read(file)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }

    /// Writes the file.
    pub(crate) fn write(&self, file: &Path) -> Result {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(file, serde_json::to_vec_pretty(self)?)?)
    }

    /// Returns the samples of a server in a case.
    pub(crate) fn samples(&self, case: &str, name: &str) -> Option<&[Sample]> {
        let rows = &self.cases.get(case)?.rows;
        let row = rows.iter().find(|row| row.name == name)?;
        (!row.samples.is_empty()).then_some(&row.samples)
    }

    /// Returns the ratio of the rates of two servers: the median over the rounds, and the lowest and highest.
    pub(crate) fn ratio(&self, case: &str, one: &str, other: &str) -> Option<Spread> {
        let (one, other) = (self.samples(case, one)?, self.samples(case, other)?);
        let ratios = one
            .iter()
            .zip(other)
            .map(|(one, other)| one.rate / other.rate);
        Spread::of(ratios)
    }
}

/// A median with the lowest and the highest value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// Returns the spread of some values.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        Some(Spread {
            median: *values.get(values.len() / 2)?,
            low: *values.first()?,
            high: *values.last()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, rates: &[f64]) -> Row {
        let samples = rates.iter().map(|&rate| Sample {
            rate,
            ..Sample::default()
        });
        Row {
            name: name.to_owned(),
            samples: samples.collect(),
        }
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        let mut results = Results::default();
        let case = CaseResult {
            title: String::new(),
            // The machine was busy in the second round.
            rows: vec![
                row("a", &[100.0, 10.0, 90.0]),
                row("b", &[200.0, 20.0, 100.0]),
            ],
        };
        results.cases.insert("case".to_owned(), case);
        let expected = Spread {
            median: 0.5,
            low: 0.5,
            high: 0.9,
        };
        assert_eq!(results.ratio("case", "a", "b"), Some(expected));
        assert_eq!(results.ratio("case", "a", "c"), None);
    }

    #[test]
    fn parts_that_were_measured_before_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/results.json");
        assert!(Results::read(&file).cases.is_empty());
        let mut results = Results::default();
        results
            .cases
            .insert("case".to_owned(), CaseResult::default());
        results.write(&file).unwrap();
        assert_eq!(Results::read(&file).cases.len(), 1);
    }
}
