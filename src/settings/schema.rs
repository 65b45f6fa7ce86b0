//! Every setting: its key, its type with unit and bounds, and its default.
//!
//! The keys are the field names, joined by dots. `config/akvs.toml` describes them for the operator, and a test
//! compares the two.

use akvs_http::Options;
use serde::{Deserialize, Serialize};

use super::address::Addresses;
use super::hosts::HostNames;
use super::units::{Count, Size, Time};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;

/// All settings.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) http: Http,
    pub(crate) auth: Auth,
    pub(crate) tls: Tls,
    /// Empty for the default path, until the layers have been merged; then absolute.
    pub(crate) data_dir: String,
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    pub(crate) log: Log,
}

/// `http.*`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) listen: Addresses,
    /// The library omits an empty list from the defaults.
    #[serde(default)]
    pub(crate) hosts: HostNames,
    /// 0 for one less than the number of cores.
    pub(crate) workers: Count<0, 1_024>,
}

/// `auth.*`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Auth {
    /// Empty for the default path, until the layers have been merged; then absolute.
    pub(crate) tokens: String,
}

/// `tls.*`; each is empty if it is not set.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) client_ca: String,
}

/// `engine.*`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Engine {
    pub(crate) kind: EngineKind,
    pub(crate) durability: Durability,
    pub(crate) sync_interval: Time<1, { 60 * SECOND }>,
    pub(crate) cache_bytes: Size<0, { 1_024 * GIB }>,
    pub(crate) history_changes: Count<1, 1_000_000_000>,
    pub(crate) accept_lost_commits: bool,
}

/// `limits.*`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) max_value_bytes: Size<1, GIB>,
    pub(crate) max_connections: Count<1, 1_000_000>,
    pub(crate) max_queued_writes: Count<1, 1_000_000>,
    pub(crate) max_body_memory_bytes: Size<{ 64 * KIB }, { 1_024 * GIB }>,
    pub(crate) max_response_memory_bytes: Size<{ MIB }, { 1_024 * GIB }>,
    pub(crate) request_timeout: Time<100, HOUR>,
    /// At least a second: a timer that is due before it is set never fires.
    pub(crate) header_timeout: Time<SECOND, HOUR>,
    pub(crate) drain_timeout: Time<SECOND, HOUR>,
}

/// `log.*`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) filter: LogFilter,
    pub(crate) format: LogFormat,
    /// Empty for stderr; otherwise absolute once the layers have been merged.
    pub(crate) file: String,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            http: Http {
                listen: Addresses::default(),
                hosts: HostNames::default(),
                workers: const { Count::new(0) },
            },
            auth: Auth {
                tokens: String::new(),
            },
            tls: Tls {
                certificate: String::new(),
                key: String::new(),
                client_ca: String::new(),
            },
            data_dir: String::new(),
            engine: Engine {
                kind: EngineKind::Disk,
                durability: Durability::Fsync,
                sync_interval: const { Time::from_millis(100) },
                cache_bytes: const { Size::new(256 * MIB) },
                history_changes: const { Count::new(100_000) },
                accept_lost_commits: false,
            },
            limits: Limits {
                max_value_bytes: const { Size::new(Options::DEFAULT_MAX_VALUE_BYTES as u64) },
                max_connections: const { Count::new(Options::DEFAULT_MAX_CONNECTIONS as u64) },
                max_queued_writes: const { Count::new(10_000) },
                max_body_memory_bytes: const { Size::new(Options::DEFAULT_MAX_BODY_MEMORY_BYTES as u64) },
                max_response_memory_bytes: const {
                    Size::new(Options::DEFAULT_MAX_RESPONSE_MEMORY_BYTES as u64)
                },
                request_timeout: const {
                    Time::from_millis(Options::DEFAULT_REQUEST_TIMEOUT.as_millis() as u64)
                },
                header_timeout: const {
                    Time::from_millis(Options::DEFAULT_HEADER_TIMEOUT.as_millis() as u64)
                },
                drain_timeout: const {
                    Time::from_millis(Options::DEFAULT_DRAIN_TIMEOUT.as_millis() as u64)
                },
            },
            log: Log {
                filter: LogFilter("info".into()),
                format: LogFormat::Auto,
                file: String::new(),
            },
        }
    }
}

impl Settings {
    /// Checks settings against each other; each is within its own bounds already.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let (value, memory) = (
            self.limits.max_value_bytes,
            self.limits.max_body_memory_bytes,
        );
        if memory.bytes() < value.bytes() {
            return Err((
                "limits.max_body_memory_bytes",
                format!(
                    "expected at least limits.max_value_bytes, {value}, so that the largest value can be received"
                ),
            ));
        }
        let tls = &self.tls;
        for (key, is_there, other, wanted) in [
            (
                "tls.certificate",
                !tls.certificate.is_empty(),
                "tls.key",
                &tls.key,
            ),
            (
                "tls.key",
                !tls.key.is_empty(),
                "tls.certificate",
                &tls.certificate,
            ),
            (
                "tls.client_ca",
                !tls.client_ca.is_empty(),
                "tls.certificate",
                &tls.certificate,
            ),
        ] {
            if is_there && wanted.is_empty() {
                return Err((key, format!("expected {other} to be set too")));
            }
        }
        Ok(())
    }
}

/// Joins words as `a, b or c`.
fn alternatives(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// An enumeration of words: the type, its words for clap, and its conversion from and to text.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub(crate) enum $name { $($variant),+ }

        impl $name {
            pub(crate) const WORDS: &[&str] = &[$($word),+];

            pub(crate) fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<$name, String> {
                match &*text {
                    $($word => Ok($name::$variant),)+
                    _ => Err(format!("expected {}", alternatives($name::WORDS))),
                }
            }
        }

        impl From<$name> for String {
            fn from(choice: $name) -> String {
                choice.as_str().into()
            }
        }
    };
}

choice! {
    /// The storage engine.
    EngineKind { Disk = "disk", Memory = "memory" }
}

choice! {
    /// The moment of a write's answer.
    Durability { Fsync = "fsync", Interval = "interval" }
}

choice! {
    /// The format of log lines.
    LogFormat { Auto = "auto", Text = "text", Json = "json" }
}

/// A log filter in the syntax of `RUST_LOG`: a level, or `module=level` parts with commas.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct LogFilter(String);

impl LogFilter {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<LogFilter, String> {
        let filter = LogFilter::try_from(text.to_owned());
        filter.map_err(|why| format!("invalid log filter {text:?}: {why}"))
    }
}

impl TryFrom<String> for LogFilter {
    type Error = String;

    fn try_from(text: String) -> Result<LogFilter, String> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        if text.trim().is_empty() {
            return Err(format!("expected {}", alternatives(&LEVELS)));
        }
        if env_filter::Builder::new().try_parse(&text).is_err() {
            return Err(
                "expected a log filter, such as \"info\" or \"info,akvs_http=debug\"".into(),
            );
        }
        // A single word is a level or the name of a module, so a misspelt level would silence everything else.
        for word in text.split('/').next().unwrap_or_default().split(',') {
            let word = word.trim().to_ascii_lowercase();
            let near = LEVELS.iter().find(|level| {
                word != **level
                    && !LEVELS.contains(&&*word)
                    && strsim::osa_distance(level, &word) <= 2
            });
            if let Some(level) = near {
                return Err(format!("unknown level {word:?}; did you mean {level:?}?"));
            }
        }
        Ok(LogFilter(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_refused() {
        for good in [
            "info",
            "INFO",
            "warn,akvs_http=debug",
            "off",
            "akvs",
            "debug/part",
            "actix_server=warn,lsm_tree=off",
        ] {
            assert!(LogFilter::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", " ", "inof", "infos", "akvs=loud", "warn,debgu"] {
            assert!(
                LogFilter::try_from(bad.to_owned()).is_err(),
                "{bad} was taken"
            );
        }
    }

    #[test]
    fn values_must_fit_into_the_body_memory() {
        let mut settings = Settings::default();
        settings.limits.max_value_bytes = Size::new(GIB);
        let (key, why) = settings.check().unwrap_err();
        assert_eq!(key, "limits.max_body_memory_bytes");
        assert!(why.contains("limits.max_value_bytes, 1GiB"), "{why}");
    }

    #[test]
    fn a_certificate_needs_its_key() {
        for (certificate, key, client_ca, wrong) in [
            ("", "", "", None),
            ("c", "k", "", None),
            ("c", "k", "a", None),
            ("c", "", "", Some("tls.certificate")),
            ("", "k", "", Some("tls.key")),
            ("", "", "a", Some("tls.client_ca")),
        ] {
            let settings = Settings {
                tls: Tls {
                    certificate: certificate.into(),
                    key: key.into(),
                    client_ca: client_ca.into(),
                },
                ..Settings::default()
            };
            let found = settings.check().err().map(|(key, _)| key);
            assert_eq!(found, wrong, "{certificate} {key} {client_ca}");
        }
    }

    #[test]
    fn an_invalid_choice_is_refused_with_the_valid_ones() {
        let why = EngineKind::try_from("dsk".to_owned()).unwrap_err();
        assert_eq!(why, "expected disk or memory");
    }
}
