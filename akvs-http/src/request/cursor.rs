//! Cursors: the position after a page of a list, which a client sends back unchanged for the next page.
//!
//! It owns their format. Invariant: a cursor that was cut, changed, or sent with other parameters than those of its page is
//! refused; it never makes a page begin at another position.

use akvs_api::base64url;
use akvs_core::{Code, Error, Key, Result};
use bytes::Bytes;

/// The version of the format: version, kind, fingerprint of the parameters, position.
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 2 + size_of::<u64>();
/// A key and a zero byte, which together are the first position after the key.
const MAX_POSITION_BYTES: usize = Key::MAX_BYTES + 1;

/// The kind and the direction of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Keys from the position.
    Keys = 1,
    /// Keys before the position, backwards.
    KeysBack = 2,
    /// Namespaces after the position.
    Namespaces = 3,
}

/// A list in pages: its kind, and a fingerprint of its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    kind: Kind,
    fingerprint: u64,
}

impl Listing {
    pub(crate) fn new(kind: Kind, parameters: &[Option<&[u8]>]) -> Listing {
        // FNV-1a of 64 bits detects mistakes. An attacker who forges a cursor learns nothing that a list would not show.
        let mut fingerprint = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |bytes: &[u8]| {
            for byte in bytes {
                fingerprint = (fingerprint ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
            }
        };
        for parameter in parameters {
            // The length separates adjacent parameters.
            match parameter {
                Some(bytes) => {
                    add(&(bytes.len() as u64 + 1).to_be_bytes());
                    add(bytes);
                }
                None => add(&[0; 8]),
            }
        }
        Listing { kind, fingerprint }
    }

    /// Returns the cursor of a position.
    pub(crate) fn cursor(&self, position: &[u8]) -> String {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + position.len());
        bytes.extend_from_slice(&self.head());
        bytes.extend_from_slice(position);
        base64url::encode(bytes)
    }

    /// Returns the position of a cursor.
    pub(crate) fn position(&self, cursor: &[u8]) -> Result<Bytes> {
        let bytes = base64url::decode(cursor).map_err(|_| malformed())?;
        let Some((head, position)) = bytes.split_at_checked(HEAD_BYTES) else {
            return Err(malformed());
        };
        if head[0] != VERSION || position.len() > MAX_POSITION_BYTES {
            return Err(malformed());
        }
        if head != self.head() {
            return Err(invalid(
                "the cursor belongs to a list with other parameters: only limit and values may change",
            ));
        }
        Ok(Bytes::copy_from_slice(position))
    }

    fn head(&self) -> [u8; HEAD_BYTES] {
        let mut head = [VERSION; HEAD_BYTES];
        head[1] = self.kind as u8;
        head[2..].copy_from_slice(&self.fingerprint.to_be_bytes());
        head
    }
}

/// Returns the error of a malformed cursor.
pub(crate) fn malformed() -> Error {
    invalid("malformed cursor: expected the cursor of the last page, unchanged")
}

fn invalid(text: &str) -> Error {
    Error::new(Code::InvalidRequest, text).with("parameter", "cursor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_round_trips() {
        let listing = Listing::new(Kind::Keys, &[Some(b"ns"), None]);
        for position in [&b""[..], b"a", &[0xff; MAX_POSITION_BYTES]] {
            let cursor = listing.cursor(position);
            assert_eq!(listing.position(cursor.as_bytes()).unwrap(), position);
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let lists = [
            Listing::new(Kind::Keys, &[Some(b"ab"), None]),
            Listing::new(Kind::KeysBack, &[Some(b"ab"), None]),
            Listing::new(Kind::Namespaces, &[Some(b"ab"), None]),
            Listing::new(Kind::Keys, &[None, Some(b"ab")]),
            Listing::new(Kind::Keys, &[Some(b"ab"), Some(b"")]),
            Listing::new(Kind::Keys, &[Some(b"a"), Some(b"b")]),
            Listing::new(Kind::Keys, &[Some(b""), Some(b"ab")]),
        ];
        for (at, one) in lists.iter().enumerate() {
            for (other_at, other) in lists.iter().enumerate() {
                let taken = other.position(one.cursor(b"k").as_bytes());
                assert_eq!(taken.is_ok(), at == other_at, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_malformed_cursor_is_refused() {
        let listing = Listing::new(Kind::Keys, &[]);
        let cursor = listing.cursor(b"key");
        let long = listing.cursor(&[b'a'; MAX_POSITION_BYTES + 1]);
        for text in [
            "",
            "A",
            "AQ",
            "*",
            &cursor[..12],
            &format!("{cursor}="),
            &long,
        ] {
            let error = listing.position(text.as_bytes()).expect_err(text);
            assert_eq!(error.context()["parameter"], "cursor", "{text}");
        }
    }
}
