//! A token: its name, its rights, their scope and their end. Only the SHA-256 of the secret is known.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use akvs_core::{Key, Timestamp};
use bytes::Bytes;
use glob::Pattern;
use sha2::{Digest, Sha256};

use super::Scope;

/// The maximum length of a token's name, in bytes.
const MAX_NAME_BYTES: usize = 128;
/// The maximum number of patterns of a token.
const MAX_PATTERNS: usize = 100;
/// The maximum length of a pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 256;

/// A right of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// Reading values, lists, watches, exports and counts.
    Read,
    /// Setting, deleting and importing keys, without learning what is stored. Conditions and operations on the stored
    /// value need [`Right::Read`] as well.
    Write,
    /// Both of them, and creating, configuring and dropping namespaces.
    Admin,
}

impl Right {
    /// Every right.
    pub const ALL: [Right; 3] = [Right::Read, Right::Write, Right::Admin];

    /// Returns the name of the right.
    ///
    /// ```
    /// assert_eq!(akvs_http::Right::Read.as_str(), "read");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Right::Read => "read",
            Right::Write => "write",
            Right::Admin => "admin",
        }
    }

    /// Returns the right of this name, if there is one.
    ///
    /// ```
    /// use akvs_http::Right;
    /// assert_eq!(Right::parse("admin"), Some(Right::Admin));
    /// assert_eq!(Right::parse("Admin"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Right> {
        Right::ALL.into_iter().find(|right| right.as_str() == text)
    }
}

/// A token as its owner describes it; [`Tokens::new`](super::Tokens::new) checks it.
///
/// ```
/// use akvs_http::{Right, Token, Tokens};
///
/// let token = Token {
///     name: "reports".into(),
///     sha256: Token::hash("a long random secret"),
///     rights: vec![Right::Read],
///     namespaces: vec!["sales-*".into()],
///     key_prefix: Default::default(),
///     expires: None,
/// };
/// assert_eq!(Tokens::new(vec![token])?.len(), 1);
/// # Ok::<(), akvs_http::TokenError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The name, as it appears in errors: 1 to 128 bytes without control characters.
    pub name: String,
    /// The SHA-256 of the secret.
    pub sha256: [u8; 32],
    /// The rights; at least one.
    pub rights: Vec<Right>,
    /// Patterns of the namespaces that the rights hold for, with `*`, `?` and `[…]`; at least one.
    pub namespaces: Vec<String>,
    /// The prefix of the keys that the rights hold for; empty for all keys.
    pub key_prefix: Bytes,
    /// The time at which the token expires.
    pub expires: Option<SystemTime>,
}

impl Token {
    /// Returns the hash of a secret.
    pub fn hash(presented: impl AsRef<[u8]>) -> [u8; 32] {
        Sha256::digest(presented).into()
    }
}

/// The error of tokens that are invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenError(String);

impl TokenError {
    pub(super) fn new(text: impl Into<String>) -> TokenError {
        TokenError(text.into())
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TokenError {}

/// A checked token.
#[derive(Debug, PartialEq)]
pub(super) struct TokenPolicy {
    pub(super) name: String,
    pub(super) sha256: [u8; 32],
    rights: Vec<Right>,
    namespaces: Vec<Pattern>,
    key_prefix: Bytes,
    pub(super) expires: Option<Timestamp>,
}

impl TokenPolicy {
    pub(super) fn new(token: Token) -> Result<TokenPolicy, TokenError> {
        let Token {
            name,
            sha256,
            rights,
            namespaces,
            key_prefix,
            expires,
        } = token;
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
            return Err(TokenError::new(format!(
                "invalid token name {name:?}: expected 1 to {MAX_NAME_BYTES} bytes without control characters"
            )));
        }
        let refused = |why: String| Err(TokenError::new(format!("token {name:?}: {why}")));
        if rights.is_empty() {
            return refused("no rights: expected read, write or admin".into());
        }
        if namespaces.is_empty() || namespaces.len() > MAX_PATTERNS {
            return refused(format!(
                "invalid namespaces: {} patterns; expected 1 to {MAX_PATTERNS}, such as \"*\" for all",
                namespaces.len()
            ));
        }
        if key_prefix.len() > Key::MAX_BYTES {
            return refused(format!(
                "the key prefix has {} bytes: expected at most {}",
                key_prefix.len(),
                Key::MAX_BYTES
            ));
        }
        let mut patterns = Vec::with_capacity(namespaces.len());
        for text in namespaces {
            if text.is_empty() || text.len() > MAX_PATTERN_BYTES {
                return refused(format!(
                    "invalid namespace pattern {text:?}: expected 1 to {MAX_PATTERN_BYTES} bytes"
                ));
            }
            match Pattern::new(&text) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => {
                    return refused(format!("invalid namespace pattern {text:?}: {error}"));
                }
            }
        }
        Ok(TokenPolicy {
            name,
            sha256,
            rights,
            namespaces: patterns,
            key_prefix,
            expires: expires.map(timestamp),
        })
    }

    pub(super) fn has(&self, right: Right) -> bool {
        self.rights.contains(&right) || self.rights.contains(&Right::Admin)
    }

    /// Returns whether the rights hold for some keys of a namespace.
    pub(super) fn reaches(&self, namespace: &str) -> bool {
        let mut patterns = self.namespaces.iter();
        patterns.any(|pattern| pattern.matches(namespace))
    }

    /// Returns whether the rights hold in all namespaces, future ones too.
    pub(super) fn reaches_all(&self) -> bool {
        self.namespaces
            .iter()
            .any(|pattern| pattern.as_str() == "*")
    }

    /// Returns whether the rights hold for all keys of a scope.
    pub(super) fn covers(&self, scope: &Scope<'_>) -> bool {
        match scope {
            Scope::All => self.key_prefix.is_empty(),
            Scope::Prefix(bytes) | Scope::Key(bytes) => bytes.starts_with(&self.key_prefix),
        }
    }

    /// Returns the patterns of namespaces.
    pub(super) fn patterns(&self) -> Vec<&str> {
        self.namespaces.iter().map(Pattern::as_str).collect()
    }

    pub(super) fn key_prefix(&self) -> &[u8] {
        &self.key_prefix
    }
}

/// Converts a time to milliseconds; a time before 1970 counts as 1970.
fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token {
            name: "t".into(),
            sha256: [0; 32],
            rights: vec![Right::Read],
            namespaces: vec!["*".into()],
            key_prefix: Bytes::new(),
            expires: None,
        }
    }

    #[test]
    fn an_invalid_token_is_refused_with_the_reason() {
        let long = "x".repeat(257);
        let changed = |change: &dyn Fn(&mut Token)| {
            let mut token = token();
            change(&mut token);
            TokenPolicy::new(token).map(|_| ()).map_err(|error| error.0)
        };
        assert_eq!(changed(&|_| {}), Ok(()));
        for (text, result) in [
            ("name", changed(&|token| token.name.clear())),
            ("name", changed(&|token| token.name = "a\nb".into())),
            ("name", changed(&|token| token.name = "n".repeat(129))),
            ("rights", changed(&|token| token.rights.clear())),
            ("0 patterns", changed(&|token| token.namespaces.clear())),
            (
                "101 patterns",
                changed(&|token| token.namespaces = vec!["a".into(); 101]),
            ),
            ("pattern", changed(&|token| token.namespaces[0].clear())),
            (
                "pattern",
                changed(&|token| token.namespaces[0] = long.clone()),
            ),
            (
                "pattern",
                changed(&|token| token.namespaces[0] = "[a".into()),
            ),
            (
                "prefix",
                changed(&|token| token.key_prefix = vec![b'k'; 1_025].into()),
            ),
        ] {
            let why = result.expect_err(text);
            assert!(why.contains(text), "{text}: {why}");
        }
    }

    #[test]
    fn patterns_are_of_whole_names() {
        for (pattern, name, expected) in [
            ("*", "anything/at all", true),
            ("app", "app", true),
            ("app", "apps", false),
            ("app", "my app", false),
            ("app-*", "app-", true),
            ("app-*", "app-a/b", true),
            ("app-*", "App-a", false),
            ("a?c", "aéc", true),
            ("a?c", "ac", false),
            ("[ab]", "b", true),
            ("[!ab]", "b", false),
            ("*.prod", ".prod", true),
            ("*", "..", true),
        ] {
            let namespaces = vec![pattern.into()];
            let policy = TokenPolicy::new(Token {
                namespaces,
                ..token()
            })
            .unwrap();
            assert_eq!(policy.reaches(name), expected, "{pattern} {name}");
            assert_eq!(policy.reaches_all(), pattern == "*", "{pattern}");
        }
    }

    #[test]
    fn admin_has_every_right_and_the_others_only_their_own() {
        for right in Right::ALL {
            let policy = TokenPolicy::new(Token {
                rights: vec![right],
                ..token()
            })
            .unwrap();
            for checked in Right::ALL {
                let expected = right == Right::Admin || right == checked;
                assert_eq!(policy.has(checked), expected, "{right:?} {checked:?}");
            }
            assert_eq!(Right::parse(right.as_str()), Some(right));
        }
    }

    #[test]
    fn a_prefix_covers_what_begins_with_it() {
        let key_prefix = Bytes::from_static(b"a/");
        let policy = TokenPolicy::new(Token {
            key_prefix,
            ..token()
        })
        .unwrap();
        for (scope, expected) in [
            (Scope::All, false),
            (Scope::Prefix(b""), false),
            (Scope::Prefix(b"a"), false),
            (Scope::Prefix(b"a/"), true),
            (Scope::Prefix(b"a/b"), true),
            (Scope::Key(b"a/"), true),
            (Scope::Key(b"b/"), false),
            (Scope::Key(b"a"), false),
        ] {
            assert_eq!(policy.covers(&scope), expected, "{scope:?}");
        }
        let whole = TokenPolicy::new(token()).unwrap();
        assert!(whole.covers(&Scope::All) && whole.covers(&Scope::Prefix(b"")));
    }
}
