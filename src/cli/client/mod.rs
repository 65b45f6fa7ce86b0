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
//! | `keys` | `get`, `set`, `del`, `add`, `touch` |
//! | `listing` | `ls`, `watch` |
//! | `txn` | `txn` |
//! | `namespaces` | `ns` |
//! | `transfer` | `export`, `import` |

mod keys;
mod listing;
mod namespaces;
mod render;
mod target;
mod transfer;
mod txn;
mod value;
mod verb;

pub(crate) use target::Target;
pub(crate) use verb::{ClientVerb, run};
