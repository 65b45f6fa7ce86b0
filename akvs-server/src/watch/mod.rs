//! Watching a namespace: every change, once, in order, from whatever revision on, for as long as the history is kept.
//!
//! `feed` holds the newest changes of a watched namespace; `audience` knows who waits for them on a thread, in `seats`;
//! `feeds` is the committer's way to them; `watcher` follows one reader from the state or the stored history, which are
//! read in `pages`, to what changes. `history` shares the pages that many readers need, `large` the large values.

mod audience;
mod feed;
mod feeds;
mod history;
mod large;
mod notice;
mod pages;
mod seats;
mod watcher;

pub(crate) use audience::Audience;
pub(crate) use feeds::{Feeds, Publisher};
pub use large::{Large, Loader, Rendered};
pub use notice::{Filter, Notice};
pub use watcher::{Start, Step, Watch, WatchOptions};
