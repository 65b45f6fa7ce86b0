//! `POST /get/{namespace}`: reads many keys in one snapshot.

use std::collections::HashMap;

use actix_web::HttpResponse;
use akvs_api::ValueForm;
use akvs_api::get_many::{GetManyRequest, GetManyResponse, KeyMembers, KeyName};
use akvs_core::{Code, Error, Key, Namespace, NamespaceSnapshot, Result, Timestamp};

use super::list;
use crate::auth::Scope;
use crate::context::Context;
use crate::request::json;
use crate::response::memory::{ResponseReservation, SMALL_BYTES};
use crate::response::rendering::{Rendering, around_items};

/// The maximum bytes of the values in one answer; a value counts as often as its key was requested.
const MAX_VALUE_BYTES: usize = 64 << 20;
/// The memory that is reserved for an answer before its size is known.
const HELD_BYTES: usize = 64 << 10;

/// `POST /get/{namespace}`.
pub(crate) async fn serve(mut context: Context<'_, Namespace>) -> Result<HttpResponse> {
    let keys = keys(context.receive_json().await?)?;
    for key in &keys {
        context.authorize(context.path.as_str(), &Scope::Key(key.as_bytes()))?;
    }
    let Context {
        state, path: name, ..
    } = context;
    let registry = state.registry.clone();
    // Before any work, so that an overloaded server answers at once.
    let mut held = state.response_memory.hold(HELD_BYTES)?;
    // A read may wait for a disk.
    let found = state.registry.blocking(move || {
        let snapshot = list::snapshot(&registry, &name)?;
        let found = render(&snapshot, &keys, registry.now(), &mut held)?;
        held.grow(found.held_bytes())?;
        held.shrink(found.held_bytes());
        Ok((found, held))
    });
    let (found, held) = found.await?;
    Ok(list::rendered(found, held))
}

fn keys(request: GetManyRequest) -> Result<Vec<Key>> {
    let keys = request.keys.ok_or_else(|| json::missing("keys"))?;
    let keys = json::elements(keys, "keys")?.into_iter().enumerate();
    keys.map(
        |(index, KeyName(KeyMembers { key, key64 }))| match (key, key64) {
            (Some(text), None) => {
                let key = Key::new(text);
                key.map_err(|error| json::in_field(&error, &format!("keys[{index}]")))
            }
            (key, key64) => json::key(&format!("keys[{index}]"), key, key64),
        },
    )
    .collect()
}

/// Renders the entries of these keys as JSON. A key that was requested several times is read and held once.
fn render(
    snapshot: &NamespaceSnapshot,
    keys: &[Key],
    now: Timestamp,
    held: &mut ResponseReservation,
) -> Result<Rendering> {
    let (head, tail) = around_items(&GetManyResponse {
        revision: snapshot.revision().get(),
        items: Vec::new(),
    });
    let mut found: HashMap<&Key, (usize, Rendering)> = HashMap::new();
    let (mut value_bytes, mut held_bytes) = (0, 0);
    for key in keys {
        if let Some((size, _)) = found.get(key) {
            value_bytes += size;
            check(value_bytes)?;
            continue;
        }
        let mut size = 0;
        let mut item = Rendering::default();
        let mut read = snapshot.find(key.as_bytes(), SMALL_BYTES, now)?;
        if let Some(bytes) = read.as_ref().and_then(|found| found.left_bytes) {
            // Before the value is read.
            check(value_bytes + bytes)?;
            held.grow(held_bytes + bytes)?;
            read = snapshot.find(key.as_bytes(), usize::MAX, now)?;
        }
        match read.map(|found| found.entry) {
            Some(entry) => {
                size = entry.value.len();
                value_bytes += size;
                check(value_bytes)?;
                item.item(key, &entry, size as u64, Some(ValueForm::new(&entry.value)));
            }
            None => item.push(b"null"),
        }
        held_bytes += item.held_bytes();
        held.grow(held_bytes)?;
        found.insert(key, (size, item));
    }
    let mut answer = Rendering::default();
    answer.push(&head);
    for (index, key) in keys.iter().enumerate() {
        if index > 0 {
            answer.push(b",");
        }
        if let Some((_, item)) = found.get(key) {
            answer.append(item);
        }
    }
    answer.push(&tail);
    Ok(answer)
}

/// Refuses values whose sum of bytes is too large.
fn check(value_bytes: usize) -> Result<()> {
    if value_bytes <= MAX_VALUE_BYTES {
        return Ok(());
    }
    let text = format!(
        "the values are too long together: expected at most {MAX_VALUE_BYTES} bytes; ask for fewer keys"
    );
    Err(Error::new(Code::TooLarge, text).with("limit", MAX_VALUE_BYTES))
}
