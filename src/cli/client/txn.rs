//! `akvs txn`: several operations at once, as the JSON document of the HTTP contract.

use std::ffi::OsString;

use akvs_client::{Client, Put, Revision};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use clap::Args;
use serde::Deserialize;
use serde_json::json;

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TxnDocument {
    #[serde(default)]
    checks: Vec<Check>,
    ops: Vec<Op>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    key: Option<String>,
    key64: Option<String>,
    revision: Option<u64>,
    #[serde(default)]
    absent: bool,
    #[serde(default)]
    exists: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Op {
    op: OpKind,
    key: Option<String>,
    key64: Option<String>,
    value: Option<String>,
    value64: Option<String>,
    ttl: Option<serde_json::Value>,
    content_type: Option<String>,
    by: Option<i64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OpKind {
    Set,
    Delete,
    Add,
    Touch,
}

impl Txn {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let text = value::read(self.document)?;
        let document: TxnDocument = serde_json::from_slice(&text)
            .map_err(|error| CliError::usage(format!("invalid transaction: {error}")))?;
        let mut txn = render::namespace(client, &self.namespace)?.txn();
        for check in document.checks {
            let key = bytes("key", check.key, check.key64)?;
            txn = match (check.revision, check.absent, check.exists) {
                (Some(revision), false, false) => txn.check_revision(key, Revision::new(revision)),
                (None, true, false) => txn.check_absent(key),
                (None, false, true) => txn.check_exists(key),
                _ => {
                    let text = "invalid check: expected one of revision, absent and exists";
                    return Err(CliError::usage(text));
                }
            };
        }
        for op in document.ops {
            txn = add(txn, op)?;
        }
        let done = txn.commit().await.map_err(|error| render::failed(&error))?;
        let results = done.results.iter().map(|result| {
            json!({
                "revision": result.revision.map(Revision::get),
                "existed": (!result.write_only).then_some(result.existed),
                "value": result.value,
            })
        });
        let document = json!({
            "revision": done.revision.map(Revision::get),
            "results": results.collect::<Vec<_>>(),
        });
        output::document(&document).map(drop)
    }
}

fn add(txn: akvs_client::Txn, op: Op) -> Result<akvs_client::Txn, CliError> {
    let key = bytes("key", op.key, op.key64)?;
    let has_other_member = match op.op {
        OpKind::Set => op.by.is_some(),
        OpKind::Delete => op.by.is_some() || op.ttl.is_some() || op.content_type.is_some(),
        OpKind::Add => op.ttl.is_some() || op.content_type.is_some(),
        OpKind::Touch => op.by.is_some() || op.content_type.is_some(),
    };
    let has_value = op.value.is_some() || op.value64.is_some();
    if has_other_member || has_value && !matches!(op.op, OpKind::Set) {
        return Err(CliError::usage(
            "invalid operation: unexpected member of another operation",
        ));
    }
    let ttl = op.ttl.map(|ttl| match ttl.as_str() {
        Some(text) => text.to_owned(),
        None => ttl.to_string(),
    });
    let keeps = ttl.as_deref() == Some("keep");
    let ttl = ttl
        .filter(|_| !keeps)
        .as_deref()
        .map(render::ttl)
        .transpose();
    let ttl = ttl.map_err(|why| CliError::usage(format!("ttl: {why}")))?;
    Ok(match op.op {
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

fn bytes(name: &str, text: Option<String>, base64: Option<String>) -> Result<Vec<u8>, CliError> {
    match (text, base64) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(base64)) => BASE64_URL_SAFE_NO_PAD.decode(base64).map_err(|error| {
            CliError::usage(format!("invalid {name}64: {error}; expected base64url"))
        }),
        _ => Err(CliError::usage(format!(
            "expected one of {name} and {name}64"
        ))),
    }
}
