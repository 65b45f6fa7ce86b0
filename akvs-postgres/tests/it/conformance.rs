//! The server over PostgreSQL passes the conformance cases.

use akvs_core::conformance::Subject;
use akvs_core::{Key, Result};
use akvs_server::{Server, SharedExecutor};
use bytes::Bytes;

use crate::common::TestDatabase;

struct PostgresSubject {
    server: Server,
    node: SharedExecutor,
}

impl Subject for PostgresSubject {
    async fn set(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let set = self.server.set(Key::new(key.to_vec())?, value.to_vec());
        set.await.map(drop)
    }

    async fn get(&self, key: &[u8]) -> Result<Bytes> {
        self.server.get(key).await.map(|entry| entry.value)
    }

    async fn get_or(&self, key: &[u8], default: &[u8]) -> Result<Bytes> {
        self.server.get_or(key, default.to_vec()).await
    }

    async fn del(&self, key: &[u8]) -> Result<()> {
        self.server.del(Key::new(key.to_vec())?).await.map(drop)
    }

    async fn dispose(self) -> Result<()> {
        self.server.stop().await?;
        apart(move || self.node.stop())
    }
}

async fn make() -> impl Subject {
    let node = apart(|| TestDatabase::create().map(|database| database.node()));
    let node = node.expect("a database");
    PostgresSubject {
        server: crate::common::server(&node, "test"),
        node,
    }
}

/// Runs work that blocks on another thread.
fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(work).join().expect("a result")
}

akvs_core::conformance!(on_tokio, make);

/// Timeouts of connections need a clock. Without a server the case is left out, which is said.
fn on_tokio(test: impl Future<Output = ()>) {
    if TestDatabase::is_available() {
        crate::common::run(test);
    }
}
