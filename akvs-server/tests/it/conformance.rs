//! The server on each engine passes the conformance cases.

use akvs_core::conformance::Subject;
use akvs_core::{Key, Result};
use akvs_server::{Committer, Server};
use bytes::Bytes;

struct ServerSubject {
    server: Server,
    committer: Committer,
    _folder: Option<tempfile::TempDir>,
}

impl Subject for ServerSubject {
    async fn set(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.server
            .set(Key::new(key.to_vec())?, value.to_vec())
            .await
            .map(drop)
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
        self.committer.stop().expect("a clean end");
        Ok(())
    }
}

mod memory {
    async fn make() -> impl super::Subject {
        let committer = crate::common::memory();
        super::ServerSubject {
            server: crate::common::server(&committer, "test"),
            committer,
            _folder: None,
        }
    }
    akvs_core::conformance!(pollster::block_on, make);
}

mod disk {
    async fn make() -> impl super::Subject {
        let folder = tempfile::tempdir().expect("a folder");
        let committer = crate::common::disk(folder.path());
        super::ServerSubject {
            server: crate::common::server(&committer, "test"),
            committer,
            _folder: Some(folder),
        }
    }
    akvs_core::conformance!(pollster::block_on, make);
}
