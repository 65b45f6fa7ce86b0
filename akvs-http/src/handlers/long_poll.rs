//! `Prefer: wait=N` on a read: the response is sent when the key changes.

use std::pin::{Pin, pin};
use std::time::Duration;

use akvs_core::{Key, Namespace, PeekedEntry, Result};
use akvs_server::{Filter, Start, Watch, WatchEvent, WatchOptions};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use tokio::time::Sleep;

use crate::auth::{Resource, StreamAuthorization};
use crate::context::Context;
use crate::request::conditions;
use crate::request::path::KeyPath;
use crate::response::memory::SMALL_BYTES;
use crate::state::State;

/// Waits until a key has another revision than the reader's, the time is over or the server stops. Returns the entry, or
/// the error `not_found`.
pub(super) async fn until_changed(
    context: &Context<'_, KeyPath<'_>>,
    wait: Duration,
) -> Result<PeekedEntry> {
    let (state, path) = (context.state, &context.path);
    let headers = context.request.headers();
    let key = Key::new(Bytes::copy_from_slice(&path.key))?;
    let name = Namespace::new(&path.namespace)?;
    let resource = Resource::Key(name.clone(), key.clone());
    let mut authorization = context.authorization(resource)?;
    let options = WatchOptions {
        filter: Filter::Key(key),
        start: Start::Now,
        values: false,
    };
    let mut time = pin!(tokio::time::sleep(wait));
    let mut watch = state.registry.watch(&name, options).await?;
    loop {
        // After the watch has begun, so that no change is missed.
        let found = state
            .registry
            .peek(&path.namespace, &path.key, SMALL_BYTES)
            .await?;
        // The token may have changed while this waited.
        authorization.check(|| state.registry.now())?;
        if !conditions::is_unchanged(headers, found.entry.revision)? {
            return Ok(found);
        }
        match next(&mut watch, time.as_mut(), &mut authorization, state).await? {
            Some(WatchEvent::Change { .. } | WatchEvent::Entry(_) | WatchEvent::Synced(_)) => {}
            None | Some(WatchEvent::Reset(_)) => {
                authorization.check(|| state.registry.now())?;
                return Ok(found);
            }
        }
    }
}

/// Returns the next event of the watch; none if the time is over or the server stops. The right is checked again with each
/// heartbeat, so that an expired token holds no connection.
async fn next(
    watch: &mut Watch,
    mut time: Pin<&mut Sleep>,
    authorization: &mut StreamAuthorization,
    state: &State,
) -> Result<Option<WatchEvent>> {
    loop {
        let beat = pin!(tokio::time::sleep(state.heartbeat));
        match select(watch.next(), select(time.as_mut(), beat)).await {
            Either::Left((event, _)) => return event.transpose(),
            Either::Right((Either::Left(_), _)) => return Ok(None),
            Either::Right((Either::Right(_), _)) => authorization.check(|| state.registry.now())?,
        }
    }
}
