//! Query strings. Unknown parameters are rejected: a misspelt `?tll=60` must not make a permanent key.

mod import;
mod list;
mod watch;

use std::borrow::Cow;

use akvs_api::param;
use akvs_core::{Code, Error, Result, Ttl, parse_duration};
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
    pub(crate) verb: WriteOp,
    pub(crate) ttl: Ttl,
}

/// Parses the query of a `POST`.
pub(crate) fn parse_write(query: &str) -> Result<WriteQuery> {
    let (mut verb, mut ttl) = (None, None);
    each(query, |name, value| match name {
        param::OP => once(param::OP, verb.replace(parse_verb(value)?).is_some()),
        param::TTL => once(param::TTL, ttl.replace(parse_ttl(value)?).is_some()),
        _ => Err(unknown(name)),
    })?;
    let verb = verb.unwrap_or(WriteOp::Set);
    let ttl = ttl_of(verb, ttl)?;
    Ok(WriteQuery { verb, ttl })
}

/// Returns the ttl of an operation, given the one of the request.
pub(crate) fn ttl_of(verb: WriteOp, ttl: Option<Ttl>) -> Result<Ttl> {
    if verb == WriteOp::Touch && ttl == Some(Ttl::Keep) {
        return Err(invalid(
            "invalid ttl \"keep\" for op=touch: it would change nothing",
            param::TTL,
        ));
    }
    Ok(ttl.unwrap_or(match verb {
        // A plain overwrite clears the deadline, unless the namespace has one for all; so does a touch without a ttl.
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

/// The same for values that are any bytes. A malformed escape is an error, as it is in a path.
fn each_bytes(query: &str, mut visit: impl FnMut(&str, Bytes) -> Result<()>) -> Result<()> {
    let decode = |text: &str| -> Result<Vec<u8>> {
        let text = match text.contains('+') {
            true => Cow::Owned(text.replace('+', " ")),
            false => Cow::Borrowed(text),
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

fn parse_verb(text: &str) -> Result<WriteOp> {
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

/// A length of time in the grammar of [`parse_duration`], but not zero; `keep` keeps what there was.
pub(crate) fn parse_ttl(text: &str) -> Result<Ttl> {
    if text == "keep" {
        return Ok(Ttl::Keep);
    }
    let millis = parse_duration(text).and_then(|ttl| u64::try_from(ttl.as_millis()).ok());
    let millis = millis.filter(|millis| *millis > 0);
    millis.map(Ttl::Millis).ok_or_else(|| {
        let text = format!(
            "invalid ttl {:?}: expected seconds or numbers with ms, s, m, h or d, such as 90, 1500ms, 1h30m or 7d, or keep",
            short(text)
        );
        invalid(&text, param::TTL)
    })
}

fn once(name: &str, twice: bool) -> Result<()> {
    if twice {
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

/// The beginning of a value, as an error shows it.
fn shown(value: &[u8]) -> String {
    value[..value.len().min(64)].escape_ascii().to_string()
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mode_that_is_known_is_taken() {
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
    fn without_a_ttl_it_depends_on_what_is_done() {
        assert_eq!(
            parse_write("").unwrap(),
            WriteQuery {
                verb: WriteOp::Set,
                ttl: Ttl::Default
            }
        );
        assert_eq!(
            parse_write("op=touch").unwrap(),
            WriteQuery {
                verb: WriteOp::Touch,
                ttl: Ttl::Forever
            }
        );
        assert_eq!(
            parse_write("op=add").unwrap(),
            WriteQuery {
                verb: WriteOp::Add,
                ttl: Ttl::Keep
            }
        );
        assert_eq!(
            parse_write("op=append&ttl=1").unwrap(),
            WriteQuery {
                verb: WriteOp::Append,
                ttl: Ttl::Millis(1_000)
            }
        );
    }

    #[test]
    fn what_is_not_known_or_stands_twice_is_refused_by_name() {
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
