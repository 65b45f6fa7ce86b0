//! Files in directories that other users may write to: files that another user has put there are not used.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// The open flag that refuses a symbolic link at the end of a path.
pub(crate) const NO_LINK: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// Returns the path of a file to append to. Links of this user or of root are followed; the error says why a file is
/// not used.
pub(crate) fn to_append(path: &Path) -> Result<PathBuf, String> {
    let cannot = |error: io::Error| error.to_string();
    let Ok(found) = fs::symlink_metadata(path) else {
        // The file is created; errors of its directory are reported then.
        return Ok(path.to_owned());
    };
    if !found.is_symlink() {
        // Root may append to the file of a service.
        let is_permitted = is_trusted(&found) || rustix::process::geteuid().is_root();
        return if is_permitted {
            Ok(path.to_owned())
        } else {
            Err(format!("it belongs to another user ({})", found.uid()))
        };
    }
    if !is_trusted(&found) {
        return Err(format!(
            "it is a symbolic link of another user ({})",
            found.uid()
        ));
    }
    let target = path.canonicalize().map_err(cannot)?;
    let is_target_trusted = is_trusted(&fs::metadata(&target).map_err(cannot)?);
    if is_target_trusted || rustix::process::geteuid().is_root() {
        Ok(target)
    } else {
        Err("it is a symbolic link to a file of another user".into())
    }
}

/// Creates a directory if it is missing, and checks that no other user can write to it.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path)?;
    let found = fs::metadata(path)?;
    let me = rustix::process::geteuid().as_raw();
    if found.uid() != me || found.permissions().mode() & 0o022 != 0 {
        return Err(ErrorKind::PermissionDenied.into());
    }
    Ok(())
}

/// Returns true if this user or root owns the file.
fn is_trusted(found: &fs::Metadata) -> bool {
    let me = rustix::process::geteuid().as_raw();
    found.uid() == me || found.uid() == 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{lchown, symlink};

    use super::*;

    #[test]
    fn only_trusted_links_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let (path, target) = (folder.join("a.log"), folder.join("target"));
        assert_eq!(to_append(&path), Ok(path.clone()));
        fs::write(&target, "").unwrap();
        symlink(&target, &path).unwrap();
        assert_eq!(to_append(&path), Ok(target.clone()));
        if rustix::process::geteuid().is_root() {
            lchown(&path, Some(7), Some(7)).unwrap();
            let why = to_append(&path).unwrap_err();
            assert!(why.contains("symbolic link of another user (7)"), "{why}");
        }
        fs::remove_file(&target).unwrap();
        fs::remove_file(&path).unwrap();
        symlink(&target, &path).unwrap();
        assert!(to_append(&path).is_err());
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        private_folder(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        for (mode, is_private) in [
            (0o755, true),
            (0o777, false),
            (0o1777, false),
            (0o720, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(private_folder(&path).is_ok(), is_private, "{mode:o}");
        }
    }
}
