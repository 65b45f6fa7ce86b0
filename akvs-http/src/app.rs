//! What a worker serves: the shared state and the routes, as one readable table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use akvs_registry::Registry;

use crate::Options;
use crate::body::{BodyMemory, Limits};
use crate::routes::{get, kv, meta, txn, watch};

/// What every request may need.
pub(crate) struct State {
    pub(crate) registry: Registry,
    pub(crate) value_limits: Limits,
    pub(crate) body_memory: BodyMemory,
    pub(crate) heartbeat: Duration,
    draining: AtomicBool,
}

impl State {
    pub(crate) fn new(registry: Registry, options: &Options) -> Arc<State> {
        Arc::new(State {
            registry,
            value_limits: Limits::of_values(options),
            body_memory: BodyMemory::new(options.max_body_memory_bytes),
            heartbeat: options.heartbeat,
            draining: AtomicBool::new(false),
        })
    }

    /// Says that the end has begun.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// The routes. `/kv/…` is not among them: the default service slices its raw path, because a router would decode it,
/// and because the hot path is twice as fast so.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .service(web::resource("/ping").to(meta::ping))
        .service(web::resource("/livez").to(meta::livez))
        .service(web::resource("/readyz").to(meta::readyz))
        .service(web::resource("/watch/{namespace:.*}").to(watch::serve))
        .service(web::resource("/txn/{namespace:.*}").to(txn::serve))
        .service(web::resource("/get/{namespace:.*}").to(get::serve))
        .default_service(web::to(kv::serve));
}
