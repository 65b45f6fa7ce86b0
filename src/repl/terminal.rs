//! How the terminal was before anything was typed, so that the end of the process at any moment can leave it so.

use std::io;
use std::sync::Mutex;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Notes how it is.
pub(super) fn save() {
    if let (Ok(mut before), Ok(now)) = (BEFORE.lock(), tcgetattr(io::stdin())) {
        *before = Some(now);
    }
}

/// Makes it as it was; nothing where it was never changed.
pub(crate) fn restore() {
    if let Ok(before) = BEFORE.lock()
        && let Some(before) = &*before
    {
        // Where there is no terminal any more, there is nothing to restore.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
    }
}
