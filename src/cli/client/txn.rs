//! `akvs txn`: several operations at once, as the JSON document of the HTTP contract.

use std::ffi::OsString;

use akvs_api::strict::List;
use akvs_api::text::{PairError, read_pair};
use akvs_api::txn::{Check, Op, OpKind, Ttl, TxnRequest};
use akvs_api::{json, ttl};
use akvs_client::{Client, Put, Revision};
use clap::Args;

use super::{render, value};
use crate::error::CliError;
use crate::output;

const EXAMPLE: &str = r#"Example:
  akvs txn shop '{"checks":[{"key":"stock","revision":7}],
    "ops":[{"op":"add","key":"stock","by":-1},{"op":"set","key":"order/1","value":"tea","ttl":"7d"}]}'"#;

#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLE)]
pub(crate) struct Txn {
    /// Namespace
    #[arg(value_name = "NAMESPACE")]
    namespace: String,
    /// Checks and operations in JSON: TEXT, @FILE, or - for stdin
    #[arg(value_name = "JSON")]
    document: OsString,
}

impl Txn {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let text = value::read(self.document)?;
        let TxnRequest { checks, ops } = json::parse(&text)
            .map_err(|error| CliError::usage(format!("invalid transaction: {error}")))?;
        let ops = ops.ok_or_else(|| CliError::usage("invalid transaction: ops: missing member"))?;
        let mut txn = render::namespace(client, &self.namespace)?.txn();
        for check in elements("checks", checks.unwrap_or_default())? {
            txn = add_check(txn, check)?;
        }
        for op in elements("ops", ops)? {
            txn = add_op(txn, op)?;
        }
        let done = txn.commit().await.map_err(|error| render::failed(&error))?;
        let results = done.results.iter().map(|result| {
            serde_json::json!({
                "revision": result.revision.map(Revision::get),
                "existed": (!result.write_only).then_some(result.existed),
                "value": result.value,
            })
        });
        let document = serde_json::json!({
            "revision": done.revision.map(Revision::get),
            "results": results.collect::<Vec<_>>(),
        });
        output::document(&document).map(drop)
    }
}

/// Returns the elements of a list, unless they are too many.
fn elements<T>(name: &str, list: List<T>) -> Result<Vec<T>, CliError> {
    list.into_vec().map_err(|count| {
        let most = List::<T>::MAX;
        CliError::usage(format!("too many {name}: {count}; expected at most {most}"))
    })
}

fn add_check(txn: akvs_client::Txn, check: Check) -> Result<akvs_client::Txn, CliError> {
    let key = bytes("key", check.key, check.key64)?;
    let (absent, exists) = (check.absent == Some(true), check.exists == Some(true));
    match (check.revision, absent, exists) {
        (Some(revision), false, false) => Ok(txn.check_revision(key, Revision::new(revision))),
        (None, true, false) => Ok(txn.check_absent(key)),
        (None, false, true) => Ok(txn.check_exists(key)),
        _ => {
            let text = "invalid check: expected one of revision, absent and exists";
            Err(CliError::usage(text))
        }
    }
}

fn add_op(txn: akvs_client::Txn, op: Op) -> Result<akvs_client::Txn, CliError> {
    let kind = op.op.as_deref().and_then(OpKind::parse).ok_or_else(|| {
        let names = OpKind::NAMES.join(", ");
        let text = format!(
            "invalid op {:?}: expected one of {names}",
            op.op.as_deref().unwrap_or_default()
        );
        CliError::usage(text)
    })?;
    if let Some(member) = op.unknown_member(kind) {
        let text = format!(
            "invalid operation: unexpected member {member} of op {}",
            kind.as_str()
        );
        return Err(CliError::usage(text));
    }
    let key = bytes("key", op.key, op.key64)?;
    let ttl = op.ttl.map(|Ttl(text)| text);
    let keeps = ttl.as_deref() == Some(ttl::KEEP);
    let ttl = ttl
        .filter(|_| !keeps)
        .as_deref()
        .map(render::ttl)
        .transpose();
    let ttl = ttl.map_err(|why| CliError::usage(format!("ttl: {why}")))?;
    Ok(match kind {
        OpKind::Set => {
            let mut put = Put::bytes(bytes("value", op.value, op.value64)?);
            if let Some(ttl) = ttl {
                put = put.ttl(ttl);
            } else if keeps {
                put = put.keep_ttl();
            }
            if let Some(content_type) = &op.content_type {
                put = put.content_type(content_type);
            }
            txn.put(key, put)
        }
        OpKind::Delete => txn.delete(key),
        OpKind::Add => txn.add(key, op.by.unwrap_or(1)),
        OpKind::Touch => txn.touch(key, ttl),
    })
}

/// Returns the bytes of one of a pair of members.
fn bytes(name: &str, text: Option<String>, base64: Option<String>) -> Result<Vec<u8>, CliError> {
    match read_pair(text, base64) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) | Err(PairError::Both) => Err(CliError::usage(format!(
            "expected one of {name} and {name}64"
        ))),
        Err(PairError::Malformed(error)) => {
            Err(CliError::usage(format!("invalid {name}64: {error}")))
        }
    }
}
