//! The order of versions: which version may follow another.
//!
//! It does not know the released versions: they are tags.

use semver::Version;

use crate::shell::Result;

/// Returns the requested version if it can be released: the current one or a later one.
pub(super) fn next(current: &str, requested: &str) -> Result<String> {
    let parse = |text: &str| {
        Version::parse(text).map_err(|error| {
            format!("invalid version \"{text}\": {error}; expected one such as 1.2.3")
        })
    };
    let (old, new) = (parse(current)?, parse(requested)?);
    if !new.build.is_empty() {
        // Versions that differ only in metadata compare as equal.
        return Err(format!(
            "invalid version \"{requested}\": expected no build metadata (+{})",
            new.build
        )
        .into());
    }
    if new < old {
        return Err(format!("{requested} is older than {current}, the current version").into());
    }
    Ok(new.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_not_older_than_the_checkout() {
        for (current, requested) in [
            ("0.1.0", "0.1.0"),
            ("0.1.0", "0.1.1"),
            ("0.9.0", "0.10.0"),
            ("1.0.0-rc.1", "1.0.0"),
            ("1.0.0", "2.0.0-rc.1"),
        ] {
            assert_eq!(next(current, requested).unwrap(), requested);
        }
        for (current, requested) in [
            ("0.1.1", "0.1.0"),
            ("0.10.0", "0.9.0"),
            ("1.0.0", "1.0.0-rc.1"),
        ] {
            let error = next(current, requested).unwrap_err().to_string();
            assert!(error.contains("is older than"), "{error}");
        }
    }

    #[test]
    fn an_invalid_version_is_quoted() {
        for requested in ["", "1", "1.2", "v1.2.3", "01.2.3", "1.2.3 ", "1.2.3+build"] {
            let error = next("0.1.0", requested).unwrap_err().to_string();
            assert!(error.contains(&format!("\"{requested}\"")), "{error}");
        }
    }
}
