//! The queries of lists and of deletions: a range, a limit and a cursor.

use akvs_api::param;
use akvs_core::{Code, Error, Key, Namespace, Result};
use bytes::Bytes;

use super::watch::{boolean, decode};
use super::{each_bytes, invalid, once, shown, unknown};

/// The maximum number of items of a page.
pub(crate) const MAX_LIMIT: usize = 1_000;
/// The default number of items of a page.
pub(crate) const DEFAULT_LIMIT: usize = 100;
/// The length of the longest key and of a byte after it.
pub(crate) const MAX_BOUND_BYTES: usize = Key::MAX_BYTES + 1;

/// The parameters of a list of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListParams {
    pub(crate) prefix: Bytes,
    pub(crate) start: Bytes,
    pub(crate) end: Option<Bytes>,
    pub(crate) delimiter: Option<Bytes>,
    pub(crate) reverse: bool,
    pub(crate) values: bool,
    limit: Option<usize>,
    pub(crate) cursor: Option<Bytes>,
}

impl ListParams {
    /// Returns the maximum number of items of the page.
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_LIMIT)
    }

    /// Rejects the parameters of pages, for a response that has the whole range.
    pub(crate) fn check_stream(&self) -> Result<()> {
        for (name, is_present) in [
            (param::LIMIT, self.limit.is_some()),
            (param::CURSOR, self.cursor.is_some()),
            (param::DELIMITER, self.delimiter.is_some()),
        ] {
            if is_present {
                let text = format!(
                    "unexpected parameter {name}: a response of application/x-ndjson has no pages"
                );
                return Err(invalid(&text, name));
            }
        }
        Ok(())
    }
}

/// The parameters of a list of namespaces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NamespacesParams {
    pub(crate) prefix: String,
    pub(crate) limit: usize,
    pub(crate) cursor: Option<Bytes>,
}

/// The scope of a `DELETE` of a namespace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DeleteScope {
    Namespace,
    Prefix(Bytes),
}

/// Parses the query of a list of keys.
pub(crate) fn parse_list(query: &str) -> Result<ListParams> {
    let (mut prefix, mut start, mut end, mut delimiter) = (None, None, None, None);
    let (mut reverse, mut values, mut limit, mut cursor) = (None, None, None, None);
    each_bytes(query, |name, value| {
        let (slot, is_base64) = match name {
            param::PREFIX => (&mut prefix, false),
            param::PREFIX64 => (&mut prefix, true),
            param::START => (&mut start, false),
            param::START64 => (&mut start, true),
            param::END => (&mut end, false),
            param::END64 => (&mut end, true),
            param::DELIMITER => (&mut delimiter, false),
            param::DELIMITER64 => (&mut delimiter, true),
            param::CURSOR => return once(name, cursor.replace(value).is_some()),
            param::LIMIT => return once(name, limit.replace(number(name, &value)?).is_some()),
            param::REVERSE => return once(name, reverse.replace(boolean(name, &value)?).is_some()),
            param::VALUES => return once(name, values.replace(boolean(name, &value)?).is_some()),
            _ => return Err(unknown(name)),
        };
        once(name, slot.replace(bound(name, value, is_base64)?).is_some())
    })?;
    if delimiter.as_ref().is_some_and(Bytes::is_empty) {
        return Err(invalid(
            "invalid delimiter \"\": expected at least one byte",
            param::DELIMITER,
        ));
    }
    Ok(ListParams {
        prefix: prefix.unwrap_or_default(),
        start: start.unwrap_or_default(),
        end,
        delimiter,
        reverse: reverse.unwrap_or_default(),
        values: values.unwrap_or_default(),
        limit,
        cursor,
    })
}

/// Parses the query of a list of namespaces.
pub(crate) fn parse_namespaces(query: &str) -> Result<NamespacesParams> {
    let (mut prefix, mut limit, mut cursor) = (None, None, None);
    each_bytes(query, |name, value| match name {
        param::PREFIX => once(name, prefix.replace(text(name, &value)?).is_some()),
        param::PREFIX64 => {
            let value = decode(name, &value)?;
            once(name, prefix.replace(text(name, &value)?).is_some())
        }
        param::LIMIT => once(name, limit.replace(number(name, &value)?).is_some()),
        param::CURSOR => once(name, cursor.replace(value).is_some()),
        _ => Err(unknown(name)),
    })?;
    Ok(NamespacesParams {
        prefix: prefix.unwrap_or_default(),
        limit: limit.unwrap_or(DEFAULT_LIMIT),
        cursor,
    })
}

/// Parses the query of a `DELETE` of a namespace: all of it, if its name is confirmed, or a prefix.
pub(crate) fn parse_delete(query: &str, namespace: &str) -> Result<DeleteScope> {
    let (mut confirmed, mut prefix) = (None, None);
    each_bytes(query, |name, value| match name {
        param::CONFIRM => once(name, confirmed.replace(value == namespace).is_some()),
        param::PREFIX => once(name, prefix.replace(bound(name, value, false)?).is_some()),
        param::PREFIX64 => once(name, prefix.replace(bound(name, value, true)?).is_some()),
        _ => Err(unknown(name)),
    })?;
    match (confirmed, prefix) {
        (Some(_), Some(_)) => Err(invalid(
            "both confirm and prefix: expected one of them",
            param::CONFIRM,
        )),
        (None, Some(prefix)) if prefix.is_empty() => {
            let text = "invalid prefix \"\": it matches all keys; to drop the namespace add ?confirm=NAMESPACE";
            Err(invalid(text, param::PREFIX))
        }
        (None, Some(prefix)) => Ok(DeleteScope::Prefix(prefix)),
        (Some(true), None) => Ok(DeleteScope::Namespace),
        (Some(false) | None, None) => {
            let text =
                "this drops the namespace and all its keys: to confirm add ?confirm=NAMESPACE";
            Err(Error::new(Code::ConfirmationRequired, text).with("parameter", param::CONFIRM))
        }
    }
}

fn bound(name: &str, value: Bytes, is_base64: bool) -> Result<Bytes> {
    let bytes = if is_base64 {
        decode(name, &value)?
    } else {
        value
    };
    if bytes.len() > MAX_BOUND_BYTES {
        let text = format!("{name} is too long: expected at most {MAX_BOUND_BYTES} bytes");
        return Err(invalid(&text, name).with("limit", MAX_BOUND_BYTES));
    }
    Ok(bytes)
}

/// Parses the beginning of a namespace's name.
fn text(name: &str, value: &[u8]) -> Result<String> {
    if value.is_empty() {
        return Ok(String::new());
    }
    let text = Namespace::check(value);
    text.map(str::to_owned).map_err(|error| {
        let text = format!("invalid {name}: {}", error.message());
        invalid(&text, name)
    })
}

fn number(name: &str, value: &[u8]) -> Result<usize> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).unwrap_or_default();
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=MAX_LIMIT).contains(number));
    number.filter(|_| digits).ok_or_else(|| {
        let text = format!(
            "invalid {name} \"{}\": expected 1 to {MAX_LIMIT}",
            shown(value)
        );
        invalid(&text, name).with("limit", MAX_LIMIT)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_any_bytes() {
        for (query, prefix) in [
            ("", &b""[..]),
            ("prefix=", b""),
            ("prefix=a+b", b"a b"),
            ("prefix=a%2Fb", b"a/b"),
            ("prefix=%FF", b"\xff"),
            ("prefix64=_w", b"\xff"),
        ] {
            assert_eq!(parse_list(query).unwrap().prefix, prefix, "{query}");
        }
        let params = parse_list("start64=_w&end=&delimiter64=Lw&reverse=true&values=true").unwrap();
        assert_eq!(
            (&params.start[..], params.end),
            (&b"\xff"[..], Some(Bytes::new()))
        );
        assert_eq!(params.delimiter.unwrap(), "/");
        assert!(params.reverse && params.values);
    }

    #[test]
    fn a_limit_is_from_1_to_1000() {
        assert_eq!(parse_list("").unwrap().limit(), 100);
        for limit in [1, 1_000] {
            assert_eq!(
                parse_list(&format!("limit={limit}")).unwrap().limit(),
                limit
            );
        }
        for limit in ["", "0", "1001", "-1", "+1", "1.0", "99999999999999999999"] {
            let query = format!("limit={limit}");
            assert_eq!(parse_list(&query).unwrap_err().context()["limit"], 1_000);
            assert!(parse_namespaces(&query).is_err(), "{limit}");
        }
    }

    #[test]
    fn an_unknown_repeated_or_invalid_parameter_is_refused_by_name() {
        let long = format!("end={}", "a".repeat(1_026));
        for (query, name) in [
            ("perfix=a", "perfix"),
            ("prefix=a&prefix64=YQ", "prefix64"),
            ("start64=*", "start64"),
            ("delimiter=", "delimiter"),
            ("reverse=1", "reverse"),
            ("values", "values"),
            ("cursor=a&cursor=a", "cursor"),
            (&long, "end"),
        ] {
            let error = parse_list(query).expect_err(query);
            assert_eq!(error.context()["parameter"], name, "{query}");
        }
        for (query, name) in [
            ("start=a", "start"),
            ("prefix=%FF", "prefix"),
            ("prefix=%01", "prefix"),
        ] {
            let error = parse_namespaces(query).expect_err(query);
            assert_eq!(error.context()["parameter"], name, "{query}");
        }
    }

    #[test]
    fn a_stream_has_no_pages() {
        assert!(
            parse_list("prefix=a&values=true&reverse=true")
                .unwrap()
                .check_stream()
                .is_ok()
        );
        for name in ["limit", "cursor", "delimiter"] {
            let params = parse_list(&format!("{name}=1")).unwrap();
            assert_eq!(
                params.check_stream().unwrap_err().context()["parameter"],
                name
            );
        }
    }

    #[test]
    fn a_name_is_confirmed_by_itself_only() {
        assert_eq!(
            parse_delete("confirm=n%20s", "n s").unwrap(),
            DeleteScope::Namespace
        );
        for query in ["", "confirm=", "confirm=other", "confirm=n+s+", "confirm"] {
            let error = parse_delete(query, "n s").expect_err(query);
            assert_eq!(error.code(), Code::ConfirmationRequired, "{query}");
        }
        for query in [
            "confirm=n%20s&confirm=n%20s",
            "x=1",
            "confirm=n+s&prefix=a",
            "prefix=",
            "prefix64=",
        ] {
            let error = parse_delete(query, "n s").expect_err(query);
            assert_eq!(error.code(), Code::InvalidRequest, "{query}");
        }
        assert_eq!(
            parse_delete("prefix64=_w", "n").unwrap(),
            DeleteScope::Prefix(Bytes::from_static(&[0xff]))
        );
    }
}
