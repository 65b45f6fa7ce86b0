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
    /// Whether it came over the socket of the owner of the data.
    pub(crate) is_owner: bool,
}

/// Identifies callers. Every caller has all rights until there are tokens for the first time.
#[derive(Debug)]
pub(crate) struct Authenticator {
    tokens: ArcSwap<AccessMode>,
    changes: AtomicU64,
}

#[derive(Debug)]
enum AccessMode {
    Open,
    Tokens(Tokens),
}

impl Authenticator {
    /// An authenticator with these tokens; without any, every caller has all rights.
    pub(crate) fn new(tokens: Tokens) -> Authenticator {
        let held = match tokens.is_empty() {
            true => AccessMode::Open,
            false => AccessMode::Tokens(tokens),
        };
        Authenticator {
            tokens: ArcSwap::from_pointee(held),
            changes: AtomicU64::new(0),
        }
    }

    /// Replaces the tokens. An authenticator that has had tokens rejects every caller once it has none.
    pub(crate) fn replace(&self, tokens: Tokens) {
        let is_open = matches!(**self.tokens.load(), AccessMode::Open);
        if is_open && tokens.is_empty() {
            return;
        }
        self.tokens.store(Arc::new(AccessMode::Tokens(tokens)));
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Whether every caller has all rights.
    pub(crate) fn is_open(&self) -> bool {
        matches!(**self.tokens.load(), AccessMode::Open)
    }

    /// The number of times that the tokens were replaced.
    pub(super) fn generation(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
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
        // Before the tokens, so that a change meanwhile is noticed later.
        let changes = self.generation();
        let held = self.tokens.load();
        let needs_no_token = is_owner || matches!(**held, AccessMode::Open);
        if needs_no_token && csrf::is_foreign_change(method, headers) {
            let text = "cross-site request: Origin differs from Host; only reads are allowed";
            return Err(Error::new(Code::Forbidden, text));
        }
        if is_owner {
            return Ok(Identity::for_owner());
        }
        let policy = match &**held {
            AccessMode::Open => None,
            AccessMode::Tokens(tokens) => {
                let sha256 = Token::hash(presented(headers)?);
                Some(known(tokens, &sha256, now())?)
            }
        };
        Ok(Identity::new(policy, changes))
    }

    /// Returns the identity of the token with this hash, if the token is still valid.
    pub(super) fn reauthenticate(
        &self,
        sha256: Option<&[u8; 32]>,
        now: Timestamp,
    ) -> Result<Identity> {
        let changes = self.generation();
        let policy = match (&**self.tokens.load(), sha256) {
            (AccessMode::Open, _) => None,
            (AccessMode::Tokens(tokens), Some(sha256)) => Some(known(tokens, sha256, now)?),
            (AccessMode::Tokens(_), None) => return Err(missing()),
        };
        Ok(Identity::new(policy, changes))
    }
}

fn known(tokens: &Tokens, sha256: &[u8; 32], now: Timestamp) -> Result<Arc<TokenPolicy>> {
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

/// The token that a request presents (RFC 6750, section 2.1).
fn presented(headers: &HeaderMap) -> Result<&[u8]> {
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
    fn the_owner_needs_no_token_and_keeps_what_goes_on() {
        // Also where there were no tokens before.
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
    fn a_token_is_presented_as_rfc_6750_has_it() {
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
    fn a_gate_that_was_closed_never_opens() {
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
    fn who_came_without_a_token_is_not_let_in_again_once_there_are_some() {
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
