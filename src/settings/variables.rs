//! Environment variables that begin with `AKVS_` and are not settings: those that Kubernetes and Docker inject for a
//! service of that name, misspelt settings, and others.
//!
//! Invariant: an injected variable never makes a verb fail, and a misspelt setting is never ignored.

use std::ffi::OsStr;

/// The prefix of all variables of AKVS.
pub(super) const PREFIX: &str = "AKVS_";
/// The path of the config file.
pub(super) const FILE_VARIABLE: &str = "AKVS_CONFIG";
/// Variables of the client, which are not settings of the server.
pub(super) const CLIENT_VARIABLES: [&str; 3] = ["AKVS_URL", "AKVS_TOKEN", "AKVS_TOKEN_FILE"];
/// A variable of the build, which `cargo run` passes to the program too.
const BUILD_VARIABLE: &str = "AKVS_COMMIT";
/// Variables of the log filter; the last one wins.
pub(super) const LOG_VARIABLES: [&str; 2] = ["RUST_LOG", "AKVS_LOG"];

/// Shorter last words of a key, such as `key` or `file`, are common in variables of other programs.
const DISTINCT_LETTERS: usize = 5;

/// The fewest letters that abbreviate a name.
const ABBREVIATION_LETTERS: usize = 4;

/// Returns true for a variable that is read elsewhere.
pub(super) fn is_named_elsewhere(name: &str) -> bool {
    let mut others = LOG_VARIABLES.iter().chain(&CLIENT_VARIABLES);
    name == FILE_VARIABLE || name == BUILD_VARIABLE || others.any(|other| *other == name)
}

/// Returns the variable that sets a key.
pub(super) fn variable_name(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

/// Returns true if Kubernetes or a Docker link injects a variable of this name and value, for a service or a container
/// whose name is `akvs` or begins with `akvs-`.
///
/// | for | names |
/// | --- | --- |
/// | Kubernetes | `…_SERVICE_HOST`, `…_SERVICE_PORT`, `…_SERVICE_PORT_<port name>` |
/// | both | `…_PORT=tcp://…`, `…_PORT_<n>_TCP` and so on with `_PROTO`, `_PORT`, `_ADDR`, `_START`, `_END` |
/// | Docker | `…_NAME=/this/that`, `…_ENV_<name>` |
pub(super) fn is_injected(name: &str, value: &OsStr) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return false;
    };
    // The prefix is the name of the service or its first word: then the other words come before the injected part.
    let mut tails =
        std::iter::once(rest).chain(rest.match_indices('_').map(|(at, _)| &rest[at + 1..]));
    tails.any(|tail| is_injected_tail(tail, value))
}

fn is_injected_tail(tail: &str, value: &OsStr) -> bool {
    let value = value.to_string_lossy();
    if tail == "SERVICE_HOST" || tail == "SERVICE_PORT" || tail.starts_with("SERVICE_PORT_") {
        return true;
    }
    if let Some(name) = tail.strip_prefix("ENV_") {
        return !name.is_empty();
    }
    match tail {
        "PORT" | "PORT_START" | "PORT_END" => is_endpoint(&value),
        // The linking container and the alias.
        "NAME" => value.starts_with('/') && value[1..].contains('/'),
        _ => tail.strip_prefix("PORT_").is_some_and(is_port),
    }
}

/// `tcp://10.0.0.1:8080`, and the same for other protocols.
fn is_endpoint(value: &str) -> bool {
    let protocol = value.split_once("://").map(|(protocol, _)| protocol);
    protocol.is_some_and(|protocol| {
        let protocol = protocol.to_ascii_uppercase();
        PROTOCOLS.contains(&&*protocol)
    })
}

const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

/// `8080_TCP`, and its suffixes.
fn is_port(text: &str) -> bool {
    let mut words = text.split('_');
    let (number, protocol, part) = (words.next(), words.next(), words.next());
    number.is_some_and(|number| number.parse::<u16>().is_ok())
        && protocol.is_some_and(|protocol| PROTOCOLS.contains(&protocol))
        && part.is_none_or(|part| ["PROTO", "PORT", "ADDR", "START", "END"].contains(&part))
        && part.is_none_or(|part| match words.next() {
            None => true,
            // The first and the last port of a range.
            Some(more) => matches!(part, "PORT") && matches!(more, "START" | "END"),
        })
}

/// Returns the variable that an unknown name likely means; none if it likely belongs to another program.
pub(super) fn suggest<'a>(name: &str, keys: impl Iterator<Item = &'a str>) -> Option<String> {
    let text = name.strip_prefix(PREFIX)?.to_lowercase();
    let plain = bare(&text);
    let mut nearest: Option<(usize, String)> = None;
    let mut of_group = None;
    let mut offer = |distance: usize, meant: String| {
        if nearest.as_ref().is_none_or(|(least, _)| distance < *least) {
            nearest = Some((distance, meant));
        }
    };
    for key in keys {
        let (group, leaf) = key.split_once('.').unwrap_or(("", key));
        let distance = strsim::osa_distance(&bare(key), &plain);
        if distance <= near(&plain) {
            offer(distance, variable_name(key));
        }
        // `AKVS_TLS_CERT` for `AKVS_TLS__CERTIFICATE`.
        if is_abbreviation(&bare(key), &plain) {
            offer(1, variable_name(key));
        }
        // `AKVS_LISTEN` for `AKVS_HTTP__LISTEN`.
        let distance = strsim::osa_distance(&bare(leaf), &plain);
        if leaf.len() >= DISTINCT_LETTERS && distance <= near(&plain) / 2 {
            offer(distance + 1, variable_name(key));
        }
        // `AKVS_ENGINE__ANYTHING` means some setting, and `AKVS_ENGINE` a group of settings.
        let first = text.split_once("__").map_or(&*text, |(first, _)| first);
        let is_of_group = !group.is_empty()
            && (first == group || text.contains("__") && strsim::osa_distance(first, group) <= 1);
        if is_of_group {
            let distance = strsim::osa_distance(key, &text.replace("__", "."));
            if of_group.as_ref().is_none_or(|(least, _)| distance < *least) {
                of_group = Some((distance, variable_name(key)));
            }
        }
    }
    let others = CLIENT_VARIABLES.iter().chain(&LOG_VARIABLES[1..]);
    for other in others.chain([&FILE_VARIABLE]) {
        let known = bare(&other[PREFIX.len()..].to_lowercase());
        let distance = strsim::osa_distance(&known, &plain);
        let is_file = *other == FILE_VARIABLE && is_abbreviation(&known, &plain);
        if is_file || distance <= near(&plain).min(near(&known)) {
            offer(distance.min(near(&plain)), (*other).to_owned());
        }
    }
    nearest.or(of_group).map(|(_, meant)| meant)
}

/// Returns whether one name is a beginning of the other that is long enough to be meant.
fn is_abbreviation(one: &str, other: &str) -> bool {
    let shorter = one.len().min(other.len());
    shorter >= ABBREVIATION_LETTERS && one.as_bytes()[..shorter] == other.as_bytes()[..shorter]
}

/// Removes the separators of a name, so that `HTTP_LISTEN` and `http.listen` are equal.
fn bare(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Returns how many letters a misspelt name of this length may differ in.
fn near(text: &str) -> usize {
    match text.len() {
        0..=2 => 0,
        3..=5 => 1,
        6..=11 => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 9] = [
        "http.listen",
        "data_dir",
        "engine.kind",
        "engine.durability",
        "limits.max_value_bytes",
        "log.file",
        "auth.tokens",
        "tls.certificate",
        "tls.key",
    ];

    #[test]
    fn what_kubernetes_and_docker_inject_is_known() {
        for (name, value) in [
            ("AKVS_SERVICE_HOST", "10.0.0.1"),
            ("AKVS_SERVICE_PORT", "8080"),
            ("AKVS_SERVICE_PORT_HTTP", "8080"),
            ("AKVS_SERVICE_PORT_HTTP_METRICS", "9090"),
            ("AKVS_PORT", "tcp://10.0.0.1:8080"),
            ("AKVS_PORT", "udp://[fd00::1]:8080"),
            ("AKVS_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("AKVS_PORT_8080_TCP_PROTO", "tcp"),
            ("AKVS_PORT_8080_TCP_PORT", "8080"),
            ("AKVS_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("AKVS_PORT_53_UDP", "udp://10.0.0.1:53"),
            ("AKVS_PORT_53_SCTP_ADDR", "10.0.0.1"),
            ("AKVS_PORT_8080_TCP_PORT_START", "8080"),
            ("AKVS_HTTP_SERVICE_HOST", "10.0.0.1"),
            ("AKVS_HTTP_PORT", "tcp://10.0.0.1:8080"),
            ("AKVS_HTTP_LISTEN_PORT", "tcp://10.0.0.1:8080"),
            ("AKVS_HTTP__LISTEN_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("AKVS_DATA_DIR_SERVICE_PORT", "1"),
            ("AKVS_NAME", "/web/akvs"),
            ("AKVS_1_NAME", "/web/akvs_1"),
            ("AKVS_ENV_PATH", "/usr/bin"),
            ("AKVS_ENV_AKVS_HTTP__LISTEN", "0.0.0.0:8080"),
        ] {
            assert!(is_injected(name, value.as_ref()), "{name}={value}");
        }
        for (name, value) in [
            ("AKVS_PORT", "8080"),
            ("AKVS_NAME", "production"),
            ("AKVS_PORT_TCP", "x"),
            ("AKVS_PORT_99999_TCP", "x"),
            ("AKVS_PORT_8080_TCP_OTHER", "x"),
            ("AKVS_HTTP__LISTEN", "tcp://10.0.0.1:8080"),
            ("AKVS_ENV_", "x"),
        ] {
            assert!(!is_injected(name, value.as_ref()), "{name}={value}");
        }
    }

    #[test]
    fn a_misspelt_variable_gets_a_suggestion() {
        for (name, wanted) in [
            ("AKVS_HTTP_LISTEN", "AKVS_HTTP__LISTEN"),
            ("AKVS_HTPP__LISTEN", "AKVS_HTTP__LISTEN"),
            ("AKVS_LISTEN", "AKVS_HTTP__LISTEN"),
            ("AKVS_HTTP__ADDRESS", "AKVS_HTTP__LISTEN"),
            ("AKVS_DATADIR", "AKVS_DATA_DIR"),
            ("AKVS_DATA__DIR", "AKVS_DATA_DIR"),
            ("AKVS_DURABILITY", "AKVS_ENGINE__DURABILITY"),
            ("AKVS_ENGINE__KND", "AKVS_ENGINE__KIND"),
            ("AKVS_ENGINE_KIND", "AKVS_ENGINE__KIND"),
            ("AKVS_LIMIT__MAX_VALUE_BYTE", "AKVS_LIMITS__MAX_VALUE_BYTES"),
            ("AKVS_MAX_VALUE_BYTES", "AKVS_LIMITS__MAX_VALUE_BYTES"),
            ("AKVS_TOKNE", "AKVS_TOKEN"),
            ("AKVS_TOKENFILE", "AKVS_TOKEN_FILE"),
            ("AKVS_CONFG", "AKVS_CONFIG"),
            ("AKVS_CONF", "AKVS_CONFIG"),
            ("AKVS_CONFIG_FILE", "AKVS_CONFIG"),
            ("AKVS_TLS_CERT", "AKVS_TLS__CERTIFICATE"),
            ("AKVS_TLS__CERT", "AKVS_TLS__CERTIFICATE"),
            ("AKVS_DATA_DIRECTORY", "AKVS_DATA_DIR"),
            ("AKVS_LOG_FILENAME", "AKVS_LOG__FILE"),
            ("AKVS_LOGS", "AKVS_LOG"),
        ] {
            assert_eq!(
                suggest(name, KEYS.into_iter()).as_deref(),
                Some(wanted),
                "{name}"
            );
        }
        for name in [
            "AKVS_VERSION",
            "AKVS_IMAGE_TAG",
            "AKVS_PORT",
            "AKVS_HOST",
            "AKVS_HOME",
            "AKVS_KEY",
            "AKVS_X",
            "AKVS_",
            "AKVS_ENVIRONMENT",
            "AKVS_REPLICAS",
            "AKVS_FOO__BAR",
        ] {
            assert_eq!(suggest(name, KEYS.into_iter()), None, "{name}");
        }
    }
}
