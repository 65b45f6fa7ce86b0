//! The tail: it reads the changes of watched namespaces, of all nodes, and publishes them to the watches of this one.
//!
//! Hints say what has changed, and may be missed; the history says what. Invariant: the changes that are published to a
//! buffer follow each other without a gap.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use akvs_core::engine::PageLimit;
use akvs_core::{Code, Namespace, Result};
use futures_util::future::{Either, select};
use futures_util::{StreamExt, stream};

use super::executor::Inner;
use crate::watch::ChangeBuffer;

/// The maximum size of a page of changes.
const PAGE_LIMIT: PageLimit = PageLimit {
    rows: 1_000,
    bytes: 1 << 20,
};
/// The number of namespaces whose changes are read at the same time.
const CONCURRENT_READS: usize = 8;
/// The number of namespaces whose newest revisions are asked for at once.
const MAX_NAMES: usize = 1_000;

/// Follows the watched namespaces until the executor ends.
pub(super) async fn run(inner: Weak<Inner>) {
    let mut followed: HashMap<Namespace, Weak<ChangeBuffer>> = HashMap::new();
    loop {
        let Some(inner) = inner.upgrade() else { return };
        let hinted = wait(&inner).await;
        if inner.is_stopping() {
            return;
        }
        followed.extend(inner.hub().take_started());
        followed.retain(|_, buffer| buffer.strong_count() > 0);
        let changed = match hinted {
            Some(names) => names,
            None => match newer(&inner, &followed).await {
                Ok(names) => names,
                // The next poll tries again.
                Err(error) => {
                    log::debug!("cannot read the newest revisions: {error}");
                    continue;
                }
            },
        };
        let buffers = changed
            .iter()
            .filter_map(|name| followed.get(name)?.upgrade());
        let buffers: Vec<_> = buffers.collect();
        let reads = stream::iter(buffers).map(|buffer| {
            let inner = &inner;
            async move {
                if let Err(error) = publish(inner, &buffer).await {
                    log::debug!("cannot read changes of {}: {error}", buffer.name());
                }
            }
        });
        reads
            .buffer_unordered(CONCURRENT_READS)
            .collect::<()>()
            .await;
    }
}

/// Waits for hints, and returns the namespaces, each once; none where it is time to ask.
async fn wait(inner: &Inner) -> Option<HashSet<Namespace>> {
    let hints = async {
        match select(inner.backend.hints(), Box::pin(inner.hinted.notified())).await {
            Either::Left((names, _)) => names,
            Either::Right(_) => Vec::new(),
        }
    };
    match tokio::time::timeout(inner.options.poll_interval, hints).await {
        Ok(names) => {
            let mut hinted = inner.take_hints();
            hinted.extend(names);
            Some(hinted)
        }
        Err(_) => None,
    }
}

/// Returns the namespaces that have changes which are not published.
async fn newer(
    inner: &Inner,
    followed: &HashMap<Namespace, Weak<ChangeBuffer>>,
) -> Result<HashSet<Namespace>> {
    let names: Vec<Namespace> = followed.keys().cloned().collect();
    let mut changed = HashSet::new();
    for names in names.chunks(MAX_NAMES) {
        let newest = inner.backend.newest(names).await?;
        let newer = names.iter().zip(newest).filter(|(name, newest)| {
            let buffer = followed.get(*name).and_then(Weak::upgrade);
            // Also an older one: the database may have been restored.
            buffer.is_some_and(|buffer| buffer.tip() != *newest)
        });
        changed.extend(newer.map(|(name, _)| name.clone()));
    }
    Ok(changed)
}

/// Publishes the changes after those that a buffer has.
async fn publish(inner: &Inner, buffer: &Arc<ChangeBuffer>) -> Result<()> {
    loop {
        let tip = buffer.tip();
        let read = inner.backend.changes(buffer.name(), tip, PAGE_LIMIT);
        let changes = match read.await {
            Ok(changes) => changes,
            Err(error) if error.code() == Code::HistoryGone => {
                // A history that was trimmed meanwhile, or a database that was restored.
                let names = std::slice::from_ref(buffer.name());
                let newest = inner.backend.newest(names).await?;
                inner.hub().forget(buffer);
                buffer.reset(newest.first().copied().unwrap_or_default());
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let is_end = changes.events.is_empty();
        buffer.publish(changes.events);
        buffer.advance(changes.until);
        if is_end {
            return Ok(());
        }
    }
}
