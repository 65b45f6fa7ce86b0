//! Parsing of requests: paths, query strings, conditions, bodies and content negotiation.

pub(crate) mod body;
pub(crate) mod conditions;
pub(crate) mod cursor;
pub(crate) mod json;
pub(crate) mod message;
pub(crate) mod negotiate;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod request_id;
