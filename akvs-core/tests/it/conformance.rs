//! The store over each engine passes the cases of every layer.

use akvs_core::conformance::Subject;
use akvs_core::{Key, Result, Store, Timestamp};
use bytes::Bytes;

const NOW: Timestamp = Timestamp::from_millis(1_000);

struct StoreSubject {
    store: Store,
    _folder: Option<tempfile::TempDir>,
}

impl Subject for StoreSubject {
    async fn set(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.store
            .set(&Key::new(key.to_vec())?, value.to_vec(), NOW)
            .map(drop)
    }

    async fn get(&self, key: &[u8]) -> Result<Bytes> {
        self.store
            .get(&Key::new(key.to_vec())?, NOW)
            .map(|entry| entry.value)
    }

    async fn get_or(&self, key: &[u8], default: &[u8]) -> Result<Bytes> {
        self.store
            .get_or(&Key::new(key.to_vec())?, default.to_vec().into(), NOW)
    }

    async fn del(&self, key: &[u8]) -> Result<()> {
        self.store.del(&Key::new(key.to_vec())?, NOW).map(drop)
    }

    async fn dispose(self) -> Result<()> {
        self.store.dispose()
    }
}

mod memory {
    async fn make() -> impl super::Subject {
        super::StoreSubject {
            store: crate::common::store(&crate::common::memory()),
            _folder: None,
        }
    }
    akvs_core::conformance!(pollster::block_on, make);
}

mod disk {
    async fn make() -> impl super::Subject {
        let folder = tempfile::tempdir().expect("a folder");
        let store = crate::common::store(&crate::common::disk(folder.path()));
        super::StoreSubject {
            store,
            _folder: Some(folder),
        }
    }
    akvs_core::conformance!(pollster::block_on, make);
}
