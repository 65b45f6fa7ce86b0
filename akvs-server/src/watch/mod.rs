//! Watching a namespace: every change, once, in order, from whatever revision on, for as long as the history is kept.
//!
//! `change_buffer` holds the newest changes of a watched namespace; `subscribers` knows who waits for them on a thread, in `subscription`;
//! `hub` is the committer's way to them; `watcher` follows one reader from the state or the stored history, which are
//! read in `catch_up`, to what changes. `history` shares the pages that many readers need, `large_event` the large values.

mod catch_up;
mod change_buffer;
mod history;
mod host;
mod hub;
mod large_event;
mod shared_event;
mod subscribers;
mod subscription;
mod watcher;

pub(crate) use host::WatchHost;
pub(crate) use hub::{Publisher, WatchHub};
pub use large_event::{RenderCell, Rendered, ValueLoader};
pub use shared_event::{Filter, SharedEvent};
pub use watcher::{Start, Watch, WatchEvent, WatchOptions};
