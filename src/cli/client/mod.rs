//! The client's verbs: what `curl` can do, in fewer words. The prompt has the same ones.
//!
//! Values go in and out as raw bytes. What a verb says about them goes to stderr, so that a pipe gets nothing else.
//!
//! | module | owns |
//! | --- | --- |
//! | `verb` | what can be typed, and who does it |
//! | `target` | which server is meant |
//! | `value` | where a value comes from |
//! | `render` | items as lines, or as JSON |
//! | `key_args`, `compression` | flags that several of them share |
//! | all others | a verb each |

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
