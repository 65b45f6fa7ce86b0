//! The conformance cases of all layers, by the client over HTTP.

use akvs_client::Namespace;
use akvs_core::conformance::Subject;
use akvs_core::{Error, Result};
use bytes::Bytes;

use akvs_testing::server::{TestServer, block_on};

struct ClientSubject {
    namespace: Namespace,
    _app: TestServer,
}

impl Subject for ClientSubject {
    async fn set(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let write = self.namespace.set_bytes(key, value.to_vec());
        write.await.map(drop).map_err(Error::from)
    }

    async fn get(&self, key: &[u8]) -> Result<Bytes> {
        let entry = self.namespace.get_bytes(key).await?;
        entry.map(|entry| entry.value).ok_or_else(Error::not_found)
    }

    async fn get_or(&self, key: &[u8], default: &[u8]) -> Result<Bytes> {
        Ok(self.namespace.get_bytes_or(key, default.to_vec()).await?)
    }

    async fn del(&self, key: &[u8]) -> Result<()> {
        Ok(self.namespace.del(key).await.map(drop)?)
    }

    async fn dispose(self) -> Result<()> {
        Ok(())
    }
}

fn subject(app: TestServer) -> ClientSubject {
    let namespace = app.namespace("test");
    ClientSubject {
        namespace,
        _app: app,
    }
}

mod memory {
    use super::*;

    async fn make() -> impl Subject {
        subject(TestServer::start())
    }
    akvs_core::conformance!(block_on, make);
}

mod disk {
    use super::*;

    async fn make() -> impl Subject {
        subject(TestServer::on_disk())
    }
    akvs_core::conformance!(block_on, make);
}
