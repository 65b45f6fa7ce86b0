//! Where this program was unpacked, and what therefore lies beside it.
//!
//! A release is a folder with `bin/akvs` and `config/akvs.toml`. Anything else, such as a build folder, is no release,
//! and nothing is looked for around it.

use std::path::{Path, PathBuf};

use crate::current_exe;

/// The release that a program belongs to, if any.
#[derive(Clone, Debug, Default)]
pub(crate) struct InstallDir {
    release: Option<PathBuf>,
}

impl InstallDir {
    /// The place of the running program.
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

    /// The release's own config file.
    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        self.release.as_deref().map(config_of)
    }

    /// Where data goes unless something else is chosen, and why there.
    pub(crate) fn data_dir(&self) -> (PathBuf, &'static str) {
        match &self.release {
            Some(release) => (release.join("data"), "default, beside the program's bin"),
            None => ("akvs-data".into(), "default, in the folder of the start"),
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
    fn only_bin_beside_config_is_a_release() {
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
