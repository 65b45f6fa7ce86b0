//! The labels of a request: each from a fixed set, found without a map, a lock or a copy.

use actix_web::dev::RequestHead;
use actix_web::http::{Method, StatusCode};

use crate::request::conditions;

/// What a request is about, by the shape of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Key,
    /// A key whose reader is ready to wait for a change: what it takes says nothing of the server.
    LongPoll,
    Namespace,
    Namespaces,
    Settings,
    Watch,
    Txn,
    Get,
    Export,
    Import,
    Ping,
    Livez,
    Readyz,
    Metrics,
    Version,
    Whoami,
    Openapi,
    Root,
    /// Any path that there is not.
    Other,
}

impl Route {
    /// Every route, in the order of their places.
    pub(crate) const ALL: [Route; 19] = [
        Route::Key,
        Route::LongPoll,
        Route::Namespace,
        Route::Namespaces,
        Route::Settings,
        Route::Watch,
        Route::Txn,
        Route::Get,
        Route::Export,
        Route::Import,
        Route::Ping,
        Route::Livez,
        Route::Readyz,
        Route::Metrics,
        Route::Version,
        Route::Whoami,
        Route::Openapi,
        Route::Root,
        Route::Other,
    ];

    fn of(head: &RequestHead) -> Route {
        let path = head.uri.path();
        if let Some(rest) = path.strip_prefix("/kv/") {
            return match rest.contains('/') {
                true if conditions::wait(&head.headers).is_some() => Route::LongPoll,
                true => Route::Key,
                false => Route::Namespace,
            };
        }
        match path {
            "/" => return Route::Root,
            "/kv" => return Route::Namespaces,
            "/ping" => return Route::Ping,
            "/livez" => return Route::Livez,
            "/readyz" => return Route::Readyz,
            "/metrics" => return Route::Metrics,
            "/version" => return Route::Version,
            "/whoami" => return Route::Whoami,
            "/openapi.json" => return Route::Openapi,
            "/export" => return Route::Export,
            "/import" => return Route::Import,
            _ => {}
        }
        let below = [
            ("/settings/", Route::Settings),
            ("/watch/", Route::Watch),
            ("/txn/", Route::Txn),
            ("/get/", Route::Get),
            ("/export/", Route::Export),
            ("/import/", Route::Import),
        ];
        let found = below.into_iter().find(|(start, _)| path.starts_with(start));
        found.map_or(Route::Other, |(_, route)| route)
    }

    /// The label's text.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Route::Key => "key",
            Route::LongPoll => "long_poll",
            Route::Namespace => "namespace",
            Route::Namespaces => "namespaces",
            Route::Settings => "settings",
            Route::Watch => "watch",
            Route::Txn => "txn",
            Route::Get => "get",
            Route::Export => "export",
            Route::Import => "import",
            Route::Ping => "ping",
            Route::Livez => "livez",
            Route::Readyz => "readyz",
            Route::Metrics => "metrics",
            Route::Version => "version",
            Route::Whoami => "whoami",
            Route::Openapi => "openapi",
            Route::Root => "root",
            Route::Other => "other",
        }
    }
}

/// The methods that are told apart; any other is the one behind them.
pub(super) const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other",
];

/// The statuses that are told apart, the usual ones first; any other is the one behind them.
pub(super) const STATUSES: [&str; 32] = [
    "200", "201", "404", "304", "204", "206", "412", "400", "401", "403", "405", "406", "408",
    "409", "410", "411", "413", "414", "415", "416", "421", "422", "426", "429", "431", "500",
    "501", "502", "503", "504", "507", "other",
];
const CODES: [u16; STATUSES.len() - 1] = [
    200, 201, 404, 304, 204, 206, 412, 400, 401, 403, 405, 406, 408, 409, 410, 411, 413, 414, 415,
    416, 421, 422, 426, 429, 431, 500, 501, 502, 503, 504, 507,
];

/// What a request is counted under, apart from its status.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels {
    pub(super) route: Route,
    pub(super) method: usize,
}

impl Labels {
    /// The labels of a request.
    pub(crate) fn of(head: &RequestHead) -> Labels {
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
            route: Route::of(head),
            method,
        }
    }

    pub(crate) fn route(self) -> Route {
        self.route
    }

    /// Whether the answer has no body, whatever its head says.
    pub(crate) fn is_head(self) -> bool {
        METHODS[self.method] == "HEAD"
    }

    /// Whether the request may have a body that counts.
    pub(crate) fn has_body(self) -> bool {
        matches!(METHODS[self.method], "POST" | "PUT" | "PATCH")
    }
}

/// The place of a status.
pub(super) fn status(status: StatusCode) -> usize {
    let found = CODES.iter().position(|code| *code == status.as_u16());
    found.unwrap_or(CODES.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn route(path: &str) -> Route {
        let request = TestRequest::default().uri(path).to_request();
        Labels::of(request.head()).route
    }

    #[test]
    fn places_and_texts_go_together() {
        for (place, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route as usize, place);
        }
        for (place, code) in CODES.iter().enumerate() {
            assert_eq!(STATUSES[place], code.to_string());
            let known = StatusCode::from_u16(*code).unwrap();
            assert_eq!(status(known), place);
        }
        assert_eq!(STATUSES[status(StatusCode::IM_A_TEAPOT)], "other");
        for (place, method) in METHODS.iter().enumerate() {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let request = TestRequest::default().method(method).to_request();
            assert_eq!(Labels::of(request.head()).method, place);
        }
    }

    #[test]
    fn a_path_has_the_route_of_its_shape() {
        for (path, expected) in [
            ("/kv/ns/key", Route::Key),
            ("/kv/ns/key/", Route::Key),
            ("/kv/ns/", Route::Key),
            ("/kv/ns/%2F?op=add", Route::Key),
            ("/kv/ns", Route::Namespace),
            ("/kv", Route::Namespaces),
            ("/kv?prefix=a", Route::Namespaces),
            ("/watch/ns", Route::Watch),
            ("/export", Route::Export),
            ("/export/ns", Route::Export),
            ("/", Route::Root),
            ("/kvx/a/b", Route::Other),
            ("/pings", Route::Other),
            ("/ping/", Route::Other),
            ("/exports", Route::Other),
        ] {
            assert_eq!(route(path), expected, "{path}");
        }
    }

    #[test]
    fn who_is_ready_to_wait_is_told_apart() {
        for (prefer, expected) in [("wait=5", Route::LongPoll), ("minimal", Route::Key)] {
            let request = TestRequest::default().uri("/kv/ns/key");
            let request = request.insert_header(("prefer", prefer));
            let request = request.insert_header(("if-none-match", "\"1\""));
            let labels = Labels::of(request.to_request().head());
            assert_eq!(labels.route, expected, "{prefer}");
        }
    }
}
