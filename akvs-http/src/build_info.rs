//! What the server says of itself.

/// What the server says of itself, as far as only whoever put it together knows.
///
/// ```
/// let options = akvs_http::Options {
///     build_info: akvs_http::BuildInfo { engine: "memory", ..Default::default() },
///     ..Default::default()
/// };
/// assert_eq!(options.build_info.commit, "unknown");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The release.
    pub version: &'static str,
    /// The commit that it was built from.
    pub commit: &'static str,
    /// The storage engine.
    pub engine: &'static str,
}

impl Default for BuildInfo {
    fn default() -> BuildInfo {
        BuildInfo {
            version: env!("CARGO_PKG_VERSION"),
            commit: "unknown",
            engine: "unknown",
        }
    }
}
