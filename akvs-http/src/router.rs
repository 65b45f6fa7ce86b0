//! The route table: each path with its methods, rights, limit, metric label and handler. A new endpoint is a row here and
//! a file in `handlers`.
//!
//! Everything else that depends on routes follows from the table: actix's resources, the `405` answers and their
//! `Allow`, the list of `GET /`, the metric labels, the checks of the guard and of `Expect: 100-continue`. Tests compare
//! the OpenAPI description with it.
//!
//! Paths below `/kv` are distinguished by their raw form, not by actix's router, which would decode them and take twice as
//! long.

use std::sync::Arc;

use actix_http::Payload;
use actix_web::http::Method;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use akvs_api::route as names;

use crate::auth::Right;
use crate::context::{self, Context};
use crate::handlers::{
    admin, export, get_many, health, import, index, kv, list, metrics, namespaces, readyz,
    settings, txn, version, watch, whoami,
};
use crate::openapi::handler as openapi;
use crate::request::message::Request;
use crate::request::path;
use crate::route::{self, Access, BodyLimit, Preconditions, Route, Routes};
use crate::state::State;

/// The rights as the table spells them; `Any` is any token.
macro_rules! right {
    (Any) => {
        None
    };
    ($right:ident) => {
        Some(Right::$right)
    };
}

/// Makes the table: its rows, an enumeration of them, and a function for each that calls its handlers.
macro_rules! routes {
    ($($row:ident: $name:expr, $path:literal, $access:ident, $body:expr, $preconditions:ident, $label:literal, $summary:literal {
        $($($method:ident)|+ => $right:ident $handler:path,)+
    })+) => {
        /// The rows by their names.
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy)]
        enum Row {
            $($row,)+
        }

        /// The metric labels of the rows, and the label of unknown paths.
        const LABELS: &[&str] = &[$($label,)+ "other"];

        static ROWS: [Route; LABELS.len() - 1] = [$(Route {
            name: $name,
            path: $path,
            prefix: route::prefix($path),
            has_key: route::has_key($path),
            access: Access::$access,
            methods: &[$($((Method::$method, right!($right)),)+)+],
            allow: concat!($($(stringify!($method), ", ",)+)+ "OPTIONS"),
            body: $body,
            preconditions: Preconditions::$preconditions,
            label: route::label(LABELS, Row::$row as usize),
            summary: $summary,
        },)+];

        $(async fn $row(request: &Request, payload: &mut Payload, state: &Arc<State>) -> HttpResponse {
            let route = &ROWS[Row::$row as usize];
            let handler = async |request: &Request, payload: &mut Payload, state: &Arc<State>| {
                let context = Context::new(route, request, payload, state)?;
                match *request.method() {
                    $($(Method::$method)|+ => $handler(context.with_right(right!($right))).await,)+
                    _ => Err(context::method_not_allowed(request.method())),
                }
            };
            context::serve(route, request, payload, state, handler).await
        })+

        /// Registers the rows that have a resource of their own.
        fn register(config: &mut ServiceConfig, access: &[Access]) {
            $(let route = &ROWS[Row::$row as usize];
            if access.contains(&route.access) && !route.path.starts_with("/kv") {
                // A pattern of several segments, so that the handler rejects a namespace with a slash.
                let pattern = route.path.replace('}', ":.*}");
                config.service(web::resource(pattern).to(
                    |request: HttpRequest, payload: web::Payload, state: Data<State>| async move {
                        $row(&request.into(), &mut payload.into_inner(), &state).await
                    },
                ));
            })+
        }
    };
}

use BodyLimit::{None as NoBody, Request as Document, Stream, Value};

routes! {
    // Row: name, path, callers, limit of the content, preconditions of reads, metric label, summary.
    key: names::KEY, "/kv/{namespace}/{key}", Token, Value, Handler, "key", "a value" {
        GET | HEAD => Read kv::get,
        POST => Write kv::post,
        DELETE => Write kv::delete,
    }
    key64: names::KEY64, "/kv/{namespace}/~64/{key64}", Token, Value, Handler, "key", "a value, by its key in base64url" {
        GET | HEAD => Read kv::get,
        POST => Write kv::post,
        DELETE => Write kv::delete,
    }
    namespace: names::NAMESPACE, "/kv/{namespace}", Token, Document, Rejected, "namespace", "lists keys, changes settings, deletes many keys or all" {
        GET | HEAD => Read list::serve,
        PUT | PATCH => Admin settings::change,
        DELETE => Write namespaces::delete,
    }
    namespaces: names::NAMESPACES, "/kv", Token, NoBody, Rejected, "namespaces", "namespaces" {
        GET | HEAD => Read namespaces::list,
    }
    settings: names::SETTINGS, "/settings/{namespace}", Token, NoBody, Rejected, "settings", "the settings of a namespace" {
        GET | HEAD => Read settings::serve,
    }
    get: names::GET, "/get/{namespace}", Token, Document, Rejected, "get", "many keys at once" {
        POST => Read get_many::serve,
    }
    txn: names::TXN, "/txn/{namespace}", Token, Document, Rejected, "txn", "many changes at once, all or none" {
        POST => Write txn::serve,
    }
    watch: names::WATCH, "/watch/{namespace}", Token, NoBody, Rejected, "watch", "changes as they happen" {
        GET | HEAD => Read watch::serve,
    }
    export: names::EXPORT, "/export/{namespace}", Token, NoBody, Rejected, "export", "a namespace as NDJSON" {
        GET | HEAD => Read export::serve,
    }
    export_all: names::EXPORT_ALL, "/export", Token, NoBody, Rejected, "export", "all namespaces as NDJSON" {
        GET | HEAD => Read export::serve,
    }
    import: names::IMPORT, "/import/{namespace}", Token, Stream, Rejected, "import", "imports an export of a namespace" {
        POST => Write import::serve,
    }
    import_all: names::IMPORT_ALL, "/import", Token, Stream, Rejected, "import", "imports an export of all namespaces" {
        POST => Write import::serve,
    }
    metrics: names::METRICS, "/metrics", Token, NoBody, Rejected, "metrics", "metrics for Prometheus" {
        GET | HEAD => Read metrics::serve,
    }
    version: names::VERSION, "/version", Token, NoBody, Rejected, "version", "the server's version and limits" {
        GET | HEAD => Any version::serve,
    }
    whoami: names::WHOAMI, "/whoami", Token, NoBody, Rejected, "whoami", "the caller's token and its rights" {
        GET | HEAD => Any whoami::serve,
    }
    openapi: names::OPENAPI, "/openapi.json", Token, NoBody, Handler, "openapi", "this API as OpenAPI" {
        GET | HEAD => Any openapi::serve,
    }
    ping: names::PING, "/ping", Open, NoBody, Rejected, "ping", "answers pong" {
        GET | HEAD => Any health::ping,
    }
    livez: names::LIVEZ, "/livez", Open, NoBody, Rejected, "livez", "checks that the process runs" {
        GET | HEAD => Any health::livez,
    }
    readyz: names::READYZ, "/readyz", Open, NoBody, Rejected, "readyz", "checks that the server accepts writes" {
        GET | HEAD => Any readyz::serve,
    }
    // The page needs no token; the handler checks one before it sends the list.
    root: names::ROOT, "/", Open, NoBody, Handler, "root", "this list; in a browser, the admin page" {
        GET | HEAD => Any index::serve,
    }
    admin_status: "admin_status", "/admin/status", Owner, NoBody, Rejected, "other", "" {
        GET | HEAD => Any admin::status,
    }
    admin_log: "admin_log", "/admin/log", Owner, BodyLimit::Fixed(admin::FILTER), Rejected, "other", "" {
        GET | HEAD => Any admin::log,
        PUT => Any admin::set_log,
    }
    admin_stop: "admin_stop", "/admin/stop", Owner, NoBody, Rejected, "other", "" {
        POST => Any admin::stop,
    }
    admin_backup: "admin_backup", "/admin/backup", Owner, NoBody, Rejected, "other", "" {
        GET => Any admin::backup,
    }
    admin_verify: "admin_verify", "/admin/verify", Owner, NoBody, Rejected, "other", "" {
        POST => Any admin::verify,
    }
}

/// The route of unknown paths.
static OTHER: Route = Route {
    name: names::OTHER,
    path: "",
    prefix: "",
    has_key: false,
    access: Access::Token,
    methods: &[],
    allow: "OPTIONS",
    body: BodyLimit::None,
    preconditions: Preconditions::Rejected,
    label: route::label(LABELS, ROWS.len()),
    summary: "",
};

/// The table as the layers below the handlers see it.
pub(crate) static ROUTES: Routes = Routes {
    rows: &ROWS,
    labels: &route::labels::<{ route::label_count(LABELS) }>(LABELS),
    find,
};

/// Registers all routes with actix; those of the owner only if the flag is set.
pub(crate) fn configure(config: &mut ServiceConfig, is_owner: bool) {
    register(config, &[Access::Open, Access::Token]);
    if is_owner {
        register(config, &[Access::Owner]);
    }
    config.default_service(web::to(other));
}

/// Returns the row of a raw path below `/kv`.
fn find_kv(path: &str) -> Option<Row> {
    match path.strip_prefix("/kv/") {
        Some(rest) => Some(match rest.split_once('/') {
            Some((_, key)) if key.starts_with("~64/") => Row::key64,
            Some(_) => Row::key,
            None => Row::namespace,
        }),
        None => (path == "/kv").then_some(Row::namespaces),
    }
}

/// Finds the route of a raw path.
fn find(path: &str, is_owner: bool) -> &'static Route {
    if let Some(row) = find_kv(path) {
        return &ROWS[row as usize];
    }
    let is_found =
        |route: &&Route| (is_owner || route.access != Access::Owner) && route.matches(path);
    ROWS.iter().find(is_found).unwrap_or(&OTHER)
}

/// Answers a request for a key, which does not pass the application, by its route.
pub(crate) async fn serve_key(
    route: &'static Route,
    mut request: actix_http::Request,
    state: Arc<State>,
) -> (Request, HttpResponse) {
    let mut payload = request.take_payload();
    let request = Request::Direct(request);
    let response = if std::ptr::eq(route, &ROWS[Row::key64 as usize]) {
        key64(&request, &mut payload, &state).await
    } else {
        key(&request, &mut payload, &state).await
    };
    (request, response)
}

/// Answers a request for a path below `/kv` that has no key, or for an unknown path.
async fn other(request: HttpRequest, payload: web::Payload, state: Data<State>) -> HttpResponse {
    let (request, mut payload) = (Request::from(request), payload.into_inner());
    match find_kv(request.uri().path()) {
        Some(Row::namespace) => namespace(&request, &mut payload, &state).await,
        Some(Row::namespaces) => namespaces(&request, &mut payload, &state).await,
        _ => unknown(&request, &mut payload, &state).await,
    }
}

async fn unknown(request: &Request, payload: &mut Payload, state: &Arc<State>) -> HttpResponse {
    let handler = async |request: &Request, _: &mut Payload, state: &Arc<State>| {
        state.admit(request)?;
        Err(path::no_such_path("no such path"))
    };
    context::serve(&OTHER, request, payload, state, handler).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value as Json;

    use super::*;

    #[test]
    fn a_path_has_the_route_of_its_shape() {
        for (path, expected) in [
            ("/kv/ns/key", "key"),
            ("/kv/ns/key/", "key"),
            ("/kv/ns/", "key"),
            ("/kv/ns/%2F", "key"),
            ("/kv/ns/~64", "key"),
            ("/kv/ns/~64/YQ", "key64"),
            ("/kv/ns", "namespace"),
            ("/kv/", "namespace"),
            ("/kv", "namespaces"),
            ("/watch/ns", "watch"),
            ("/watch/ns/more", "watch"),
            ("/watch", "other"),
            ("/export", "export_all"),
            ("/export/ns", "export"),
            ("/", "root"),
            ("/kvx/a/b", "other"),
            ("/pings", "other"),
            ("/ping/", "other"),
            ("/exports", "other"),
            ("/admin/status", "other"),
        ] {
            assert_eq!(find(path, false).name, expected, "{path}");
        }
        assert_eq!(find("/admin/status", true).name, "admin_status");
        assert_eq!(find("/admin/none", true).name, "other");
    }

    #[test]
    fn the_shortcut_for_kv_finds_what_the_search_finds() {
        for path in [
            "/kv",
            "/kv/",
            "/kv/n",
            "/kv/n/",
            "/kv/n/k",
            "/kv/n/~64/aw",
            "/kvx",
        ] {
            // The more specific row first.
            let rows = [&ROWS[Row::key64 as usize]].into_iter().chain(&ROWS);
            let searched = rows.into_iter().find(|route| route.matches(path));
            assert_eq!(
                find(path, false).name,
                searched.unwrap_or(&OTHER).name,
                "{path}"
            );
        }
    }

    #[test]
    fn names_and_paths_are_unique() {
        let names: BTreeSet<&str> = ROWS.iter().map(|route| route.name).collect();
        let paths: BTreeSet<&str> = ROWS.iter().map(|route| route.path).collect();
        assert_eq!((names.len(), paths.len()), (ROWS.len(), ROWS.len()));
    }

    #[test]
    fn a_client_names_the_routes_as_the_table_does() {
        for route in ROWS.iter().filter(|route| route.access != Access::Owner) {
            let path = ["{namespace}", "{key}", "{key64}"]
                .iter()
                .fold(route.path.to_owned(), |path, name| path.replace(name, "a"));
            assert_eq!(names::from_path(&path), Some(route.name), "{path}");
        }
    }

    #[test]
    fn the_description_has_the_paths_and_methods_of_the_table() {
        let document: Json = serde_json::from_slice(&crate::openapi::document().text).unwrap();
        let described = document["paths"].as_object().unwrap();
        let described = described.iter().flat_map(|(path, operations)| {
            let methods = operations.as_object().unwrap().keys();
            let methods = methods.filter(|name| *name != "parameters");
            methods.map(move |method| (path.clone(), method.to_uppercase()))
        });
        let built = ROWS.iter().filter(|route| route.access != Access::Owner);
        let built = built.flat_map(|route| {
            let methods = route.methods.iter().map(|(method, _)| method);
            // Described once in the text, for all paths.
            let methods = methods.filter(|method| **method != Method::HEAD);
            methods.map(move |method| (route.path.to_owned(), method.to_string()))
        });
        let (described, built): (BTreeSet<_>, BTreeSet<_>) = (described.collect(), built.collect());
        assert_eq!(described, built);
    }

    #[test]
    fn open_routes_are_described_as_open() {
        let document: Json = serde_json::from_slice(&crate::openapi::document().text).unwrap();
        for route in ROWS.iter().filter(|route| route.access != Access::Owner) {
            let operation = &document["paths"][route.path]["get"];
            // The list of `/` needs a token, its page does not.
            if operation.is_object() && route.path != "/" {
                let is_open = operation["security"] == Json::Array(Vec::new());
                assert_eq!(is_open, route.access == Access::Open, "{}", route.path);
            }
        }
    }
}
