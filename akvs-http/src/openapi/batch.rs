//! What is about many keys at once: `/txn`, `/get`, `/watch`, `/export`, `/import`.

use akvs_core::Code;
use utoipa::openapi::content::Content;
use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::{Ref, Required, Response};

use super::namespaces::vary;
use super::operation::{OF_CHANGES, OperationDescription, PathDescription};
use super::parameters::{self, field, flag, key_or_base64, query};
use super::responses;
use super::schemas::one_of_texts;
use crate::handlers::ndjson::NDJSON;
use crate::handlers::watch::EVENT_STREAM;
use crate::response::headers::DEFAULT_TYPE;

/// The paths.
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
            "Import into all namespaces that the file names",
        )),
    ]
}

fn transact() -> OperationDescription {
    OperationDescription::new(
        HttpMethod::Post,
        "transact",
        "Change several keys: all of them, under one revision, or none",
    )
    .body(json_body("Transaction"))
    .response(200, plain_document("It is done.", "Done"))
    .errors([
        Code::InvalidRequest,
        Code::Conflict,
        Code::PreconditionFailed,
    ])
    .errors(OF_CHANGES)
}

fn get() -> OperationDescription {
    OperationDescription::new(
        HttpMethod::Post,
        "getMany",
        "Read many keys, as they stood at one moment",
    )
    .body(json_body("Keys"))
    .response(
        200,
        responses::document(
            "The items in the asked order, `null` for a key that is not there.",
            "Found",
        )
        .build(),
    )
    .errors([Code::InvalidRequest, Code::TooLarge])
}

fn json_body(schema: &str) -> RequestBody {
    RequestBodyBuilder::new()
        .content(
            "application/json",
            Content::new(Some(Ref::from_schema_name(schema))),
        )
        .required(Some(Required::True))
        .build()
}

fn plain_document(description: &str, schema: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name(schema)));
    responses::plain(description)
        .content("application/json", content)
        .build()
}

fn watch() -> OperationDescription {
    let events =
        responses::plain("The changes, one event each, for as long as the client listens.")
            .content(EVENT_STREAM, responses::any_text())
            .header("Cache-Control", responses::only("no-store"))
            .header("X-Content-Type-Options", responses::only("nosniff"))
            .header("X-Accel-Buffering", responses::only("no"));
    OperationDescription::new(HttpMethod::Get, "watch", "Watch what changes")
        .description(
            "Server-sent events: `set`, `delete`, `expire` and `drop`, with the revision as `id` and the item as `data`. \
             With `since=0` first the state as `set` events, then `synced`. Who is too far behind within the stream is \
             told `reset`. A comment each 15 s carries the revision.",
        )
        .parameters(key_or_base64("prefix", 0, None, "Only keys that begin so."))
        .parameters(key_or_base64("key", 1, None, "Only this key; not together with `prefix`."))
        .parameters([
            query("since", parameters::number(), "What came after this revision; without it, from now on."),
            flag("values", "With the values."),
            field(
                "Last-Event-ID",
                parameters::pattern("^[ \\t]*[0-9]*[ \\t]*$"),
                "Where an earlier watch ended; goes before `since`.",
            ),
        ])
        .response(200, events.build())
        .errors([Code::InvalidRequest, Code::HistoryGone])
}

fn export(id: &'static str, summary: &'static str) -> OperationDescription {
    let lines = responses::plain(
        "A first line, a line for each key, and a last one, without which it was cut off.",
    )
    .content(NDJSON, responses::bytes())
    .header("Cache-Control", responses::only("no-store"))
    .header("X-Content-Type-Options", responses::only("nosniff"))
    .header(
        "Content-Encoding",
        responses::header(codings(), "As the client likes best."),
    );
    OperationDescription::new(HttpMethod::Get, id, summary)
        .description(
            "All of it comes from one snapshot. The last line has the count of the records and the SHA-256 of all \
             lines before.",
        )
        .parameters([field("Accept-Encoding", Object::with_type(Type::String), "`gzip` or `zstd`.")])
        .response(200, vary(lines, "accept-encoding").build())
        .errors([Code::InvalidRequest])
}

fn import(id: &'static str, summary: &'static str) -> OperationDescription {
    let body = RequestBodyBuilder::new()
        .description(Some(
            "What an export answered with, of any length; its line ends may be CRLF.",
        ))
        .content(NDJSON, responses::bytes())
        // The server reads it as lines whatever it is said to be, and most generators know no lines.
        .content(DEFAULT_TYPE, responses::bytes())
        .required(Some(Required::True));
    OperationDescription::new(HttpMethod::Post, id, summary)
        .description(
            "What an error ended is told with what had been imported until then. A line that cannot be read is told, and \
             the others are imported; where 10,000 are wrong, it ends. It also ends soon after its client has gone.",
        )
        .parameters([
            query(
                "mode",
                Ref::from_schema_name("ImportMode"),
                "What is done with a key that is there already: it is set (the default), it stays, or it is set and \
                 those that are not in the file are deleted.",
            ),
            field(
                "Content-Encoding",
                Object::with_type(Type::String),
                "How the body is coded: `gzip`, `zstd` or `identity`.",
            ),
        ])
        .body(body.build())
        .response(200, responses::document("It was read to its right end.", "Report").build())
        .errors([Code::InvalidRequest, Code::InvalidKey, Code::InvalidNamespace, Code::Conflict])
        .errors(OF_CHANGES)
}

fn codings() -> Object {
    one_of_texts(["gzip", "zstd"])
}
