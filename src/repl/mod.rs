//! The prompt of a running server: lines in, verbs done, answers out.
//!
//! It owns the language of a line and the editing of lines. It reaches the server like any other program does, over the
//! socket in the data folder; leaving it never stops a server that it did not start.
//!
//! | module | owns |
//! | --- | --- |
//! | `line` | what can be typed |
//! | `session` | doing it, line after line |
//! | `editor` | typing: history, and completion of verbs, namespaces and keys |
//! | `terminal` | how the terminal was, to leave it so |

mod editor;
mod line;
mod session;
mod terminal;

pub(crate) use session::{Session, is_terminal};
pub(crate) use terminal::restore;
