//! Numbers, sizes and times with their bounds.
//!
//! A value of these types is always within its bounds. All are parsed from text: a number in a file is read as its
//! digits, so that all sources have the same syntax. An error is the part of a message after the value, such as
//! `expected 1 to 9`.

use std::fmt;
use std::time::Duration;

use akvs_client::{format_duration, parse_duration};
use serde::{Deserialize, Serialize, Serializer};

/// A whole number within two bounds, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Count<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Count<MIN, MAX> {
    /// Creates the number; a wrong default does not compile in a constant.
    pub(crate) const fn new(number: u64) -> Self {
        assert!(MIN <= number && number <= MAX);
        Count(number)
    }

    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

impl<const MIN: u64, const MAX: u64> TryFrom<String> for Count<MIN, MAX> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Ok(number) = text.trim().parse::<u64>() else {
            return Err(format!(
                "expected a whole number from {MIN} to {MAX}, such as {}",
                100.clamp(MIN, MAX)
            ));
        };
        if (MIN..=MAX).contains(&number) {
            Ok(Count(number))
        } else {
            Err(format!("expected {MIN} to {MAX}"))
        }
    }
}

impl<const MIN: u64, const MAX: u64> Serialize for Count<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

/// A number of bytes within two bounds, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Size<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Size<MIN, MAX> {
    /// Creates the size; a wrong default does not compile in a constant.
    pub(crate) const fn new(bytes: u64) -> Self {
        assert!(MIN <= bytes && bytes <= MAX);
        Size(bytes)
    }

    pub(crate) fn bytes(self) -> u64 {
        self.0
    }
}

impl<const MIN: u64, const MAX: u64> TryFrom<String> for Size<MIN, MAX> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Ok(bytes) = text.trim().parse::<bytesize::ByteSize>() else {
            return Err("expected a number of bytes, such as 1048576 or \"16MiB\"".into());
        };
        if (MIN..=MAX).contains(&bytes.as_u64()) {
            Ok(Size(bytes.as_u64()))
        } else {
            Err(format!(
                "expected {} to {}",
                Size::<MIN, MAX>(MIN),
                Size::<MIN, MAX>(MAX)
            ))
        }
    }
}

impl<const MIN: u64, const MAX: u64> fmt::Display for Size<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not rounded: the text can be copied to a config file and has the same value.
        for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl<const MIN: u64, const MAX: u64> From<Size<MIN, MAX>> for String {
    fn from(size: Size<MIN, MAX>) -> String {
        size.to_string()
    }
}

/// A time within two bounds in milliseconds, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Time<const MIN_MS: u64, const MAX_MS: u64>(Duration);

impl<const MIN_MS: u64, const MAX_MS: u64> Time<MIN_MS, MAX_MS> {
    /// Creates the time; a wrong default does not compile in a constant.
    pub(crate) const fn from_millis(millis: u64) -> Self {
        assert!(MIN_MS <= millis && millis <= MAX_MS);
        Time(Duration::from_millis(millis))
    }

    pub(crate) fn get(self) -> Duration {
        self.0
    }
}

impl<const MIN_MS: u64, const MAX_MS: u64> TryFrom<String> for Time<MIN_MS, MAX_MS> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Some(time) = parse_duration(text.trim()) else {
            return Err("expected a time, such as 30, \"100ms\", \"30s\" or \"1h30m\"".into());
        };
        let [min, max] = [MIN_MS, MAX_MS].map(Duration::from_millis);
        if (min..=max).contains(&time) {
            Ok(Time(time))
        } else {
            let [min, max] = [min, max].map(format_duration);
            Err(format!("expected {min} to {max}"))
        }
    }
}

impl<const MIN_MS: u64, const MAX_MS: u64> From<Time<MIN_MS, MAX_MS>> for String {
    fn from(time: Time<MIN_MS, MAX_MS>) -> String {
        format_duration(time.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> Result<u64, String> {
        Size::<0, { 1 << 40 }>::try_from(text.to_owned()).map(Size::bytes)
    }

    fn time(text: &str) -> Result<Duration, String> {
        Time::<1, 60_000>::try_from(text.to_owned()).map(Time::get)
    }

    #[test]
    fn a_size_is_bytes_or_has_a_unit() {
        assert_eq!(size("0"), Ok(0));
        assert_eq!(size("1048577"), Ok(1_048_577));
        assert_eq!(size("256MiB"), Ok(256 << 20));
        assert_eq!(size(" 256 MiB "), Ok(256 << 20));
        assert_eq!(size("1.5KiB"), Ok(1_536));
        assert_eq!(size("1MB"), Ok(1_000_000));
        for bad in ["", "-1", "MiB", "1 apple", "1e3", "0x10", "NaN", "1,5MiB"] {
            assert!(size(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_size_out_of_bounds_is_refused_with_the_bounds() {
        let text = Size::<1, { 1 << 30 }>::try_from("2GiB".to_owned()).unwrap_err();
        assert_eq!(text, "expected 1 to 1GiB");
        assert!(size("99999999999999999999EiB").is_err());
    }

    #[test]
    fn a_formatted_size_parses_to_the_same_value() {
        for bytes in [0, 1, 1_023, 1 << 10, 1_025, 3 << 20, 5 << 30, 1 << 40] {
            let written = Size::<0, { 1 << 40 }>::new(bytes).to_string();
            assert_eq!(size(&written), Ok(bytes), "{written}");
        }
        assert_eq!(Size::<0, { 1 << 40 }>::new(256 << 20).to_string(), "256MiB");
    }

    #[test]
    fn a_time_is_seconds_or_has_units() {
        assert_eq!(time("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(time("1m"), Ok(Duration::from_secs(60)));
        assert_eq!(time("1s 500ms"), Ok(Duration::from_millis(1_500)));
        assert_eq!(time("1s500ms"), Ok(Duration::from_millis(1_500)));
        assert_eq!(time("30"), Ok(Duration::from_secs(30)));
        for bad in [
            "",
            "5 s",
            "0.5s",
            "-1s",
            "1 fortnight",
            "0s",
            "61s",
            "999us",
        ] {
            assert!(time(bad).is_err(), "{bad:?} was taken");
        }
        assert_eq!(time("2h").unwrap_err(), "expected 1ms to 1m");
    }

    #[test]
    fn a_formatted_time_parses_to_the_same_value() {
        for millis in [1, 999, 1_000, 1_001, 60_000] {
            let written = String::from(Time::<1, 60_000>::from_millis(millis));
            assert_eq!(
                time(&written),
                Ok(Duration::from_millis(millis)),
                "{written}"
            );
        }
    }

    #[test]
    fn a_count_is_a_whole_number_within_its_bounds() {
        let count = |text: &str| Count::<1, 9>::try_from(text.to_owned()).map(Count::get);
        assert_eq!(count("9"), Ok(9));
        assert_eq!(count("10").unwrap_err(), "expected 1 to 9");
        assert_eq!(count("0").unwrap_err(), "expected 1 to 9");
        for bad in ["", "-1", "1.5", "true", "1_0"] {
            assert!(count(bad).is_err(), "{bad:?} was taken");
        }
    }
}
