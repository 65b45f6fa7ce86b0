//! TLS: trusted certificates, and the client's own.
//!
//! It owns the cryptography (ring) and the certificates. It does not own connections. Invariant: only certificates of
//! the system and of the builder are trusted; no text shows a private key.

use std::sync::Arc;

use akvs_core::{Code, Error as CoreError};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use crate::error::{Error, Result, invalid};

/// The TLS options, as PEM.
#[derive(Clone, Default)]
pub(crate) struct Tls {
    pub(crate) authorities: Vec<Vec<u8>>,
    pub(crate) identity: Option<Vec<u8>>,
}

impl Tls {
    pub(crate) fn is_chosen(&self) -> bool {
        !self.authorities.is_empty() || self.identity.is_some()
    }

    /// Configures TLS. A client without `https://` trusts no certificate, so that those of the system are not read.
    pub(crate) fn apply(
        &self,
        http: reqwest::ClientBuilder,
        is_https: bool,
    ) -> Result<reqwest::ClientBuilder> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone());
        let builder = builder
            .with_safe_default_protocol_versions()
            .map_err(refused)?;
        if !is_https {
            let roots = RootCertStore::empty();
            let config = builder.with_root_certificates(roots).with_no_client_auth();
            return Ok(http.use_preconfigured_tls(config));
        }
        let verifier = Arc::new(self.verifier(provider)?);
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            Some(pem) => {
                let (chain, key) = identity(pem)?;
                builder.with_client_auth_cert(chain, key).map_err(refused)?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(http.use_preconfigured_tls(config))
    }

    fn verifier(&self, provider: Arc<CryptoProvider>) -> Result<Verifier> {
        let mut extra = Vec::new();
        for pem in &self.authorities {
            extra.extend(certificates(pem, "invalid CA certificate: expected PEM")?);
        }
        let verifier = match extra.is_empty() {
            true => Verifier::new(provider),
            false => Verifier::new_with_extra_roots(extra, provider),
        };
        verifier.map_err(|error| {
            let text = format!(
                "no trusted CA certificates: those of the system cannot be used ({error}), and none are set"
            );
            CoreError::new(Code::InvalidRequest, text)
                .because(error)
                .into()
        })
    }
}

fn certificates(pem: &[u8], otherwise: &str) -> Result<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    // The library's error may contain a line of the input.
    let read = read.ok().filter(|read| !read.is_empty());
    read.ok_or_else(|| invalid(otherwise))
}

fn identity(pem: &[u8]) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = certificates(pem, "invalid identity: expected a certificate as PEM")?;
    let key = PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| invalid("invalid identity: expected a private key as PEM"))?;
    Ok((chain, key))
}

fn refused(error: rustls::Error) -> Error {
    let text = "cannot use TLS with these certificates";
    CoreError::new(Code::InvalidRequest, text)
        .because(error)
        .into()
}
