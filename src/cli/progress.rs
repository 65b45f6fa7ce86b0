//! Progress bars, which are shown only on a terminal.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Number of steps of a bar.
const STEPS: u64 = 1_000;

/// A bar on stderr, which disappears when this is dropped.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar for work of known size.
    pub(super) fn for_fraction(what: &'static str) -> Bar {
        Bar::new(
            Some(STEPS),
            "{msg} {wide_bar} {percent:>3} %  {eta:>3} left",
            what,
        )
    }

    /// A bar for a stream of unknown length.
    pub(super) fn for_bytes(what: &'static str) -> Bar {
        let template = "{msg} {spinner} {binary_bytes}  {binary_bytes_per_sec}";
        Bar::new(None, template, what)
    }

    fn new(length: Option<u64>, template: &str, what: &'static str) -> Bar {
        let target = if io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(length, target).with_message(what);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Bar(bar)
    }

    /// Sets the fraction that is done, from 0 to 1.
    pub(super) fn set(&self, fraction: Option<f64>) {
        if let Some(fraction) = fraction {
            self.0
                .set_position((fraction.clamp(0.0, 1.0) * STEPS as f64) as u64);
        }
    }

    /// Adds a number of bytes.
    pub(super) fn add(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
