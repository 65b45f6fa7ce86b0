//! A namespace of the registry passes the conformance cases.

use akvs_core::conformance::Subject;
use akvs_core::{Key, Namespace, Op, Result};
use akvs_registry::Registry;
use bytes::Bytes;

struct RegistrySubject {
    registry: Registry,
    _folder: Option<tempfile::TempDir>,
}

impl Subject for RegistrySubject {
    async fn set(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let op = Op::set(value.to_vec());
        self.registry
            .submit(&Namespace::new("test")?, Key::new(key.to_vec())?, op)
            .await
            .map(drop)
    }

    async fn get(&self, key: &[u8]) -> Result<Bytes> {
        self.registry
            .get("test", key)
            .await
            .map(|entry| entry.value)
    }

    async fn get_or(&self, key: &[u8], default: &[u8]) -> Result<Bytes> {
        let found = self.registry.find("test", key).await?;
        Ok(found.map_or_else(|| Bytes::copy_from_slice(default), |entry| entry.value))
    }

    async fn del(&self, key: &[u8]) -> Result<()> {
        self.registry
            .submit(
                &Namespace::new("test")?,
                Key::new(key.to_vec())?,
                Op::delete(),
            )
            .await
            .map(drop)
    }

    async fn dispose(self) -> Result<()> {
        self.registry.drop_namespace("test").await.map(drop)
    }
}

mod memory {
    async fn make() -> impl super::Subject {
        super::RegistrySubject {
            registry: crate::common::memory(),
            _folder: None,
        }
    }
    akvs_core::conformance!(pollster::block_on, make);
}

mod disk {
    async fn make() -> impl super::Subject {
        let folder = tempfile::tempdir().expect("a folder");
        super::RegistrySubject {
            registry: crate::common::disk(folder.path()),
            _folder: Some(folder),
        }
    }
    akvs_core::conformance!(pollster::block_on, make);
}
