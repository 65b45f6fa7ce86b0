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
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.set("a", &1).send()?;
    /// let found = namespace.get_many::<u8>(["b", "a"])?;
    /// assert!(found[0].is_none());
    /// assert_eq!(found[1].as_ref().unwrap().value, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_many<T: DeserializeOwned + Send + 'static>(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Vec<Option<Entry<T>>>> {
        let keys = copied(keys);
        self.call(|namespace| async move { namespace.get_many(keys).await })
    }

    /// As [`crate::Namespace::get_many_bytes`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.set_bytes(b"\xff", "hello").send()?;
    /// let found = namespace.get_many_bytes([&b"\xff"[..], b"missing"])?;
    /// assert_eq!(found[0].as_ref().unwrap().value, "hello");
    /// assert_eq!(found[1], None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_many_bytes(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Vec<Option<Entry<Bytes>>>> {
        let keys = copied(keys);
        self.call(|namespace| async move { namespace.get_many_bytes(keys).await })
    }

    /// As [`crate::Namespace::get_bytes_if_changed`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// use akvs_client::IfChanged;
    /// let known = namespace.set_bytes("bar", "hello").send()?.revision.expect("a revision");
    /// assert_eq!(namespace.get_bytes_if_changed("bar", known)?, IfChanged::Unchanged);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_bytes_if_changed(
        &self,
        key: impl AsRef<[u8]>,
        known: Revision,
    ) -> Result<IfChanged<Bytes>> {
        let key = key.as_ref().to_vec();
        self.call(|namespace| async move { namespace.get_bytes_if_changed(key, known).await })
    }

    /// As [`crate::Namespace::txn`]; it ends with [`commit`](Request::commit).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// let done = namespace.txn().check_absent("a").set("a", &1).add("visits", 5).commit()?;
    /// assert_eq!(done.results[1].value, Some(5));
    /// # Ok(())
    /// # }
    /// ```
    pub fn txn(&self) -> Request<Txn> {
        self.request(self.namespace.txn())
    }

    /// As [`crate::Namespace::configure`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// use akvs_client::Settings;
    /// assert!(namespace.configure(&Settings::default().max_keys(10))?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn configure(&self, settings: &Settings) -> Result<bool> {
        let settings = *settings;
        self.call(|namespace| async move { namespace.configure(&settings).await })
    }

    /// As [`crate::Namespace::settings`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// assert_eq!(namespace.settings()?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn settings(&self) -> Result<Option<Settings>> {
        self.call(|namespace| async move { namespace.settings().await })
    }

    /// As [`crate::Namespace::change_settings`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// use akvs_client::SettingsPatch;
    /// assert!(namespace.change_settings(&SettingsPatch::default().max_keys(10))?.created);
    /// # Ok(())
    /// # }
    /// ```
    pub fn change_settings(&self, patch: &SettingsPatch) -> Result<Configured> {
        let patch = *patch;
        self.call(|namespace| async move { namespace.change_settings(&patch).await })
    }

    /// As [`crate::Namespace::drop_namespace`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// assert!(!namespace.drop_namespace()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn drop_namespace(&self) -> Result<bool> {
        self.call(|namespace| async move { namespace.drop_namespace().await })
    }

    /// As [`crate::Namespace::delete_prefix`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.txn().set("a/1", &1).set("a/2", &2).set("b", &3).commit()?;
    /// assert_eq!(namespace.delete_prefix("a/")?, 2);
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.txn().set("a", &1).commit()?;
    /// let error = namespace.txn().check_absent("a").delete("b").commit().unwrap_err();
    /// assert_eq!(error.failed_check().unwrap().key, "a");
    /// # Ok(())
    /// # }
    /// ```
    pub fn commit(self) -> Result<TxnResult> {
        self.runtime.run(self.builder.commit())?
    }
}

/// One more than may be asked for, so that too many are seen to be.
fn copied(keys: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<Vec<u8>> {
    let keys = keys.into_iter().map(|key| key.as_ref().to_vec());
    keys.take(MAX_KEYS + 1).collect()
}
