//! `GET /kv` lists namespaces; `DELETE /kv/{namespace}` drops a namespace, or deletes the keys of a prefix.

use actix_web::HttpResponse;
use akvs_api::{Deleted, NamespaceList};
use akvs_core::engine::{KeyRange, PageLimit};
use akvs_core::{Key, Namespace, NamespaceInfo, Op, Outcome, Result, Txn};
use akvs_registry::Registry;
use bytes::Bytes;

use super::{list, settings};
use crate::auth::{Identity, Resource, Right, Scope, StreamAuthorization};
use crate::context::Context;
use crate::request::cursor;
use crate::request::cursor::{Kind, Listing};
use crate::request::path;
use crate::request::query;
use crate::request::query::{DeleteScope, NamespacesParams};
use crate::response::{headers, problem};
use crate::state::State;

/// The number of namespaces that are read at once if the caller may not list all of them.
const HIDDEN_PAGE: usize = 1_000;
/// The limit of one transaction that deletes keys of a prefix.
const DELETE_PAGE: PageLimit = PageLimit {
    rows: 500,
    bytes: 1 << 20,
};

/// `GET /kv`.
pub(crate) async fn list(context: Context<'_>) -> Result<HttpResponse> {
    let identity = context.identity()?.clone();
    identity.has(context.right())?;
    let params = query::parse_namespaces(context.request.query_string())?;
    let registry = context.state.registry.clone();
    let work = move || document(&registry, &params, &identity);
    let body = context.state.registry.blocking(work).await?;
    Ok(list::document(&body))
}

/// `DELETE /kv/{namespace}`: drops it, for which the caller needs the right `admin`, or deletes the keys of a prefix.
pub(crate) async fn delete(context: Context<'_, Namespace>) -> Result<HttpResponse> {
    let (state, name) = (context.state, &context.path);
    let identity = context.identity()?;
    match query::parse_delete(context.request.query_string(), name.as_str())? {
        DeleteScope::Namespace => {
            identity.authorize(Right::Admin, name.as_str(), &Scope::All)?;
            drop_namespace(state, name).await
        }
        DeleteScope::Prefix(prefix) => {
            context.authorize(name.as_str(), &Scope::Prefix(&prefix))?;
            // The answer has the number of deleted keys.
            identity.authorize_dependent("deleting a prefix")?;
            let resource = Resource::Prefix(name.clone(), prefix.clone());
            let write = context.authorization(resource.clone())?;
            let read = context.authorization_for(Right::Read, resource)?;
            delete_prefix(&state.registry, [write, read], name, prefix).await
        }
    }
}

fn document(
    registry: &Registry,
    params: &NamespacesParams,
    identity: &Identity,
) -> Result<NamespaceList> {
    let prefix = &params.prefix;
    let listing = Listing::new(Kind::Namespaces, &[Some(prefix.as_bytes())]);
    let mut found = Vec::new();
    let mut after = match &params.cursor {
        Some(cursor) => {
            let position = listing.position(cursor)?;
            let name = Namespace::check(&position).map_err(|_| cursor::malformed())?;
            if !name.starts_with(prefix) {
                return Err(cursor::malformed());
            }
            Some(Namespace::new(name)?)
        }
        None if prefix.is_empty() => None,
        // The prefix may itself be a name, which comes first.
        None => {
            let first = Namespace::new(prefix)?;
            found.extend(registry.namespace_snapshot(&first)?.info().cloned());
            Some(first)
        }
    };
    let is_listed = |info: &NamespaceInfo| identity.can_list(info.name.as_str());
    found.retain(is_listed);
    let with_prefix = |info: &NamespaceInfo| info.name.as_str().starts_with(prefix);
    // One more namespace shows whether this is the last page.
    while found.len() <= params.limit {
        let wanted = if identity.can_list_all() {
            params.limit + 1 - found.len()
        } else {
            HIDDEN_PAGE
        };
        let page = registry.list(after.as_ref(), wanted)?;
        let is_end = page.len() < wanted || !page.iter().all(with_prefix);
        after = page.last().map(|info| info.name.clone());
        found.extend(page.into_iter().take_while(with_prefix).filter(is_listed));
        if is_end {
            break;
        }
    }
    let is_end = found.len() <= params.limit;
    found.truncate(params.limit);
    let last = found.last().filter(|_| !is_end);
    let cursor = last.map(|info| listing.cursor(info.name.as_str().as_bytes()));
    let listed = found.iter().map(|info| {
        if identity.reads_all_of(info.name.as_str()) {
            describe(info)
        } else {
            akvs_api::NamespaceInfo {
                name: info.name.as_str().to_owned(),
                ..Default::default()
            }
        }
    });
    Ok(NamespaceList {
        cursor,
        namespaces: listed.collect(),
    })
}

fn describe(info: &NamespaceInfo) -> akvs_api::NamespaceInfo {
    akvs_api::NamespaceInfo {
        bytes: Some(info.counts.bytes),
        created: Some(headers::date_time(info.created)),
        keys: Some(info.counts.keys),
        name: info.name.as_str().to_owned(),
        revision: Some(info.revision.get()),
        settings: Some(settings::to_json(&info.settings)),
    }
}

/// `DELETE /kv/{namespace}?confirm={namespace}`.
async fn drop_namespace(state: &State, name: &Namespace) -> Result<HttpResponse> {
    if !state.registry.drop_namespace(name.as_str()).await? {
        return Err(path::no_such_namespace());
    }
    Ok(HttpResponse::Ok().content_type(problem::TEXT).body("OK"))
}

/// `DELETE /kv/{namespace}?prefix=`: deletes page by page, one transaction each, while the rights hold. Keys that are
/// written meanwhile may stay.
async fn delete_prefix(
    registry: &Registry,
    mut authorizations: [StreamAuthorization; 2],
    name: &Namespace,
    prefix: Bytes,
) -> Result<HttpResponse> {
    let KeyRange { mut start, end } = KeyRange::prefix(prefix);
    let mut deleted: u64 = 0;
    let mut is_first = true;
    loop {
        for authorization in &mut authorizations {
            let holds = authorization.check(|| registry.now());
            holds.map_err(|error| error.with("deleted", deleted))?;
        }
        let (registry_of_page, name_of_page, end) = (registry.clone(), name.clone(), end.clone());
        let from = start.clone();
        let page = move || {
            let snapshot = if is_first {
                list::snapshot(&registry_of_page, &name_of_page)?
            } else {
                // If the namespace was dropped meanwhile, no key is left.
                registry_of_page.namespace_snapshot(&name_of_page)?
            };
            let (range, now) = ((&from[..], end.as_deref()), registry_of_page.now());
            let page = snapshot.peek_entries(range, false, 0, DELETE_PAGE, now)?;
            let keys = page.entries.into_iter().map(|(key, _)| key);
            Ok((keys.collect::<Vec<Key>>(), page.next))
        };
        let (keys, next) = registry.blocking(page).await?;
        if !keys.is_empty() {
            let ops = keys.into_iter().map(|key| (key, Op::delete())).collect();
            let outcomes = registry.transact(name, Txn::new(Vec::new(), ops)?).await?;
            let existed = |outcome: &&Outcome| outcome.existed;
            deleted += outcomes.iter().filter(existed).count() as u64;
        }
        let Some(next) = next else { break };
        (start, is_first) = (next, false);
    }
    Ok(list::document(&Deleted { deleted }))
}
