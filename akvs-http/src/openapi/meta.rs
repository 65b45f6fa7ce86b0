//! The operations on the server itself: health checks, metrics, version, rights, this description and the list.

use akvs_api::media_type;
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

/// Returns the paths of the server itself.
pub(super) fn routes() -> [PathDescription; 8] {
    let open = |path| PathDescription::new(path, TAG).open();
    let guarded = |path| PathDescription::new(path, TAG);
    let get = |id, summary| OperationDescription::new(HttpMethod::Get, id, summary);
    let pong = responses::text("The server responds.", "pong").build();
    let ok = || responses::text("The check passed.", "ok").build();
    [
        open("/ping").with(get("ping", "Check that the server responds").response(200, pong)),
        open("/livez").with(get("livez", "Check that the process runs").response(200, ok())),
        open("/readyz").with(
            get("readyz", "Check that the server accepts writes")
                .response(200, ok())
                .errors([Code::Closing, Code::Unavailable]),
        ),
        guarded("/metrics")
            .with(get("metrics", "Get metrics for Prometheus").response(200, metrics())),
        guarded("/version").with(
            get("version", "Get the version, the engine and the limits").response(
                200,
                responses::document(
                    "The document stays the same while the server runs.",
                    "Version",
                )
                .build(),
            ),
        ),
        guarded("/whoami").with(
            get("whoami", "Get the caller's token and its rights")
                .response(
                    200,
                    responses::document("The caller's rights.", "Identity")
                        .header("Cache-Control", responses::only("no-store"))
                        .build(),
                )
                .errors([Code::InvalidRequest]),
        ),
        guarded("/openapi.json").with(
            get("openapi", "Get this description")
                .parameters([
                    if_match(),
                    if_none_match("Only if its tag is none of these."),
                ])
                .response(200, this())
                .response(
                    304,
                    tagged(responses::plain("The document still has this tag.")).build(),
                )
                .errors([Code::InvalidRequest, Code::PreconditionFailed]),
        ),
        guarded("/").with(root()),
    ]
}

fn if_match() -> Parameter {
    let text = "Only if its tag is one of these.";
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
    let response = responses::plain("OpenAPI 3.1.").content(media_type::JSON, document);
    tagged(response)
        .header("X-Content-Type-Options", responses::only("nosniff"))
        .build()
}

fn tagged(response: ResponseBuilder) -> ResponseBuilder {
    response
        .header(
            "ETag",
            responses::text_header("The tag of this version of the document."),
        )
        .header("Cache-Control", responses::only("no-cache"))
}

fn root() -> OperationDescription {
    let both =
        responses::plain("The text, or the page, which has the header fields described here.")
            .content(TEXT, Content::new(Some(string())))
            .content(HTML, Content::new(Some(string())));
    OperationDescription::new(HttpMethod::Get, "root", "Get the web page, or a list of the routes")
        .description(
            "A text with the version and the routes; for browsers, which list `text/html` in `Accept`, the admin page. The \
             page needs no token: it contains no data.",
        )
        .parameters([
            if_match(),
            if_none_match("Only if its tag is none of these."),
        ])
        .errors([Code::InvalidRequest, Code::PreconditionFailed])
        .response(200, with_page_headers(both))
        .response(304, with_page_headers(responses::plain("The page still has this tag.")))
}

fn with_page_headers(response: ResponseBuilder) -> Response {
    vary(tagged(response), "accept")
        .header(
            "Content-Security-Policy",
            responses::text_header("Only the page's own scripts and styles are allowed."),
        )
        .header("X-Content-Type-Options", responses::only("nosniff"))
        .header("Referrer-Policy", responses::only("no-referrer"))
        .build()
}
