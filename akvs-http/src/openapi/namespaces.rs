//! `/kv` and `/kv/{namespace}`.

use akvs_api::media_type;
use akvs_core::Code;
use utoipa::openapi::Ref;
use utoipa::openapi::content::Content;
use utoipa::openapi::path::{HttpMethod, Parameter};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::ResponseBuilder;

use super::operation::{OperationDescription, PathDescription, WRITE_ERRORS};
use super::parameters::{self, bounds, flag, key_or_base64, paging, query, string};
use super::responses;
use crate::response::problem::TEXT;

const TAG: &str = "namespaces";

/// Returns the paths of namespaces.
pub(super) fn routes() -> [PathDescription; 3] {
    let all = PathDescription::new("/kv", TAG).with(list());
    let one = PathDescription::new("/kv/{namespace}", TAG).at([parameters::namespace()]);
    let settings = PathDescription::new("/settings/{namespace}", TAG).at([parameters::namespace()]);
    [
        all,
        one.with(list_keys())
            .with(configure())
            .with(change())
            .with(remove()),
        settings.with(read_settings()),
    ]
}

fn list() -> OperationDescription {
    OperationDescription::new(HttpMethod::Get, "listNamespaces", "List the namespaces")
        .description("Ordered by name, in pages. Only `cursor: null` marks the end; a page may be empty before it.")
        .parameters(key_or_base64(
            "prefix",
            0,
            None,
            "Only names that begin with it.",
        ))
        .parameters(paging())
        .response(200, responses::document("A page.", "Namespaces").build())
        .errors([Code::InvalidRequest])
}

fn list_keys() -> OperationDescription {
    // NDJSON is only in the text: with two types of answer, generated clients would support neither.
    let page = vary(responses::document("A page.", "KeyList"), "accept");
    OperationDescription::new(HttpMethod::Get, "listKeys", "List the keys of a namespace")
        .description(
            "Ordered by unsigned bytes, in pages; each page is one consistent snapshot. Only `cursor: null` marks the \
             end; a page may be empty before it. With `Accept: application/x-ndjson` the answer has that type: the \
             whole range from one snapshot, one item a line, without `limit`, `cursor` and `delimiter`.",
        )
        .parameters(keys())
        .response(200, page.build())
        .errors([Code::InvalidRequest])
}

fn keys() -> Vec<Parameter> {
    let mut all = Vec::new();
    all.extend(bounds("prefix", 0, "Only keys that begin with it."));
    all.extend(bounds("start", 0, "The first key, inclusive."));
    all.extend(bounds("end", 0, "The end of the list, exclusive."));
    all.extend(bounds(
        "delimiter",
        1,
        "Keys that contain it after the prefix are listed as groups, in `prefixes`.",
    ));
    all.extend(paging());
    all.push(flag("reverse", "From the last key to the first."));
    all.push(flag(
        "values",
        "With the values. A value that is not UTF-8, or that JSON escapes would make longer than base64url, is `value64`.",
    ));
    all
}

fn configure() -> OperationDescription {
    OperationDescription::new(
        HttpMethod::Put,
        "configureNamespace",
        "Create a namespace, or replace its settings",
    )
    .body(settings())
    .response(
        201,
        responses::document("The namespace was created.", "Configured").build(),
    )
    .response(
        200,
        responses::document(
            "The namespace existed; these are its settings now.",
            "Configured",
        )
        .build(),
    )
    .errors([Code::InvalidRequest])
    .errors(WRITE_ERRORS)
}

fn change() -> OperationDescription {
    let body = RequestBodyBuilder::new()
        .description(Some(
            "The settings to change; null removes a setting, a missing one stays.",
        ))
        .content(
            media_type::MERGE_PATCH_JSON,
            Content::new(Some(Ref::from_schema_name("Settings"))),
        )
        .build();
    OperationDescription::new(
        HttpMethod::Patch,
        "changeSettings",
        "Change some settings of a namespace, or create it",
    )
    .description("A JSON merge patch (RFC 7396). `Content-Type` is not examined.")
    .body(body)
    .response(
        201,
        responses::document("The namespace was created.", "Configured").build(),
    )
    .response(
        200,
        responses::document(
            "The namespace existed; these are its settings now.",
            "Configured",
        )
        .build(),
    )
    .errors([Code::InvalidRequest])
    .errors(WRITE_ERRORS)
}

fn read_settings() -> OperationDescription {
    let settings =
        responses::document("The settings; null for each that is not set.", "Configured");
    OperationDescription::new(
        HttpMethod::Get,
        "readSettings",
        "Read the settings of a namespace",
    )
    .response(200, settings.build())
    .errors([Code::InvalidRequest])
}

fn settings() -> RequestBody {
    RequestBodyBuilder::new()
        .description(Some("The settings; without a body none is set."))
        .content(
            media_type::JSON,
            Content::new(Some(Ref::from_schema_name("Settings"))),
        )
        .build()
}

fn remove() -> OperationDescription {
    // The text is first, because either answer can be read as text.
    let dropped = responses::plain(
        "`OK`: the namespace was dropped; or a document: the keys with the prefix were deleted.",
    )
    .content(TEXT, responses::any_text())
    .content(
        media_type::JSON,
        Content::new(Some(Ref::from_schema_name("Deleted"))),
    );
    OperationDescription::new(
        HttpMethod::Delete,
        "deleteNamespace",
        "Drop a namespace, or delete the keys with a prefix",
    )
    .description("Either `confirm` or `prefix` is required.")
    .parameters([query(
        "confirm",
        string(0, None),
        "The name of the namespace again, to drop it with all of its keys.",
    )])
    .parameters(bounds(
        "prefix",
        1,
        "The keys that begin with it are deleted, in steps of at most 500.",
    ))
    .response(200, dropped.build())
    .errors([Code::InvalidRequest, Code::ConfirmationRequired])
    .errors(WRITE_ERRORS)
}

/// Adds the header field of the request that the answer depends on.
pub(super) fn vary(response: ResponseBuilder, field: &str) -> ResponseBuilder {
    response.header("Vary", responses::only(field))
}
