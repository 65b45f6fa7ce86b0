//! The settings of a namespace: its default lifetime of values, and its quotas.

use crate::{Code, Counts, Error, Result, Timestamp};

/// The settings of a namespace; by default none is set.
///
/// ```
/// use akvs_core::{Counts, Settings};
/// let settings = Settings { max_keys: Some(2), ..Settings::default() };
/// let two = Counts { keys: 2, ..Counts::default() };
/// assert!(settings.check(&Counts::default(), &two).is_ok());
/// let three = Counts { keys: 3, ..Counts::default() };
/// assert!(settings.check(&two, &three).is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The lifetime of values that are stored without a ttl, in ms.
    pub ttl_ms: Option<u64>,
    /// The maximum length of a value, in bytes.
    pub max_value_bytes: Option<u64>,
    /// The maximum number of keys.
    pub max_keys: Option<u64>,
    /// The maximum bytes of keys and values together.
    pub max_bytes: Option<u64>,
}

impl Settings {
    /// Fails with `quota_exceeded` where a change would exceed a quota. A change that reduces the size is always
    /// allowed.
    pub fn check(&self, before: &Counts, after: &Counts) -> Result<()> {
        let exceeds = |limit: Option<u64>, before: u64, after: u64| {
            limit.filter(|limit| after > *limit && after > before)
        };
        let refuse = |what: &str, setting: &str, limit: u64| {
            let text = format!(
                "the namespace's quota is exceeded: it may hold at most {limit} {what} (setting {setting})"
            );
            let error = Error::new(Code::QuotaExceeded, text).with("limit", limit);
            Err(error.with("setting", setting))
        };
        if let Some(limit) = exceeds(self.max_keys, before.keys, after.keys) {
            return refuse("keys", "max_keys", limit);
        }
        if let Some(limit) = exceeds(self.max_bytes, before.bytes, after.bytes) {
            return refuse("bytes", "max_bytes", limit);
        }
        Ok(())
    }

    /// Fails with `too_large` where a value of this length exceeds its maximum.
    pub fn check_value(&self, bytes: usize) -> Result<()> {
        match self.max_value_bytes {
            Some(limit) if bytes as u64 > limit => {
                let text = format!(
                    "the value is too long: {bytes} bytes; the namespace allows at most {limit} (setting max_value_bytes)"
                );
                let error = Error::new(Code::TooLarge, text).with("limit", limit);
                Err(error.with("setting", "max_value_bytes"))
            }
            _ => Ok(()),
        }
    }
}

/// A change of some settings of a namespace; the others keep their values.
///
/// ```
/// use akvs_core::{Settings, SettingsPatch};
/// let before = Settings { ttl_ms: Some(1_000), max_keys: Some(2), ..Settings::default() };
/// let patch = SettingsPatch { ttl_ms: Some(None), max_bytes: Some(Some(9)), ..SettingsPatch::default() };
/// let after = Settings { max_keys: Some(2), max_bytes: Some(9), ..Settings::default() };
/// assert_eq!(patch.apply(before), after);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettingsPatch {
    /// See [`Settings::ttl_ms`]; `Some(None)` removes the setting, as for all others.
    pub ttl_ms: Option<Option<u64>>,
    /// See [`Settings::max_value_bytes`].
    pub max_value_bytes: Option<Option<u64>>,
    /// See [`Settings::max_keys`].
    pub max_keys: Option<Option<u64>>,
    /// See [`Settings::max_bytes`].
    pub max_bytes: Option<Option<u64>>,
}

impl SettingsPatch {
    /// Returns the settings after the change.
    pub fn apply(&self, before: Settings) -> Settings {
        Settings {
            ttl_ms: self.ttl_ms.unwrap_or(before.ttl_ms),
            max_value_bytes: self.max_value_bytes.unwrap_or(before.max_value_bytes),
            max_keys: self.max_keys.unwrap_or(before.max_keys),
            max_bytes: self.max_bytes.unwrap_or(before.max_bytes),
        }
    }

    /// Fails with `invalid_request` where every write would fail: a ttl of zero, or a ttl that ends after the year
    /// 9999.
    pub fn check(&self, now: Timestamp) -> Result<()> {
        let Some(Some(millis)) = self.ttl_ms else {
            return Ok(());
        };
        let end = now.as_millis().checked_add(millis);
        if millis > 0 && end.is_some_and(|end| end <= Timestamp::LAST.as_millis()) {
            return Ok(());
        }
        let text = format!(
            "invalid ttl \"{millis}ms\": expected at least 1ms, ending before the year 10000"
        );
        Err(Error::new(Code::InvalidRequest, text).with("field", "ttl"))
    }
}

impl From<Settings> for SettingsPatch {
    /// Returns the change that replaces all settings.
    fn from(settings: Settings) -> SettingsPatch {
        SettingsPatch {
            ttl_ms: Some(settings.ttl_ms),
            max_value_bytes: Some(settings.max_value_bytes),
            max_keys: Some(settings.max_keys),
            max_bytes: Some(settings.max_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn counts(keys: u64, bytes: u64) -> Counts {
        Counts {
            keys,
            bytes,
            history: 0,
        }
    }

    #[test]
    fn a_ttl_that_makes_every_write_fail_is_refused() {
        let now = Timestamp::from_millis(1_000);
        let check = |millis| {
            let ttl_ms = Some(millis);
            SettingsPatch {
                ttl_ms,
                ..SettingsPatch::default()
            }
            .check(now)
        };
        let longest = Timestamp::LAST.as_millis() - now.as_millis();
        for good in [None, Some(1), Some(longest)] {
            assert!(check(good).is_ok(), "{good:?}");
        }
        for bad in [0, longest + 1, u64::MAX] {
            let error = check(Some(bad)).unwrap_err();
            assert_eq!(error.code(), Code::InvalidRequest, "{bad}");
            assert_eq!(error.context()["field"], "ttl");
        }
        assert!(SettingsPatch::default().check(now).is_ok());
    }

    #[test]
    fn beyond_a_quota_a_namespace_may_shrink_or_stay() {
        let settings = Settings {
            max_keys: Some(2),
            max_bytes: Some(10),
            ..Settings::default()
        };
        for (before, after, allowed) in [
            (counts(0, 0), counts(2, 10), true),
            (counts(2, 10), counts(3, 10), false),
            (counts(2, 10), counts(2, 11), false),
            (counts(5, 50), counts(5, 50), true),
            (counts(5, 50), counts(4, 40), true),
            (counts(5, 50), counts(4, 51), false),
        ] {
            let checked = settings.check(&before, &after);
            assert_eq!(checked.is_ok(), allowed, "{before:?} {after:?}");
        }
    }
}
