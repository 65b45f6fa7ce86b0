//! The wait until a key changes.
//!
//! It owns the long poll (`Prefer: wait`). It does not own the reading of values. Invariant: a wait ends, whatever the
//! server does.

use std::time::Duration;

use akvs_core::Revision;
use reqwest::Method;
use reqwest::header::{HeaderName, IF_NONE_MATCH};
use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::namespace::read::decode_json;
use crate::{IfChanged, Namespace, wire};

/// RFC 7240.
const PREFER: HeaderName = HeaderName::from_static(akvs_api::header::PREFER);
/// The longest wait that a server accepts.
const MAX_WAIT_SECS: u64 = 60;
/// The time of a request beyond its wait, where the client has no timeout.
const ANSWER_MARGIN: Duration = Duration::from_secs(30);

impl Namespace {
    /// Waits until a key has another revision than `known` (`Prefer: wait`), and returns its entry, decoded from JSON;
    /// or [`IfChanged::Unchanged`] after the timeout, in whole seconds and at least one. A server that stops may answer
    /// earlier. A missing key ends the wait at once.
    ///
    /// For many keys, or where no change may be missed, use [`watch`](Self::watch).
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let known = namespace.set("bar", &1).await?.revision.expect("a revision");
    /// let minute = std::time::Duration::from_secs(60);
    /// let changed = namespace.wait_for_change::<u8>("bar", known, minute).await?;
    /// # Ok(()) }
    /// ```
    pub async fn wait_for_change<T: DeserializeOwned>(
        &self,
        key: impl AsRef<[u8]>,
        known: Revision,
        timeout: Duration,
    ) -> Result<IfChanged<T>> {
        let key = key.as_ref();
        let mut left = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
        left = left.max(1);
        while left > 0 {
            // A step counts when it is answered, so that a server that does not wait cannot block the caller.
            let step = left.min(MAX_WAIT_SECS);
            match self.wait(key, known, step).await? {
                IfChanged::Changed(entry) => {
                    return decode_json(key, entry).map(IfChanged::Changed);
                }
                IfChanged::Missing => return Ok(IfChanged::Missing),
                IfChanged::Unchanged => left -= step,
            }
        }
        Ok(IfChanged::Unchanged)
    }

    async fn wait(
        &self,
        key: &[u8],
        known: Revision,
        secs: u64,
    ) -> Result<IfChanged<bytes::Bytes>> {
        let margin = self.client().timeout().unwrap_or(ANSWER_MARGIN);
        let request = self
            .key_request(Method::GET, &wire::key_path(key)?, "")?
            .header(IF_NONE_MATCH, wire::tags(&[known]))
            .header(PREFER, format!("wait={secs}"))
            .timeout(margin.saturating_add(Duration::from_secs(secs)));
        self.read_conditional(request).await
    }
}
