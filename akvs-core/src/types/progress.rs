//! The progress of a long operation.

/// The progress of a backup, a restore or a check.
///
/// ```
/// use akvs_core::Progress;
/// let progress = Progress { rows: 5, expected_rows: 20, ..Progress::default() };
/// assert_eq!(progress.fraction(), Some(0.25));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The rows done so far.
    pub rows: u64,
    /// The approximate total of rows; 0 where it is unknown.
    pub expected_rows: u64,
    /// The bytes done so far.
    pub bytes: u64,
    /// The approximate total of bytes; 0 where it is unknown.
    pub expected_bytes: u64,
}

impl Progress {
    /// Returns the approximate fraction that is done, from 0 to 1; none where no total is known.
    ///
    /// ```
    /// assert_eq!(akvs_core::Progress::default().fraction(), None);
    /// ```
    pub fn fraction(&self) -> Option<f64> {
        let parts = [
            (self.rows, self.expected_rows),
            (self.bytes, self.expected_bytes),
        ];
        let fractions: Vec<f64> = parts
            .into_iter()
            .filter(|(_, expected)| *expected > 0)
            .map(|(done, expected)| (done as f64 / expected as f64).min(1.0))
            .collect();
        (!fractions.is_empty()).then(|| fractions.iter().sum::<f64>() / fractions.len() as f64)
    }
}
