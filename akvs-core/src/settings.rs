//! What can be chosen for a namespace: a deadline for what is stored without one, and how much it may hold.

use crate::{Code, Counts, Error, Result};

/// What can be chosen for a namespace; nothing is by default.
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
    /// How long a value lasts that is stored without a ttl of its own, in ms.
    pub ttl_ms: Option<u64>,
    /// The longest value, in bytes.
    pub max_value_bytes: Option<u64>,
    /// The most keys.
    pub max_keys: Option<u64>,
    /// The most bytes of keys and values together.
    pub max_bytes: Option<u64>,
}

impl Settings {
    /// Refuses with `quota_exceeded` what would make a namespace hold more than it may; what makes it hold less is
    /// always allowed.
    pub fn check(&self, before: &Counts, after: &Counts) -> Result<()> {
        let exceeds = |limit: Option<u64>, before: u64, after: u64| {
            limit.filter(|limit| after > *limit && after > before)
        };
        let refuse = |what: &str, setting: &str, limit: u64| {
            let text = format!("the namespace may hold {limit} {what} at the most");
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

    /// Refuses with `too_large` a value of so many bytes that is longer than it may be.
    pub fn check_value(&self, bytes: usize) -> Result<()> {
        match self.max_value_bytes {
            Some(limit) if bytes as u64 > limit => {
                let text =
                    format!("the value has {bytes} bytes, the namespace takes {limit} at the most");
                let error = Error::new(Code::TooLarge, text).with("limit", limit);
                Err(error.with("setting", "max_value_bytes"))
            }
            _ => Ok(()),
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
    fn what_shrinks_or_stays_is_allowed_beyond_the_limit_too() {
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
