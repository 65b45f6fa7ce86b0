//! The sources of settings, a config file, the environment and the flags: each value with its key and its source.
//!
//! It owns how each source spells a key. It knows neither the existing keys nor the order of the sources.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use config::{FileFormat, Map, Source, Value, ValueKind};

use super::home;
use super::install_dir::InstallDir;
use super::variables::{self, FILE_VARIABLE, LOG_VARIABLES, PREFIX};
use crate::bounded;
use crate::error::CliError;

/// The config file of the machine.
const SYSTEM_FILE: &str = "/etc/akvs/akvs.toml";

/// All sources.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// The config file that a flag names.
    pub(crate) config: Option<PathBuf>,
    /// The environment.
    pub(crate) environment: BTreeMap<OsString, OsString>,
    /// The flags of the command line.
    pub(crate) flags: Vec<Flag>,
    /// The release of the program.
    pub(crate) install_dir: InstallDir,
}

/// A flag of the command line.
#[derive(Clone, Debug)]
pub(crate) struct Flag {
    /// With its dashes.
    pub(crate) name: &'static str,
    /// The setting's key.
    pub(crate) key: &'static str,
    /// A list for several values.
    pub(crate) value: ValueKind,
}

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A default, with the reason if it depends on something.
    Default(&'static str),
    /// A config file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default(how) => f.write_str(how),
            Origin::File(path) => write!(f, "config file {}", path.display()),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
            Origin::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One value of a source.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) key: String,
    pub(super) value: ValueKind,
    pub(super) origin: Origin,
}

impl Sources {
    /// Returns the path of the config file: the named file, or the first that exists.
    pub(super) fn config_file(&self) -> Result<Option<PathBuf>, CliError> {
        let named = self.config.clone().or_else(|| {
            let variable = self.environment.get(OsStr::new(FILE_VARIABLE))?;
            (!variable.is_empty()).then(|| variable.into())
        });
        if let Some(named) = named {
            let named = home::expand(&named);
            let named = named.map_err(|why| CliError::config(format!("config file {why}")));
            return named.map(Some);
        }
        let system = || Some(PathBuf::from(SYSTEM_FILE)).filter(|file| file.is_file());
        Ok(self.install_dir.config_file().or_else(system))
    }

    /// Returns the values of the environment for known keys, and the names of all other variables with our prefix,
    /// except those that a platform injects.
    pub(super) fn environment(
        &self,
        is_known: impl Fn(&str) -> bool,
    ) -> Result<(Vec<Leaf>, Vec<String>), CliError> {
        let (mut leaves, mut others) = (Vec::new(), Vec::new());
        for name in LOG_VARIABLES {
            let value = self.environment.get(OsStr::new(name));
            // An empty variable counts as unset, as for all programs that read these.
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                leaves.push(variable_leaf(name, "log.filter".into(), value)?);
            }
        }
        for (name, value) in &self.environment {
            let name = name.to_string_lossy();
            let Some(path) = name.strip_prefix(PREFIX) else {
                continue;
            };
            if variables::is_named_elsewhere(&name) {
                continue;
            }
            let key = path.to_lowercase().replace("__", ".");
            if is_known(&key) {
                leaves.push(variable_leaf(&name, key, value)?);
            } else if !variables::is_injected(&name, value) {
                others.push(name.into_owned());
            }
        }
        Ok((leaves, others))
    }

    /// Returns the values of the flags.
    pub(super) fn flags(&self) -> Vec<Leaf> {
        let leaf = |flag: &Flag| Leaf {
            key: flag.key.into(),
            value: flag.value.clone(),
            origin: Origin::Flag(flag.name),
        };
        self.flags.iter().map(leaf).collect()
    }
}

fn variable_leaf(name: &str, key: String, value: &OsStr) -> Result<Leaf, CliError> {
    let value = value.to_str().ok_or_else(|| {
        CliError::config(format!(
            "invalid environment variable {name} {value:?}: expected UTF-8"
        ))
    })?;
    Ok(Leaf {
        key,
        value: value.into(),
        origin: Origin::Variable(name.to_owned()),
    })
}

/// Reads the values of a config file.
pub(super) fn file(path: &Path) -> Result<Vec<Leaf>, CliError> {
    let shown = path.display();
    let text = bounded::read_text(path).map_err(|error| {
        CliError::config(format!("cannot read the config file {shown}: {error}"))
    })?;
    let tables = config::File::from_str(&text, FileFormat::Toml)
        .collect()
        .map_err(|error| {
            CliError::config(format!(
                "invalid config file {shown}: {}",
                brief(&error.to_string())
            ))
        })?;
    let mut leaves = Vec::new();
    flatten("", tables, &Origin::File(path.to_owned()), &mut leaves);
    leaves.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(leaves)
}

/// Returns the position and the reason of a parser's error, without the drawing between them.
fn brief(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match (lines.next(), lines.next_back()) {
        (Some(first), Some(last)) => format!("{first}: {last}"),
        (Some(only), None) => only.into(),
        (None, _) => String::new(),
    }
}

/// Flattens tables to keys with dots. An empty table is a leaf, so that its unknown name is noticed.
pub(super) fn flatten(
    prefix: &str,
    table: Map<String, Value>,
    origin: &Origin,
    leaves: &mut Vec<Leaf>,
) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}.{name}")
        };
        if let ValueKind::Table(table) = &value.kind
            && !table.is_empty()
        {
            flatten(&key, table.clone(), origin, leaves);
        } else {
            leaves.push(Leaf {
                key,
                value: value.kind,
                origin: origin.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(variables: &[(&str, &str)]) -> Sources {
        Sources {
            environment: variables
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            ..Sources::default()
        }
    }

    #[test]
    fn two_underscores_nest_and_one_does_not() {
        let sources = sources(&[("AKVS_ENGINE__CACHE_BYTES", "1"), ("PATH", "x")]);
        let (leaves, _) = sources.environment(|_| true).unwrap();
        assert_eq!(leaves.len(), 1);
        assert_eq!(leaves[0].key, "engine.cache_bytes");
        assert_eq!(
            leaves[0].origin.to_string(),
            "environment variable AKVS_ENGINE__CACHE_BYTES"
        );
    }

    #[test]
    fn variables_of_the_client_are_skipped() {
        let all = variables::CLIENT_VARIABLES.map(|name| (name, "x"));
        let (leaves, others) = sources(&all).environment(|_| true).unwrap();
        assert!(leaves.is_empty() && others.is_empty(), "{others:?}");
    }

    #[test]
    fn the_log_variables_are_ordered_by_precedence() {
        let all = [
            ("AKVS_CONFIG", "x"),
            ("AKVS_LOG", "warn"),
            ("AKVS_LOG__FILTER", "error"),
            ("RUST_LOG", "debug"),
        ];
        let (leaves, _) = sources(&all).environment(|_| true).unwrap();
        let said: Vec<_> = leaves
            .iter()
            .map(|leaf| (&*leaf.key, leaf.value.to_string()))
            .collect();
        let filter = |level: &str| ("log.filter", level.to_owned());
        assert_eq!(said, [filter("debug"), filter("warn"), filter("error")]);
        let (leaves, _) = sources(&[("RUST_LOG", "")]).environment(|_| true).unwrap();
        assert!(leaves.is_empty());
    }

    #[test]
    fn a_flag_precedes_a_variable_for_the_config_file() {
        let mut sources = sources(&[("AKVS_CONFIG", "variable.toml")]);
        let file = |sources: &Sources| sources.config_file().unwrap();
        assert_eq!(file(&sources), Some("variable.toml".into()));
        sources.config = Some("flag.toml".into());
        assert_eq!(file(&sources), Some("flag.toml".into()));
    }

    #[test]
    fn a_parser_s_drawing_is_removed() {
        assert_eq!(
            brief("error at line 1\n  |\n1 | x\n  | ^\nwrong\n"),
            "error at line 1: wrong"
        );
        assert_eq!(brief("wrong"), "wrong");
    }
}
