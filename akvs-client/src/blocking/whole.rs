//! A namespace as a whole, and many of its keys at once, for programs that are not asynchronous.
//!
//! It owns the names of these calls, each of which is the asynchronous one's. Invariant: what is asked for was copied
//! before it goes to the client's thread.

use akvs_core::Revision;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{Namespace, Request};
use crate::error::Result;
use crate::namespace::get_many::MAX_KEYS;
use crate::{Configured, Entry, IfChanged, Settings, SettingsPatch, Txn, TxnResult};

impl Namespace {
    /// As [`crate::Namespace::get_many`].
    pub fn get_many<T: DeserializeOwned + Send + 'static>(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Vec<Option<Entry<T>>>> {
        let keys = copied(keys);
        self.call(|namespace| async move { namespace.get_many(keys).await })
    }

    /// As [`crate::Namespace::get_many_bytes`].
    pub fn get_many_bytes(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Vec<Option<Entry<Bytes>>>> {
        let keys = copied(keys);
        self.call(|namespace| async move { namespace.get_many_bytes(keys).await })
    }

    /// As [`crate::Namespace::get_bytes_if_changed`].
    pub fn get_bytes_if_changed(
        &self,
        key: impl AsRef<[u8]>,
        known: Revision,
    ) -> Result<IfChanged<Bytes>> {
        let key = key.as_ref().to_vec();
        self.call(|namespace| async move { namespace.get_bytes_if_changed(key, known).await })
    }

    /// As [`crate::Namespace::txn`]; it ends with [`commit`](Request::commit).
    pub fn txn(&self) -> Request<Txn> {
        self.request(self.namespace.txn())
    }

    /// As [`crate::Namespace::configure`].
    pub fn configure(&self, settings: &Settings) -> Result<bool> {
        let settings = *settings;
        self.call(|namespace| async move { namespace.configure(&settings).await })
    }

    /// As [`crate::Namespace::settings`].
    pub fn settings(&self) -> Result<Option<Settings>> {
        self.call(|namespace| async move { namespace.settings().await })
    }

    /// As [`crate::Namespace::change_settings`].
    pub fn change_settings(&self, patch: &SettingsPatch) -> Result<Configured> {
        let patch = *patch;
        self.call(|namespace| async move { namespace.change_settings(&patch).await })
    }

    /// As [`crate::Namespace::drop_namespace`].
    pub fn drop_namespace(&self) -> Result<bool> {
        self.call(|namespace| async move { namespace.drop_namespace().await })
    }

    /// As [`crate::Namespace::delete_prefix`].
    pub fn delete_prefix(&self, prefix: impl AsRef<[u8]>) -> Result<u64> {
        let prefix = prefix.as_ref().to_vec();
        self.call(|namespace| async move { namespace.delete_prefix(prefix).await })
    }

    /// Runs a call of the asynchronous namespace.
    fn call<T, F>(&self, call: impl FnOnce(crate::Namespace) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.runtime.run(call(self.namespace.clone()))?
    }
}

impl Request<Txn> {
    /// As [`Txn::commit`].
    pub fn commit(self) -> Result<TxnResult> {
        self.runtime.run(self.builder.commit())?
    }
}

/// One more than may be asked for, so that too many are seen to be.
fn copied(keys: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<Vec<u8>> {
    let keys = keys.into_iter().map(|key| key.as_ref().to_vec());
    keys.take(MAX_KEYS + 1).collect()
}
