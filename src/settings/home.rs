//! Paths that begin with `~`, for files, variables and `--flag=~/x`, which no shell expands.

use std::path::{Path, PathBuf};

/// Expands a leading `~` to the home directory. Home directories of other users are not looked up.
pub(crate) fn expand(path: &Path) -> Result<PathBuf, String> {
    expand_with(path, std::env::home_dir())
}

fn expand_with(path: &Path, home: Option<PathBuf>) -> Result<PathBuf, String> {
    let Ok(rest) = path.strip_prefix("~") else {
        let is_of_another = path.as_os_str().as_encoded_bytes().starts_with(b"~");
        return if is_of_another {
            Err(format!(
                "{path:?}: expected ~/ for the home directory; write another user's in full, or ./{} for a name that begins with ~",
                path.display()
            ))
        } else {
            Ok(path.to_owned())
        };
    };
    let home = home.filter(|home| home.is_absolute());
    let home = home.ok_or_else(|| {
        format!("{path:?}: no home directory; set HOME, or write the path in full")
    })?;
    // `join` with an empty path would end in a slash.
    Ok(if rest.as_os_str().is_empty() {
        home
    } else {
        home.join(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_tilde_is_the_home_folder() {
        let expanded = |path: &str| expand_with(Path::new(path), Some("/srv/me".into()));
        for (path, wanted) in [
            ("~", "/srv/me"),
            ("~/", "/srv/me"),
            ("~/a/b", "/srv/me/a/b"),
            ("/a/~/b", "/a/~/b"),
            ("a~", "a~"),
            ("./~", "./~"),
            ("", ""),
        ] {
            assert_eq!(expanded(path), Ok(wanted.into()), "{path}");
        }
        for path in ["~other", "~other/x"] {
            assert!(expanded(path).unwrap_err().contains("./~other"), "{path}");
        }
        for home in [None, Some(""), Some("relative")] {
            let why = expand_with(Path::new("~/x"), home.map(PathBuf::from)).unwrap_err();
            assert!(why.contains("HOME"), "{why}");
        }
    }
}
