//! `akvs ns`: lists, creates, configures and drops namespaces.

use std::time::Duration;

use akvs_client::{
    Client, NamespaceInfo, Revision, Settings, SettingsPatch, format_duration_in_one_unit,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::render;
use crate::error::CliError;
use crate::output;
use crate::plural::plural;

#[derive(Debug, Subcommand)]
pub(crate) enum Ns {
    /// List the namespaces with their keys, bytes and settings
    #[command(visible_alias = "list")]
    Ls {
        /// Print each namespace as a JSON document
        #[arg(long)]
        json: bool,
    },
    /// Create a namespace, or change its settings; unnamed settings stay
    Set(Set),
    /// Drop a namespace and everything in it
    #[command(visible_aliases = ["rm", "delete"])]
    Drop {
        /// Namespace
        #[arg(value_name = "NAMESPACE")]
        namespace: String,
        /// The name again, because this cannot be undone
        #[arg(long, value_name = "NAMESPACE")]
        confirm: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Set {
    /// Namespace
    #[arg(value_name = "NAMESPACE")]
    namespace: String,
    /// Default time to live of keys: 90, 90s, 5m, 1h30m, 7d; none removes it
    #[arg(long, value_name = "TIME", value_parser = time)]
    ttl: Option<Change<Duration>>,
    /// Maximum size of a value: 1048576, 64KiB, 10MiB; none removes the limit
    #[arg(long, value_name = "BYTES", value_parser = size)]
    max_value_bytes: Option<Change<u64>>,
    /// Maximum number of keys; none removes the limit
    #[arg(long, value_name = "NUMBER", value_parser = number)]
    max_keys: Option<Change<u64>>,
    /// Maximum bytes of keys and values: 1048576, 64KiB, 10MiB; none removes the limit
    #[arg(long, value_name = "BYTES", value_parser = size)]
    max_bytes: Option<Change<u64>>,
}

/// A new value of a setting; none removes the setting.
#[derive(Clone, Copy, Debug)]
struct Change<T>(Option<T>);

impl<T> Change<T> {
    fn parse(
        text: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Change<T>, String> {
        match text {
            "none" => Ok(Change(None)),
            _ => read(text).map(|value| Change(Some(value))),
        }
    }
}

fn time(text: &str) -> Result<Change<Duration>, String> {
    Change::parse(text, render::ttl)
}

fn size(text: &str) -> Result<Change<u64>, String> {
    let read = |text: &str| Size::try_from(text.to_owned()).map(Size::bytes);
    Change::parse(text, read)
}

fn number(text: &str) -> Result<Change<u64>, String> {
    let refused = |_| "expected a whole number or none".to_owned();
    Change::parse(text, |text| text.parse().map_err(refused))
}

/// Any number of bytes.
type Size = crate::settings::Size<0, { u64::MAX }>;

impl Ns {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        match self {
            Ns::Ls { json } => list(client, json).await,
            Ns::Set(set) => set.run(client).await,
            Ns::Drop { namespace, confirm } if namespace == confirm => {
                let dropped = render::namespace(client, &namespace)?
                    .drop_namespace()
                    .await;
                if dropped.map_err(|error| render::failed(&error))? {
                    output::print("OK\n")
                } else {
                    Err(CliError::failed(format!(
                        "no such namespace: {namespace:?}"
                    )))
                }
            }
            Ns::Drop { namespace, confirm } => Err(CliError::usage(format!(
                "invalid --confirm {confirm:?}: expected the name of the namespace, {namespace:?}"
            ))),
        }
    }
}

impl Set {
    async fn run(self, client: &Client) -> Result<(), CliError> {
        let mut patch = SettingsPatch::default();
        patch.ttl = self.ttl.map(|Change(ttl)| ttl);
        patch.max_value_bytes = self.max_value_bytes.map(|Change(bytes)| bytes);
        patch.max_keys = self.max_keys.map(|Change(keys)| keys);
        patch.max_bytes = self.max_bytes.map(|Change(bytes)| bytes);
        let namespace = render::namespace(client, &self.namespace)?;
        let changed = namespace.change_settings(&patch).await;
        let changed = changed.map_err(|error| render::failed(&error))?;
        output::print(match (changed.created, patch == SettingsPatch::default()) {
            (true, _) => "OK, created\n",
            (false, false) => "OK, settings changed\n",
            (false, true) => "OK, already exists\n",
        })
    }
}

/// Formats the settings that are set, after two spaces.
fn settings_text(settings: &Settings) -> String {
    let bytes = |bytes: u64| Size::try_from(bytes.to_string()).map(|size| size.to_string());
    let chosen = [
        ("ttl", settings.ttl.map(format_duration_in_one_unit)),
        (
            "max_value_bytes",
            settings.max_value_bytes.and_then(|limit| bytes(limit).ok()),
        ),
        ("max_keys", settings.max_keys.map(|limit| limit.to_string())),
        (
            "max_bytes",
            settings.max_bytes.and_then(|limit| bytes(limit).ok()),
        ),
    ];
    let chosen = chosen
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    let chosen: Vec<String> = chosen.collect();
    if chosen.is_empty() {
        String::new()
    } else {
        format!("  {}", chosen.join(" "))
    }
}

/// Returns the settings with the members of the HTTP contract.
fn settings_json(settings: &Settings) -> Value {
    json!({
        "ttl": settings.ttl.map(format_duration_in_one_unit),
        "max_value_bytes": settings.max_value_bytes,
        "max_keys": settings.max_keys,
        "max_bytes": settings.max_bytes,
    })
}

/// Formats a namespace as a line; only its name if nothing more is known.
fn to_line(namespace: &NamespaceInfo) -> String {
    let name = render::text(namespace.name.as_bytes());
    match (namespace.keys, namespace.bytes) {
        (Some(keys), Some(bytes)) => {
            let settings = namespace.settings.as_ref().map(settings_text);
            let settings = settings.unwrap_or_default();
            format!(
                "{name}  {}, {}{settings}",
                plural(keys, "key"),
                plural(bytes, "byte")
            )
        }
        _ => name,
    }
}

/// Prints all namespaces.
pub(super) async fn list(client: &Client, is_json: bool) -> Result<(), CliError> {
    let mut listed = client.namespaces().stream();
    while let Some(namespace) = listed.next().await {
        let namespace = namespace.map_err(|error| render::failed(&error))?;
        let line = if is_json {
            json!({
                "name": namespace.name,
                "keys": namespace.keys,
                "bytes": namespace.bytes,
                "revision": namespace.revision.map(Revision::get),
                "created": render::time(namespace.created),
                "settings": namespace.settings.as_ref().map(settings_json),
            })
            .to_string()
        } else {
            to_line(&namespace)
        };
        if !output::write(format!("{line}\n").as_bytes())? {
            break;
        }
    }
    Ok(())
}
