//! `/kv/{namespace}/{key}`: the original surface, and the way every value takes.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use akvs_core::{Code, Error, Key, Namespace, Op, Outcome, Result};
use bytes::Bytes;

use crate::app::State;
use crate::path::{self, KeyPath};
use crate::{body, problem, wire};

const ALLOW: &str = "GET, HEAD, POST, DELETE, OPTIONS";

/// Serves a path below `/kv/`; any other is 404.
pub(crate) async fn serve(
    request: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<State>,
) -> HttpResponse {
    let response = match answer(&request, &mut payload, &state).await {
        Ok(response) => response,
        Err(error) => problem::respond(&request, &error),
    };
    body::discard(&request, &mut payload).await;
    response
}

async fn answer(
    request: &HttpRequest,
    payload: &mut web::Payload,
    state: &State,
) -> Result<HttpResponse> {
    // Not `match_info`, which has decoded it.
    let Some(rest) = request.uri().path().strip_prefix("/kv/") else {
        return Err(Error::new(Code::NotFound, "there is no such path"));
    };
    let path = path::parse(rest)?;
    match *request.method() {
        Method::GET | Method::HEAD => get(state, path).await,
        Method::POST => post(request, payload, state, path).await,
        Method::DELETE => delete(request, state, path).await,
        Method::OPTIONS => Ok(HttpResponse::NoContent()
            .insert_header(("allow", ALLOW))
            .finish()),
        _ => Ok(problem::method_not_allowed(request, ALLOW)),
    }
}

async fn get(state: &State, path: KeyPath<'_>) -> Result<HttpResponse> {
    Ok(wire::entry(
        state.registry.get(&path.namespace, &path.key).await?,
    ))
}

async fn post(
    request: &HttpRequest,
    payload: &mut web::Payload,
    state: &State,
    path: KeyPath<'_>,
) -> Result<HttpResponse> {
    refuse_parameters(request)?;
    let representation = wire::representation(request)?;
    let value = body::receive(request, payload, &state.value_limits, &state.body_memory).await?;
    let outcome = submit(
        state,
        path,
        Op::Set {
            value,
            representation,
        },
    )
    .await?;
    Ok(wire::outcome(HttpResponse::Created(), "Created", outcome))
}

async fn delete(request: &HttpRequest, state: &State, path: KeyPath<'_>) -> Result<HttpResponse> {
    refuse_parameters(request)?;
    // Deleting in a namespace that does not exist makes none, and there is nothing to wait for.
    let outcome = match state.registry.existing(&path.namespace)? {
        Some(_) => submit(state, path, Op::Delete).await?,
        None => Outcome {
            revision: None,
            existed: false,
        },
    };
    Ok(wire::outcome(HttpResponse::Ok(), "OK", outcome))
}

async fn submit(state: &State, path: KeyPath<'_>, op: Op) -> Result<Outcome> {
    let namespace = Namespace::new(&path.namespace)?;
    let key = Key::new(Bytes::from(path.key.into_owned()))?;
    state.registry.submit(&namespace, key, op).await
}

/// A parameter that nobody knows may be a misspelt one that somebody meant.
fn refuse_parameters(request: &HttpRequest) -> Result<()> {
    match request
        .query_string()
        .split('&')
        .find(|parameter| !parameter.is_empty())
    {
        None => Ok(()),
        Some(parameter) => {
            let name = parameter.split('=').next().unwrap_or_default();
            let name: String = name.chars().take(64).collect();
            Err(Error::new(
                Code::InvalidRequest,
                format!("the query parameter \"{name}\" is not known"),
            )
            .with("parameter", name))
        }
    }
}
