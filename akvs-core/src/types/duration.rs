//! Durations as text: one grammar for the command line, the settings, HTTP and JSON.
//!
//! It owns only the grammar; bounds are up to the caller.

use std::fmt::Write as _;
use std::time::Duration;

/// The units in milliseconds, the largest first.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Parses a duration: seconds, or the sum of numbers with `ms`, `s`, `m`, `h` or `d`. None where the text is not a
/// duration, or exceeds 64 bits of milliseconds.
///
/// ```
/// use akvs_core::parse_duration;
/// use std::time::Duration;
/// assert_eq!(parse_duration("90"), Some(Duration::from_secs(90)));
/// assert_eq!(parse_duration("1500ms"), Some(Duration::from_millis(1_500)));
/// assert_eq!(parse_duration("1h30m"), Some(Duration::from_secs(5_400)));
/// assert_eq!(parse_duration("1h 30m"), parse_duration("1h30m"));
/// assert_eq!(parse_duration("1h30"), None);
/// ```
pub fn parse_duration(text: &str) -> Option<Duration> {
    // A number without a unit is seconds.
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let millis = match is_number {
        true => text.parse::<u64>().ok()?.checked_mul(1_000)?,
        false => parse_units(text)?,
    };
    Some(Duration::from_millis(millis))
}

/// Parses numbers with units, at least one, which a space may separate; returns milliseconds.
fn parse_units(text: &str) -> Option<u64> {
    let (mut rest, mut millis) = (text, 0_u64);
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, after) = after.split_at(letters);
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let part = number.parse::<u64>().ok()?.checked_mul(*scale)?;
        millis = millis.checked_add(part)?;
        if after.is_empty() {
            return Some(millis);
        }
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
}

/// Formats a duration for [`parse_duration`], in the largest units. Fractions of a millisecond are dropped.
///
/// ```
/// use akvs_core::{format_duration, parse_duration};
/// use std::time::Duration;
/// assert_eq!(format_duration(Duration::from_secs(5_400)), "1h30m");
/// assert_eq!(format_duration(Duration::from_millis(1_500)), "1s500ms");
/// assert_eq!(format_duration(Duration::ZERO), "0s");
/// ```
pub fn format_duration(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let mut text = String::new();
    for (unit, scale) in UNITS {
        let number = rest / u128::from(scale);
        rest %= u128::from(scale);
        if number > 0 {
            // Writing to a string never fails.
            let _ = write!(text, "{number}{unit}");
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

/// Formats a duration for [`parse_duration`], in the largest unit of which it is a multiple. Fractions of a millisecond
/// are dropped.
///
/// ```
/// use akvs_core::format_duration_in_one_unit;
/// use std::time::Duration;
/// assert_eq!(format_duration_in_one_unit(Duration::from_secs(5_400)), "90m");
/// assert_eq!(format_duration_in_one_unit(Duration::from_millis(1_500)), "1500ms");
/// ```
pub fn format_duration_in_one_unit(duration: Duration) -> String {
    let millis = duration.as_millis();
    let unit = UNITS
        .into_iter()
        .find(|(_, scale)| millis.is_multiple_of(u128::from(*scale)));
    let (unit, scale) = unit.unwrap_or(("ms", 1));
    format!("{}{unit}", millis / u128::from(scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_alone_is_seconds_and_units_are_summed() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("90", 90_000),
            ("090", 90_000),
            ("90s", 90_000),
            ("1500ms", 1_500),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("30m1h", 5_400_000),
            ("1m 30s", 90_000),
            ("18446744073709551615ms", u64::MAX),
        ] {
            let read = parse_duration(text).map(|time| time.as_millis());
            assert_eq!(read, Some(u128::from(millis)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            " ",
            " 5",
            "5 ",
            "5 m",
            "1h  30m",
            "+1",
            "-1",
            "-1s",
            "1.5",
            "1.5h",
            "1h30",
            "30 1h",
            "s",
            "ms",
            "5w",
            "5M",
            "5S",
            "5 apples",
            "1e3",
            "1_000",
            "5µs",
            "٣s",
            "keep",
            "18446744073709551615",
            "18446744073709551615d",
            "18446744073709551615ms1ms",
            "99999999999999999999",
        ] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_formatted_duration_is_parsed_back() {
        for millis in [
            0,
            1,
            999,
            1_000,
            1_001,
            60_000,
            90_000,
            86_400_000,
            u64::MAX,
        ] {
            let time = Duration::from_millis(millis);
            let text = format_duration(time);
            assert_eq!(parse_duration(&text), Some(time), "{text}");
        }
    }
}
