//! The description of the API: OpenAPI 3.1, built once from the types, limits and codes that the handlers use.
//!
//! It owns the texts and schemas. Contract tests compare them with the server, in both directions. Rules that
//! OpenAPI cannot express (lengths in bytes, parameters that exclude each other) are in the descriptions.

mod batch;
pub(crate) mod handler;
mod meta;
mod namespaces;
mod operation;
mod parameters;
mod problems;
mod responses;
mod schemas;
mod transactions;
mod values;

use std::sync::OnceLock;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use utoipa::openapi::info::{InfoBuilder, LicenseBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::server::Server;
use utoipa::openapi::{Components, Info, OpenApi, OpenApiBuilder, PathsBuilder};

use self::operation::PathDescription;

const TOKEN: &str = "token";

/// The document as it is sent.
pub(crate) struct Document {
    pub(crate) text: Bytes,
    /// Changes with the text.
    pub(crate) etag: String,
}

/// Returns the document, which is the same for the life of the process.
pub(crate) fn document() -> &'static Document {
    static DOCUMENT: OnceLock<Document> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        // The derived serializers of these types do not fail.
        let text = Bytes::from(serde_json::to_vec(&describe()).unwrap_or_default());
        let digest = Sha256::digest(&text);
        let hex: String = digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let etag = format!("\"{hex}\"");
        Document { text, etag }
    })
}

fn describe() -> OpenApi {
    let routes: Vec<PathDescription> = values::routes()
        .into_iter()
        .chain(namespaces::routes())
        .chain(batch::routes())
        .chain(meta::routes())
        .collect();
    let mut paths = PathsBuilder::new();
    for route in routes {
        let (path, item) = route.describe();
        paths = paths.path(path, item);
    }
    OpenApiBuilder::new()
        .info(info())
        .servers(Some([Server::new("/")]))
        .paths(paths.build())
        .components(Some(components()))
        // The second, empty requirement is for a server without tokens.
        .security(Some([
            SecurityRequirement::new(TOKEN, [""; 0]),
            SecurityRequirement::default(),
        ]))
        .build()
}

fn info() -> Info {
    let text = "Namespaces of keys over plain HTTP. Keys and values are any bytes. Each change takes the next revision, which \
        is its `ETag`. Errors are problem documents (RFC 9457); `404` and `405` are short texts for clients that do \
        not list `application/problem+json` or `application/json` in `Accept`. `HEAD` is supported wherever `GET` is, \
        with the same header fields; `OPTIONS` everywhere, with `204` and the methods in `Allow`. Any other method is \
        `405`, any other path `404`. The response repeats the `X-Request-Id` of the request.";
    let licence = env!("CARGO_PKG_LICENSE");
    InfoBuilder::new()
        .title("AKVS")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(text))
        .license(Some(
            LicenseBuilder::new()
                .name(licence)
                .identifier(Some(licence))
                .build(),
        ))
        .build()
}

fn components() -> Components {
    let mut components = schemas::components();
    components.responses.extend(
        problems::responses()
            .into_iter()
            .map(|(name, response)| (name, response.into())),
    );
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A token with the right that the request needs; a token in a URL is never accepted.",
        ));
    components.add_security_scheme(TOKEN, SecurityScheme::Http(bearer.build()));
    components
}

#[cfg(test)]
mod tests {
    use akvs_core::Code;
    use serde_json::Value;

    use super::*;
    use crate::response::problem::status;
    use akvs_api::problem::title;

    #[test]
    fn the_library_reads_the_document() {
        let read: Result<OpenApi, _> = serde_json::from_slice(&document().text);
        assert!(read.is_ok(), "{:?}", read.err());
    }

    #[test]
    fn every_code_is_described_with_its_status_and_no_other() {
        let document: Value = serde_json::from_slice(&document().text).unwrap();
        let responses = document["components"]["responses"].as_object().unwrap();
        let mut described = Vec::new();
        for (name, response) in responses {
            let content = &response["content"]["application/problem+json"];
            assert_eq!(content["schema"]["$ref"], "#/components/schemas/Problem");
            for (text, example) in content["examples"].as_object().unwrap() {
                let code = Code::parse(text).unwrap();
                let status = status(code);
                assert_eq!(*name, format!("problem-{}", status.as_u16()));
                let example = &example["value"];
                assert_eq!(example["code"], code.as_str());
                assert_eq!(example["status"], status.as_u16());
                assert_eq!(example["title"], title(code));
                described.push(code);
            }
        }
        described.sort_by_key(|code| Code::ALL.iter().position(|one| one == code));
        assert_eq!(described, Code::ALL);
    }
}
