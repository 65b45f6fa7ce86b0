//! `akvs ls`.

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
    /// The namespace; without one the namespaces are listed
    #[arg(value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Only keys that begin so
    #[arg(long, value_name = "PREFIX", requires = "namespace")]
    prefix: Option<OsString>,
    /// From this key on
    #[arg(long, value_name = "KEY", requires = "namespace")]
    start: Option<OsString>,
    /// Up to this key, which is not listed
    #[arg(long, value_name = "KEY", requires = "namespace")]
    end: Option<OsString>,
    /// The last one first
    #[arg(long, requires = "namespace")]
    reverse: bool,
    /// Only what comes before this, once each, where a key goes on with it
    #[arg(long, value_name = "DELIMITER", requires = "namespace")]
    delimiter: Option<OsString>,
    /// At most so many
    #[arg(long, value_name = "NUMBER", requires = "namespace")]
    limit: Option<usize>,
    /// With size, revision and type
    #[arg(long, short, conflicts_with = "json", requires = "namespace")]
    long: bool,
    /// Print each as a JSON document
    #[arg(long)]
    json: bool,
    /// The values too, in the JSON documents
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
