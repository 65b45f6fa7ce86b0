//! A namespace for programs that are not asynchronous.
//!
//! It owns the names of the calls, each of which is the asynchronous one's. Invariant: what is made by one works on the
//! thread of its client.

use std::ops::RangeBounds;
use std::time::Duration;

use akvs_core::Revision;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::runtime::Runtime;
use super::{Items, Request};
use crate::error::Result;
use crate::namespace::with_codec::decoded;
use crate::{
    Add, Append, Codec, Delete, Entry, IfChanged, Part, Set, Touch, Update, Watch, WatchStream,
};

/// A namespace of the server, for programs that are not asynchronous. Cheap to clone. The example of
/// [its module](super) shows it.
#[derive(Clone, Debug)]
pub struct Namespace {
    pub(super) runtime: Runtime,
    pub(super) namespace: crate::Namespace,
}

/// A call that is made at once: the asynchronous method of this name, with this key and these arguments.
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

    /// A call that is made when it is sent: its builder is the asynchronous one's.
    pub(super) fn request<B>(&self, builder: B) -> Request<B> {
        Request::new(&self.runtime, builder)
    }

    /// As [`crate::Namespace::name`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// assert_eq!(namespace.name(), "foo");
    /// # Ok(())
    /// # }
    /// ```
    pub fn name(&self) -> &str {
        self.namespace.name()
    }

    /// As [`crate::Namespace::get`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// assert!(namespace.get::<u8>("bar")?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn get<T: DeserializeOwned + Send + 'static>(
        &self,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<Entry<T>>> {
        now!(self.get(key))
    }

    /// As [`crate::Namespace::get_or`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// assert_eq!(namespace.get_or("bar", 7)?, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_or<T: DeserializeOwned + Send + 'static>(
        &self,
        key: impl AsRef<[u8]>,
        default: T,
    ) -> Result<T> {
        now!(self.get_or(key, default))
    }

    /// As [`crate::Namespace::get_bytes`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// assert!(namespace.get_bytes("bar")?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_bytes(&self, key: impl AsRef<[u8]>) -> Result<Option<Entry<Bytes>>> {
        now!(self.get_bytes(key))
    }

    /// As [`crate::Namespace::get_bytes_or`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// assert_eq!(namespace.get_bytes_or("bar", "none")?, "none");
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_bytes_or(&self, key: impl AsRef<[u8]>, default: impl Into<Bytes>) -> Result<Bytes> {
        let default = default.into();
        now!(self.get_bytes_or(key, default))
    }

    /// As [`crate::Namespace::get_with`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// use akvs_client::Text;
    /// assert!(namespace.get_with(&Text, "bar")?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_with<T>(
        &self,
        codec: &impl Codec<T>,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<Entry<T>>> {
        let entry = self.get_bytes(&key)?;
        decoded(codec, key.as_ref(), entry)
    }

    /// As [`crate::Namespace::get_range`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.set_bytes("bar", "hello").send()?;
    /// assert_eq!(namespace.get_range("bar", 1..3)?.unwrap().value.bytes, "el");
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_range(
        &self,
        key: impl AsRef<[u8]>,
        range: impl RangeBounds<u64> + Send + 'static,
    ) -> Result<Option<Entry<Part>>> {
        now!(self.get_range(key, range))
    }

    /// As [`crate::Namespace::get_if_changed`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// use akvs_client::{IfChanged, Revision};
    /// let answer = namespace.get_if_changed::<u8>("bar", Revision::new(7))?;
    /// assert_eq!(answer, IfChanged::Missing);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_if_changed<T: DeserializeOwned + Send + 'static>(
        &self,
        key: impl AsRef<[u8]>,
        known: Revision,
    ) -> Result<IfChanged<T>> {
        now!(self.get_if_changed(key, known))
    }

    /// As [`crate::Namespace::wait_for_change`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// use akvs_client::{IfChanged, Revision};
    /// use std::time::Duration;
    /// let minute = Duration::from_secs(60);
    /// let answer = namespace.wait_for_change::<u8>("bar", Revision::new(7), minute)?;
    /// assert_eq!(answer, IfChanged::Missing);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for_change<T: DeserializeOwned + Send + 'static>(
        &self,
        key: impl AsRef<[u8]>,
        known: Revision,
        timeout: Duration,
    ) -> Result<IfChanged<T>> {
        now!(self.wait_for_change(key, known, timeout))
    }

    /// As [`crate::Namespace::head`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// assert!(namespace.head("bar")?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn head(&self, key: impl AsRef<[u8]>) -> Result<Option<Entry<()>>> {
        now!(self.head(key))
    }

    /// As [`crate::Namespace::exists`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// assert!(!namespace.exists("bar")?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn exists(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        now!(self.exists(key))
    }

    /// As [`crate::Namespace::set`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// assert!(!namespace.set("bar", &1).send()?.existed);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set<T: Serialize + ?Sized>(&self, key: impl AsRef<[u8]>, value: &T) -> Request<Set> {
        self.request(self.namespace.set(key, value))
    }

    /// As [`crate::Namespace::set_bytes`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.set_bytes("bar", "a,b").content_type("text/csv").send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_bytes(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Request<Set> {
        self.request(self.namespace.set_bytes(key, value))
    }

    /// As [`crate::Namespace::set_with`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.set_with(&akvs_client::Text, "bar", &"hello".to_owned()).send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_with<T>(
        &self,
        codec: &impl Codec<T>,
        key: impl AsRef<[u8]>,
        value: &T,
    ) -> Request<Set> {
        self.request(self.namespace.set_with(codec, key, value))
    }

    /// As [`crate::Namespace::del`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// assert!(!namespace.del("bar").send()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn del(&self, key: impl AsRef<[u8]>) -> Request<Delete> {
        self.request(self.namespace.del(key))
    }

    /// As [`crate::Namespace::touch`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// assert!(namespace.touch("bar").send()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn touch(&self, key: impl AsRef<[u8]>) -> Request<Touch> {
        self.request(self.namespace.touch(key))
    }

    /// As [`crate::Namespace::add`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// assert_eq!(namespace.add("visits", 2).send()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn add(&self, key: impl AsRef<[u8]>, by: i64) -> Request<Add> {
        self.request(self.namespace.add(key, by))
    }

    /// As [`crate::Namespace::append`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// assert!(!namespace.append("log", "line\n").send()?.existed);
    /// # Ok(())
    /// # }
    /// ```
    pub fn append(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Request<Append> {
        self.request(self.namespace.append(key, value))
    }

    /// As [`crate::Namespace::update`]. The function runs on the client's thread,
    /// where a blocking call of the same client is an error.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// let entry = namespace.update("count", |count| Some(count.unwrap_or(0) + 1)).send()?;
    /// assert_eq!(entry.unwrap().value, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn update<T, F>(&self, key: impl AsRef<[u8]>, change: F) -> Request<Update<T, F>>
    where
        F: FnMut(Option<T>) -> Option<T>,
    {
        self.request(self.namespace.update(key, change))
    }

    /// As [`crate::Namespace::watch`]. The function chooses what is watched, and from where.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// use akvs_client::Change;
    /// namespace.set("bar", &1).send()?;
    /// let mut changes = namespace.watch(|watch| watch.from_state());
    /// assert!(matches!(changes.next().unwrap()?, Change::Set(_)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch(&self, configure: impl FnOnce(Watch) -> Watch) -> Items<WatchStream> {
        Items::new(&self.runtime, configure(self.namespace.watch()).stream())
    }
}
