//! The tokens in force, and the identification of callers by them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use akvs_core::{Code, Error, Result, Timestamp};
use arc_swap::ArcSwap;

use super::csrf;
use super::identity::Identity;
use super::token::{Token, TokenPolicy};
use super::tokens::Tokens;

/// The parts of a request by which its caller is identified.
pub(crate) struct AuthRequest<'a> {
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    /// Whether the request came over the admin socket.
    pub(crate) is_owner: bool,
}

/// The tokens in force. Every caller has all rights until the first tokens are set.
#[derive(Debug)]
pub(crate) struct Authenticator {
    mode: ArcSwap<AccessMode>,
    generation: AtomicU64,
}

#[derive(Debug)]
enum AccessMode {
    Open,
    Tokens(Tokens),
}

impl Authenticator {
    /// Returns an authenticator with these tokens; without any, every caller has all rights.
    pub(crate) fn new(tokens: Tokens) -> Authenticator {
        let mode = if tokens.is_empty() {
            AccessMode::Open
        } else {
            AccessMode::Tokens(tokens)
        };
        Authenticator {
            mode: ArcSwap::from_pointee(mode),
            generation: AtomicU64::new(0),
        }
    }

    /// Replaces the tokens. An authenticator that has had tokens rejects every caller once it has none.
    pub(crate) fn replace(&self, tokens: Tokens) {
        if self.is_open() && tokens.is_empty() {
            return;
        }
        self.mode.store(Arc::new(AccessMode::Tokens(tokens)));
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Returns whether every caller has all rights.
    pub(crate) fn is_open(&self) -> bool {
        matches!(**self.mode.load(), AccessMode::Open)
    }

    /// Returns the number of times that the tokens were replaced.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Returns the caller's identity, or the error `unauthorized`; `forbidden` for a page of another site.
    pub(crate) fn admit(
        &self,
        auth_request: &AuthRequest<'_>,
        now: impl FnOnce() -> Timestamp,
    ) -> Result<Identity> {
        let AuthRequest {
            method,
            headers,
            is_owner,
        } = *auth_request;
        // Before the tokens are loaded, so that a replacement meanwhile is noticed later.
        let generation = self.generation();
        let mode = self.mode.load();
        let needs_no_token = is_owner || matches!(**mode, AccessMode::Open);
        if needs_no_token && csrf::is_cross_site_write(method, headers) {
            let text = "cross-site request: Origin differs from Host; only reads are allowed";
            return Err(Error::new(Code::Forbidden, text));
        }
        if is_owner {
            return Ok(Identity::for_owner());
        }
        let policy = match &**mode {
            AccessMode::Open => None,
            AccessMode::Tokens(tokens) => {
                let sha256 = Token::hash(bearer_token(headers)?);
                Some(find(tokens, &sha256, now())?)
            }
        };
        Ok(Identity::new(policy, generation))
    }

    /// Returns the identity of the token with this hash, if the token is still valid.
    pub(super) fn reauthenticate(
        &self,
        sha256: Option<&[u8; 32]>,
        now: Timestamp,
    ) -> Result<Identity> {
        let generation = self.generation();
        let policy = match (&**self.mode.load(), sha256) {
            (AccessMode::Open, _) => None,
            (AccessMode::Tokens(tokens), Some(sha256)) => Some(find(tokens, sha256, now)?),
            (AccessMode::Tokens(_), None) => return Err(missing()),
        };
        Ok(Identity::new(policy, generation))
    }
}

fn find(tokens: &Tokens, sha256: &[u8; 32], now: Timestamp) -> Result<Arc<TokenPolicy>> {
    let Some(policy) = tokens.find(sha256) else {
        return Err(Error::new(Code::Unauthorized, "unknown token"));
    };
    if policy.expires.is_some_and(|expires| expires <= now) {
        let text = format!("the token {:?} has expired", policy.name);
        return Err(Error::new(Code::Unauthorized, text).with("token", policy.name.as_str()));
    }
    Ok(Arc::clone(policy))
}

fn missing() -> Error {
    let text = "missing token: expected the field Authorization: Bearer TOKEN";
    Error::new(Code::Unauthorized, text)
}

/// Returns the token of a request (RFC 6750, section 2.1).
fn bearer_token(headers: &HeaderMap) -> Result<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION);
    let value = values.next().ok_or_else(missing)?;
    if values.next().is_some() {
        let text = "duplicate field: Authorization";
        return Err(Error::new(Code::Unauthorized, text));
    }
    let value = value.as_bytes().trim_ascii();
    let scheme = b"bearer";
    match value.split_at_checked(scheme.len()) {
        Some((found, token)) if found.eq_ignore_ascii_case(scheme) => match token.split_first() {
            Some((b' ', token)) => Ok(token.trim_ascii_start()),
            _ => Err(missing()),
        },
        _ => {
            let text = "unsupported authorization: expected the field Authorization: Bearer TOKEN";
            Err(Error::new(Code::Unauthorized, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Right, Scope};
    use super::*;
    use actix_web::http::header::HeaderValue;
    use std::time::{Duration, UNIX_EPOCH};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn tokens(texts: &[&str]) -> Tokens {
        let token = |text: &&str| Token {
            name: (*text).into(),
            sha256: Token::hash(text),
            rights: vec![Right::Read],
            namespaces: vec!["*".into()],
            key_prefix: Default::default(),
            expires: (*text == "ends")
                .then_some(UNIX_EPOCH + Duration::from_millis(NOW.as_millis())),
        };
        Tokens::new(texts.iter().map(token).collect()).unwrap()
    }

    fn admit(authenticator: &Authenticator, values: &[&str], now: Timestamp) -> Result<Identity> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        ask(authenticator, &headers, false, now)
    }

    fn ask(
        authenticator: &Authenticator,
        headers: &HeaderMap,
        is_owner: bool,
        now: Timestamp,
    ) -> Result<Identity> {
        let auth_request = AuthRequest {
            method: &Method::GET,
            headers,
            is_owner,
        };
        authenticator.admit(&auth_request, || now)
    }

    #[test]
    fn the_owner_needs_no_token_and_keeps_its_rights() {
        // The first tokens do not change that, either.
        for (before, after) in [(&["a"][..], "b"), (&[], "a")] {
            let authenticator = Arc::new(Authenticator::new(tokens(before)));
            let owner = ask(&authenticator, &HeaderMap::new(), true, NOW).unwrap();
            let everywhere = super::super::Resource::Everywhere;
            let authorization = owner.authorization(&authenticator, Right::Admin, everywhere);
            let mut authorization = authorization.unwrap();
            authenticator.replace(tokens(&[after]));
            assert!(authorization.check(|| NOW).is_ok());
        }
    }

    #[test]
    fn a_token_is_presented_as_in_rfc_6750() {
        let authenticator = Authenticator::new(tokens(&["secret"]));
        for good in ["Bearer secret", "bearer secret", "BEARER  secret"] {
            assert!(admit(&authenticator, &[good], NOW).is_ok(), "{good}");
        }
        for bad in [
            "secret",
            "Bearer",
            "Bearer ",
            "Bearer\tsecret",
            "Bearer secre",
            "Bearer secrets",
            "Bearer secret secret",
            "Bearer Secret",
            "Bearersecret",
            "Basic secret",
            "",
        ] {
            let error = admit(&authenticator, &[bad], NOW).expect_err(bad);
            assert_eq!(error.code(), Code::Unauthorized, "{bad}");
            assert!(!error.to_string().contains("secre"), "{bad}: {error}");
        }
        assert!(admit(&authenticator, &[], NOW).is_err());
        assert!(admit(&authenticator, &["Bearer secret", "Bearer secret"], NOW).is_err());
    }

    #[test]
    fn a_token_ends_to_the_millisecond() {
        let authenticator = Authenticator::new(tokens(&["ends"]));
        let before = Timestamp::from_millis(NOW.as_millis() - 1);
        assert!(admit(&authenticator, &["Bearer ends"], before).is_ok());
        let error = admit(&authenticator, &["Bearer ends"], NOW).unwrap_err();
        assert!(error.message().contains("expired"), "{error}");
    }

    #[test]
    fn a_server_that_had_tokens_never_becomes_open() {
        let authenticator = Authenticator::new(tokens(&[]));
        assert!(admit(&authenticator, &[], NOW).is_ok());
        authenticator.replace(tokens(&[]));
        assert!(admit(&authenticator, &[], NOW).is_ok());
        authenticator.replace(tokens(&["a"]));
        assert!(admit(&authenticator, &[], NOW).is_err());
        assert!(admit(&authenticator, &["Bearer a"], NOW).is_ok());
        authenticator.replace(tokens(&["b"]));
        assert!(admit(&authenticator, &["Bearer a"], NOW).is_err());
        authenticator.replace(tokens(&[]));
        assert!(
            admit(&authenticator, &["Bearer b"], NOW).is_err()
                && admit(&authenticator, &[], NOW).is_err()
        );
    }

    #[test]
    fn a_caller_without_a_token_is_rejected_once_there_are_tokens() {
        let authenticator = Authenticator::new(tokens(&[]));
        let anyone = admit(&authenticator, &[], NOW).unwrap();
        assert!(anyone.authorize(Right::Admin, "a", &Scope::All).is_ok());
        assert!(authenticator.reauthenticate(None, NOW).is_ok());
        authenticator.replace(tokens(&["a"]));
        assert!(authenticator.reauthenticate(None, NOW).is_err());
        assert!(
            authenticator
                .reauthenticate(Some(&Token::hash("a")), NOW)
                .is_ok()
        );
    }
}
