//! What a worker serves: the shared state and the routes, as one readable table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::{self, ServiceConfig};
use akvs_core::Result;
use akvs_registry::Registry;

use crate::auth::{AuthRequest, Authenticator, Hosts, Identity, StreamAuthorization};
use crate::build_info::BuildInfo;
use crate::handlers::{
    export, get_many, health, import, index, kv, metrics, openapi, settings, txn, version, watch,
    whoami,
};
use crate::health::HealthCheck;
use crate::metrics::Metrics;
use crate::request::body::{BodyMemory, Limits};
use crate::response::memory::ResponseMemory;
use crate::transport::connection::ConnectionState;
use crate::{AdminApi, Options};

/// What every request may need.
pub(crate) struct State {
    pub(crate) registry: Registry,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) hosts: Hosts,
    pub(crate) value_limits: Limits,
    pub(crate) body_memory: BodyMemory,
    pub(crate) response_memory: ResponseMemory,
    pub(crate) heartbeat: Duration,
    pub(crate) metrics: Metrics,
    pub(crate) health: HealthCheck,
    pub(crate) build_info: BuildInfo,
    pub(crate) admin: Option<Arc<dyn AdminApi>>,
    /// What `/version` tells.
    pub(crate) version: String,
    draining: AtomicBool,
}

impl State {
    /// What so many workers share.
    pub(crate) fn new(registry: Registry, options: &Options, workers: usize) -> Arc<State> {
        Arc::new(State {
            metrics: Metrics::default(),
            health: HealthCheck::new(workers),
            build_info: options.build_info,
            admin: options.admin.clone(),
            version: version::document(&registry, options),
            registry,
            authenticator: Arc::new(Authenticator::new(options.tokens.clone())),
            hosts: Hosts::new(&options.hosts),
            value_limits: Limits::of_values(options),
            body_memory: BodyMemory::new(options.max_body_memory_bytes),
            response_memory: ResponseMemory::new(options.max_response_memory_bytes),
            heartbeat: options.heartbeat,
            draining: AtomicBool::new(false),
        })
    }

    /// What who asks may, or the error `unauthorized`.
    pub(crate) fn admit(&self, request: &HttpRequest) -> Result<Identity> {
        let asking = AuthRequest {
            method: request.method(),
            headers: request.headers(),
            is_owner: ConnectionState::with(request, ConnectionState::is_owner).unwrap_or(false),
        };
        self.authenticator.admit(&asking, || self.registry.now())
    }

    /// What the same token may now, where that may have changed since it was admitted, or the error `unauthorized`.
    pub(crate) fn renew(&self, grant: &Identity) -> Result<Option<Identity>> {
        grant.renewed(&self.authenticator, || self.registry.now())
    }

    /// Tells, whenever it is asked, whether a permit still holds.
    pub(crate) fn holds(
        &self,
        mut authorization: StreamAuthorization,
    ) -> impl FnMut() -> bool + Unpin + 'static {
        let registry = self.registry.clone();
        move || authorization.check(|| registry.now()).is_ok()
    }

    /// Says that the end has begun.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// The routes. What is below `/kv` is not told apart by them: its raw path is sliced, because a router would decode it,
/// and because the hot path is twice as fast so.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        // First, so that no other pattern is tried for it.
        .service(web::scope("/kv").default_service(web::to(kv::serve)))
        .service(web::resource("/ping").to(health::ping))
        .service(web::resource("/livez").to(health::livez))
        .service(web::resource("/readyz").to(health::readyz))
        .service(web::resource("/metrics").to(metrics::serve))
        .service(web::resource("/version").to(version::serve))
        .service(web::resource("/whoami").to(whoami::serve))
        .service(web::resource("/openapi.json").to(openapi::serve))
        .service(web::resource("/").to(index::serve))
        .service(web::resource("/settings/{namespace:.*}").to(settings::serve))
        .service(web::resource("/watch/{namespace:.*}").to(watch::serve))
        .service(web::resource("/txn/{namespace:.*}").to(txn::serve))
        .service(web::resource("/get/{namespace:.*}").to(get_many::serve))
        .service(web::resource("/export").to(export::serve))
        .service(web::resource("/export/{namespace:.*}").to(export::serve))
        .service(web::resource("/import").to(import::serve))
        .service(web::resource("/import/{namespace:.*}").to(import::serve))
        .default_service(web::to(kv::serve));
}
