//! The version, commit and engine that the server reports.

/// The version, commit and engine that the server reports in `/version` and its metrics.
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
    /// The version of the release.
    pub version: &'static str,
    /// The commit that the program was built from.
    pub commit: &'static str,
    /// The name of the storage engine.
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
