//! The choice of certificates.
//!
//! It owns the methods of the builder that exist only with TLS. It does not own the use of what is chosen.

use crate::ClientBuilder;

impl ClientBuilder {
    /// Trusts servers whose certificates are signed by these too, besides those that the system trusts: one or more
    /// certificates as PEM. Called again, it adds to them. With the feature `rustls`.
    ///
    /// ```
    /// # use akvs_client::Client;
    /// let builder = Client::builder().base_url("https://localhost").ca_certificate("no PEM");
    /// assert!(builder.build().unwrap_err().to_string().contains("authority's certificate"));
    /// ```
    pub fn ca_certificate(mut self, pem: impl AsRef<[u8]>) -> ClientBuilder {
        self.tls.authorities.push(pem.as_ref().to_vec());
        self
    }

    /// Shows servers that ask for it a certificate of one's own: the certificate, those between it and its authority,
    /// and the private key, in one PEM text. With the feature `rustls`.
    ///
    /// ```
    /// # use akvs_client::Client;
    /// let builder = Client::builder().base_url("https://localhost").identity("no PEM");
    /// assert!(builder.build().is_err());
    /// ```
    pub fn identity(mut self, pem: impl AsRef<[u8]>) -> ClientBuilder {
        self.tls.identity = Some(pem.as_ref().to_vec());
        self
    }
}
