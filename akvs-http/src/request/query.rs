//! Query strings. Unknown parameters are rejected: a misspelt `?tll=60` must not create a permanent key.

mod import;
mod list;
mod watch;

use std::borrow::Cow;

use akvs_api::{param, ttl};
use akvs_core::{Code, Error, Result, Ttl};
use bytes::Bytes;

pub(crate) use self::import::Mode;
pub(crate) use self::list::{
    DEFAULT_LIMIT, DeleteScope, ListParams, MAX_BOUND_BYTES, MAX_LIMIT, NamespacesParams,
    parse_delete, parse_list, parse_namespaces,
};
pub(crate) use self::watch::parse_watch;
use crate::request::path;

/// The operation of a `POST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteOp {
    Set,
    Add,
    Append,
    Touch,
}

/// The parameters of a `POST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WriteQuery {
    pub(crate) op: WriteOp,
    pub(crate) ttl: Ttl,
}

/// Parses the query of a `POST`.
pub(crate) fn parse_write(query: &str) -> Result<WriteQuery> {
    let (mut op, mut ttl) = (None, None);
    each(query, |name, value| match name {
        param::OP => once(param::OP, op.replace(parse_op(value)?).is_some()),
        param::TTL => once(param::TTL, ttl.replace(parse_ttl(value)?).is_some()),
        _ => Err(unknown(name)),
    })?;
    let op = op.unwrap_or(WriteOp::Set);
    let ttl = ttl_for(op, ttl)?;
    Ok(WriteQuery { op, ttl })
}

/// Returns the ttl of an operation, given the ttl of the request.
pub(crate) fn ttl_for(op: WriteOp, ttl: Option<Ttl>) -> Result<Ttl> {
    if op == WriteOp::Touch && ttl == Some(Ttl::Keep) {
        return Err(invalid(
            "invalid ttl \"keep\" for op=touch: it would change nothing",
            param::TTL,
        ));
    }
    Ok(ttl.unwrap_or(match op {
        // An overwrite removes the deadline, unless the namespace has a default ttl; a touch removes it always.
        WriteOp::Set => Ttl::Default,
        WriteOp::Touch => Ttl::Forever,
        WriteOp::Add | WriteOp::Append => Ttl::Keep,
    }))
}

/// Parses the query of an import.
pub(crate) fn parse_import(query: &str) -> Result<Mode> {
    let mut mode = None;
    each(query, |name, value| match name {
        param::MODE => once(param::MODE, mode.replace(parse_mode(value)?).is_some()),
        _ => Err(unknown(name)),
    })?;
    Ok(mode.unwrap_or(Mode::Merge))
}

fn parse_mode(text: &str) -> Result<Mode> {
    match text {
        "merge" => Ok(Mode::Merge),
        "create" => Ok(Mode::Create),
        "replace" => Ok(Mode::Replace),
        _ => {
            let shown = short(text);
            let text = format!("unknown mode {shown:?}: expected merge, create or replace");
            Err(invalid(&text, param::MODE))
        }
    }
}

/// Rejects any parameter.
pub(crate) fn reject_any(query: &str) -> Result<()> {
    each(query, |name, _| Err(unknown(name)))
}

fn each(query: &str, mut visit: impl FnMut(&str, &str) -> Result<()>) -> Result<()> {
    form_urlencoded::parse(query.as_bytes()).try_for_each(|(name, value)| visit(&name, &value))
}

/// Visits parameters whose values are any bytes. A malformed escape is an error, as in a path.
fn each_bytes(query: &str, mut visit: impl FnMut(&str, Bytes) -> Result<()>) -> Result<()> {
    let decode = |text: &str| -> Result<Vec<u8>> {
        let text = if text.contains('+') {
            Cow::Owned(text.replace('+', " "))
        } else {
            Cow::Borrowed(text)
        };
        Ok(path::decode(&text, Code::InvalidRequest)?.into_owned())
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        visit(
            &String::from_utf8_lossy(&decode(name)?),
            decode(value)?.into(),
        )?;
    }
    Ok(())
}

fn parse_op(text: &str) -> Result<WriteOp> {
    match text {
        "add" => Ok(WriteOp::Add),
        "append" => Ok(WriteOp::Append),
        "touch" => Ok(WriteOp::Touch),
        _ => Err(invalid(
            &format!(
                "unknown op {:?}: expected add, append or touch",
                short(text)
            ),
            param::OP,
        )),
    }
}

/// Parses a ttl in the grammar of [`akvs_api::ttl`].
pub(crate) fn parse_ttl(text: &str) -> Result<Ttl> {
    ttl::parse(text).ok_or_else(|| {
        let (shown, expected, keep) = (short(text), ttl::EXPECTED, ttl::KEEP);
        let text = format!("invalid ttl {shown:?}: expected {expected}, or {keep}");
        invalid(&text, param::TTL)
    })
}

fn once(name: &str, is_repeated: bool) -> Result<()> {
    if is_repeated {
        Err(invalid(&format!("duplicate parameter: {name}"), name))
    } else {
        Ok(())
    }
}

fn unknown(name: &str) -> Error {
    let name = short(name);
    invalid(&format!("unknown query parameter: {name:?}"), &name)
}

fn invalid(text: &str, parameter: &str) -> Error {
    Error::new(Code::InvalidRequest, text).with("parameter", parameter)
}

/// Returns the beginning of a value for an error, escaped.
fn shown(value: &[u8]) -> String {
    value[..value.len().min(64)].escape_ascii().to_string()
}

pub(crate) fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_mode_is_accepted() {
        assert_eq!(parse_import("").unwrap(), Mode::Merge);
        assert_eq!(parse_import("mode=merge").unwrap(), Mode::Merge);
        assert_eq!(parse_import("mode=create").unwrap(), Mode::Create);
        assert_eq!(parse_import("mode=replace").unwrap(), Mode::Replace);
        for (query, parameter) in [
            ("mode", "mode"),
            ("mode=Merge", "mode"),
            ("mode=merge&mode=create", "mode"),
            ("mod=create", "mod"),
        ] {
            let error = parse_import(query).unwrap_err();
            assert_eq!(error.context()["parameter"], parameter, "{query}");
        }
    }

    #[test]
    fn a_ttl_has_units() {
        for (text, millis) in [
            ("90", 90_000),
            ("90s", 90_000),
            ("1500ms", 1_500),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
            ("1m%2030s", 90_000),
        ] {
            assert_eq!(
                parse_write(&format!("ttl={text}")).unwrap().ttl,
                Ttl::Millis(millis),
                "{text}"
            );
        }
        assert_eq!(parse_write("ttl=keep").unwrap().ttl, Ttl::Keep);
        for text in [
            "",
            "0",
            "0s",
            "-1",
            "+1",
            "1.5",
            "5w",
            "s",
            " 5",
            "5 m",
            "99999999999999999999",
            "18446744073709551615d",
        ] {
            assert!(parse_write(&format!("ttl={text}")).is_err(), "{text}");
        }
    }

    #[test]
    fn the_default_ttl_depends_on_the_operation() {
        assert_eq!(
            parse_write("").unwrap(),
            WriteQuery {
                op: WriteOp::Set,
                ttl: Ttl::Default
            }
        );
        assert_eq!(
            parse_write("op=touch").unwrap(),
            WriteQuery {
                op: WriteOp::Touch,
                ttl: Ttl::Forever
            }
        );
        assert_eq!(
            parse_write("op=add").unwrap(),
            WriteQuery {
                op: WriteOp::Add,
                ttl: Ttl::Keep
            }
        );
        assert_eq!(
            parse_write("op=append&ttl=1").unwrap(),
            WriteQuery {
                op: WriteOp::Append,
                ttl: Ttl::Millis(1_000)
            }
        );
    }

    #[test]
    fn an_unknown_or_repeated_parameter_is_refused_by_name() {
        for (query, name) in [
            ("tll=60", "tll"),
            ("op=push", "op"),
            ("op=", "op"),
            ("ttl=1&ttl=2", "ttl"),
            ("op=add&op=add", "op"),
            ("op=touch&ttl=keep", "ttl"),
            ("%74tl=1&x", "x"),
        ] {
            assert_eq!(
                parse_write(query).unwrap_err().context()["parameter"],
                name,
                "{query}"
            );
        }
        assert!(reject_any("").is_ok() && reject_any("ttl=1").is_err());
    }
}
