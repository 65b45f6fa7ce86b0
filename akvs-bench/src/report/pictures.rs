//! The pictures of the documentation.

use super::lines::{Axis, Panel, lines, short};
use super::svg::{Anchor, Svg};
use crate::results::{Results, Spread};

const WIDTH: f64 = 760.0;
const NAMES: f64 = 170.0;
const BARS: f64 = 470.0;
const LINE: f64 = 20.0;
/// The cases of the first picture.
const SHOWN: [&str; 5] = [
    "get-64",
    "get-64-p16",
    "post-fsync-64",
    "post-fsync-512",
    "post-memory-64",
];

const COMPARISON: &str = "Requests per second, the server on one core";
const GROWTH: &str = "With more keys: 64 connections, the server on one core";
const SOAK: &str = "Mixed load with expiry, compactions and watchers";

/// Returns each picture that has figures, with the name of its file and its title.
pub(super) fn all(results: &Results) -> Vec<(&'static str, &'static str, String)> {
    let mut pictures = Vec::new();
    if SHOWN.iter().any(|case| results.cases.contains_key(*case)) {
        pictures.push(("performance.svg", COMPARISON, comparison(results)));
    }
    if let Some(picture) = growth(results) {
        pictures.push(("performance-growth.svg", GROWTH, picture));
    }
    if let Some(picture) = soak(results) {
        pictures.push(("performance-soak.svg", SOAK, picture));
    }
    pictures
}

/// Draws a bar for the rate of each server.
fn comparison(results: &Results) -> String {
    let mut svg = Svg::new(WIDTH);
    svg.text(10.0, 24.0, "title", Anchor::Start, COMPARISON);
    let mut y = 52.0;
    for case in SHOWN.iter().filter_map(|case| results.cases.get(*case)) {
        svg.text(10.0, y, "", Anchor::Start, &case.title);
        y += 8.0;
        let rates: Vec<_> = case
            .rows
            .iter()
            .filter_map(|row| Some((row, Spread::of(row.samples.iter().map(|it| it.rate))?)))
            .collect();
        let highest = rates
            .iter()
            .map(|(_, rate)| rate.median)
            .fold(1.0, f64::max);
        for (row, rate) in rates {
            let class = if row.name.starts_with("AKVS") {
                "own"
            } else {
                "other"
            };
            let length = rate.median / highest * BARS;
            svg.text(NAMES - 8.0, y + 14.0, "faint", Anchor::End, &row.name);
            svg.bar(NAMES, y + 3.0, length, LINE - 5.0, class);
            let text = format!("{:.0} k", rate.median / 1e3);
            let text = if rate.median < 10_000.0 {
                short(rate.median.round())
            } else {
                text
            };
            svg.text(
                NAMES + length + 6.0,
                y + 14.0,
                "faint",
                Anchor::Start,
                &text,
            );
            y += LINE;
        }
        y += 26.0;
    }
    svg.height = y - 16.0;
    svg.finish(COMPARISON)
}

fn growth(results: &Results) -> Option<String> {
    let keys = results.curves.get("keys")?;
    let panel = |title: &str, names: &[&str]| Panel {
        title: title.to_owned(),
        curves: names
            .iter()
            .filter_map(|name| keys.iter().find(|curve| curve.name == *name))
            .collect(),
    };
    let small = "durable POST/s with 10,000 keys, in the same rounds";
    let panels = [
        panel("GET/s", &["GET/s"]),
        panel(
            "durable POST/s (blue), with 10,000 keys in the same rounds (orange)",
            &["durable POST/s", small],
        ),
        panel("start after kill -9, ms", &["start after kill -9, ms"]),
        panel("memory, MiB", &["memory, MiB"]),
    ];
    Some(lines(GROWTH, "keys", Axis::Logarithmic, &panels))
}

fn soak(results: &Results) -> Option<String> {
    let curves = results.curves.get("soak")?;
    let panels: Vec<Panel> = curves
        .iter()
        .map(|curve| Panel {
            title: curve.name.clone(),
            curves: vec![curve],
        })
        .collect();
    Some(lines(SOAK, "seconds", Axis::Linear, &panels))
}
