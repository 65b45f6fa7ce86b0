//! The blocking namespace.
//!
//! It delegates each call to the asynchronous namespace of the same client. Invariant: arguments are copied before a
//! call goes to the client's thread.

use std::ops::RangeBounds;
use std::time::Duration;

use akvs_core::Revision;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::runtime::Runtime;
use super::{Items, Request};
use crate::error::Result;
use crate::namespace::get_many::MAX_KEYS;
use crate::namespace::with_codec::decoded;
use crate::{
    Add, Append, Codec, Configured, Delete, Entry, IfChanged, Part, Set, Settings, SettingsPatch,
    Touch, Txn, TxnResult, Update, Watch, WatchStream,
};

/// A namespace of the server, blocking. Cheap to clone. See the example of [the module](super).
#[derive(Clone, Debug)]
pub struct Namespace {
    pub(super) runtime: Runtime,
    pub(super) namespace: crate::Namespace,
}

/// Calls the asynchronous method of this name, with this key and these arguments, and waits for it.
macro_rules! now {
    ($self:ident.$method:ident($key:ident $(, $argument:expr)*)) => {{
        let (namespace, key) = ($self.namespace.clone(), $key.as_ref().to_vec());
        let call = async move { namespace.$method(key $(, $argument)*).await };
        $self.runtime.run(call)?
    }};
}

impl Namespace {
    pub(super) fn new(runtime: &Runtime, namespace: crate::Namespace) -> Namespace {
        Namespace {
            runtime: runtime.clone(),
            namespace,
        }
    }

    /// Returns a request, which calls the asynchronous builder when it is sent.
    pub(super) fn request<B>(&self, builder: B) -> Request<B> {
        Request::new(&self.runtime, builder)
    }

    /// Calls [`crate::Namespace::name`].
    pub fn name(&self) -> &str {
        self.namespace.name()
    }

    /// Calls [`crate::Namespace::get`].
    pub fn get<T: DeserializeOwned + Send + 'static>(
        &self,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<Entry<T>>> {
        now!(self.get(key))
    }

    /// Calls [`crate::Namespace::get_or`].
    pub fn get_or<T: DeserializeOwned + Send + 'static>(
        &self,
        key: impl AsRef<[u8]>,
        default: T,
    ) -> Result<T> {
        now!(self.get_or(key, default))
    }

    /// Calls [`crate::Namespace::get_bytes`].
    pub fn get_bytes(&self, key: impl AsRef<[u8]>) -> Result<Option<Entry<Bytes>>> {
        now!(self.get_bytes(key))
    }

    /// Calls [`crate::Namespace::get_bytes_or`].
    pub fn get_bytes_or(&self, key: impl AsRef<[u8]>, default: impl Into<Bytes>) -> Result<Bytes> {
        let default = default.into();
        now!(self.get_bytes_or(key, default))
    }

    /// Calls [`crate::Namespace::get_with`].
    pub fn get_with<T>(
        &self,
        codec: &impl Codec<T>,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<Entry<T>>> {
        let entry = self.get_bytes(&key)?;
        decoded(codec, key.as_ref(), entry)
    }

    /// Calls [`crate::Namespace::get_range`].
    pub fn get_range(
        &self,
        key: impl AsRef<[u8]>,
        range: impl RangeBounds<u64> + Send + 'static,
    ) -> Result<Option<Entry<Part>>> {
        now!(self.get_range(key, range))
    }

    /// Calls [`crate::Namespace::get_if_changed`].
    pub fn get_if_changed<T: DeserializeOwned + Send + 'static>(
        &self,
        key: impl AsRef<[u8]>,
        known: Revision,
    ) -> Result<IfChanged<T>> {
        now!(self.get_if_changed(key, known))
    }

    /// Calls [`crate::Namespace::wait_for_change`].
    pub fn wait_for_change<T: DeserializeOwned + Send + 'static>(
        &self,
        key: impl AsRef<[u8]>,
        known: Revision,
        timeout: Duration,
    ) -> Result<IfChanged<T>> {
        now!(self.wait_for_change(key, known, timeout))
    }

    /// Calls [`crate::Namespace::head`].
    pub fn head(&self, key: impl AsRef<[u8]>) -> Result<Option<Entry<()>>> {
        now!(self.head(key))
    }

    /// Calls [`crate::Namespace::exists`].
    pub fn exists(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        now!(self.exists(key))
    }

    /// Calls [`crate::Namespace::set`].
    pub fn set<T: Serialize + ?Sized>(&self, key: impl AsRef<[u8]>, value: &T) -> Request<Set> {
        self.request(self.namespace.set(key, value))
    }

    /// Calls [`crate::Namespace::set_bytes`].
    pub fn set_bytes(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Request<Set> {
        self.request(self.namespace.set_bytes(key, value))
    }

    /// Calls [`crate::Namespace::set_with`].
    pub fn set_with<T>(
        &self,
        codec: &impl Codec<T>,
        key: impl AsRef<[u8]>,
        value: &T,
    ) -> Request<Set> {
        self.request(self.namespace.set_with(codec, key, value))
    }

    /// Calls [`crate::Namespace::del`].
    pub fn del(&self, key: impl AsRef<[u8]>) -> Request<Delete> {
        self.request(self.namespace.del(key))
    }

    /// Calls [`crate::Namespace::touch`].
    pub fn touch(&self, key: impl AsRef<[u8]>) -> Request<Touch> {
        self.request(self.namespace.touch(key))
    }

    /// Calls [`crate::Namespace::add`].
    pub fn add(&self, key: impl AsRef<[u8]>, by: i64) -> Request<Add> {
        self.request(self.namespace.add(key, by))
    }

    /// Calls [`crate::Namespace::append`].
    pub fn append(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Request<Append> {
        self.request(self.namespace.append(key, value))
    }

    /// Calls [`crate::Namespace::update`]. The function runs on the client's thread, where a blocking call of the same
    /// client is an error.
    ///
    /// ```no_run
    /// # fn example(namespace: akvs_client::blocking::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let entry = namespace.update("count", |count| Some(count.unwrap_or(0) + 1)).send()?;
    /// assert_eq!(entry.unwrap().value, 1);
    /// # Ok(()) }
    /// ```
    pub fn update<T, F>(&self, key: impl AsRef<[u8]>, change: F) -> Request<Update<T, F>>
    where
        F: FnMut(Option<T>) -> Option<T>,
    {
        self.request(self.namespace.update(key, change))
    }

    /// Calls [`crate::Namespace::watch`]. The function sets the options of the watch.
    ///
    /// ```no_run
    /// # fn example(namespace: akvs_client::blocking::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut changes = namespace.watch(|watch| watch.from_state());
    /// let first = changes.next().transpose()?;
    /// # Ok(()) }
    /// ```
    pub fn watch(&self, configure: impl FnOnce(Watch) -> Watch) -> Items<WatchStream> {
        Items::new(&self.runtime, configure(self.namespace.watch()).stream())
    }

    /// Calls [`crate::Namespace::get_many`].
    pub fn get_many<T: DeserializeOwned + Send + 'static>(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Vec<Option<Entry<T>>>> {
        let keys = copied(keys);
        self.call(|namespace| async move { namespace.get_many(keys).await })
    }

    /// Calls [`crate::Namespace::get_many_bytes`].
    pub fn get_many_bytes(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Vec<Option<Entry<Bytes>>>> {
        let keys = copied(keys);
        self.call(|namespace| async move { namespace.get_many_bytes(keys).await })
    }

    /// Calls [`crate::Namespace::get_bytes_if_changed`].
    pub fn get_bytes_if_changed(
        &self,
        key: impl AsRef<[u8]>,
        known: Revision,
    ) -> Result<IfChanged<Bytes>> {
        let key = key.as_ref().to_vec();
        self.call(|namespace| async move { namespace.get_bytes_if_changed(key, known).await })
    }

    /// Calls [`crate::Namespace::txn`]; [`commit`](Request::commit) sends it.
    pub fn txn(&self) -> Request<Txn> {
        self.request(self.namespace.txn())
    }

    /// Calls [`crate::Namespace::configure`].
    pub fn configure(&self, settings: &Settings) -> Result<bool> {
        let settings = *settings;
        self.call(|namespace| async move { namespace.configure(&settings).await })
    }

    /// Calls [`crate::Namespace::settings`].
    pub fn settings(&self) -> Result<Option<Settings>> {
        self.call(|namespace| async move { namespace.settings().await })
    }

    /// Calls [`crate::Namespace::change_settings`].
    pub fn change_settings(&self, patch: &SettingsPatch) -> Result<Configured> {
        let patch = *patch;
        self.call(|namespace| async move { namespace.change_settings(&patch).await })
    }

    /// Calls [`crate::Namespace::drop_namespace`].
    pub fn drop_namespace(&self) -> Result<bool> {
        self.call(|namespace| async move { namespace.drop_namespace().await })
    }

    /// Calls [`crate::Namespace::delete_prefix`].
    pub fn delete_prefix(&self, prefix: impl AsRef<[u8]>) -> Result<u64> {
        let prefix = prefix.as_ref().to_vec();
        self.call(|namespace| async move { namespace.delete_prefix(prefix).await })
    }

    /// Runs a call of the asynchronous namespace, and waits for it.
    fn call<T, F>(&self, call: impl FnOnce(crate::Namespace) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.runtime.run(call(self.namespace.clone()))?
    }
}

impl Request<Txn> {
    /// Calls [`Txn::commit`].
    pub fn commit(self) -> Result<TxnResult> {
        self.runtime.run(self.builder.commit())?
    }
}

/// Copies the keys; one more than allowed, so that too many are noticed.
fn copied(keys: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<Vec<u8>> {
    let keys = keys.into_iter().map(|key| key.as_ref().to_vec());
    keys.take(MAX_KEYS + 1).collect()
}
