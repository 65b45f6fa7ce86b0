//! Pools of connections: exclusive ones for writes and snapshots, and shared ones for reads.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use akvs_core::{Code, Error, Result};
use tokio::sync::{OwnedSemaphorePermit, RwLock, Semaphore};

use crate::connection::{Connector, Prepared, Statements, within};
use crate::lock::lock;

/// Connections that one caller uses at a time.
pub(crate) struct Pool<S> {
    connector: Arc<Connector>,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Prepared<S>>>>,
}

/// A connection of a pool. It is closed when this is dropped, unless it is [kept](Lease::keep).
pub(crate) struct Lease<S> {
    connection: Prepared<S>,
    idle: Arc<Mutex<Vec<Prepared<S>>>>,
    _permit: OwnedSemaphorePermit,
}

impl<S: Statements> Pool<S> {
    pub(crate) fn new(connector: &Arc<Connector>, size: usize) -> Pool<S> {
        Pool {
            connector: Arc::clone(connector),
            permits: Arc::new(Semaphore::new(size.max(1))),
            idle: Arc::default(),
        }
    }

    /// Returns a connection that no other caller uses.
    pub(crate) async fn get(&self) -> Result<Lease<S>> {
        let permit = within(self.connector.options().timeout, async {
            let permit = Arc::clone(&self.permits).acquire_owned().await;
            permit.map_err(|_| Error::new(Code::Closing, "the server is stopping"))
        });
        let permit = permit.await?;
        let idle = loop {
            match lock(&self.idle).pop() {
                Some(connection) if connection.is_closed() => {}
                other => break other,
            }
        };
        let connection = match idle {
            Some(connection) => connection,
            None => Prepared::connect(&self.connector).await?,
        };
        Ok(Lease {
            connection,
            idle: Arc::clone(&self.idle),
            _permit: permit,
        })
    }
}

impl<S> Lease<S> {
    /// Returns the connection to the pool: it is outside of a transaction.
    pub(crate) fn keep(self) {
        lock(&self.idle).push(self.connection);
    }
}

impl<S> Deref for Lease<S> {
    type Target = Prepared<S>;

    fn deref(&self) -> &Prepared<S> {
        &self.connection
    }
}

/// Connections that many callers use at the same time.
pub(crate) struct SharedPool<S> {
    connector: Arc<Connector>,
    connections: Vec<RwLock<Option<Arc<Prepared<S>>>>>,
    next: AtomicUsize,
}

impl<S: Statements> SharedPool<S> {
    pub(crate) fn new(connector: &Arc<Connector>, size: usize) -> SharedPool<S> {
        SharedPool {
            connector: Arc::clone(connector),
            connections: (0..size.max(1)).map(|_| RwLock::new(None)).collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// Returns a connection, in turn.
    pub(crate) async fn get(&self) -> Result<Arc<Prepared<S>>> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let slot = &self.connections[next % self.connections.len()];
        let is_usable = |connection: &&Arc<Prepared<S>>| !connection.is_closed();
        if let Some(connection) = slot.read().await.as_ref().filter(is_usable) {
            return Ok(Arc::clone(connection));
        }
        let mut slot = slot.write().await;
        // Another caller may have connected meanwhile.
        if let Some(connection) = slot.as_ref().filter(is_usable) {
            return Ok(Arc::clone(connection));
        }
        let connection = Arc::new(Prepared::connect(&self.connector).await?);
        *slot = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Forgets a connection that does not answer.
    pub(crate) async fn forget(&self, connection: &Arc<Prepared<S>>) {
        for slot in &self.connections {
            let mut slot = slot.write().await;
            if slot
                .as_ref()
                .is_some_and(|current| Arc::ptr_eq(current, connection))
            {
                *slot = None;
            }
        }
    }
}
