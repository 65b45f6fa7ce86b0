//! The prompt: lines are read from a terminal or a pipe, and executed one after the other.
//!
//! It owns the editing of lines. What a line means is for the [`Interpreter`] that is passed in.
//!
//! | module | owns |
//! | --- | --- |
//! | `session` | the loop over the lines |
//! | `editor` | line editing: history, and completion of verbs, namespaces and keys |
//! | `lines` | the lines of a pasted text |
//! | `terminal` | the state of the terminal, to restore it |

mod editor;
mod lines;
mod session;
mod terminal;

pub(crate) use session::{Interpreter, Next, is_terminal, run_interactive};
pub(crate) use terminal::restore;
