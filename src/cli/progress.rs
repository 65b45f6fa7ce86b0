//! How far long work has come, on a terminal; nowhere else.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// In how many steps the whole is shown.
const STEPS: u64 = 1_000;

/// A bar on stderr, which goes when this is dropped.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// Of work of which it is known how much it is.
    pub(super) fn for_fraction(what: &'static str) -> Bar {
        Bar::new(
            Some(STEPS),
            "{msg} {wide_bar} {percent:>3} %  {eta:>3} left",
            what,
        )
    }

    /// Of bytes, of which nobody knows how many they will be.
    pub(super) fn for_bytes(what: &'static str) -> Bar {
        let template = "{msg} {spinner} {decimal_bytes}  {decimal_bytes_per_sec}";
        Bar::new(None, template, what)
    }

    fn new(length: Option<u64>, template: &str, what: &'static str) -> Bar {
        let target = match io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(length, target).with_message(what);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Bar(bar)
    }

    /// So much of it is done, from 0 to 1.
    pub(super) fn set(&self, fraction: Option<f64>) {
        if let Some(fraction) = fraction {
            self.0
                .set_position((fraction.clamp(0.0, 1.0) * STEPS as f64) as u64);
        }
    }

    /// So many bytes more.
    pub(super) fn add(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
