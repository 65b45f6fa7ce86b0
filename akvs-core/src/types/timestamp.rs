//! Timestamps. The core never reads a clock; callers pass the time.

/// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// ```
/// use akvs_core::Timestamp;
/// assert!(Timestamp::from_millis(1) > Timestamp::from_millis(0));
/// assert_eq!(Timestamp::from_millis(1_500).as_millis(), 1_500);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last timestamp that RFC 3339 can express: 9999-12-31T23:59:59.999Z.
    pub const LAST: Timestamp = Timestamp(253_402_300_799_999);

    /// Creates the timestamp of this many milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Timestamp {
        Timestamp(millis)
    }

    /// Returns the milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the whole seconds since the epoch, as in HTTP dates.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000
    }
}
