//! `akvs ls`: lists keys or namespaces.

use std::ffi::OsString;

use akvs_client::{Client, Item, ListEntry};
use bytes::Bytes;
use clap::Args;
use futures_util::StreamExt;
use serde_json::Map;

use super::{ns, render};
use crate::error::CliError;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Ls {
    /// Namespace; lists the namespaces if omitted
    #[arg(value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// List only keys with this prefix
    #[arg(long, value_name = "PREFIX", requires = "namespace")]
    prefix: Option<OsString>,
    /// Start at this key
    #[arg(long, value_name = "KEY", requires = "namespace")]
    start: Option<OsString>,
    /// End before this key
    #[arg(long, value_name = "KEY", requires = "namespace")]
    end: Option<OsString>,
    /// List in reverse order
    #[arg(long, requires = "namespace")]
    reverse: bool,
    /// List keys with the same part before this delimiter only once
    #[arg(long, value_name = "DELIMITER", requires = "namespace")]
    delimiter: Option<OsString>,
    /// Maximum number of lines
    #[arg(long, value_name = "NUMBER", requires = "namespace")]
    limit: Option<usize>,
    /// Print size, revision, content type and expiry too
    #[arg(long, short, conflicts_with = "json", requires = "namespace")]
    long: bool,
    /// Print each key as a JSON document
    #[arg(long)]
    json: bool,
    /// Include the values in the JSON documents
    #[arg(long, requires = "json")]
    values: bool,
}

impl Ls {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let Some(name) = &self.namespace else {
            return ns::list(client, self.json).await;
        };
        let mut list = render::namespace(client, name)?.list();
        if let Some(prefix) = &self.prefix {
            list = list.prefix(render::key(prefix));
        }
        if let Some(start) = &self.start {
            list = list.start(render::key(start));
        }
        if let Some(end) = &self.end {
            list = list.end(render::key(end));
        }
        if self.reverse {
            list = list.reverse();
        }
        if self.values {
            list = list.values();
        }
        let max_items = self.limit.unwrap_or(usize::MAX);
        list = list.limit(u16::try_from(max_items).unwrap_or(u16::MAX).clamp(1, 1_000));
        let grouped = match &self.delimiter {
            Some(delimiter) => list
                .delimiter(render::key(delimiter))
                .stream()
                .left_stream(),
            None => {
                let items = list.stream();
                items.map(|item| item.map(ListEntry::Item)).right_stream()
            }
        };
        let mut listed = grouped.take(max_items);
        while let Some(one) = listed.next().await {
            let one = one.map_err(|error| render::failed(&error))?;
            if !self.print(&one)? {
                break;
            }
        }
        Ok(())
    }

    fn print(&self, listed: &ListEntry) -> Result<bool, CliError> {
        match listed {
            ListEntry::Item(item) if self.json => output::document(&render::item(item).into()),
            ListEntry::Item(item) if self.long => output::write(long(item).as_bytes()),
            ListEntry::Item(item) => output::write(&raw(&item.key)),
            ListEntry::Prefix(prefix) if self.json => {
                let mut document = Map::new();
                render::bytes(&mut document, "prefix", prefix);
                output::document(&document.into())
            }
            ListEntry::Prefix(prefix) => output::write(&raw(prefix)),
        }
    }
}

fn raw(key: &Bytes) -> Vec<u8> {
    let mut line = output::in_line(key);
    line.push(b'\n');
    line
}

fn long(item: &Item) -> String {
    let expires = match item.expires {
        Some(expires) => format!("  until {}", humantime::format_rfc3339_millis(expires)),
        None => String::new(),
    };
    format!(
        "{:>10}  {:>10}  {}  {}{expires}\n",
        item.size,
        item.revision,
        render::text(item.content_type.as_bytes()),
        render::text(&item.key)
    )
}
