//! Times to live as text: the parameter `ttl`, the member `ttl` of transactions, settings and exports, and the option
//! `--ttl` of the program.

use std::time::Duration;

use akvs_core::{Code, Error, Result, Ttl, parse_duration};

/// The text that keeps the deadline of a key.
pub const KEEP: &str = "keep";

/// The description of the grammar, for the text of an error.
pub const EXPECTED: &str =
    "seconds or numbers with ms, s, m, h or d, such as 90, 1500ms, 1h30m or 7d";

/// Parses a time to live in the grammar of [`parse_duration`]; none for zero and for text that is not a duration.
pub fn parse_time(text: &str) -> Option<Duration> {
    parse_duration(text).filter(|time| !time.is_zero())
}

/// Parses a time to live as milliseconds.
pub fn parse_millis(text: &str) -> Option<u64> {
    u64::try_from(parse_time(text)?.as_millis()).ok()
}

/// Parses a time to live, or [`KEEP`].
pub fn parse(text: &str) -> Option<Ttl> {
    if text == KEEP {
        return Some(Ttl::Keep);
    }
    parse_millis(text).map(Ttl::Millis)
}

/// Formats a time to live: whole seconds as a number, other times in milliseconds, rounded up so that none becomes zero.
/// Zero is an error.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(akvs_api::ttl::format(Duration::from_secs(90))?, "90");
/// assert_eq!(akvs_api::ttl::format(Duration::from_micros(1_001))?, "2ms");
/// # Ok::<(), akvs_core::Error>(())
/// ```
pub fn format(ttl: Duration) -> Result<String> {
    if ttl.is_zero() {
        let text = "invalid ttl 0: expected more than 0";
        Err(Error::new(Code::InvalidRequest, text))
    } else if ttl.subsec_nanos() == 0 {
        Ok(ttl.as_secs().to_string())
    } else {
        Ok(format!("{}ms", ttl.as_nanos().div_ceil(1_000_000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_is_a_duration_above_zero_or_keep() {
        for (text, expected) in [
            ("90", Some(Ttl::Millis(90_000))),
            ("1h30m", Some(Ttl::Millis(5_400_000))),
            ("1ms", Some(Ttl::Millis(1))),
            ("keep", Some(Ttl::Keep)),
            ("Keep", None),
            ("0", None),
            ("0ms", None),
            ("-1", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_formatted_ttl_is_exact_to_the_millisecond_and_never_zero() {
        for (nanos, text) in [
            (0, None),
            (1, Some("1ms")),
            (1_000_000, Some("1ms")),
            (1_000_001, Some("2ms")),
            (1_500_000_000, Some("1500ms")),
            (90_000_000_000, Some("90")),
        ] {
            let formatted = format(Duration::from_nanos(nanos)).ok();
            assert_eq!(formatted.as_deref(), text);
            let parsed = formatted.as_deref().and_then(parse_time);
            assert_eq!(parsed.is_some(), text.is_some());
        }
    }
}
