//! The state that the workers of a server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use akvs_core::Result;
use akvs_registry::Registry;

use crate::auth::{AuthRequest, Authenticator, Hosts, Identity, StreamAuthorization};
use crate::build_info::BuildInfo;
use crate::health::HealthCheck;
use crate::metrics::Metrics;
use crate::request::body::{BodyMemory, Limits};
use crate::request::message::Request;
use crate::response::memory::ResponseMemory;
use crate::route::Routes;
use crate::transport::connection::ConnectionState;
use crate::{AdminApi, Options};

/// The state that the workers of a server share.
pub(crate) struct State {
    pub(crate) registry: Registry,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) hosts: Hosts,
    pub(crate) value_limits: Limits,
    pub(crate) body_memory: Arc<BodyMemory>,
    pub(crate) response_memory: ResponseMemory,
    pub(crate) heartbeat: Duration,
    pub(crate) metrics: Metrics,
    pub(crate) health: HealthCheck,
    pub(crate) build_info: BuildInfo,
    pub(crate) admin: Option<Arc<dyn AdminApi>>,
    pub(crate) routes: &'static Routes,
    /// The answer to `/version`.
    pub(crate) version: String,
    draining: AtomicBool,
}

impl State {
    /// Returns the state of a server with this number of workers, given the route table and the answer to `/version`.
    pub(crate) fn new(
        registry: Registry,
        options: &Options,
        (routes, version): (&'static Routes, String),
        workers: usize,
    ) -> Arc<State> {
        Arc::new(State {
            metrics: Metrics::new(routes.labels),
            routes,
            version,
            health: HealthCheck::new(workers),
            build_info: options.build_info,
            admin: options.admin.clone(),
            registry,
            authenticator: Arc::new(Authenticator::new(options.tokens.clone())),
            hosts: Hosts::new(&options.hosts),
            value_limits: Limits::for_values(options.max_value_bytes, options.request_timeout),
            body_memory: Arc::new(BodyMemory::new(options.max_body_memory_bytes)),
            response_memory: ResponseMemory::new(options.max_response_memory_bytes),
            heartbeat: options.heartbeat,
            draining: AtomicBool::new(false),
        })
    }

    /// Returns the identity of the caller, or the error `unauthorized`.
    pub(crate) fn admit(&self, request: &Request) -> Result<Identity> {
        let auth_request = AuthRequest {
            method: request.method(),
            headers: request.headers(),
            is_owner: ConnectionState::with(request, ConnectionState::is_owner).unwrap_or(false),
        };
        self.authenticator
            .admit(&auth_request, || self.registry.now())
    }

    /// Identifies a caller again if its token may have changed since; else returns none.
    pub(crate) fn renew(&self, identity: &Identity) -> Result<Option<Identity>> {
        identity.renewed(&self.authenticator, || self.registry.now())
    }

    /// Returns a check of whether an authorization still holds.
    pub(crate) fn holds(
        &self,
        mut authorization: StreamAuthorization,
    ) -> impl FnMut() -> bool + Unpin + 'static {
        let registry = self.registry.clone();
        move || authorization.check(|| registry.now()).is_ok()
    }

    /// Returns the parts of the state that a streamed response uses.
    pub(crate) fn streams(&self) -> (&Registry, &ResponseMemory) {
        (&self.registry, &self.response_memory)
    }

    /// Marks the server as about to stop.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
