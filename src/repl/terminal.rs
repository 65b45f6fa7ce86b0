//! The terminal's state before the first prompt, which is restored however the process ends.

use std::io;
use std::sync::Mutex;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Saves the state.
pub(super) fn save() {
    if let (Ok(mut before), Ok(now)) = (BEFORE.lock(), tcgetattr(io::stdin())) {
        *before = Some(now);
    }
}

/// Restores the saved state, if there is one.
pub(crate) fn restore() {
    if let Ok(before) = BEFORE.lock()
        && let Some(before) = &*before
    {
        // Fails if the terminal is gone, and then there is nothing to restore.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
    }
}
