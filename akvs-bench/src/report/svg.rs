//! A writer of SVG documents: texts, bars and lines, in the colours of the reader's theme.
//!
//! Two kinds of chart do not need a library: plotters, the best-kept library of charts, has no dark theme, draws text
//! where it expects the reader's font to end, and had its last release two years ago.

use std::fmt::Write;

const STYLE: &str = "
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
text.title { font-weight: 600; font-size: 15px; }
text.faint { fill: #59636e; font-size: 12px; }
line { stroke: #d1d9e0; }
rect.own { fill: #0969da; } rect.other { fill: #afb8c1; }
polyline { fill: none; stroke-width: 2; }
.c0 { stroke: #0969da; } .c1 { stroke: #bc4c00; } .c2 { stroke: #1a7f37; } .c3 { stroke: #8250df; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } text.faint { fill: #9198a1; } line { stroke: #3d444d; } rect.other { fill: #656c76; }
}
";

/// Where a text ends or begins.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A document that grows downward.
pub(super) struct Svg {
    body: String,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Svg {
    pub(super) fn new(width: f64) -> Svg {
        Svg {
            body: String::new(),
            width,
            height: 0.0,
        }
    }

    pub(super) fn text(&mut self, x: f64, y: f64, class: &str, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.line(&format!(
            r#"<text x="{x:.1}" y="{y:.1}" class="{class}" text-anchor="{anchor}">{text}</text>"#
        ));
    }

    pub(super) fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str) {
        self.line(&format!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" class="{class}"/>"#
        ));
    }

    pub(super) fn rule(&mut self, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.line(&format!(
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        ));
    }

    pub(super) fn polyline(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let points = points.join(" ");
        self.line(&format!(r#"<polyline points="{points}" class="{class}"/>"#));
    }

    /// Returns the document.
    pub(super) fn finish(self, title: &str) -> String {
        let Svg {
            body,
            width,
            height,
        } = self;
        let title = escaped(title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n{body}</svg>\n"
        )
    }

    fn line(&mut self, element: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.body, "{element}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        let mut svg = Svg::new(10.0);
        svg.text(1.0, 2.0, "faint", Anchor::End, "a < b & c");
        let document = svg.finish("t");
        assert!(document.contains(r#"text-anchor="end">a &lt; b &amp; c</text>"#));
    }
}
