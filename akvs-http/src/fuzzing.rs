//! Entry points of the fuzz targets in `akvs-http/fuzz`: the parsers of paths, queries, header fields and bodies, with the
//! properties that must hold for any input.
//!
//! A function here panics if a property does not hold. The parsers themselves must never panic.

use actix_web::http::Method;
use actix_web::http::header::{
    HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};
use akvs_api::get_many::{GetManyRequest, KeyName};
use akvs_api::txn::TxnRequest;
use akvs_core::{
    Code, Condition, Entry, Error, Key, Namespace, Representation, Revision, Timestamp,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::request::conditions;
use crate::request::conditions::{Part, Reading};
use crate::request::cursor::{Kind, Listing};
use crate::request::json;
use crate::request::path;
use crate::request::path::KeyPath;
use crate::request::query;
use crate::response::problem;

/// Parses the rest of a path after `/kv/`, and a key of any bytes in both spellings.
pub fn path(input: &[u8]) {
    if let Ok(rest) = std::str::from_utf8(input) {
        match path::parse(rest) {
            Ok(found) => {
                assert!(!is_malformed(rest), "{rest}");
                is_one_key(&found);
            }
            Err(error) => is_refused(&error),
        }
        match path::parse_namespace(rest) {
            Some(Ok(name)) => assert!(Namespace::new(&name).is_ok(), "{name:?}"),
            Some(Err(error)) => is_refused(&error),
            None => assert!(rest.is_empty() || rest.contains('/')),
        }
    }
    let is_key = (1..=Key::MAX_BYTES).contains(&input.len());
    let escaped = percent_encode(input, NON_ALPHANUMERIC).to_string();
    let encoded = format!("~64/{}", URL_SAFE_NO_PAD.encode(input));
    for spelling in [escaped, encoded] {
        // Both spellings mean these bytes.
        let rest = format!("ns/{spelling}");
        match path::parse(&rest) {
            Ok(found) => assert!(is_key && found.key == input, "{rest}"),
            Err(_) => assert!(!is_key, "{rest}"),
        }
    }
}

/// Returns whether a percent sign lacks its two digits.
fn is_malformed(text: &str) -> bool {
    let mut escapes = text.split('%').skip(1);
    escapes.any(|escape| {
        let digits = escape.as_bytes().get(..2);
        !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Checks that the name and the key are valid, and that their plainest spelling means the same.
fn is_one_key(found: &KeyPath<'_>) {
    assert!((1..=Key::MAX_BYTES).contains(&found.key.len()));
    assert!((1..=128).contains(&found.namespace.len()));
    assert!(!found.namespace.chars().any(char::is_control));
    let name = percent_encode(found.namespace.as_bytes(), NON_ALPHANUMERIC);
    let key = percent_encode(&found.key, NON_ALPHANUMERIC);
    // A slash after `~64` is not a trailing slash: the key after it is missing.
    let ends: &[&str] = if &*found.key == b"~64" {
        &[""]
    } else {
        &["", "/"]
    };
    for end in ends {
        let rest = format!("{name}/{key}{end}");
        let same = path::parse(&rest).is_ok_and(|again| again == *found);
        assert!(same, "{rest}");
    }
}

/// Parses a query as that of each route.
pub fn query(input: &[u8]) {
    let Ok(query) = std::str::from_utf8(input) else {
        return;
    };
    if let Err(error) = query::parse_write(query) {
        is_refused(&error);
    }
    match query::parse_list(query) {
        Ok(list) => {
            assert!((1..=1_000).contains(&list.limit()));
            if let Err(error) = list.check_stream() {
                is_refused(&error);
            }
            cursors(&list.prefix, list.cursor.as_deref());
        }
        Err(error) => is_refused(&error),
    }
    let others = [
        query::parse_namespaces(query).err(),
        query::parse_delete(query, "ns").err(),
        query::parse_watch(query, None).err(),
        query::parse_watch("", Some(query)).err(),
    ];
    others.iter().flatten().for_each(is_refused);
    // `reject_any` refuses exactly the queries with a parameter.
    let is_empty = query.bytes().all(|byte| byte == b'&');
    assert_eq!(query::reject_any(query).is_ok(), is_empty, "{query:?}");
}

/// Checks that only the list that made a cursor reads it, and that any other cursor is refused or belongs to that list.
fn cursors(position: &[u8], requested: Option<&[u8]>) {
    let list = Listing::new(Kind::Keys, &[Some(position)]);
    let other = Listing::new(Kind::KeysBack, &[Some(position)]);
    let cursor = list.cursor(position);
    let back = list.position(cursor.as_bytes());
    assert!(back.is_ok_and(|back| back == position), "{cursor}");
    assert!(other.position(cursor.as_bytes()).is_err(), "{cursor}");
    let Some(requested) = requested else { return };
    match list.position(requested) {
        Ok(position) => assert_eq!(list.cursor(&position).as_bytes(), requested),
        Err(error) => is_refused(&error),
    }
}

/// Parses header fields, one per line: the first byte of a line selects the name.
pub fn fields(input: &[u8]) {
    let names = [
        IF_MATCH,
        IF_NONE_MATCH,
        RANGE,
        IF_RANGE,
        HeaderName::from_static("prefer"),
        IF_MODIFIED_SINCE,
        IF_UNMODIFIED_SINCE,
    ];
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n') {
        if let Some((which, value)) = line.split_first()
            && let Ok(value) = HeaderValue::from_bytes(value)
        {
            let name = &names[usize::from(*which) % names.len()];
            headers.append(name.clone(), value);
        }
    }
    let entry = Entry {
        value: vec![b'x'; input.len() % 64].into(),
        representation: Representation::default(),
        revision: Revision::new(7),
        created: Timestamp::default(),
        modified: Timestamp::default(),
        deadline: None,
    };
    match conditions::part(&headers, &entry.clone().into()) {
        Part::Bytes(from, to) => assert!(from < to && to <= entry.value.len()),
        Part::Outside => assert!(headers.contains_key(RANGE)),
        Part::Whole => {}
    }
    if let Some(wait) = conditions::wait(&headers) {
        assert!(wait.as_secs() <= 60);
    }
    evaluate(&headers, &entry);
}

fn evaluate(headers: &HeaderMap, entry: &Entry) {
    // In 2026.
    let now = || Timestamp::from_millis(1_796_000_000_000);
    match conditions::for_write(headers, now) {
        Ok(condition) => {
            let has_tags = headers.contains_key(IF_MATCH) || headers.contains_key(IF_NONE_MATCH);
            // A condition with tags is never ignored; a malformed date may be.
            assert!(condition != Condition::None || !has_tags);
            let has_date = headers.contains_key(IF_UNMODIFIED_SINCE);
            assert!(condition == Condition::None || has_tags || has_date);
        }
        Err(error) => is_refused(&error),
    }
    if let Err(error) = conditions::is_unchanged(headers, entry.revision) {
        is_refused(&error);
    }
    match conditions::for_read(&Method::GET, headers, &entry.clone().into(), now) {
        Ok(Reading::Unchanged) => {
            assert!(headers.contains_key(IF_NONE_MATCH) || headers.contains_key(IF_MODIFIED_SINCE));
        }
        Ok(Reading::Value(_)) => {}
        Err(error) if error.code() == Code::PreconditionFailed => {
            assert!(headers.contains_key(IF_MATCH) || headers.contains_key(IF_UNMODIFIED_SINCE));
        }
        Err(error) => is_refused(&error),
    }
}

/// Parses a JSON body.
pub fn body(input: &[u8]) {
    let transaction = json::parse::<TxnRequest>(input).map(|_| ());
    let keys = json::parse::<GetManyRequest>(input);
    if transaction.is_ok() || keys.is_ok() {
        // An accepted body is valid JSON.
        assert!(serde_json::from_slice::<serde_json::Value>(input).is_ok());
    }
    if let Err(error) = transaction {
        is_refused(&error);
    }
    let keys = match keys {
        Ok(body) => body.keys.map(|keys| json::elements(keys, "keys")),
        Err(error) => return is_refused(&error),
    };
    for KeyName(name) in keys.and_then(Result::ok).unwrap_or_default() {
        match json::key("keys[0]", name.key, name.key64) {
            Ok(key) => assert!((1..=Key::MAX_BYTES).contains(&key.as_bytes().len())),
            Err(error) => is_refused(&error),
        }
    }
}

/// Checks that an error has a client status and a short message that fits into a problem document.
fn is_refused(error: &Error) {
    let status = problem::status(error.code());
    assert!(status.is_client_error(), "{error}");
    let known = match error.code() {
        Code::NotFound
        | Code::InvalidKey
        | Code::InvalidNamespace
        | Code::InvalidRequest
        | Code::ConfirmationRequired
        | Code::TooLarge => true,
        Code::Unauthorized
        | Code::Forbidden
        | Code::MethodNotAllowed
        | Code::Conflict
        | Code::PreconditionFailed
        | Code::HistoryGone
        | Code::RangeNotSatisfiable
        | Code::MisdirectedRequest
        | Code::Overloaded
        | Code::Closing
        | Code::Unavailable
        | Code::OutcomeUnknown
        | Code::QuotaExceeded
        | Code::StorageFull
        | Code::Storage
        | Code::Corrupted => false,
    };
    assert!(known, "{error}");
    assert!(
        !error.message().is_empty() && error.message().len() < 1_000,
        "{error}"
    );
    assert!(problem::document(error).starts_with('{'));
}
