//! What says how the server is, and what it is.

use akvs_core::Code;
use utoipa::openapi::content::Content;
use utoipa::openapi::path::{HttpMethod, Parameter};
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::{Response, ResponseBuilder, Schema};

use super::namespaces::vary;
use super::operation::{OperationDescription, PathDescription};
use super::parameters;
use super::responses;
use crate::metrics::Format;
use crate::response::problem::TEXT;
use crate::ui::page::HTML;

const TAG: &str = "server";

/// The paths.
pub(super) fn routes() -> [PathDescription; 8] {
    let open = |path| PathDescription::new(path, TAG).open();
    let guarded = |path| PathDescription::new(path, TAG);
    let get = |id, summary| OperationDescription::new(HttpMethod::Get, id, summary);
    let pong = responses::text("It answers.", "pong").build();
    let ok = || responses::text("It is.", "ok").build();
    [
        open("/ping").with(get("ping", "Whether the server answers").response(200, pong)),
        open("/livez").with(get("livez", "Whether the process lives").response(200, ok())),
        open("/readyz").with(
            get("readyz", "Whether writes are taken")
                .response(200, ok())
                .errors([Code::Closing, Code::Unavailable]),
        ),
        guarded("/metrics")
            .with(get("metrics", "What is counted, for Prometheus").response(200, metrics())),
        guarded("/version").with(
            get("version", "What serves, and within which limits").response(
                200,
                responses::document("The same as long as the server runs.", "Version").build(),
            ),
        ),
        guarded("/whoami").with(
            get("whoami", "The caller's token and its rights")
                .response(
                    200,
                    responses::document("What the caller may do.", "Identity")
                        .header("Cache-Control", responses::only("no-store"))
                        .build(),
                )
                .errors([Code::InvalidRequest]),
        ),
        guarded("/openapi.json").with(
            get("openapi", "This document")
                .parameters([
                    if_match(),
                    if_none_match("Only if it has none of these tags."),
                ])
                .response(200, this())
                .response(
                    304,
                    tagged(responses::plain("The client has it already.")).build(),
                )
                .errors([Code::InvalidRequest, Code::PreconditionFailed]),
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

fn root() -> OperationDescription {
    let both = responses::plain("The text, or the page; the header fields are the page's.")
        .content(TEXT, Content::new(Some(string())))
        .content(HTML, Content::new(Some(string())));
    OperationDescription::new(HttpMethod::Get, "root", "What this is")
        .description(
            "A text that names the server and the paths; to browsers, which list `text/html` in `Accept`, the admin \
             page. The page needs no token: it holds no data.",
        )
        .parameters([
            if_match(),
            if_none_match("Only if it has none of these tags."),
        ])
        .errors([Code::InvalidRequest, Code::PreconditionFailed])
        .response(200, with_page_headers(both))
        .response(304, with_page_headers(responses::plain("The client has the page already.")))
}

fn with_page_headers(response: ResponseBuilder) -> Response {
    vary(tagged(response), "accept")
        .header(
            "Content-Security-Policy",
            responses::text_header("Nothing but what the page itself carries is run."),
        )
        .header("X-Content-Type-Options", responses::only("nosniff"))
        .header("Referrer-Policy", responses::only("no-referrer"))
        .build()
}
