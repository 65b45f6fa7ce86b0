//! The access log.
//!
//! A line has no query, no header and no value, so that no secret and nothing that is stored comes into the log; keys
//! do, they are paths. A path has no space and no control character, or it would not have been taken.

use std::time::Duration;

use actix_web::body::BodySize;
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use log::Level;

use crate::request::request_id::{REQUEST_ID, clients_id, request_id};

const TARGET: &str = "akvs_http::access";

/// Writes a line for an answered request, if somebody wants to read it.
pub(crate) fn log<B>(response: &ServiceResponse<B>, size: BodySize, took: Duration) {
    if !log::log_enabled!(target: TARGET, Level::Debug) {
        return;
    }
    let request = response.request();
    let bytes = match size {
        _ if request.method() == Method::HEAD => "0".into(),
        BodySize::None => "0".into(),
        BodySize::Sized(bytes) => bytes.to_string(),
        // Nobody knows yet.
        BodySize::Stream => "-".to_owned(),
    };
    log::debug!(
        target: TARGET,
        "method={} path={} status={} bytes={bytes} micros={} id={}",
        request.method(),
        request.uri().path(),
        response.status().as_u16(),
        took.as_micros(),
        request_id(request),
    );
}

/// Gives a client the id of its request back, if it chose one.
pub(crate) fn give_back_id<B>(response: &mut ServiceResponse<B>) {
    if let Some(id) = clients_id(response.request().headers()).cloned() {
        response.headers_mut().insert(REQUEST_ID, id);
    }
}
