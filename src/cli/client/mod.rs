//! The client's verbs, which the prompt has too.
//!
//! Values are read and written as raw bytes. Messages go to stderr, so that a pipe receives the values alone.
//!
//! | module | owns |
//! | --- | --- |
//! | `verb` | the verbs and their help |
//! | `target` | the choice of the server |
//! | `value` | the source of a value |
//! | `render` | items as lines or JSON |
//! | `key_args`, `compression` | shared arguments |
//! | all others | one verb each |

mod add;
mod compression;
mod del;
mod export;
mod get;
mod import;
mod key_args;
mod ls;
mod ns;
mod render;
mod set;
mod target;
mod touch;
mod txn;
mod value;
mod verb;
mod watch;

pub(crate) use target::Target;
pub(crate) use verb::{ClientVerb, run};
