//! The access log.
//!
//! A line has no query, no header and no value, so that the log has no secrets and no stored values; it has keys, because
//! they are in paths. A path has no space and no control character, because such requests are refused before.

use std::time::Duration;

use actix_web::body::BodySize;
use actix_web::http::{Method, StatusCode};
use log::Level;

use crate::request::message::Request;
use crate::request::request_id::request_id;

const TARGET: &str = "akvs_http::access";

/// Writes a line for an answered request, if the log filter has the target at the level debug.
pub(crate) fn log(request: &Request, status: StatusCode, size: BodySize, took: Duration) {
    if !log::log_enabled!(target: TARGET, Level::Debug) {
        return;
    }
    let bytes = match size {
        _ if request.method() == Method::HEAD => "0".into(),
        BodySize::None => "0".into(),
        BodySize::Sized(bytes) => bytes.to_string(),
        // The length is not known yet.
        BodySize::Stream => "-".to_owned(),
    };
    log::debug!(
        target: TARGET,
        "method={} path={} status={} bytes={bytes} micros={} id={}",
        request.method(),
        request.uri().path(),
        status.as_u16(),
        took.as_micros(),
        request_id(request),
    );
}
