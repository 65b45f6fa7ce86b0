//! The labels of a request: each is from a fixed set, and is found without a map, a lock or a copy.

use actix_web::dev::RequestHead;
use actix_web::http::{Method, StatusCode};

use crate::request::conditions;
use crate::route::{LONG_POLL, Route};

/// The labels of methods; the last one is for any other method.
pub(super) const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other",
];

/// The labels of statuses, the most frequent ones first; the last one is for any other status.
pub(super) const STATUSES: [&str; 32] = [
    "200", "201", "404", "304", "204", "206", "412", "400", "401", "403", "405", "406", "408",
    "409", "410", "411", "413", "414", "415", "416", "421", "422", "426", "429", "431", "500",
    "501", "502", "503", "504", "507", "other",
];
const CODES: [u16; STATUSES.len() - 1] = [
    200, 201, 404, 304, 204, 206, 412, 400, 401, 403, 405, 406, 408, 409, 410, 411, 413, 414, 415,
    416, 421, 422, 426, 429, 431, 500, 501, 502, 503, 504, 507,
];

/// The labels of a request without its status, as numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels {
    /// The number of the route's label.
    pub(super) route: usize,
    pub(super) method: usize,
}

impl Labels {
    /// Returns the labels of a request to a route.
    pub(crate) fn new(route: &Route, head: &RequestHead) -> Labels {
        let method = match head.method {
            Method::GET => 0,
            Method::HEAD => 1,
            Method::POST => 2,
            Method::PUT => 3,
            Method::PATCH => 4,
            Method::DELETE => 5,
            Method::OPTIONS => 6,
            _ => METHODS.len() - 1,
        };
        Labels {
            route: if route.has_key && conditions::wait(&head.headers).is_some() {
                LONG_POLL
            } else {
                route.label
            },
            method,
        }
    }

    /// Returns whether the answer has no body, whatever its head says.
    pub(crate) fn is_head(self) -> bool {
        METHODS[self.method] == "HEAD"
    }

    /// Returns whether the request may have a body that counts.
    pub(crate) fn has_body(self) -> bool {
        matches!(METHODS[self.method], "POST" | "PUT" | "PATCH")
    }
}

/// Returns the number of a status's label.
pub(super) fn status(status: StatusCode) -> usize {
    let found = CODES.iter().position(|code| *code == status.as_u16());
    found.unwrap_or(CODES.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::ROUTES;
    use actix_web::test::TestRequest;

    fn labels(request: TestRequest) -> Labels {
        let request = request.to_request();
        let route = (ROUTES.find)(request.path(), false);
        Labels::new(route, request.head())
    }

    #[test]
    fn numbers_and_texts_belong_together() {
        for (index, code) in CODES.iter().enumerate() {
            assert_eq!(STATUSES[index], code.to_string());
            let known = StatusCode::from_u16(*code).unwrap();
            assert_eq!(status(known), index);
        }
        assert_eq!(STATUSES[status(StatusCode::IM_A_TEAPOT)], "other");
        for (index, method) in METHODS.iter().enumerate() {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let request = TestRequest::default().method(method);
            assert_eq!(labels(request).method, index);
        }
    }

    #[test]
    fn a_read_that_waits_for_a_change_has_a_label_of_its_own() {
        for (prefer, expected) in [("wait=5", "long_poll"), ("minimal", "key")] {
            let request = TestRequest::default().uri("/kv/ns/key");
            let request = request.insert_header(("prefer", prefer));
            let request = request.insert_header(("if-none-match", "\"1\""));
            let label = ROUTES.labels[labels(request).route];
            assert_eq!(label, expected, "{prefer}");
        }
    }
}
