//! The syntax of times on the command line, which is that of the settings, of HTTP and of JSON.

use std::time::Duration;

use akvs_api::ttl;

/// Maximum of `--timeout`.
const MAX_TIMEOUT: Duration = Duration::from_secs(86_400);

/// Parses a time that is not zero.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    ttl::parse_time(text)
        .ok_or_else(|| format!("invalid time {text:?}: expected {}", ttl::EXPECTED))
}

/// Parses a timeout.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time > MAX_TIMEOUT {
        return Err(format!("invalid time {text:?}: expected at most 1d"));
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_has_a_bound_and_no_time_is_zero() {
        assert_eq!(timeout("90"), Ok(Duration::from_secs(90)));
        assert_eq!(timeout("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        for bad in ["", "0", "0s", "-1", "1d1ms", "soon"] {
            assert!(timeout(bad).is_err(), "{bad}");
        }
    }
}
