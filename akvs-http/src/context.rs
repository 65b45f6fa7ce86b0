//! The context of a handler, and the steps around every handler: identify the caller, parse the path, discard unread
//! content, render an error.
//!
//! A handler is an `async fn(Context<Path>) -> Result<HttpResponse>`. Invariant: a handler of a route that needs a
//! token runs only after the caller was identified, and it checks the right in the route's row.

use std::sync::Arc;

use actix_http::Payload;
use actix_web::HttpResponse;
use actix_web::http::Method;
use akvs_core::{Code, Error, Namespace, Result};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::auth::{Identity, Resource, Right, Scope, StreamAuthorization};
use crate::request::message::Request;
use crate::request::path::KeyPath;
use crate::request::{body, json, path, query};
use crate::response::problem;
use crate::route::{Access, Route};
use crate::state::State;

/// A request with its route, its parsed path and its caller.
pub(crate) struct Context<'a, P = ()> {
    pub(crate) request: &'a Request,
    pub(crate) payload: &'a mut Payload,
    pub(crate) state: &'a Arc<State>,
    /// The parameters of the path.
    pub(crate) path: P,
    route: &'static Route,
    /// None on a route that needs no token.
    identity: Option<Identity>,
    /// The right that the route's row has for the method.
    right: Option<Right>,
}

/// The parameters of a route's path.
pub(crate) trait FromPath<'a>: Sized {
    /// Parses the raw path, before any decoding.
    fn from_path(route: &Route, path: &'a str) -> Result<Self>;
}

impl FromPath<'_> for () {
    fn from_path(_: &Route, _: &str) -> Result<()> {
        Ok(())
    }
}

impl FromPath<'_> for Namespace {
    fn from_path(route: &Route, path: &str) -> Result<Namespace> {
        path::namespace_after(route.prefix, path)
    }
}

/// None on a route for all namespaces.
impl FromPath<'_> for Option<Namespace> {
    fn from_path(route: &Route, path: &str) -> Result<Option<Namespace>> {
        if path == route.path {
            Ok(None)
        } else {
            Namespace::from_path(route, path).map(Some)
        }
    }
}

impl<'a> FromPath<'a> for KeyPath<'a> {
    fn from_path(route: &Route, path: &'a str) -> Result<KeyPath<'a>> {
        path::parse(path.strip_prefix(route.prefix).unwrap_or_default())
    }
}

/// Answers a request by the handler of its route.
pub(crate) async fn serve(
    route: &'static Route,
    request: &Request,
    payload: &mut Payload,
    state: &Arc<State>,
    handler: impl AsyncFnOnce(&Request, &mut Payload, &Arc<State>) -> Result<HttpResponse>,
) -> HttpResponse {
    let is_body_read = route.body.is_read();
    if !is_body_read {
        body::discard(request, payload).await;
    }
    let answer = handler(request, payload, state).await;
    let response = answer.unwrap_or_else(|error| {
        if error.code() == Code::MethodNotAllowed {
            problem::method_not_allowed(request, route.allow)
        } else {
            problem::respond(request, &error)
        }
    });
    if is_body_read {
        body::discard(request, payload).await;
    }
    response
}

/// Returns the error of a method that a route does not have; [`serve`] renders it with `Allow`.
pub(crate) fn method_not_allowed(method: &Method) -> Error {
    Error::new(Code::MethodNotAllowed, method.as_str())
}

impl<'a, P: FromPath<'a>> Context<'a, P> {
    /// Identifies the caller, unless the route is open, and parses the path.
    pub(crate) fn new(
        route: &'static Route,
        request: &'a Request,
        payload: &'a mut Payload,
        state: &'a Arc<State>,
    ) -> Result<Context<'a, P>> {
        let identity = match route.access {
            Access::Open => None,
            Access::Token | Access::Owner => Some(state.admit(request)?),
        };
        Ok(Context {
            path: P::from_path(route, request.uri().path())?,
            request,
            payload,
            state,
            route,
            identity,
            right: None,
        })
    }
}

impl<P> Context<'_, P> {
    /// Sets the right that the route's row has for the method.
    pub(crate) fn with_right(mut self, right: Option<Right>) -> Self {
        self.right = right;
        self
    }

    /// Returns the caller, or the error `unauthorized` on an open route.
    pub(crate) fn identity(&self) -> Result<&Identity> {
        let missing = || Error::new(Code::Unauthorized, "the caller was not identified");
        self.identity.as_ref().ok_or_else(missing)
    }

    /// Returns the right that the route's row has for the method.
    pub(crate) fn right(&self) -> Right {
        // A row without a right whose handler checks one nevertheless is for callers with all rights.
        self.right.unwrap_or(Right::Admin)
    }

    /// Returns the error `forbidden`, unless the caller has the method's right for these keys of a namespace.
    pub(crate) fn authorize(&self, namespace: &str, scope: &Scope<'_>) -> Result<()> {
        self.identity()?.authorize(self.right(), namespace, scope)
    }

    /// Returns an authorization for the method's right, which is checked now and again while the answer is sent.
    pub(crate) fn authorization(&self, resource: Resource) -> Result<StreamAuthorization> {
        self.authorization_for(self.right(), resource)
    }

    /// Returns the same as [`authorization`](Context::authorization) for another right.
    pub(crate) fn authorization_for(
        &self,
        right: Right,
        resource: Resource,
    ) -> Result<StreamAuthorization> {
        let authenticator = &self.state.authenticator;
        self.identity()?
            .authorization(authenticator, right, resource)
    }

    /// Returns the error `invalid_request` if there is a query.
    pub(crate) fn no_query(&self) -> Result<()> {
        query::reject_any(self.request.query_string())
    }

    /// Receives the content within the limits of the route's row. Returns true if the tokens may have changed meanwhile:
    /// the caller has been identified again, and its rights must be checked again.
    pub(crate) async fn receive(&mut self) -> Result<(Bytes, bool)> {
        let State {
            value_limits,
            body_memory,
            ..
        } = &**self.state;
        let body = match self.route.body.limits(value_limits) {
            Some(limits) => body::receive(self.request, self.payload, &limits, body_memory).await?,
            None => Bytes::new(),
        };
        let renewed = self.state.renew(self.identity()?)?;
        let is_renewed = renewed.is_some();
        self.identity = renewed.or_else(|| self.identity.take());
        Ok((body, is_renewed))
    }
}

impl Context<'_, KeyPath<'_>> {
    /// Returns the error `forbidden`, unless the caller has the method's right for the key.
    pub(crate) fn authorize_key(&self) -> Result<()> {
        let KeyPath { namespace, key } = &self.path;
        self.authorize(namespace, &Scope::Key(key))
    }
}

impl Context<'_, Namespace> {
    /// Receives a JSON document from a caller that has the method's right for some keys of the namespace. The handler
    /// must check the right for the keys that the document names.
    pub(crate) async fn receive_json<T: DeserializeOwned>(&mut self) -> Result<T> {
        self.authorize_namespace()?;
        self.no_query()?;
        let (body, is_renewed) = self.receive().await?;
        if is_renewed {
            self.authorize_namespace()?;
        }
        json::parse(&body)
    }

    fn authorize_namespace(&self) -> Result<()> {
        let identity = self.identity()?;
        identity.authorize_namespace(self.right(), self.path.as_str())
    }
}
