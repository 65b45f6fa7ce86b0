//! A chart of curves over one axis.

use super::svg::{Anchor, Svg};
use crate::results::Curve;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 740.0;
const PLOT: f64 = 120.0;
const GAP: f64 = 56.0;
/// The width of a label of the axis.
const LABEL: f64 = 44.0;
const TICKS: u32 = 4;

/// The horizontal axis.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Axis {
    Linear,
    Logarithmic,
}

/// Curves that share a plot.
pub(super) struct Panel<'a> {
    pub(super) title: String,
    pub(super) curves: Vec<&'a Curve>,
}

/// Draws panels one below the other.
pub(super) fn lines(title: &str, x_title: &str, axis: Axis, panels: &[Panel]) -> String {
    let mut svg = Svg::new(WIDTH);
    svg.text(10.0, 24.0, "title", Anchor::Start, title);
    let mut y = 40.0;
    for panel in panels {
        draw(&mut svg, y, panel, axis);
        y += PLOT + GAP;
    }
    svg.text(
        (LEFT + RIGHT) / 2.0,
        y - 4.0,
        "faint",
        Anchor::Middle,
        x_title,
    );
    svg.height = y + 8.0;
    svg.finish(title)
}

fn draw(svg: &mut Svg, top: f64, panel: &Panel, axis: Axis) {
    let points = panel.curves.iter().flat_map(|curve| &curve.points);
    let highest = points.clone().map(|point| point.1).fold(0.0, f64::max);
    let step = step(highest);
    let ceiling = step * f64::from(TICKS);
    let place = |x: f64| match axis {
        Axis::Linear => x,
        Axis::Logarithmic => x.max(1.0).log10(),
    };
    let xs = || points.clone().map(|point| place(point.0));
    let (first, last) = (xs().fold(f64::MAX, f64::min), xs().fold(f64::MIN, f64::max));
    let across = |x: f64| LEFT + (place(x) - first) / (last - first).max(1e-9) * (RIGHT - LEFT);
    let bottom = top + 22.0 + PLOT;
    let up = |y: f64| bottom - y / ceiling * PLOT;
    svg.text(LEFT, top + 12.0, "", Anchor::Start, &panel.title);
    for tick in 0..=TICKS {
        let value = step * f64::from(tick);
        svg.rule((LEFT, up(value)), (RIGHT, up(value)));
        let text = short(value);
        svg.text(LEFT - 6.0, up(value) + 4.0, "faint", Anchor::End, &text);
    }
    for (number, curve) in panel.curves.iter().enumerate() {
        let points: Vec<_> = curve
            .points
            .iter()
            .map(|&(x, y)| (across(x), up(y)))
            .collect();
        svg.polyline(&points, &format!("c{number}"));
    }
    // The places of the longest curve are enough.
    let longest = panel.curves.iter().max_by_key(|curve| curve.points.len());
    let all = longest.map_or(&[][..], |curve| &curve.points);
    let mut free_from = f64::MIN;
    for (x, _) in all.iter().step_by(all.len().div_ceil(12).max(1)) {
        if across(*x) < free_from {
            continue;
        }
        free_from = across(*x) + LABEL;
        svg.text(
            across(*x),
            bottom + 16.0,
            "faint",
            Anchor::Middle,
            &short(*x),
        );
    }
}

/// Returns a round step of the scale: 1, 2, 2.5 or 5 times a power of ten.
fn step(highest: f64) -> f64 {
    let rough = (highest / f64::from(TICKS)).max(1e-9);
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power);
    steps
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(power * 10.0)
}

/// Returns a number as on an axis.
pub(super) fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{} M", trimmed(value / 1e6)),
        value if value >= 1e3 => format!("{} k", trimmed(value / 1e3)),
        value => trimmed(value),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_numbers_are_round() {
        for (highest, expected) in [(3.9, 1.0), (4.1, 2.0), (95_000.0, 25_000.0), (0.7, 0.2)] {
            assert!((step(highest) - expected).abs() < 1e-9, "{highest}");
        }
        assert_eq!(short(0.0), "0");
        assert_eq!(short(2_500.0), "2.5 k");
        assert_eq!(short(10_000_000.0), "10 M");
    }

    #[test]
    fn a_chart_has_each_curve() {
        let curve = Curve {
            name: "a".to_owned(),
            points: vec![(10_000.0, 5.0), (1e6, 9.0)],
        };
        let panel = Panel {
            title: "A".to_owned(),
            curves: vec![&curve, &curve],
        };
        let svg = lines("Title", "keys", Axis::Logarithmic, &[panel]);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains(">1 M</text>"));
    }
}
