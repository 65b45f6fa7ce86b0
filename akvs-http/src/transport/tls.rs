//! TLS: the certificate of the server, the CA of client certificates, and their replacement while the server runs.
//!
//! It owns the configuration of rustls. The cryptography is ring's, because it needs only a C compiler to build, so that a
//! single static binary stays possible. Invariant: a connection keeps the configuration that it began with.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// The protocols, the preferred one first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [HTTP_2, b"http/1.1"];
/// The name of HTTP/2 in the negotiation.
pub(crate) const HTTP_2: &[u8] = b"h2";

/// A certificate with its key, and the CA of client certificates if clients need one.
///
/// ```
/// let error = akvs_http::Tls::new(b"no certificate", b"no key", None).unwrap_err();
/// assert!(error.to_string().contains("certificate"));
/// ```
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

impl Tls {
    /// Parses the certificate chain, its private key and, if clients must present a certificate, the CA of their
    /// certificates; all in PEM.
    pub fn new(certificate: &[u8], key: &[u8], client_ca: Option<&[u8]>) -> Result<Tls, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(certificate, TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| TlsError::Key(pem_text(&error, "private key")))?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Certificate(error.to_string()))?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(pem, TlsError::ClientCa)? {
                    let added = roots.add(root);
                    added.map_err(|error| TlsError::ClientCa(error.to_string()))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(
                    verifier.map_err(|error| TlsError::ClientCa(error.to_string()))?,
                )
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            if matches!(error, rustls::Error::InconsistentKeys(_)) {
                TlsError::Key("the key does not belong to the certificate".into())
            } else {
                TlsError::Certificate(error.to_string())
            }
        })?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Tls(Arc::new(config)))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

fn certificates(
    pem: &[u8],
    refused: impl Fn(String) -> TlsError,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(refused("the file has no certificate".into())),
        Ok(found) => Ok(found),
        Err(error) => Err(refused(pem_text(&error, "certificate"))),
    }
}

/// Returns what is wrong with a PEM file, without its content.
fn pem_text(error: &pem::Error, what: &str) -> String {
    if matches!(error, pem::Error::NoItemsFound) {
        format!("the file has no {what}")
    } else {
        format!("malformed file: expected a {what} in PEM")
    }
}

/// The error of a certificate or key that is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// The error of the server's certificate.
    Certificate(String),
    /// The error of the server's key.
    Key(String),
    /// The error of the CA of client certificates.
    ClientCa(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Certificate(why) => write!(f, "invalid certificate: {why}"),
            TlsError::Key(why) => write!(f, "invalid key: {why}"),
            TlsError::ClientCa(why) => write!(f, "invalid client CA: {why}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// The configuration of the next connection.
#[derive(Clone, Debug)]
pub(crate) struct Current(Arc<ArcSwap<ServerConfig>>);

impl Current {
    pub(crate) fn new(tls: Tls) -> Current {
        Current(Arc::new(ArcSwap::new(tls.0)))
    }

    pub(crate) fn replace(&self, tls: Tls) {
        self.0.store(tls.0);
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pair {
        certificate: String,
        key: String,
    }

    fn pair() -> Pair {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        Pair {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    #[test]
    fn an_error_names_the_fault_and_no_secret() {
        let (one, two) = (pair(), pair());
        let tls = |certificate: &str, key: &str, ca: Option<&str>| {
            let made = Tls::new(
                certificate.as_bytes(),
                key.as_bytes(),
                ca.map(str::as_bytes),
            );
            made.map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(tls(&one.certificate, &one.key, None), Ok(()));
        assert_eq!(
            tls(&one.certificate, &one.key, Some(&two.certificate)),
            Ok(())
        );
        let damaged = one.certificate.replace("MII", "***");
        for (result, part) in [
            (
                tls("", &one.key, None),
                "invalid certificate: the file has no certificate",
            ),
            (
                tls(&one.key, &one.key, None),
                "invalid certificate: the file has no certificate",
            ),
            (tls(&damaged, &one.key, None), "invalid certificate: "),
            (
                tls(&one.certificate, "", None),
                "invalid key: the file has no private key",
            ),
            (
                tls(&one.certificate, &one.certificate, None),
                "invalid key: the file has no private key",
            ),
            (
                tls(&one.certificate, &two.key, None),
                "invalid key: the key does not belong to the certificate",
            ),
            (
                tls(&one.certificate, &one.key, Some("")),
                "invalid client CA: the file has no certificate",
            ),
        ] {
            let why = result.expect_err(part);
            assert!(why.starts_with(part), "{why}");
            let body = one.key.lines().nth(1).unwrap();
            assert!(!why.contains(body), "{why}");
        }
    }
}
