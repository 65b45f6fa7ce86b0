//! `POST /get/{namespace}`: many keys at once, as they stood at one moment.

use std::fmt;

use actix_web::http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpRequest, HttpResponse, web};
use akvs_core::engine::Limit;
use akvs_core::{Code, Entry, Error, Key, Namespace, Result, Timestamp, View};
use serde::Serialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess};
use utoipa::ToSchema;

use crate::app::State;
use crate::auth::{Grant, Right, Scope};
use crate::item::Item;
use crate::json::{self, List, object};
use crate::path;

/// The most bytes of the values in one answer.
const MAX_VALUE_BYTES: usize = 64 << 20;

object! {
    /// The body.
    struct Asked {
        keys: List<Name>,
    }
}

object! {
    /// A key in an object.
    struct Twins {
        key: String,
        key64: String,
    }
}

/// A key: text, or an object.
#[derive(Debug)]
struct Name(Twins);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Name, D::Error> {
        from.deserialize_any(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> de::Visitor<'de> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, or an object with key64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Name, E> {
        Ok(Name(Twins {
            key: Some(text.to_owned()),
            key64: None,
        }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Name, A::Error> {
        Twins::deserialize(MapAccessDeserializer::new(map)).map(Name)
    }
}

/// The answer.
#[derive(Serialize, ToSchema)]
#[schema(as = Found)]
pub(crate) struct Answer<'a> {
    revision: u64,
    items: Vec<Option<Item<'a>>>,
}

/// `POST /get/{namespace}`.
pub(crate) async fn serve(
    request: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<State>,
) -> HttpResponse {
    let answer = async |name, asked, grant: &Grant| get(&state, grant, &name, asked).await;
    let place = ("/get/", Right::Read);
    json::serve(&request, &mut payload, &state, place, answer).await
}

async fn get(state: &State, grant: &Grant, name: &Namespace, asked: Asked) -> Result<HttpResponse> {
    let keys = keys(asked)?;
    for key in &keys {
        grant.may(Right::Read, name.as_str(), &Scope::Key(key.as_bytes()))?;
    }
    let (registry, name) = (state.registry.clone(), name.clone());
    // It may have to wait for a disk.
    let found = web::block(move || {
        let view = registry.view(&name)?;
        if !view.exists() {
            return Err(path::no_such_namespace());
        }
        render(&view, &keys, registry.now())
    });
    let body = found.await.map_err(|error| {
        Error::new(Code::Unavailable, "the server had no thread to read with").because(error)
    })??;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(body))
}

fn keys(asked: Asked) -> Result<Vec<Key>> {
    let keys = asked.keys.ok_or_else(|| json::invalid("keys", "missing"))?;
    let keys = keys.whole("keys")?.into_iter().enumerate();
    keys.map(|(index, Name(Twins { key, key64 }))| match (key, key64) {
        (Some(text), None) => {
            let key = Key::new(text);
            key.map_err(|error| json::of_field(&error, &format!("keys[{index}]")))
        }
        (key, key64) => json::key(&format!("keys[{index}]"), key, key64),
    })
    .collect()
}

/// What a view has of these keys, as JSON.
fn render(view: &View, keys: &[Key], now: Timestamp) -> Result<Vec<u8>> {
    let mut found = Vec::with_capacity(keys.len());
    let mut bytes = 0;
    for key in keys {
        let entry = find(view, key, now)?;
        bytes += entry.as_ref().map_or(0, |entry| entry.value.len());
        if bytes > MAX_VALUE_BYTES {
            let text = format!(
                "the values have more than {MAX_VALUE_BYTES} bytes together, which is the most; ask for fewer keys"
            );
            return Err(Error::new(Code::TooLarge, text).with("limit", MAX_VALUE_BYTES));
        }
        found.push(entry);
    }
    let items = keys.iter().zip(&found).map(|(key, entry)| {
        let entry = entry.as_ref()?;
        Some(Item::new(key, entry, entry.value.len() as u64, true))
    });
    let answer = Answer {
        revision: view.revision().get(),
        items: items.collect(),
    };
    serde_json::to_vec(&answer).map_err(|error| {
        Error::new(Code::Unavailable, "the answer could not be written").because(error)
    })
}

fn find(view: &View, key: &Key, now: Timestamp) -> Result<Option<Entry>> {
    let next = [key.as_bytes(), &[0]].concat();
    let page = view.entries(key.as_bytes(), Some(&next), Limit::rows(1), now)?;
    Ok(page.entries.into_iter().next().map(|(_, entry)| entry))
}
