//! The API as it describes itself: OpenAPI 3.1, made once from the types, limits and codes that the handlers use.
//!
//! It owns what is said, not what is done: the contract's tests hold the two together, in both directions. What cannot
//! be said there (lengths are in bytes, some parameters exclude each other) is told in words.

mod answers;
mod many;
mod meta;
mod namespaces;
mod operation;
mod parameters;
mod schemas;
mod values;

use std::sync::OnceLock;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use utoipa::openapi::info::{InfoBuilder, LicenseBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::server::Server;
use utoipa::openapi::{Components, Info, OpenApi, OpenApiBuilder, PathsBuilder};

use self::operation::Route;

const TOKEN: &str = "token";

/// The document as it is sent.
pub(crate) struct Document {
    pub(crate) text: Bytes,
    /// Changes with the text.
    pub(crate) etag: String,
}

/// The document, which is the same as long as the process runs.
pub(crate) fn document() -> &'static Document {
    static DOCUMENT: OnceLock<Document> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        // Its types do not refuse to be told.
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
    let routes: Vec<Route> = values::routes()
        .into_iter()
        .chain(namespaces::routes())
        .chain(many::routes())
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
        // The second one says that nothing is needed: a server without tokens is open.
        .security(Some([
            SecurityRequirement::new(TOKEN, [""; 0]),
            SecurityRequirement::default(),
        ]))
        .build()
}

fn info() -> Info {
    let text = "Namespaces of keys over plain HTTP. Keys and values are any bytes; a change takes the next revision, \
        which is its `ETag`. Errors are problem documents (RFC 9457); `404` and `405` are short texts for clients that \
        do not list `application/problem+json` or `application/json` in `Accept`. Any other method is answered with \
        `405`, any other path with `404`. An id in `X-Request-Id` is given back.";
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
        answers::problems()
            .into_iter()
            .map(|(name, response)| (name, response.into())),
    );
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A token with the right that the request needs. Never in a URL.",
        ));
    components.add_security_scheme(TOKEN, SecurityScheme::Http(bearer.build()));
    components
}

#[cfg(test)]
mod tests {
    use akvs_core::Code;
    use serde_json::Value;

    use super::*;
    use crate::problem::status;

    #[test]
    fn it_is_read_back_as_it_was_made() {
        let text = &document().text;
        let read: OpenApi = serde_json::from_slice(text).unwrap();
        let again = serde_json::to_vec(&read).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&again).unwrap(),
            serde_json::from_slice::<Value>(text).unwrap()
        );
    }

    #[test]
    fn every_code_is_told_with_its_status_and_no_other() {
        let document: Value = serde_json::from_slice(&document().text).unwrap();
        let responses = document["components"]["responses"].as_object().unwrap();
        let mut told = Vec::new();
        for (name, response) in responses
            .iter()
            .filter(|(name, _)| !name.ends_with("-head"))
        {
            let schema = &response["content"]["application/problem+json"]["schema"];
            let members = &schema["properties"];
            for code in members["code"]["enum"].as_array().unwrap() {
                let code = Code::parse(code.as_str().unwrap()).unwrap();
                let (status, title) = status(code);
                assert_eq!(*name, format!("problem-{}", status.as_u16()));
                assert_eq!(members["status"]["enum"][0], status.as_u16());
                let titles = members["title"]["enum"].as_array().unwrap();
                assert!(titles.iter().any(|one| one == title), "{title}");
                told.push(code);
            }
        }
        told.sort_by_key(|code| Code::ALL.iter().position(|one| one == code));
        assert_eq!(told, Code::ALL);
    }
}
