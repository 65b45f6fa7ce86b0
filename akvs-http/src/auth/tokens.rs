//! All tokens of a server, found by the secret that a request presents.
//!
//! The secret is hashed, and hashes are compared in constant time. An attacker cannot choose the hash of a guess, so the
//! time of a look-up by the first bytes of a hash reveals nothing of a token.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::token::{Token, TokenError, TokenPolicy};

/// The maximum number of tokens.
const MAX_TOKENS: usize = 10_000;
/// The number of a hash's first bytes that are its index.
const INDEX_BYTES: usize = 8;

/// The tokens of a server; their names are unique.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    by_hash: HashMap<[u8; INDEX_BYTES], Vec<Arc<TokenPolicy>>>,
    len: usize,
}

impl Tokens {
    /// Checks the tokens.
    pub fn new(tokens: Vec<Token>) -> Result<Tokens, TokenError> {
        if tokens.len() > MAX_TOKENS {
            let text = format!(
                "too many tokens: {}; expected at most {MAX_TOKENS}",
                tokens.len()
            );
            return Err(TokenError::new(text));
        }
        let (mut names, mut hashes) = (HashSet::new(), HashSet::new());
        let mut all = Tokens::default();
        for token in tokens {
            if !names.insert(token.name.clone()) {
                let text = format!("duplicate token name: {:?}", token.name);
                return Err(TokenError::new(text));
            }
            if !hashes.insert(token.sha256) {
                let text = format!("token {:?} has the hash of another token", token.name);
                return Err(TokenError::new(text));
            }
            let policy = TokenPolicy::new(token)?;
            let same = all.by_hash.entry(index(&policy.sha256)).or_default();
            same.push(Arc::new(policy));
            all.len += 1;
        }
        Ok(all)
    }

    /// Returns the number of tokens.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the token with this hash.
    pub(super) fn find(&self, sha256: &[u8; 32]) -> Option<&Arc<TokenPolicy>> {
        let mut candidates = self.by_hash.get(&index(sha256))?.iter();
        candidates.find(|policy| policy.sha256.ct_eq(sha256).into())
    }
}

fn index(sha256: &[u8; 32]) -> [u8; INDEX_BYTES] {
    let mut index = [0; INDEX_BYTES];
    index.copy_from_slice(&sha256[..INDEX_BYTES]);
    index
}

#[cfg(test)]
mod tests {
    use super::super::Right;
    use super::*;

    fn token(name: &str, sha256: [u8; 32]) -> Token {
        Token {
            name: name.into(),
            sha256,
            rights: vec![Right::Read],
            namespaces: vec!["*".into()],
            key_prefix: Default::default(),
            expires: None,
        }
    }

    #[test]
    fn names_and_hashes_are_unique() {
        let (one, two) = (Token::hash("1"), Token::hash("2"));
        let refused = |tokens| Tokens::new(tokens).unwrap_err().to_string();
        let why = refused(vec![token("a", one), token("a", two)]);
        assert!(why.contains("\"a\""), "{why}");
        let why = refused(vec![token("a", one), token("b", one)]);
        assert!(why.contains("\"b\""), "{why}");
        let many = (0..=MAX_TOKENS).map(|n| token(&n.to_string(), Token::hash(n.to_string())));
        assert!(refused(many.collect()).contains("10000"));
    }

    #[test]
    fn all_of_the_hash_counts() {
        let hash = Token::hash("secret");
        let tokens = Tokens::new(vec![token("a", hash)]).unwrap();
        assert_eq!(tokens.find(&hash).unwrap().name, "a");
        for byte in 0..hash.len() {
            let mut other = hash;
            other[byte] ^= 1;
            assert!(tokens.find(&other).is_none(), "{byte}");
        }
    }
}
