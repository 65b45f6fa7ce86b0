//! `POST /get/{namespace}`: many keys at once, as they stood at one moment.

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

/// The most bytes of the values in one answer, as often as they stand there.
const MAX_VALUE_BYTES: usize = 64 << 20;
/// The memory that an answer is expected to take, until it is known.
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
    // Before any work is done.
    let mut held = state.response_memory.hold(HELD_BYTES)?;
    // It may have to wait for a disk.
    let found = state.registry.blocking(move || {
        let view = list::view(&registry, &name)?;
        let found = render(&view, &keys, registry.now(), &mut held)?;
        held.grow(found.held_bytes())?;
        held.shrink(found.held_bytes());
        Ok((found, held))
    });
    let (found, held) = found.await?;
    Ok(list::rendered(found, held))
}

fn keys(asked: GetManyRequest) -> Result<Vec<Key>> {
    let keys = asked.keys.ok_or_else(|| json::invalid("keys", "missing"))?;
    let keys = json::elements(keys, "keys")?.into_iter().enumerate();
    keys.map(
        |(index, KeyName(KeyMembers { key, key64 }))| match (key, key64) {
            (Some(text), None) => {
                let key = Key::new(text);
                key.map_err(|error| json::of_field(&error, &format!("keys[{index}]")))
            }
            (key, key64) => json::key(&format!("keys[{index}]"), key, key64),
        },
    )
    .collect()
}

/// What a view has of these keys, as JSON. A key that is asked for several times is read and held once.
fn render(
    view: &NamespaceSnapshot,
    keys: &[Key],
    now: Timestamp,
    held: &mut ResponseReservation,
) -> Result<Rendering> {
    let (head, tail) = around_items(&GetManyResponse {
        revision: view.revision().get(),
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
        let mut read = view.find(key.as_bytes(), SMALL_BYTES, now)?;
        if let Some(bytes) = read.as_ref().and_then(|found| found.left_bytes) {
            // Before it is read.
            check(value_bytes + bytes)?;
            held.grow(held_bytes + bytes)?;
            read = view.find(key.as_bytes(), usize::MAX, now)?;
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

/// Refuses values that have too many bytes together.
fn check(value_bytes: usize) -> Result<()> {
    if value_bytes <= MAX_VALUE_BYTES {
        return Ok(());
    }
    let text = format!(
        "the values are too long together: expected at most {MAX_VALUE_BYTES} bytes; ask for fewer keys"
    );
    Err(Error::new(Code::TooLarge, text).with("limit", MAX_VALUE_BYTES))
}
