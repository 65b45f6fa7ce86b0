//! The directory of an unpacked release, whose files are next to the program.
//!
//! A release has `bin/akvs` and `config/akvs.toml`. Around any other program, such as one in a build directory, nothing
//! is looked for.

use std::path::{Path, PathBuf};

use crate::current_exe;

/// The release that a program belongs to, if any.
#[derive(Clone, Debug, Default)]
pub(crate) struct InstallDir {
    release: Option<PathBuf>,
}

impl InstallDir {
    /// The release of the running program.
    pub(crate) fn current() -> InstallDir {
        current_exe::path().map_or_else(
            |_| InstallDir::default(),
            |program| InstallDir::from_exe(&program),
        )
    }

    fn from_exe(program: &Path) -> InstallDir {
        let release = program
            .parent()
            .filter(|folder| folder.ends_with("bin"))
            .and_then(Path::parent)
            .filter(|release| config_of(release).is_file());
        InstallDir {
            release: release.map(Path::to_owned),
        }
    }

    /// Returns the release's config file.
    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        self.release.as_deref().map(config_of)
    }

    /// Returns the default data directory, and the reason.
    pub(crate) fn data_dir(&self) -> (PathBuf, &'static str) {
        match &self.release {
            Some(release) => (release.join("data"), "default, next to the program's bin"),
            None => ("akvs-data".into(), "default, in the working directory"),
        }
    }
}

fn config_of(release: &Path) -> PathBuf {
    release.join("config").join("akvs.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bin_next_to_config_is_a_release() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("bin/akvs");
        assert_eq!(InstallDir::from_exe(&program).config_file(), None);
        assert_eq!(
            InstallDir::from_exe(&program).data_dir().0,
            Path::new("akvs-data")
        );

        std::fs::create_dir(folder.path().join("config")).unwrap();
        std::fs::write(config_of(folder.path()), "").unwrap();
        let place = InstallDir::from_exe(&program);
        assert_eq!(place.config_file(), Some(config_of(folder.path())));
        assert_eq!(place.data_dir().0, folder.path().join("data"));

        let elsewhere = InstallDir::from_exe(&folder.path().join("debug/akvs"));
        assert_eq!(elsewhere.config_file(), None);
    }
}
