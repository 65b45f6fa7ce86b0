//! The token file: TOML with one table per token, which people may edit and `akvs token` writes.
//!
//! It owns the format. Invariants: a change replaces the whole file at once, and only hashes are stored.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use akvs_api::text::{self, PairError};
use akvs_http::{Right, Token, Tokens};
use serde::{Deserialize, Serialize};
use toml::value::Datetime;

use crate::bounded;
use crate::error::CliError;

const HEAD: &str = "\
# The tokens of an AKVS server. `akvs token new`, `ls` and `rm` read and write this file; a running server applies
# changes within two seconds. Only the SHA-256 of each token is stored.

";

/// The content of the file.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    token: Vec<TokenRecord>,
}

/// A token in the file.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRecord {
    pub(crate) name: String,
    /// Hexadecimal.
    pub(crate) sha256: String,
    pub(crate) rights: Vec<String>,
    pub(crate) namespaces: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key_prefix: Option<String>,
    /// Base64url, for a prefix that is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key_prefix64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Datetime>,
}

impl TokenRecord {
    /// Returns the key prefix; empty if there is none.
    pub(crate) fn key_prefix(&self) -> Result<Vec<u8>, String> {
        let prefix = text::read_pair(self.key_prefix.as_deref(), self.key_prefix64.as_deref());
        prefix.map(Option::unwrap_or_default).map_err(|error| {
            match error {
                PairError::Both => "expected only one of key_prefix and key_prefix64",
                PairError::Malformed(_) => {
                    "invalid key_prefix64: expected base64url without padding"
                }
            }
            .to_owned()
        })
    }

    fn token(&self) -> Result<Token, String> {
        let mut sha256 = [0; 32];
        hex::decode_to_slice(&self.sha256, &mut sha256)
            .map_err(|_| "invalid sha256: expected 64 hexadecimal digits".to_owned())?;
        let rights = self.rights.iter().map(|text| {
            Right::parse(text)
                .ok_or_else(|| format!("unknown right {text:?}: expected read, write or admin"))
        });
        let expires = self.expires.map(|time| parse_time(&time.to_string()));
        Ok(Token {
            name: self.name.clone(),
            sha256,
            rights: rights.collect::<Result<_, String>>()?,
            namespaces: self.namespaces.clone(),
            key_prefix: self.key_prefix()?.into(),
            expires: expires.transpose()?,
        })
    }
}

/// Parses a time in UTC: RFC 3339, or a date, which means its first moment.
pub(crate) fn parse_time(text: &str) -> Result<SystemTime, String> {
    let time = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    };
    humantime::parse_rfc3339(&time).map_err(|_| {
        format!("invalid time {text:?}: expected UTC, such as 2030-01-31 or 2030-01-31T12:00:00Z")
    })
}

/// Formats a time as RFC 3339, to the second.
pub(crate) fn time_text(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Reads the tokens of a file as they are written; none if there is no file.
pub(crate) fn records(path: &Path) -> Result<Vec<TokenRecord>, CliError> {
    let document = document(path)?;
    checked(path, &document)?;
    Ok(document.token)
}

/// Reads the tokens of a file; none if there is no file.
pub(crate) fn read(path: &Path) -> Result<Tokens, CliError> {
    checked(path, &document(path)?)
}

fn document(path: &Path) -> Result<Document, CliError> {
    let shown = path.display();
    let refused = |why: String| CliError::config(format!("auth.tokens: {shown}: {why}"));
    match fs::metadata(path) {
        // Checked before it is opened: opening a pipe could block, and a running server reads the file again and again.
        Ok(found) if !found.is_file() => {
            return Err(refused("not a regular file".to_owned()));
        }
        Ok(_) => {}
        // An error of the data directory is reported by the code that opens it.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Document::default());
        }
        Err(error) => return Err(refused(error.to_string())),
    }
    let text = bounded::read_text(path).map_err(|error| refused(error.to_string()))?;
    toml::from_str(&text).map_err(|error| refused(error.to_string()))
}

fn checked(path: &Path, document: &Document) -> Result<Tokens, CliError> {
    let refused = |why: String| CliError::config(format!("auth.tokens: {}: {why}", path.display()));
    let tokens = document.token.iter().map(|record| {
        let token = record.token();
        token.map_err(|why| refused(format!("token {:?}: {why}", record.name)))
    });
    let tokens = tokens.collect::<Result<_, CliError>>()?;
    Tokens::new(tokens).map_err(|error| refused(error.to_string()))
}

/// The token file while one process changes it.
pub(crate) struct TokenFile {
    path: PathBuf,
    document: Document,
    /// The directory, which is locked as long as this value exists.
    _folder: File,
}

impl TokenFile {
    /// Opens the file for a change; the directory is created if it is missing.
    pub(crate) fn open(path: &Path) -> Result<TokenFile, CliError> {
        let failed = |error: &dyn std::fmt::Display| {
            CliError::failed(format!("cannot change {}: {error}", path.display()))
        };
        let folder = path.parent().ok_or_else(|| failed(&"not a file"))?;
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true);
        let made = builder.create(folder);
        made.map_err(|error| failed(&error))?;
        let locked = File::open(folder).map_err(|error| failed(&error))?;
        locked.lock().map_err(|error| failed(&error))?;
        let document = document(path)?;
        checked(path, &document)?;
        Ok(TokenFile {
            path: path.to_owned(),
            document,
            _folder: locked,
        })
    }

    /// Returns the tokens.
    pub(crate) fn records(&self) -> &[TokenRecord] {
        &self.document.token
    }

    /// Adds a token.
    pub(crate) fn add(&mut self, record: TokenRecord) {
        self.document.token.push(record);
    }

    /// Removes a token by its name. Returns true if it existed.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let before = self.document.token.len();
        self.document.token.retain(|record| record.name != name);
        self.document.token.len() < before
    }

    /// Replaces the file.
    pub(crate) fn save(self) -> Result<(), CliError> {
        checked(&self.path, &self.document)?;
        let failed = |error: &dyn std::fmt::Display| {
            CliError::failed(format!("cannot write {}: {error}", self.path.display()))
        };
        let body = toml::to_string(&self.document).map_err(|error| failed(&error))?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let name = self.path.file_name().unwrap_or_default();
        // For the owner alone. The name is always the same, so that a failed attempt leaves at most one file.
        let mut new = tempfile::Builder::new()
            .prefix(name)
            .suffix(".new")
            .rand_bytes(0)
            .make_in(folder, |path| {
                let _ = fs::remove_file(path);
                let mut options = File::options();
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                options.write(true).create_new(true).open(path)
            })
            .map_err(|error| failed(&error))?;
        let file = new.as_file_mut();
        self.give_away(file).map_err(|error| failed(&error))?;
        file.write_all(HEAD.as_bytes())
            .and_then(|()| file.write_all(body.as_bytes()))
            .and_then(|()| file.sync_all())
            .map_err(|error| failed(&error))?;
        new.persist(&self.path).map_err(|error| failed(&error))?;
        self._folder.sync_all().map_err(|error| failed(&error))
    }

    /// Gives a file that root writes to the owner of the old file, or else of the directory: the server, which is not
    /// root, must read it.
    fn give_away(&self, new: &File) -> io::Result<()> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let owner = fs::metadata(&self.path).or_else(|_| self._folder.metadata())?;
        std::os::unix::fs::fchown(new, Some(owner.uid()), Some(owner.gid()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> TokenRecord {
        TokenRecord {
            name: name.into(),
            sha256: hex::encode(Token::hash(name)),
            rights: vec!["read".into(), "write".into()],
            namespaces: vec!["app-*".into()],
            key_prefix: Some("a\"/é".into()),
            key_prefix64: None,
            expires: Some("2030-01-31T00:00:00Z".parse().unwrap()),
        }
    }

    #[test]
    fn a_saved_file_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/tokens.toml");
        assert!(read(&path).unwrap().is_empty());
        let mut file = TokenFile::open(&path).unwrap();
        file.add(record("one"));
        file.add(TokenRecord {
            key_prefix: None,
            key_prefix64: Some("_w".into()),
            expires: None,
            ..record("two")
        });
        file.save().unwrap();
        assert_eq!(read(&path).unwrap().len(), 2);
        let mut file = TokenFile::open(&path).unwrap();
        assert_eq!(file.records()[0], record("one"));
        assert!(file.remove("one") && !file.remove("one"));
        file.save().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# The tokens") && !text.contains("one"),
            "{text}"
        );
        let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[test]
    fn an_endless_or_large_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let refused = || read(&path).map(drop).unwrap_err().to_string();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(refused().contains("not a regular file"));
        assert!(TokenFile::open(&path).is_err());
        fs::remove_file(&path).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
        assert!(refused().contains("not a regular file"));
        fs::remove_file(&path).unwrap();
        // Large without taking space.
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(refused().contains("larger than"));
    }

    #[test]
    fn the_file_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        TokenFile::open(&path).unwrap().save().unwrap();
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_of_root_gets_the_owner_of_its_directory() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can give files away");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let owner = || {
            let found = fs::metadata(&path).unwrap();
            (found.uid(), found.gid())
        };
        std::os::unix::fs::chown(folder.path(), Some(7), Some(8)).unwrap();
        TokenFile::open(&path).unwrap().save().unwrap();
        assert_eq!(owner(), (7, 8));
        std::os::unix::fs::chown(&path, Some(9), Some(10)).unwrap();
        TokenFile::open(&path).unwrap().save().unwrap();
        assert_eq!(owner(), (9, 10));
    }

    #[test]
    fn errors_name_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let good = "[[token]]\nname = \"a\"\nrights = [\"read\"]\nnamespaces = [\"*\"]\n";
        let hash = format!("sha256 = \"{}\"\n", hex::encode(Token::hash("a")));
        for (text, part) in [
            (good.to_owned(), "sha256"),
            (
                format!("{good}sha256 = \"ab\"\n"),
                "token \"a\": invalid sha256",
            ),
            (format!("{good}{hash}right = 1\n"), "right"),
            (
                format!("{good}{hash}expires = 2030-01-31T00:00:00+01:00\n"),
                "2030-01-31T00:00:00+01:00",
            ),
            (format!("{good}{hash}expires = 12:00:00\n"), "12:00:00"),
            (
                format!("{good}{hash}key_prefix64 = \"=\"\n"),
                "key_prefix64",
            ),
            (
                format!("{good}{hash}key_prefix = \"\"\nkey_prefix64 = \"\"\n"),
                "key_prefix64",
            ),
            (format!("{good}{hash}").replace("read", "raed"), "raed"),
            (format!("{good}{hash}{good}{hash}"), "\"a\""),
            ("[[tokens]]".into(), "tokens"),
            ("x".into(), "line 1"),
        ] {
            fs::write(&path, text).unwrap();
            let why = read(&path).expect_err(part).to_string();
            assert!(
                why.contains(part) && why.contains("tokens.toml"),
                "{part}: {why}"
            );
        }
        fs::write(&path, format!("{good}{hash}expires = 2030-01-31\n")).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1);
    }
}
