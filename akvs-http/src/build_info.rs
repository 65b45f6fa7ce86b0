//! What the server says of itself.

/// What the server says of itself, as far as only whoever put it together knows.
///
/// ```
/// let options = akvs_http::Options {
///     about: akvs_http::About { engine: "memory", ..Default::default() },
///     ..Default::default()
/// };
/// assert_eq!(options.about.commit, "unknown");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// The release.
    pub version: &'static str,
    /// The commit that it was built from.
    pub commit: &'static str,
    /// The storage engine.
    pub engine: &'static str,
}

impl Default for About {
    fn default() -> About {
        About {
            version: env!("CARGO_PKG_VERSION"),
            commit: "unknown",
            engine: "unknown",
        }
    }
}
