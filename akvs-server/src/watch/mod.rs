//! Watches of a namespace: every change once and in order, from any revision that the history still has.
//!
//! `change_buffer` has the newest changes of a watched namespace. `subscribers` has the watchers of a thread, by filter
//! in `subscription`. `hub` is the committer's access to them, and `host` theirs to the committer. `watcher` follows
//! one watch from the state or the stored history, which `catch_up` reads, to new changes. `history` shares pages that
//! many watches need, `large_event` large values.

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

pub(crate) use change_buffer::ChangeBuffer;
pub(crate) use host::WatchHost;
pub(crate) use hub::{Publisher, WatchHub};
pub use large_event::{RenderCell, Rendered, ValueLoader};
pub use shared_event::{Filter, SharedEvent};
pub use watcher::{Start, Watch, WatchEvent, WatchOptions};
