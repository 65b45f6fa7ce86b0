//! How far something long has come, for whoever shows it.

/// How far a backup, a restore or a check has come.
///
/// ```
/// use akvs_core::Progress;
/// let progress = Progress { rows: 5, expected_rows: 20, ..Progress::default() };
/// assert_eq!(progress.fraction(), Some(0.25));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows done so far.
    pub rows: u64,
    /// How many rows there will be, about; 0 where that is not known.
    pub expected_rows: u64,
    /// Bytes done so far.
    pub bytes: u64,
    /// How many bytes there will be, about; 0 where that is not known.
    pub expected_bytes: u64,
}

impl Progress {
    /// How much is done, from 0 to 1, about; none where nothing is known of the whole.
    ///
    /// ```
    /// assert_eq!(akvs_core::Progress::default().fraction(), None);
    /// ```
    pub fn fraction(&self) -> Option<f64> {
        let parts = [
            (self.rows, self.expected_rows),
            (self.bytes, self.expected_bytes),
        ];
        let known: Vec<f64> = parts
            .into_iter()
            .filter(|(_, expected)| *expected > 0)
            .map(|(done, expected)| (done as f64 / expected as f64).min(1.0))
            .collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }
}
