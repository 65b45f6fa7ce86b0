//! The parts that all writes share: key, body, conditions and time to live.
//!
//! It owns the request of a write and the interpretation of its headers. It does not own the result of each kind of
//! write: the public builders do. Invariant: an invalid option is kept as the error of the write, and nothing is sent.

pub(crate) mod add;
pub(crate) mod append;
pub(crate) mod delete;
pub(crate) mod set;
pub(crate) mod touch;

use std::fmt;
use std::time::Duration;

use akvs_api::param;
use akvs_core::{Code, Error as CoreError, FieldValue, Revision};
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use reqwest::{Method, Response, StatusCode};

use crate::error::{Error, Problem, Result};
use crate::{Namespace, Written, wire};

/// A write that has not been sent.
pub(crate) struct Write {
    namespace: Namespace,
    method: Method,
    /// The key's path and the body, or the error of an invalid option.
    target: Result<(String, Bytes)>,
    fields: HeaderMap,
    op: Option<&'static str>,
    ttl: Option<String>,
    if_absent: bool,
    if_exists: bool,
    if_revision: Vec<Revision>,
}

impl Write {
    pub(crate) fn new(
        namespace: &Namespace,
        method: Method,
        key: &[u8],
        body: Result<Bytes>,
    ) -> Write {
        Write {
            namespace: namespace.clone(),
            method,
            target: wire::key_path(key)
                .map_err(Error::from)
                .and_then(|path| Ok((path, body?))),
            fields: HeaderMap::new(),
            op: None,
            ttl: None,
            if_absent: false,
            if_exists: false,
            if_revision: Vec::new(),
        }
    }

    /// Returns a write with an `op`.
    pub(crate) fn op(namespace: &Namespace, op: &'static str, key: &[u8], body: Bytes) -> Write {
        let mut write = Write::new(namespace, Method::POST, key, Ok(body));
        write.op = Some(op);
        write
    }

    pub(crate) fn if_absent(mut self) -> Write {
        self.if_absent = true;
        self
    }

    pub(crate) fn if_exists(mut self) -> Write {
        self.if_exists = true;
        self
    }

    pub(crate) fn if_revision(mut self, revision: Revision) -> Write {
        self.if_revision.push(revision);
        self
    }

    pub(crate) fn ttl(mut self, ttl: Duration) -> Write {
        match akvs_api::ttl::format(ttl) {
            Ok(ttl) => self.ttl = Some(ttl),
            Err(error) => self.refuse(error),
        }
        self
    }

    pub(crate) fn keep_ttl(mut self) -> Write {
        self.ttl = Some(akvs_api::ttl::KEEP.into());
        self
    }

    pub(crate) fn field(mut self, name: HeaderName, text: &str) -> Write {
        let value = FieldValue::new(text.to_owned()).and_then(|text| {
            text.as_str().parse().map_err(|error| {
                CoreError::new(
                    Code::InvalidRequest,
                    "invalid field value: expected visible ASCII characters",
                )
                .because(error)
            })
        });
        match value {
            Ok(value) => drop(self.fields.insert(name, value)),
            Err(error) => self.refuse(error),
        }
        self
    }

    /// Keeps the first error.
    fn refuse(&mut self, error: CoreError) {
        if self.target.is_ok() {
            self.target = Err(error.into());
        }
    }

    /// Sends the write, and returns its result if the answer has the status `success`.
    pub(crate) async fn send(self, success: StatusCode) -> Result<(Written, Response)> {
        let query = self.query();
        let conditions = self.conditions();
        let (path, body) = self.target?;
        let mut request = self
            .namespace
            .key_request(self.method.clone(), &path, &query)?
            .headers(self.fields);
        for (name, text) in conditions {
            request = request.header(name, text);
        }
        if self.method == Method::POST {
            request = request.body(body);
        }
        let client = self.namespace.client();
        let response = client.send(request, &[success]).await?;
        let response = response.map_err(Error::api)?;
        Ok((written(&response)?, response))
    }

    fn query(&self) -> String {
        let op = self.op.map(|op| format!("{}={op}", param::OP));
        let ttl = self.ttl.as_ref().map(|ttl| format!("{}={ttl}", param::TTL));
        match (op, ttl) {
            (None, None) => String::new(),
            (Some(only), None) | (None, Some(only)) => format!("?{only}"),
            (Some(op), Some(ttl)) => format!("?{op}&{ttl}"),
        }
    }

    fn conditions(&self) -> Vec<(HeaderName, String)> {
        let mut fields = Vec::new();
        if self.if_absent {
            fields.push((IF_NONE_MATCH, "*".into()));
        }
        if !self.if_revision.is_empty() {
            // A key with one of these revisions exists, so that `*` is implied.
            fields.push((IF_MATCH, wire::tags(&self.if_revision)));
        } else if self.if_exists {
            fields.push((IF_MATCH, "*".into()));
        }
        fields
    }
}

/// Returns the result of a write, from the headers of its answer.
fn written(response: &Response) -> Result<Written> {
    let headers = response.headers();
    let write_only = wire::is_write_only(headers);
    let existed = wire::existed(headers).or(write_only.then_some(false));
    let existed = existed.ok_or_else(|| {
        let text = "invalid answer: no AKVS-Existed field; the base URL may be of another program";
        Error::api(Problem::new(response.status().as_u16(), text))
    })?;
    Ok(Written {
        revision: wire::revision(headers),
        existed,
        write_only,
        expires: wire::expires(headers),
    })
}

impl fmt::Debug for Write {
    /// Omits the key and the body, which must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("namespace", &self.namespace)
            .field("query", &self.query())
            .field("fields", &self.fields)
            .field("conditions", &self.conditions())
            .finish_non_exhaustive()
    }
}

/// Implements `if_absent` for a builder around a [`Write`]. `$call` is for the example.
macro_rules! if_absent {
    ($builder:ident, $call:literal) => {
        impl $builder {
            /// Writes only if the key does not exist (`If-None-Match: *`). Otherwise the write fails with an error that
            /// [`is_precondition_failed`](crate::Error::is_precondition_failed).
            ///
            /// ```no_run
            /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
            #[doc = concat!($call, ".if_absent().await?;")]
            /// # Ok(()) }
            /// ```
            pub fn if_absent(self) -> $builder {
                $builder(self.0.if_absent())
            }
        }
    };
}

/// Implements `if_exists` and `if_revision` for a builder around a [`Write`]. `$call` is for the examples.
macro_rules! conditions {
    ($builder:ident, $call:literal) => {
        impl $builder {
            /// Writes only if the key exists (`If-Match: *`). Otherwise the write fails with an error that
            /// [`is_precondition_failed`](crate::Error::is_precondition_failed).
            ///
            /// ```no_run
            /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
            #[doc = concat!($call, ".if_exists().await?;")]
            /// # Ok(()) }
            /// ```
            pub fn if_exists(self) -> $builder {
                $builder(self.0.if_exists())
            }

            /// Writes only if the key has this revision (`If-Match`), or one of those of repeated calls. Otherwise the
            /// write fails with an error that [`is_precondition_failed`](crate::Error::is_precondition_failed) and has
            /// the [`current_revision`](crate::Error::current_revision).
            ///
            /// ```no_run
            /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
            /// let known = namespace.set("bar", &1).await?.revision.expect("a revision");
            #[doc = concat!($call, ".if_revision(known).await?;")]
            /// # Ok(()) }
            /// ```
            pub fn if_revision(self, revision: akvs_core::Revision) -> $builder {
                $builder(self.0.if_revision(revision))
            }
        }
    };
}

/// Implements `ttl` for a builder around a [`Write`]. `$call` is for the example.
macro_rules! ttl {
    ($builder:ident, $call:literal, $otherwise:literal) => {
        impl $builder {
            /// Sets the time to live of the key, from the write on; at least one millisecond.
            #[doc = $otherwise]
            ///
            /// ```no_run
            /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
            #[doc = concat!($call, ".ttl(std::time::Duration::from_secs(60)).await?;")]
            /// # Ok(()) }
            /// ```
            pub fn ttl(self, ttl: std::time::Duration) -> $builder {
                $builder(self.0.ttl(ttl))
            }
        }
    };
}

/// Implements `IntoFuture` for a builder around a [`Write`], by an async closure that takes the write.
macro_rules! sent {
    ($builder:ident => $output:ty, $send:expr) => {
        impl std::future::IntoFuture for $builder {
            type Output = $crate::error::Result<$output>;
            type IntoFuture =
                std::pin::Pin<Box<dyn std::future::Future<Output = Self::Output> + Send>>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin($send(self.0))
            }
        }
    };
}

pub(crate) use {conditions, if_absent, sent, ttl};
