//! `/kv` and `/kv/{namespace}`.

use akvs_core::Code;
use utoipa::openapi::Ref;
use utoipa::openapi::content::Content;
use utoipa::openapi::path::{HttpMethod, Parameter};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::ResponseBuilder;

use super::operation::{OF_CHANGES, OperationDescription, PathDescription};
use super::parameters::{self, bounds, flag, key_or_base64, paging, query, string};
use super::responses;
use crate::response::problem::TEXT;

const TAG: &str = "namespaces";

/// The paths of namespaces.
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
        .description("By name, page by page. `cursor: null` is the end; an empty page is not.")
        .parameters(key_or_base64(
            "prefix",
            0,
            None,
            "What the names begin with.",
        ))
        .parameters(paging())
        .response(200, responses::document("A page.", "Namespaces").build())
        .errors([Code::InvalidRequest])
}

fn list_keys() -> OperationDescription {
    // Lines are told of in words: with two types of answer, generated clients would know neither.
    let page = vary(responses::document("A page.", "KeyList"), "accept");
    OperationDescription::new(HttpMethod::Get, "listKeys", "List the keys of a namespace")
        .description(
            "By unsigned bytes, page by page; each is one consistent view. `cursor: null` is the end; an empty page is \
             not. With `Accept: application/x-ndjson` the answer is of that type: the whole range comes from one snapshot, an item a line, without \
             `limit`, `cursor` and `delimiter`.",
        )
        .parameters(keys())
        .response(200, page.build())
        .errors([Code::InvalidRequest])
}

fn keys() -> Vec<Parameter> {
    let mut all = Vec::new();
    all.extend(bounds("prefix", 0, "What the keys begin with."));
    all.extend(bounds("start", 0, "The least key that is told."));
    all.extend(bounds(
        "end",
        0,
        "The least key behind those that are told.",
    ));
    all.extend(bounds(
        "delimiter",
        1,
        "Keys that have this behind the prefix are told as groups, in `prefixes`.",
    ));
    all.extend(paging());
    all.push(flag("reverse", "From the greatest key to the least."));
    all.push(flag(
        "values",
        "With the values, as far as they are small. Text that JSON's escapes make longer than base64url comes as `value64`.",
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
        responses::document("It was created.", "Configured").build(),
    )
    .response(
        200,
        responses::document("It is there, and has these settings now.", "Configured").build(),
    )
    .errors([Code::InvalidRequest])
    .errors(OF_CHANGES)
}

fn change() -> OperationDescription {
    let body = RequestBodyBuilder::new()
        .description(Some(
            "What is to change; null removes a setting, and one that is missing stays.",
        ))
        .content(
            "application/merge-patch+json",
            Content::new(Some(Ref::from_schema_name("Settings"))),
        )
        .build();
    OperationDescription::new(
        HttpMethod::Patch,
        "changeSettings",
        "Change some settings of a namespace, or create it",
    )
    .description("A JSON merge patch (RFC 7396). The content type is not looked at.")
    .body(body)
    .response(
        201,
        responses::document("It was created.", "Configured").build(),
    )
    .response(
        200,
        responses::document("It is there, and has these settings now.", "Configured").build(),
    )
    .errors([Code::InvalidRequest])
    .errors(OF_CHANGES)
}

fn read_settings() -> OperationDescription {
    let told = responses::document(
        "What is chosen for it; null where nothing is.",
        "Configured",
    );
    OperationDescription::new(
        HttpMethod::Get,
        "readSettings",
        "Read the settings of a namespace",
    )
    .response(200, told.build())
    .errors([Code::InvalidRequest])
}

fn settings() -> RequestBody {
    RequestBodyBuilder::new()
        .description(Some("What is chosen; no body at all chooses nothing."))
        .content(
            "application/json",
            Content::new(Some(Ref::from_schema_name("Settings"))),
        )
        .build()
}

fn remove() -> OperationDescription {
    // The text is first, as either answer can be read as one.
    let dropped = responses::plain(
        "`OK`: the namespace is dropped; or a document: the keys with the prefix are deleted.",
    )
    .content(TEXT, responses::any_text())
    .content(
        "application/json",
        Content::new(Some(Ref::from_schema_name("Deleted"))),
    );
    OperationDescription::new(
        HttpMethod::Delete,
        "deleteNamespace",
        "Drop a namespace, or delete the keys with a prefix",
    )
    .description("Either `confirm` or `prefix` must be there.")
    .parameters([query(
        "confirm",
        string(0, None),
        "The namespace's name again: all that it holds is dropped.",
    )])
    .parameters(bounds(
        "prefix",
        1,
        "The keys that begin so are deleted, page by page.",
    ))
    .response(200, dropped.build())
    .errors([Code::InvalidRequest, Code::ConfirmationRequired])
    .errors(OF_CHANGES)
}

/// Says which header field of the request the answer depends on.
pub(super) fn vary(response: ResponseBuilder, field: &str) -> ResponseBuilder {
    response.header("Vary", responses::only(field))
}
