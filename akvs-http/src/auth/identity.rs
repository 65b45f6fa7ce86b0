//! The identity of a caller: its rights, and whether they still hold while a response is sent.

use std::sync::Arc;

use akvs_api::TextOrBase64;

use akvs_core::{Code, Error, Key, Namespace, Result, Timestamp};
use bytes::Bytes;

use super::authenticator::Authenticator;
use super::token::{Right, TokenPolicy};

/// The keys of a namespace that a request reads or writes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope<'a> {
    /// All keys, and the namespace itself.
    All,
    /// The keys with this prefix.
    Prefix(&'a [u8]),
    /// This key.
    Key(&'a [u8]),
}

/// A caller and its rights.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// None for the owner, and on a server without tokens: all rights.
    pub(super) policy: Option<Arc<TokenPolicy>>,
    is_owner: bool,
    /// The generation of the tokens by which the caller was identified.
    generation: u64,
}

impl Identity {
    pub(super) fn new(policy: Option<Arc<TokenPolicy>>, generation: u64) -> Identity {
        Identity {
            policy,
            is_owner: false,
            generation,
        }
    }

    /// Returns the identity of the owner of the data, with all rights.
    pub(super) fn for_owner() -> Identity {
        Identity {
            policy: None,
            is_owner: true,
            generation: 0,
        }
    }

    /// Returns the error `forbidden`, unless this right holds for these keys of a namespace.
    pub(crate) fn authorize(&self, right: Right, namespace: &str, scope: &Scope<'_>) -> Result<()> {
        self.authorize_namespace(right, namespace)?;
        let Some(policy) = &self.policy else {
            return Ok(());
        };
        if !policy.covers(scope) {
            let prefix = policy.key_prefix();
            let (what, shown) = match scope {
                Scope::Key(_) => ("is for keys", prefix.escape_ascii()),
                Scope::All | Scope::Prefix(_) => ("is only for the keys", prefix.escape_ascii()),
            };
            let text = format!(
                "the token {:?} {what} with the prefix \"{shown}\"",
                policy.name
            );
            let error = forbidden(policy, right, text).with("namespace", namespace);
            return Err(TextOrBase64::new(prefix).add_to(error, "key_prefix"));
        }
        Ok(())
    }

    /// Returns the error `forbidden`, unless this right holds for some keys of a namespace.
    pub(crate) fn authorize_namespace(&self, right: Right, namespace: &str) -> Result<()> {
        let Some(policy) = &self.policy else {
            return Ok(());
        };
        self.has(right)?;
        if !policy.reaches(namespace) {
            let text = format!("the token {:?} is not for this namespace", policy.name);
            return Err(forbidden(policy, right, text).with("namespace", namespace));
        }
        Ok(())
    }

    /// Returns the error `forbidden`, unless this right holds for all keys of all namespaces.
    pub(crate) fn authorize_everywhere(&self, right: Right) -> Result<()> {
        let Some(policy) = &self.policy else {
            return Ok(());
        };
        self.has(right)?;
        if !policy.reaches_all() || !policy.covers(&Scope::All) {
            let text = format!("the token {:?} is not for all namespaces", policy.name);
            return Err(forbidden(policy, right, text));
        }
        Ok(())
    }

    /// Returns the error `forbidden`, unless this right holds somewhere.
    pub(crate) fn has(&self, right: Right) -> Result<()> {
        match &self.policy {
            Some(policy) if !policy.has(right) => {
                let text = format!(
                    "the token {:?} lacks the right {}",
                    policy.name,
                    right.as_str()
                );
                Err(forbidden(policy, right, text))
            }
            _ => Ok(()),
        }
    }

    /// Returns whether the caller may list every namespace.
    pub(crate) fn can_list_all(&self) -> bool {
        self.policy
            .as_ref()
            .is_none_or(|policy| policy.reaches_all())
    }

    /// Returns whether the caller may learn that a namespace exists.
    pub(crate) fn can_list(&self, namespace: &str) -> bool {
        self.authorize_namespace(Right::Read, namespace).is_ok()
    }

    /// Identifies the caller again if the tokens may have changed; returns none if they have not, and for the owner. Must be
    /// called after a body was received, which may have taken long.
    pub(crate) fn renewed(
        &self,
        authenticator: &Authenticator,
        now: impl FnOnce() -> Timestamp,
    ) -> Result<Option<Identity>> {
        let expires = self.policy.as_ref().and_then(|policy| policy.expires);
        if self.is_owner || authenticator.generation() == self.generation && expires.is_none() {
            return Ok(None);
        }
        let sha256 = self.policy.as_ref().map(|policy| policy.sha256);
        authenticator
            .reauthenticate(sha256.as_ref(), now())
            .map(Some)
    }

    /// Returns a right that is checked again while a response is sent; it must hold now.
    pub(crate) fn authorization(
        &self,
        authenticator: &Arc<Authenticator>,
        right: Right,
        resource: Resource,
    ) -> Result<StreamAuthorization> {
        resource.check(self, right)?;
        Ok(StreamAuthorization {
            authenticator: Arc::clone(authenticator),
            sha256: self.policy.as_ref().map(|policy| policy.sha256),
            expires: self.policy.as_ref().and_then(|policy| policy.expires),
            generation: self.generation,
            is_owner: self.is_owner,
            right,
            resource,
        })
    }
}

fn forbidden(policy: &TokenPolicy, right: Right, text: String) -> Error {
    Error::new(Code::Forbidden, text)
        .with("token", policy.name.as_str())
        .with("right", right.as_str())
}

/// The keys of a streamed response.
#[derive(Clone, Debug)]
pub(crate) enum Resource {
    /// All keys of all namespaces.
    Everywhere,
    /// All keys of a namespace.
    All(Namespace),
    /// The keys with this prefix.
    Prefix(Namespace, Bytes),
    /// This key.
    Key(Namespace, Key),
}

impl Resource {
    fn check(&self, identity: &Identity, right: Right) -> Result<()> {
        match self {
            Resource::Everywhere => identity.authorize_everywhere(right),
            Resource::All(name) => identity.authorize(right, name.as_str(), &Scope::All),
            Resource::Prefix(name, prefix) => {
                identity.authorize(right, name.as_str(), &Scope::Prefix(prefix))
            }
            Resource::Key(name, key) => {
                identity.authorize(right, name.as_str(), &Scope::Key(key.as_bytes()))
            }
        }
    }
}

/// A right that must hold while a response is sent.
#[derive(Debug)]
pub(crate) struct StreamAuthorization {
    authenticator: Arc<Authenticator>,
    sha256: Option<[u8; 32]>,
    expires: Option<Timestamp>,
    /// The generation of the tokens when the right was last checked.
    generation: u64,
    is_owner: bool,
    right: Right,
    resource: Resource,
}

impl StreamAuthorization {
    /// Returns the error `unauthorized` or `forbidden`, unless the right still holds.
    pub(crate) fn check(&mut self, now: impl FnOnce() -> Timestamp) -> Result<()> {
        let generation = self.authenticator.generation();
        if self.is_owner || generation == self.generation && self.expires.is_none() {
            return Ok(());
        }
        let identity = self
            .authenticator
            .reauthenticate(self.sha256.as_ref(), now())?;
        self.resource.check(&identity, self.right)?;
        self.expires = identity.policy.as_ref().and_then(|policy| policy.expires);
        self.generation = identity.generation;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Token, Tokens};
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn token(rights: &[Right], namespace: &str, prefix: &'static str) -> Token {
        Token {
            name: "t".into(),
            sha256: Token::hash("secret"),
            rights: rights.to_vec(),
            namespaces: vec![namespace.into()],
            key_prefix: prefix.into(),
            expires: None,
        }
    }

    fn authenticator(token: Token) -> Arc<Authenticator> {
        Arc::new(Authenticator::new(Tokens::new(vec![token]).unwrap()))
    }

    fn identity(authenticator: &Authenticator) -> Identity {
        authenticator
            .reauthenticate(Some(&Token::hash("secret")), NOW)
            .unwrap()
    }

    #[test]
    fn a_right_must_hold_for_the_namespace_and_the_keys() {
        let identity = identity(&authenticator(token(&[Right::Read], "app-*", "a/")));
        let key = Scope::Key(b"a/b");
        assert!(identity.authorize(Right::Read, "app-1", &key).is_ok());
        for (right, namespace, scope, part) in [
            (Right::Write, "app-1", key, "write"),
            (Right::Admin, "app-1", key, "admin"),
            (Right::Read, "other", key, "namespace"),
            (Right::Read, "app-1", Scope::Key(b"b"), "\"a/\""),
            (Right::Read, "app-1", Scope::All, "\"a/\""),
        ] {
            let error = identity.authorize(right, namespace, &scope).unwrap_err();
            assert_eq!(error.code(), Code::Forbidden);
            assert!(error.message().contains(part), "{error}");
            assert_eq!(error.context()["token"], "t");
        }
        assert!(identity.can_list("app-1") && !identity.can_list("other"));
        assert!(identity.authorize_everywhere(Right::Read).is_err());
    }

    #[test]
    fn everywhere_is_all_keys_of_all_namespaces() {
        for (namespace, prefix, expected) in [("*", "", true), ("*", "a", false), ("**", "", false)]
        {
            let identity = identity(&authenticator(token(&[Right::Read], namespace, prefix)));
            let may = identity.authorize_everywhere(Right::Read).is_ok();
            assert_eq!(may, expected, "{namespace} {prefix}");
            assert!(identity.authorize_everywhere(Right::Write).is_err());
        }
    }

    #[test]
    fn an_authorization_ends_with_its_token_or_its_right() {
        let resource = || Resource::Prefix(Namespace::new("n").unwrap(), Bytes::from_static(b"a"));
        let replaced: [(Option<Token>, bool); 5] = [
            (Some(token(&[Right::Read, Right::Write], "n", "a")), true),
            (Some(token(&[Right::Write], "n", "a")), false),
            (Some(token(&[Right::Read], "m", "a")), false),
            (Some(token(&[Right::Read], "n", "ab")), false),
            (None, false),
        ];
        for (new, holds) in replaced {
            let authenticator = authenticator(token(&[Right::Read], "*", ""));
            let mut authorization = identity(&authenticator)
                .authorization(&authenticator, Right::Read, resource())
                .unwrap();
            assert!(authorization.check(|| NOW).is_ok());
            authenticator.replace(Tokens::new(new.clone().into_iter().collect()).unwrap());
            assert_eq!(authorization.check(|| NOW).is_ok(), holds, "{new:?}");
        }
    }

    #[test]
    fn an_authorization_ends_when_its_token_expires() {
        let end = Timestamp::from_millis(NOW.as_millis() + 1);
        let authenticator = authenticator(Token {
            expires: Some(UNIX_EPOCH + Duration::from_millis(end.as_millis())),
            ..token(&[Right::Read], "*", "")
        });
        let resource = Resource::All(Namespace::new("n").unwrap());
        let mut authorization = identity(&authenticator)
            .authorization(&authenticator, Right::Read, resource)
            .unwrap();
        assert!(authorization.check(|| NOW).is_ok());
        assert!(authorization.check(|| end).is_err());
    }
}
