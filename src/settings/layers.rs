//! The layers of settings: defaults, config file, environment, flags.
//!
//! It owns their order and the texts of errors. Invariant: an error names the key, the value and its source, and no
//! input is ignored silently.

use std::collections::BTreeMap;
use std::path::PathBuf;

use config::{Config, ConfigError, FileFormat, Map, Source, Value, ValueKind};

use super::default_paths;
use super::schema::Settings;
use super::sources::{self, Leaf, Origin, Sources};
use super::variables::{self, PREFIX};
use crate::error::CliError;

/// The effective settings, and the source of each.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The settings, with absolute paths.
    pub(crate) settings: Settings,
    /// Each key, and the source of its value.
    pub(crate) origins: BTreeMap<String, Origin>,
    /// The config file that was read.
    pub(crate) file: Option<PathBuf>,
    /// The unknown variables that begin with `AKVS_`.
    pub(crate) unknown_variables: Vec<String>,
}

impl Loaded {
    /// Returns a warning for each unknown variable.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> {
        let line = |name: &String| format!("ignored unknown environment variable {name}");
        self.unknown_variables.iter().map(line)
    }
}

/// Merges all sources into the effective settings.
pub(crate) fn load(sources: &Sources) -> Result<Loaded, CliError> {
    let mut built_in = Vec::new();
    let defaults = defaults()?;
    sources::flatten("", defaults, &Origin::Default("default"), &mut built_in);
    let mut leaves_by_key: BTreeMap<String, Leaf> = built_in
        .into_iter()
        .map(|leaf| (leaf.key.clone(), leaf))
        .collect();

    let file = sources.config_file()?;
    let mut leaves = match &file {
        Some(path) => sources::file(path)?,
        None => Vec::new(),
    };
    let (variables, unknown_variables) =
        sources.environment(|key| leaves_by_key.contains_key(key))?;
    for name in &unknown_variables {
        check_spelling(name, &leaves_by_key)?;
    }
    leaves.extend(variables);
    leaves.extend(sources.flags());
    for leaf in leaves {
        if is_empty_group(&leaf, &leaves_by_key) {
            continue;
        }
        if !leaves_by_key.contains_key(&leaf.key) {
            return Err(unknown(&leaf, &leaves_by_key));
        }
        leaves_by_key.insert(leaf.key.clone(), leaf);
    }

    let mut settings = typed(&leaves_by_key)?;
    settings
        .check()
        .map_err(|(key, why)| refused(&leaves_by_key, key, &why))?;
    let mut origins: BTreeMap<_, _> = leaves_by_key
        .into_values()
        .map(|leaf| (leaf.key, leaf.origin))
        .collect();
    default_paths::resolve(&mut settings, &mut origins, sources)?;
    Ok(Loaded {
        settings,
        origins,
        file,
        unknown_variables,
    })
}

/// Returns the defaults as tables. The library itself would omit an empty list.
fn defaults() -> Result<Map<String, Value>, CliError> {
    let defaults = toml::to_string(&Settings::default()).map_err(CliError::failed)?;
    let defaults = config::File::from_str(&defaults, FileFormat::Toml);
    defaults.collect().map_err(CliError::failed)
}

/// Converts the leaves to typed settings.
fn typed(leaves_by_key: &BTreeMap<String, Leaf>) -> Result<Settings, CliError> {
    let mut builder = Config::builder();
    for leaf in leaves_by_key.values() {
        let value = Value::new(None, leaf.value.clone());
        builder = builder
            .set_override(&leaf.key, value)
            .map_err(CliError::failed)?;
    }
    let config = builder.build().map_err(CliError::failed)?;
    config
        .try_deserialize()
        .map_err(|error| match refusal(&error) {
            Some((key, why)) => refused(leaves_by_key, &key, &why),
            None => CliError::config(error),
        })
}

/// Returns the key that could not be read, and the reason.
fn refusal(error: &ConfigError) -> Option<(String, String)> {
    let (key, why) = if let ConfigError::At { key, error, .. } = error {
        (key.as_ref()?, error.to_string())
    } else if let ConfigError::Type { key, expected, .. } = error {
        (key.as_ref()?, format!("expected {expected}"))
    } else {
        return None;
    };
    // serde's text for a wrong type repeats the value.
    let why = match why.rsplit_once(", expected ") {
        Some((found, expected)) if found.starts_with("invalid type") => {
            format!("expected {expected}")
        }
        _ => why,
    };
    // The reason names the element of a list.
    let key = key.split('[').next().unwrap_or(key);
    Some((key.to_owned(), why))
}

fn refused(leaves_by_key: &BTreeMap<String, Leaf>, key: &str, why: &str) -> CliError {
    let Some(leaf) = leaves_by_key.get(key) else {
        return CliError::config(format!("invalid {key}: {why}"));
    };
    let (value, origin) = (shown(&leaf.value), &leaf.origin);
    CliError::config(format!("invalid {key} {value} ({origin}): {why}"))
}

fn shown(value: &ValueKind) -> String {
    match value {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Array(values) => {
            let values: Vec<_> = values.iter().map(|value| shown(&value.kind)).collect();
            format!("[{}]", values.join(", "))
        }
        ValueKind::Table(_) => "table".into(),
        ValueKind::Nil
        | ValueKind::Boolean(_)
        | ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_) => value.to_string(),
    }
}

/// Returns true for a table of a config file in which nothing is set, as in the shipped file.
fn is_empty_group(leaf: &Leaf, known: &BTreeMap<String, Leaf>) -> bool {
    matches!(&leaf.value, ValueKind::Table(table) if table.is_empty()) && is_group(&leaf.key, known)
}

fn is_group(key: &str, known: &BTreeMap<String, Leaf>) -> bool {
    let prefix = format!("{key}.");
    known.keys().any(|known| known.starts_with(&prefix))
}

fn unknown(leaf: &Leaf, known: &BTreeMap<String, Leaf>) -> CliError {
    let Leaf { key, origin, .. } = leaf;
    if is_group(key, known) {
        return CliError::config(format!(
            "{key} is a group of settings, not a setting ({origin})"
        ));
    }
    let distance = |known: &&String| strsim::osa_distance(known, key);
    let Some(nearest) = known.keys().min_by_key(distance) else {
        return CliError::config(format!("unknown setting {key} ({origin})"));
    };
    CliError::config(format!(
        "unknown setting {key} ({origin}); did you mean {nearest}?"
    ))
}

/// Fails for a variable that is likely misspelt.
fn check_spelling(name: &str, known: &BTreeMap<String, Leaf>) -> Result<(), CliError> {
    let Some(meant) = variables::suggest(name, known.keys().map(String::as_str)) else {
        return Ok(());
    };
    let key = name[PREFIX.len()..].to_lowercase().replace("__", ".");
    let origin = Origin::Variable(name.to_owned());
    if is_group(&key, known) {
        return Err(CliError::config(format!(
            "{key} is a group of settings, not a setting ({origin}); did you mean {meant}?"
        )));
    }
    let nearest = known
        .keys()
        .find(|key| variables::variable_name(key) == meant);
    Err(CliError::config(match nearest {
        Some(nearest) => {
            format!("unknown setting {key} ({origin}); did you mean {nearest}, {meant}?")
        }
        None => format!("unknown {origin}; did you mean {meant}?"),
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::Flag;
    use crate::settings::sources::file;

    const SHIPPED: &str = include_str!("../../config/akvs.toml");

    fn from_file(text: &str) -> Result<Loaded, CliError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("akvs.toml");
        std::fs::write(&path, text).unwrap();
        load(&Sources {
            config: Some(path),
            ..Sources::default()
        })
    }

    fn why(text: &str) -> String {
        from_file(text).unwrap_err().to_string()
    }

    #[test]
    fn the_shipped_file_sets_nothing() {
        let (shipped, none) = (from_file(SHIPPED).unwrap(), from_file("").unwrap());
        assert_eq!(shipped.settings, none.settings);
        assert_eq!(shipped.origins, none.origins);
    }

    #[test]
    fn the_shipped_file_has_every_key_at_its_default_after_a_comment() {
        let lines: Vec<&str> = SHIPPED.lines().collect();
        let setting = |line: &str| {
            let (key, _) = line.strip_prefix("# ")?.split_once(" = ")?;
            key.chars()
                .all(|c| c.is_ascii_lowercase() || c == '_')
                .then_some(())
        };
        let mut bare = String::new();
        for (number, line) in lines.iter().enumerate() {
            if setting(line).is_some() {
                let before = lines[number - 1];
                assert!(
                    before.starts_with("# ") && setting(before).is_none(),
                    "{line} has no comment"
                );
                bare.push_str(&line[2..]);
            } else {
                bare.push_str(line);
            }
            bare.push('\n');
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("akvs.toml");
        std::fs::write(&path, &bare).unwrap();
        let written: Vec<String> = file(&path)
            .unwrap()
            .into_iter()
            .map(|leaf| leaf.key)
            .collect();

        let defaults = from_file("").unwrap();
        let known: Vec<String> = defaults.origins.into_keys().collect();
        assert_eq!(written, known);
        assert_eq!(from_file(&bare).unwrap().settings, defaults.settings);
    }

    #[test]
    fn later_layers_override_earlier_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("akvs.toml");
        std::fs::write(
            &path,
            "[limits]\nmax_connections = 2\nmax_queued_writes = 2\nheader_timeout = \"2s\"",
        )
        .unwrap();
        let variables = [
            ("AKVS_LIMITS__MAX_QUEUED_WRITES", "3"),
            ("AKVS_LIMITS__HEADER_TIMEOUT", "3s"),
        ];
        let loaded = load(&Sources {
            config: Some(path.clone()),
            environment: variables
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            flags: vec![Flag {
                name: "--flag",
                key: "limits.header_timeout",
                value: "4s".into(),
            }],
            ..Sources::default()
        })
        .unwrap();
        let limits = &loaded.settings.limits;
        assert_eq!(limits.max_connections.get(), 2);
        assert_eq!(limits.max_queued_writes.get(), 3);
        assert_eq!(limits.header_timeout.get().as_secs(), 4);
        let origin = |key: &str| loaded.origins[key].to_string();
        assert_eq!(
            origin("limits.max_connections"),
            format!("config file {}", path.display())
        );
        assert_eq!(
            origin("limits.max_queued_writes"),
            "environment variable AKVS_LIMITS__MAX_QUEUED_WRITES"
        );
        assert_eq!(origin("limits.header_timeout"), "flag --flag");
        assert_eq!(origin("limits.request_timeout"), "default");
    }

    #[test]
    fn a_list_replaces_that_of_an_earlier_layer() {
        let loaded = from_file("[http]\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:2\"]").unwrap();
        assert_eq!(loaded.settings.http.listen.iter().count(), 2);
        for (hosts, count) in [
            ("[]", 0),
            ("\"\"", 0),
            ("[\"a.example\", \"b.example\"]", 2),
            ("\"a.example,b.example\"", 2),
        ] {
            let loaded = from_file(&format!("[http]\nhosts = {hosts}")).unwrap();
            assert_eq!(loaded.settings.http.hosts.to_vec().len(), count, "{hosts}");
        }
        let one = from_file("[http]\nlisten = \"127.0.0.1:1\"").unwrap();
        assert_eq!(one.settings.http.listen.iter().count(), 1);
    }

    #[test]
    fn the_data_directory_is_absolute() {
        let loaded = from_file("data_dir = \"a/b\"").unwrap();
        let path = Path::new(&loaded.settings.data_dir);
        assert!(
            path.is_absolute() && path.ends_with("a/b"),
            "{}",
            path.display()
        );
    }

    #[test]
    fn an_error_names_key_and_value() {
        for (text, parts) in [
            ("[engine]\nkind = 5", "invalid engine.kind 5 (config file "),
            (
                "[engine]\naccept_lost_commits = \"ya\"",
                "): expected a boolean",
            ),
            (
                "[http]\nlisten = 5",
                "): expected an address with a port, or a list of them",
            ),
            ("[http]\nlisten = []", "): expected at least one address"),
            (
                "[http]\nlisten = [\"x\"]",
                "): address \"x\": expected a port",
            ),
            ("[http]\nlisten = [[]]", "): expected a string"),
            (
                "[http]\nlisten = [\"unix:\"]",
                "expected a path to a file, such as unix:/run/akvs/akvs.sock",
            ),
            ("data_dir = {}", "invalid data_dir table ("),
            (
                "[limits]\nmax_connections = 2.5",
                "): expected a whole number from 1 to",
            ),
            (
                "[limits]\nmax_value_bytes = \"1GiB\"",
                "expected at least limits.max_value_bytes, 1GiB",
            ),
            (
                "[log]\nfilter = \"inof\"",
                "unknown level \"inof\"; did you mean \"info\"?",
            ),
        ] {
            let why = why(text);
            assert!(why.contains(parts), "{text}: {why}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_a_suggestion() {
        for (text, parts) in [
            (
                "[engine]\nknd = 5",
                "unknown setting engine.knd (config file ",
            ),
            ("[engine]\nknd = 5", "did you mean engine.kind?"),
            ("[engin]\nkind = 5", "did you mean engine.kind?"),
            ("[other]", "unknown setting other ("),
            ("[http.listen]\nx = 5", "unknown setting http.listen.x ("),
            (
                "engine = 5",
                "engine is a group of settings, not a setting (",
            ),
            ("data-dir = \"x\"", "did you mean data_dir?"),
        ] {
            let why = why(text);
            assert!(why.contains(parts), "{text}: {why}");
        }
    }

    #[test]
    fn invalid_toml_is_refused_in_one_line() {
        let why = why("x = [\n");
        assert!(
            why.contains("akvs.toml: TOML parse error at line 1"),
            "{why}"
        );
        assert!(!why.contains('\n'));
    }
}
