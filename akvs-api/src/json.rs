//! Strict parsing of whole documents, with errors that name a member by its path, such as `ops[3].ttl`.
//!
//! It rewords the messages of the JSON library, which are for Rust programmers. The meaning of the members is up to the
//! caller.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use crate::strict::Object;

/// The maximum length of a path or a reason: both may repeat what the document has.
const MAX_ERROR_BYTES: usize = 400;

/// The error of a document that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// The text is not JSON.
    Malformed {
        /// The number of the line, from 1.
        line: usize,
        /// The number of the column in bytes, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// The document is not an object.
    NoObject {
        /// What it is, and what is expected.
        reason: String,
    },
    /// A member is unknown, repeated, or of another type than expected.
    Invalid {
        /// The path of the member, such as `ops[3].ttl`.
        path: String,
        /// What is wrong with it, and what is expected.
        reason: String,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Malformed {
                line,
                column,
                reason,
            } => write!(f, "malformed JSON at line {line} column {column}: {reason}"),
            ParseError::NoObject { reason } => f.write_str(reason),
            ParseError::Invalid { path, reason } => write!(f, "{path}: {reason}"),
        }
    }
}

impl std::error::Error for ParseError {}

/// Parses a whole text as an object without unknown members.
///
/// ```
/// use akvs_api::txn::TxnRequest;
/// let error = akvs_api::json::parse::<TxnRequest>(br#"{"ops":[{"key":7}]}"#).unwrap_err();
/// assert_eq!(error.to_string(), "ops[0].key: invalid number 7: expected a string");
/// ```
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ParseError> {
    // Keeping the path of each member takes longer than all the rest, and only an error needs it.
    if let Ok(Object(object)) = serde_json::from_slice(text) {
        return Ok(object);
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = serde_path_to_error::deserialize(&mut reader);
    let Object(object) = read.map_err(|error| parse_error(error.inner(), error.path()))?;
    reader.end().map_err(|error| malformed(&error))?;
    Ok(object)
}

fn parse_error(error: &serde_json::Error, path: &Path) -> ParseError {
    if error.classify() != Category::Data {
        return malformed(error);
    }
    let message = message(error);
    let (mut path, reason) = (format_path(path), reason(&message));
    // The path of these errors ends at the object.
    if let Some(name) = member_of(&message) {
        add_member(&mut path, name);
    }
    let reason = shorten(&reason);
    if path.is_empty() {
        return ParseError::NoObject { reason };
    }
    ParseError::Invalid {
        path: shorten(&path),
        reason,
    }
}

fn malformed(error: &serde_json::Error) -> ParseError {
    ParseError::Malformed {
        line: error.line(),
        column: error.column(),
        reason: shorten(&message(error)),
    }
}

/// Returns the message of the library without the position.
fn message(error: &serde_json::Error) -> String {
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = error.to_string();
    message
        .strip_suffix(&position)
        .unwrap_or(&message)
        .to_owned()
}

/// Returns the name of an unknown or repeated member.
fn member_of(message: &str) -> Option<&str> {
    let repeated = message.strip_prefix("duplicate field `");
    if let Some(rest) = repeated {
        return rest.strip_suffix('`');
    }
    let unknown = message.strip_prefix("unknown field `")?;
    let (name, _) = unknown.rsplit_once("`, expected ")?;
    Some(name)
}

/// Rewords a message about a member.
fn reason(message: &str) -> String {
    if message.starts_with("duplicate field `") {
        return "duplicate member".to_owned();
    }
    let Some((found, expected)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    if found.starts_with("unknown field `") {
        return format!("unknown member: expected {}", expected.replace('`', ""));
    }
    let invalid = found.strip_prefix("invalid type: ");
    let invalid = invalid.or_else(|| found.strip_prefix("invalid value: "));
    match invalid {
        Some(found) => format!("invalid {}: expected {}", value(found), type_name(expected)),
        None => message.to_owned(),
    }
}

/// Rewords a value as the library shows it, such as "integer `7`".
fn value(found: &str) -> String {
    let (kind, shown) = found.split_once(' ').unwrap_or((found, ""));
    match kind {
        "map" => "object".to_owned(),
        "sequence" => "array".to_owned(),
        "integer" => format!("number {}", shown.trim_matches('`')),
        "boolean" => format!("boolean {}", shown.trim_matches('`')),
        "floating" => {
            let number = shown.trim_start_matches("point ").trim_matches('`');
            format!("number {number}")
        }
        _ => found.to_owned(),
    }
}

fn type_name(expected: &str) -> &str {
    match expected {
        "u64" => "a whole number of at least 0",
        "i64" => "a whole number of 64 bits",
        "a boolean" => "true or false",
        _ => expected,
    }
}

fn format_path(path: &Path) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => add_member(&mut text, key),
            // The name of a member that cannot be read.
            Segment::Unknown => {}
        }
    }
    text
}

fn add_member(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// Returns a text, or its beginning and its end if it is too long.
fn shorten(text: &str) -> String {
    if text.len() <= MAX_ERROR_BYTES {
        return text.to_owned();
    }
    let half = MAX_ERROR_BYTES / 2;
    let begin = text.floor_char_boundary(half);
    let end = text.ceil_char_boundary(text.len() - half);
    format!("{}…{}", &text[..begin], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::get_many::GetManyRequest;
    use crate::txn::TxnRequest;

    fn error(text: &str) -> String {
        let read = parse::<TxnRequest>(text.as_bytes());
        read.expect_err(text).to_string()
    }

    #[test]
    fn a_member_is_named_by_its_path() {
        for (op, expected) in [
            (r#"{"key":7}"#, ".key: invalid number 7: expected a string"),
            (r#"{"key":null}"#, ".key: invalid null: expected a string"),
            (r#"{"key":{}}"#, ".key: invalid object: expected a string"),
            (
                r#"{"by":"1, expected 2"}"#,
                r#".by: invalid string "1, expected 2": expected a whole number of 64 bits"#,
            ),
            (
                r#"{"by":1.5}"#,
                ".by: invalid number 1.5: expected a whole number of 64 bits",
            ),
            (
                r#"{"ttl":[5]}"#,
                r#".ttl: invalid array: expected a number of seconds, or a string such as "5m""#,
            ),
            (r#"{"key":"a","key":"b"}"#, ".key: duplicate member"),
            (
                r#"{"tll":5}"#,
                ".tll: unknown member: expected one of key, key64, op, value, value64, ttl, content_type, by",
            ),
            ("true", ": invalid boolean true: expected an object"),
        ] {
            let text = format!(r#"{{"ops":[{{}},{op}]}}"#);
            assert_eq!(error(&text), format!("ops[1]{expected}"));
        }
        assert_eq!(
            error(r#"{"checks":[{"revision":-1}]}"#),
            "checks[0].revision: invalid number -1: expected a whole number of at least 0"
        );
        assert_eq!(
            error(r#"{"checks":[{"exists":1}]}"#),
            "checks[0].exists: invalid number 1: expected true or false"
        );
        let keys = parse::<GetManyRequest>(br#"{"keys":["a",{"key":"b","x":1}]}"#);
        assert_eq!(
            keys.unwrap_err().to_string(),
            "keys[1].x: unknown member: expected key or key64"
        );
    }

    #[test]
    fn a_text_that_is_not_an_object_is_an_error_of_the_whole() {
        assert_eq!(error("[]"), "invalid array: expected an object");
        for (text, expected) in [
            ("{\n\"ops\":x}", "line 2 column 7: expected value"),
            (
                "{\"ops\":[{\"op\":",
                "line 1 column 14: EOF while parsing a value",
            ),
            ("{\"ops\":[]}x", "line 1 column 11: trailing characters"),
        ] {
            assert_eq!(error(text), format!("malformed JSON at {expected}"));
        }
    }

    #[test]
    fn an_error_repeats_little_of_a_document() {
        let long = "\u{20ac}".repeat(100_000);
        for text in [
            format!(r#"{{"{long}":1}}"#),
            format!(r#"{{"ops":"{long}"}}"#),
            format!(r#"{{"ops":[{{"by":"{long}"}}]}}"#),
        ] {
            assert!(error(&text).len() < 3 * MAX_ERROR_BYTES);
        }
    }
}
