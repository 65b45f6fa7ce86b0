//! The tasks of a database: they end when it is dropped.
//!
//! Hints are sent after the commit, by a connection of their own: a notification within a transaction takes a lock of the
//! whole server until the standbys have answered.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::inner::Inner;
use crate::lock::lock;

const CHANNEL: &str = "akvs";
/// The number of namespaces in a notification, whose payload has a limit of 8,000 bytes.
const MAX_NAMES: usize = 150;
/// The pause before another attempt to connect.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// How often the health is measured.
const HEALTH_INTERVAL: Duration = Duration::from_secs(1);

/// Receives hints until the database is dropped.
pub(crate) async fn receive_hints(inner: Weak<Inner>) {
    loop {
        let Some(connector) = inner.upgrade().map(|inner| Arc::clone(&inner.connector)) else {
            return;
        };
        let receiver = Weak::clone(&inner);
        let on_notification = Box::new(move |payload: &str| {
            if let Some(inner) = receiver.upgrade() {
                inner.hints.add(&inner.names, payload);
            }
        });
        if let Ok(session) = connector.connect_to_listen(Some(on_notification)).await
            && session
                .client
                .batch_execute(&format!("listen {CHANNEL}"))
                .await
                .is_ok()
        {
            while !session.client.is_closed() && inner.strong_count() > 0 {
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

/// Sends hints until the database is dropped.
pub(crate) async fn send_hints(inner: Weak<Inner>) {
    loop {
        let Some(shared) = inner.upgrade() else {
            return;
        };
        let connector = Arc::clone(&shared.connector);
        drop(shared);
        let Ok(session) = connector.connect().await else {
            tokio::time::sleep(RETRY_INTERVAL).await;
            continue;
        };
        // A hint that is lost costs nothing but time.
        let prepared = session.client.batch_execute("set synchronous_commit = off");
        let mut is_usable = prepared.await.is_ok();
        while is_usable {
            let Some(shared) = inner.upgrade() else {
                return;
            };
            shared.has_changed.notified().await;
            let changed = std::mem::take(&mut *lock(&shared.changed));
            let changed: Vec<String> = changed
                .into_iter()
                .map(|(number, revision)| format!("{number}:{revision}"))
                .collect();
            for part in changed.chunks(MAX_NAMES) {
                let payload = part.join(",");
                let sent = session
                    .client
                    .execute("select pg_notify($1, $2)", &[&CHANNEL, &payload])
                    .await;
                is_usable &= sent.is_ok();
            }
        }
    }
}

/// Measures the health.
pub(crate) async fn watch_health(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(HEALTH_INTERVAL).await;
        let Some(inner) = inner.upgrade() else { return };
        if inner.health.measure(&inner.reads).await.is_err() {
            inner.health.note_failure();
        }
    }
}
