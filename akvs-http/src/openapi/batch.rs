//! The operations on many keys: `/txn`, `/get`, `/watch`, `/export`, `/import`.

use akvs_api::media_type::{self, EVENT_STREAM, NDJSON};
use akvs_core::Code;
use utoipa::openapi::content::Content;
use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::{Ref, Required, Response};

use super::namespaces::vary;
use super::operation::{OperationDescription, PathDescription, WRITE_ERRORS};
use super::parameters::{self, field, flag, key_or_base64, query};
use super::responses;
use super::schemas::one_of_texts;
use crate::response::headers::DEFAULT_TYPE;

/// Returns the paths of many keys.
pub(super) fn routes() -> [PathDescription; 7] {
    let in_one = |path, tag| PathDescription::new(path, tag).at([parameters::namespace()]);
    [
        in_one("/txn/{namespace}", "many keys").with(transact()),
        in_one("/get/{namespace}", "many keys").with(get()),
        in_one("/watch/{namespace}", "watching").with(watch()),
        in_one("/export/{namespace}", "transfer").with(export("export", "Export a namespace")),
        PathDescription::new("/export", "transfer")
            .with(export("exportAll", "Export all namespaces").errors([Code::InvalidRequest])),
        in_one("/import/{namespace}", "transfer").with(import("import", "Import into a namespace")),
        PathDescription::new("/import", "transfer").with(import(
            "importAll",
            "Import each namespace of the file under its own name",
        )),
    ]
}

fn transact() -> OperationDescription {
    OperationDescription::new(
        HttpMethod::Post,
        "transact",
        "Apply several operations under one revision, or none of them",
    )
    .body(json_body("Transaction"))
    .response(200, plain_document("All operations were applied.", "Done"))
    .errors([
        Code::InvalidRequest,
        Code::Conflict,
        Code::PreconditionFailed,
    ])
    .errors(WRITE_ERRORS)
}

fn get() -> OperationDescription {
    OperationDescription::new(
        HttpMethod::Post,
        "getMany",
        "Read many keys from one snapshot",
    )
    .body(json_body("Keys"))
    .response(
        200,
        responses::document(
            "The items in the order of the request, `null` for a key that does not exist.",
            "Found",
        )
        .build(),
    )
    .errors([Code::InvalidRequest, Code::TooLarge])
}

fn json_body(schema: &str) -> RequestBody {
    RequestBodyBuilder::new()
        .content(
            media_type::JSON,
            Content::new(Some(Ref::from_schema_name(schema))),
        )
        .required(Some(Required::True))
        .build()
}

fn plain_document(description: &str, schema: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name(schema)));
    responses::plain(description)
        .content(media_type::JSON, content)
        .build()
}

fn watch() -> OperationDescription {
    let events = responses::plain("The changes, one event each, as long as the client reads.")
        .content(EVENT_STREAM, responses::any_text())
        .header("Cache-Control", responses::only("no-store"))
        .header("X-Content-Type-Options", responses::only("nosniff"))
        .header("X-Accel-Buffering", responses::only("no"));
    OperationDescription::new(HttpMethod::Get, "watch", "Watch changes")
        .description(
            "Server-sent events: `set`, `delete`, `expire` and `drop`, with the revision as `id` and the item as `data`. \
             With `since=0` the current keys come first, as `set` events, then `synced`. A client that falls too far \
             behind gets `reset`. A comment every 15 s has the revision up to which all changes were sent.",
        )
        .parameters(key_or_base64("prefix", 0, None, "Only keys that begin with it."))
        .parameters(key_or_base64("key", 1, None, "Only this key; not together with `prefix`."))
        .parameters([
            query("since", parameters::number(), "First the changes after this revision; `0`: first the current keys; without it only later changes."),
            flag("values", "With the values."),
            field(
                "Last-Event-ID",
                parameters::pattern("^[ \\t]*[0-9]*[ \\t]*$"),
                "The last revision of an earlier watch; overrides `since`.",
            ),
        ])
        .response(200, events.build())
        .errors([Code::InvalidRequest, Code::HistoryGone])
}

fn export(id: &'static str, summary: &'static str) -> OperationDescription {
    let lines = responses::plain(
        "A first line, a line for each key, and a last line. A file without the last line was cut off.",
    )
    .content(NDJSON, responses::bytes())
    .header("Cache-Control", responses::only("no-store"))
    .header("X-Content-Type-Options", responses::only("nosniff"))
    .header(
        "Content-Encoding",
        responses::header(codings(), "The coding that the client prefers."),
    );
    OperationDescription::new(HttpMethod::Get, id, summary)
        .description(
            "All keys come from one snapshot. The last line has the number of keys and the SHA-256 of all lines before it.",
        )
        .parameters([field("Accept-Encoding", Object::with_type(Type::String), "`gzip` or `zstd`.")])
        .response(200, vary(lines, "accept-encoding").build())
        .errors([Code::InvalidRequest])
}

fn import(id: &'static str, summary: &'static str) -> OperationDescription {
    let body = RequestBodyBuilder::new()
        .description(Some(
            "The file of an export, of any length; line ends may be CRLF.",
        ))
        .content(NDJSON, responses::bytes())
        // The server ignores the type, and most generators do not support NDJSON.
        .content(DEFAULT_TYPE, responses::bytes())
        .required(Some(Required::True));
    OperationDescription::new(HttpMethod::Post, id, summary)
        .description(
            "The answer names each wrong line, and the other lines are imported. The import ends after 10,000 wrong lines, \
             and soon after its client has closed the connection. An error has the number of keys imported before it.",
        )
        .parameters([
            query(
                "mode",
                Ref::from_schema_name("ImportMode"),
                "The effect on a key that exists: `merge` (the default) sets it, `create` keeps it, and `replace` sets it and \
                 deletes the keys that are not in the file.",
            ),
            field(
                "Content-Encoding",
                Object::with_type(Type::String),
                "The coding of the body: `gzip`, `zstd` or `identity`.",
            ),
        ])
        .body(body.build())
        .response(200, responses::document("The whole file was read, and its checksum is correct.", "Report").build())
        .errors([Code::InvalidRequest, Code::InvalidKey, Code::InvalidNamespace, Code::Conflict])
        .errors(WRITE_ERRORS)
}

fn codings() -> Object {
    one_of_texts(["gzip", "zstd"])
}
