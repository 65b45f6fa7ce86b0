//! The rule which version may follow another.
//!
//! It does not know which versions were released: the tags do.

use semver::Version;

use crate::shell::Result;

/// Returns the requested version if it can be released. The present version can be, before its first release.
pub(super) fn next(present: &str, wanted: &str) -> Result<String> {
    let parse = |text: &str| {
        Version::parse(text)
            .map_err(|error| format!("`{text}` is no version such as 1.2.3: {error}"))
    };
    let (old, new) = (parse(present)?, parse(wanted)?);
    if !new.build.is_empty() {
        // Versions that differ in metadata alone are equal in comparisons.
        return Err(format!(
            "{wanted}: a release has no build metadata (`+{}`)",
            new.build
        )
        .into());
    }
    if new < old {
        return Err(format!("{wanted} is older than {present}, which the checkout has").into());
    }
    Ok(new.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_not_older_than_the_checkout() {
        for (present, wanted) in [
            ("0.1.0", "0.1.0"),
            ("0.1.0", "0.1.1"),
            ("0.9.0", "0.10.0"),
            ("1.0.0-rc.1", "1.0.0"),
            ("1.0.0", "2.0.0-rc.1"),
        ] {
            assert_eq!(next(present, wanted).unwrap(), wanted);
        }
        for (present, wanted) in [
            ("0.1.1", "0.1.0"),
            ("0.10.0", "0.9.0"),
            ("1.0.0", "1.0.0-rc.1"),
        ] {
            let error = next(present, wanted).unwrap_err().to_string();
            assert!(error.contains("is older than"), "{error}");
        }
    }

    #[test]
    fn what_is_no_version_is_named() {
        for wanted in ["", "1", "1.2", "v1.2.3", "01.2.3", "1.2.3 ", "1.2.3+build"] {
            let error = next("0.1.0", wanted).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
