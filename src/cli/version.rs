//! `akvs --version`: one line; with `--long`, everything that tells two builds apart, and the on-disk format.

use std::time::{Duration, SystemTime};

use crate::compose;
use crate::error::CliError;
use crate::output;

/// Prints the version.
pub(super) fn print(long: bool) -> Result<(), CliError> {
    let version = concat!("akvs ", env!("CARGO_PKG_VERSION"));
    if !long {
        return output::print(&format!("{version}\n"));
    }
    output::print(&format!(
        "{version}\ncommit   {}\ndate     {}\ntarget   {}\nengines  {}\nformat   {}\n",
        env!("BUILT_COMMIT"),
        date(env!("BUILT_DATE")),
        env!("BUILT_TARGET"),
        compose::engines(),
        compose::format(),
    ))
}

/// Formats the date of the commit, which the build has in seconds.
fn date(seconds: &str) -> String {
    let seconds = seconds.parse().ok().map(Duration::from_secs);
    let date = seconds.and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(seconds));
    date.map_or_else(
        || "unknown".into(),
        |date| humantime::format_rfc3339_seconds(date).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_formatted_or_unknown() {
        assert_eq!(date("0"), "1970-01-01T00:00:00Z");
        assert_eq!(date("1700000000"), "2023-11-14T22:13:20Z");
        for none in ["unknown", "", "-1"] {
            assert_eq!(date(none), "unknown");
        }
    }
}
