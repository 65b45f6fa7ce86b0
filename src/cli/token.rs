//! `akvs token`: creates, lists and removes tokens in the file that a server reads.
//!
//! It needs no server. Only the text of a new token goes to stdout, so that a script can store it; messages go to
//! stderr.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::SystemTime;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::{SettingsArgs, time};
use crate::clock::now;
use crate::credentials;
use crate::credentials::{Secret, TokenFile, TokenRecord};
use crate::error::CliError;
use crate::escape;
use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Create a token and print it once; a running server accepts it within two seconds
    #[command(after_long_help = EXAMPLES)]
    New(New),
    /// List the tokens with their rights, namespaces, key prefixes and expiry
    #[command(visible_alias = "list")]
    Ls(SettingsArgs),
    /// Remove a token; its open requests end within 15 seconds
    #[command(visible_alias = "delete")]
    Rm(Remove),
}

const EXAMPLES: &str = "\
Examples:
  akvs token new ops --rights admin
  akvs token new reports --rights read --namespace 'sales-*' --expires 90d
  akvs token new cart --rights read,write --namespace shop --key-prefix cart/ --expires 2030-01-31
  curl -H \"authorization: Bearer $TOKEN\" http://localhost:8080/kv/shop/cart%2F7

admin includes read and write. With at least one token, every request needs a token.";

#[derive(Args, Debug)]
pub(crate) struct New {
    /// Name of the token, which errors and the log show
    name: String,
    /// Rights, separated by commas: read, write, admin
    #[arg(long, required = true, value_delimiter = ',', value_parser = PossibleValuesParser::new(["read", "write", "admin"]))]
    rights: Vec<String>,
    /// Pattern of namespaces with *, ? and [...]; may be repeated
    #[arg(long = "namespace", value_name = "PATTERN", default_value = "*")]
    namespaces: Vec<String>,
    /// Prefix of the keys that the token may access
    #[arg(long, value_name = "TEXT")]
    key_prefix: Option<String>,
    /// The prefix in base64url, for a prefix that is not UTF-8
    #[arg(long, value_name = "BASE64URL", conflicts_with = "key_prefix")]
    key_prefix64: Option<String>,
    /// Expiry: a time from now, such as 90d, or a date, such as 2030-01-31 or 2030-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = expires)]
    expires: Option<SystemTime>,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Args, Debug)]
pub(crate) struct Remove {
    /// Name of the token
    name: String,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub(crate) fn run(verb: &Verb) -> Result<(), CliError> {
    match verb {
        Verb::New(new) => create(new),
        Verb::Ls(flags) => list(flags),
        Verb::Rm(remove) => remove_token(remove),
    }
}

fn create(new: &New) -> Result<(), CliError> {
    let path = path(&new.settings)?;
    let mut file = TokenFile::open(Path::new(&path))?;
    if file.records().iter().any(|record| record.name == new.name) {
        let name = &new.name;
        return Err(CliError::failed(format!(
            "token {name:?} already exists; remove it first with `akvs token rm {name}`"
        )));
    }
    let is_first = file.records().is_empty();
    let secret = Secret::new()?;
    let mut rights = new.rights.clone();
    rights.dedup();
    let expires = new.expires.map(|time| credentials::time_text(time).parse());
    let expires = expires
        .transpose()
        .map_err(|error| CliError::failed(format!("cannot format the expiry: {error}")))?;
    file.add(TokenRecord {
        name: new.name.clone(),
        sha256: hex::encode(secret.sha256()),
        rights,
        namespaces: new.namespaces.clone(),
        key_prefix: new.key_prefix.clone(),
        key_prefix64: new.key_prefix64.clone(),
        expires,
    });
    file.save()?;
    output::note(&format!(
        "stored token {:?} in {path}; it is shown only once:",
        new.name
    ));
    output::print(&format!("{secret}\n"))?;
    if is_first {
        output::note("the server now requires a token for every request");
    }
    Ok(())
}

fn list(flags: &SettingsArgs) -> Result<(), CliError> {
    let path = path(flags)?;
    let records = credentials::token_records(Path::new(&path))?;
    if records.is_empty() && io::stdout().is_terminal() {
        output::note(&format!("no tokens in {path}"));
        return Ok(());
    }
    let head = ["NAME", "RIGHTS", "NAMESPACES", "KEYS", "EXPIRES"].map(str::to_owned);
    let rows = records.iter().map(row);
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    let text: String = rows
        .iter()
        .map(|row| {
            let cells = row.iter().zip(widths);
            let cells: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            format!("{}\n", cells.join("  ").trim_end())
        })
        .collect();
    output::print(&text)
}

fn row(record: &TokenRecord) -> [String; 5] {
    // A record with an invalid prefix was refused before.
    let prefix = record.key_prefix().unwrap_or_default();
    let keys = match std::str::from_utf8(&prefix) {
        Ok(text) => format!("{}*", escape::text(text)),
        Err(_) => format!("{}*", prefix.escape_ascii()),
    };
    let expires = record.expires.map(|time| {
        let text = time.to_string();
        let is_past = credentials::parse_time(&text).is_ok_and(|time| time <= now());
        if is_past {
            format!("{text} (past)")
        } else {
            text
        }
    });
    [
        escape::text(&record.name).into_owned(),
        record.rights.join(","),
        escape::text(&record.namespaces.join(",")).into_owned(),
        keys,
        expires.unwrap_or_else(|| "never".into()),
    ]
}

fn remove_token(remove: &Remove) -> Result<(), CliError> {
    let path = path(&remove.settings)?;
    let mut file = TokenFile::open(Path::new(&path))?;
    if !file.remove(&remove.name) {
        return Err(CliError::failed(format!(
            "no such token in {path}: {:?}",
            remove.name
        )));
    }
    let is_last = file.records().is_empty();
    file.save()?;
    if is_last {
        output::note(
            "this was the last token: a running server refuses all requests until a token exists or it is restarted",
        );
    }
    Ok(())
}

fn path(flags: &SettingsArgs) -> Result<String, CliError> {
    Ok(flags.load()?.settings.auth.tokens)
}

fn expires(text: &str) -> Result<SystemTime, String> {
    let time = match time::duration(text) {
        Ok(from_now) => now().checked_add(from_now).ok_or("too far in the future")?,
        Err(_) => credentials::parse_time(text)?,
    };
    if time <= now() {
        return Err("expected a time in the future".into());
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_in_the_future() {
        for good in ["90d", "1h", "2999-01-31", "2999-01-31T12:00:00Z"] {
            assert!(expires(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "0s",
            "soon",
            "2001-01-01",
            "2999-13-01",
            "2999-01-31T12:00:00+01:00",
        ] {
            assert!(expires(bad).is_err(), "{bad}");
        }
    }
}
