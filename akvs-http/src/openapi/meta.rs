//! What says how the server is, and what it is.

use akvs_core::Code;
use utoipa::openapi::content::Content;
use utoipa::openapi::path::{HttpMethod, Parameter};
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::{Response, ResponseBuilder, Schema};

use super::namespaces::vary;
use super::operation::{Asked, Route};
use super::parameters;
use super::responses;
use crate::metrics::Format;
use crate::response::problem::TEXT;
use crate::ui::page::HTML;

const TAG: &str = "server";

/// The paths.
pub(super) fn routes() -> [Route; 8] {
    let open = |path| Route::new(path, TAG).open();
    let guarded = |path| Route::new(path, TAG);
    let get = |id, summary| Asked::new(HttpMethod::Get, id, summary);
    let pong = responses::text("It answers.", "pong").build();
    let ok = || responses::text("It is.", "ok").build();
    [
        open("/ping").with(get("ping", "Whether the server answers").answers(200, pong)),
        open("/livez").with(get("livez", "Whether the process lives").answers(200, ok())),
        open("/readyz").with(
            get("readyz", "Whether writes are taken")
                .answers(200, ok())
                .refuses([Code::Closing, Code::Unavailable]),
        ),
        guarded("/metrics")
            .with(get("metrics", "What is counted, for Prometheus").answers(200, metrics())),
        guarded("/version").with(
            get("version", "What serves, and within which limits").answers(
                200,
                responses::document("The same as long as the server runs.", "Version").build(),
            ),
        ),
        guarded("/whoami").with(
            get("whoami", "The caller's token and its rights")
                .answers(
                    200,
                    responses::document("What the caller may do.", "Identity")
                        .header("Cache-Control", responses::only("no-store"))
                        .build(),
                )
                .refuses([Code::InvalidRequest]),
        ),
        guarded("/openapi.json").with(
            get("openapi", "This document")
                .takes([
                    if_match(),
                    if_none_match("Only if it has none of these tags."),
                ])
                .answers(200, this())
                .answers(
                    304,
                    tagged(responses::plain("The client has it already.")).build(),
                )
                .refuses([Code::InvalidRequest, Code::PreconditionFailed]),
        ),
        guarded("/").with(root()),
    ]
}

fn if_match() -> Parameter {
    let text = "Only if it has one of these tags.";
    parameters::field("If-Match", parameters::tags(), text)
}

fn if_none_match(text: &str) -> Parameter {
    parameters::field("If-None-Match", Object::with_type(Type::String), text)
}

fn string() -> Schema {
    Object::with_type(Type::String).into()
}

fn metrics() -> Response {
    let formats = [Format::Text, Format::OpenMetrics];
    let response = formats
        .iter()
        .fold(responses::plain("The metrics."), |response, format| {
            response.content(format.media_type(), Content::new(Some(string())))
        });
    vary(response, "accept")
        .header("Cache-Control", responses::only("no-store"))
        .build()
}

fn this() -> Response {
    let document = Content::new(Some(Object::with_type(Type::Object)));
    let response = responses::plain("OpenAPI 3.1.").content("application/json", document);
    tagged(response)
        .header("X-Content-Type-Options", responses::only("nosniff"))
        .build()
}

fn tagged(response: ResponseBuilder) -> ResponseBuilder {
    response
        .header(
            "ETag",
            responses::text_header("Another one for another document."),
        )
        .header("Cache-Control", responses::only("no-cache"))
}

fn root() -> Asked {
    let both = responses::plain("The text, or the page; the header fields are the page's.")
        .content(TEXT, Content::new(Some(string())))
        .content(HTML, Content::new(Some(string())));
    Asked::new(HttpMethod::Get, "root", "What this is")
        .told(
            "A text that names the server and the paths; to browsers, which list `text/html` in `Accept`, the admin \
             page. The page needs no token: it holds no data.",
        )
        .takes([
            if_match(),
            if_none_match("Only if it has none of these tags."),
        ])
        .refuses([Code::InvalidRequest, Code::PreconditionFailed])
        .answers(200, of_page(both))
        .answers(304, of_page(responses::plain("The client has the page already.")))
}

fn of_page(response: ResponseBuilder) -> Response {
    vary(tagged(response), "accept")
        .header(
            "Content-Security-Policy",
            responses::text_header("Nothing but what the page itself carries is run."),
        )
        .header("X-Content-Type-Options", responses::only("nosniff"))
        .header("Referrer-Policy", responses::only("no-referrer"))
        .build()
}
