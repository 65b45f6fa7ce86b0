//! Hints between nodes, by notifications of the database: which namespaces have changed.

use std::collections::HashSet;
use std::sync::Mutex;

use akvs_core::Namespace;
use tokio::sync::Notify;

use crate::lock::lock;
use crate::names::Names;

/// The hints that were received and not taken.
#[derive(Default)]
pub(crate) struct Hints {
    names: Mutex<HashSet<Namespace>>,
    arrived: Notify,
}

impl Hints {
    /// Waits for hints.
    pub(crate) async fn wait(&self) -> Vec<Namespace> {
        loop {
            let names = std::mem::take(&mut *lock(&self.names));
            if !names.is_empty() {
                return names.into_iter().collect();
            }
            self.arrived.notified().await;
        }
    }

    /// Adds the namespaces of a notification that this node has used: it watches no others.
    pub(crate) fn add(&self, known: &Names, payload: &str) {
        let numbers = payload
            .split(',')
            .filter_map(|part| part.split(':').next()?.parse().ok());
        let names = numbers.filter_map(|number| known.name(number));
        let mut hinted = lock(&self.names);
        hinted.extend(names);
        drop(hinted);
        self.arrived.notify_one();
    }
}
