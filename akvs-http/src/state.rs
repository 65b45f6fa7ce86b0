//! What a worker serves: the shared state and the routes, as one readable table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::{self, ServiceConfig};
use akvs_core::Result;
use akvs_registry::Registry;

use crate::auth::{Asking, Gate, Grant, Hosts, Permit};
use crate::build_info::About;
use crate::handlers::{
    export, get_many, health, import, index, kv, metrics, openapi, settings, txn, version, watch,
    whoami,
};
use crate::health::Pulse;
use crate::metrics::Metrics;
use crate::request::body::{BodyMemory, Limits};
use crate::response::memory::AnswerMemory;
use crate::transport::connection::Asker;
use crate::{Operator, Options};

/// What every request may need.
pub(crate) struct State {
    pub(crate) registry: Registry,
    pub(crate) gate: Arc<Gate>,
    pub(crate) hosts: Hosts,
    pub(crate) value_limits: Limits,
    pub(crate) body_memory: BodyMemory,
    pub(crate) answer_memory: AnswerMemory,
    pub(crate) heartbeat: Duration,
    pub(crate) metrics: Metrics,
    pub(crate) pulse: Pulse,
    pub(crate) about: About,
    pub(crate) operator: Option<Arc<dyn Operator>>,
    /// What `/version` tells.
    pub(crate) version: String,
    draining: AtomicBool,
}

impl State {
    /// What so many workers share.
    pub(crate) fn new(registry: Registry, options: &Options, workers: usize) -> Arc<State> {
        Arc::new(State {
            metrics: Metrics::default(),
            pulse: Pulse::new(workers),
            about: options.about,
            operator: options.operator.clone(),
            version: version::document(&registry, options),
            registry,
            gate: Arc::new(Gate::new(options.tokens.clone())),
            hosts: Hosts::new(&options.hosts),
            value_limits: Limits::of_values(options),
            body_memory: BodyMemory::new(options.max_body_memory_bytes),
            answer_memory: AnswerMemory::new(options.max_response_memory_bytes),
            heartbeat: options.heartbeat,
            draining: AtomicBool::new(false),
        })
    }

    /// What who asks may, or the error `unauthorized`.
    pub(crate) fn admit(&self, request: &HttpRequest) -> Result<Grant> {
        let asking = Asking {
            method: request.method(),
            headers: request.headers(),
            is_owner: Asker::with(request, Asker::is_owner).unwrap_or(false),
        };
        self.gate.admit(&asking, || self.registry.now())
    }

    /// What the same token may now, where that may have changed since it was admitted, or the error `unauthorized`.
    pub(crate) fn renew(&self, grant: &Grant) -> Result<Option<Grant>> {
        grant.renewed(&self.gate, || self.registry.now())
    }

    /// Tells, whenever it is asked, whether a permit still holds.
    pub(crate) fn holds(&self, mut permit: Permit) -> impl FnMut() -> bool + Unpin + 'static {
        let registry = self.registry.clone();
        move || permit.check(|| registry.now()).is_ok()
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
