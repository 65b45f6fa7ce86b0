//! TLS: certificates, client certificates, their renewal, and the protocols over it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use akvs_client::{Client, ClientBuilder, Error, RetryPolicy};
use akvs_http::{Options, Tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SerialNumber};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use akvs_testing::raw::ANSWER_TIMEOUT;
use akvs_testing::server::{TestServer, block_on};

/// A certificate authority.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
struct Pair {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        Authority {
            certificate,
            issuer,
        }
    }

    /// Signs a certificate for this machine, with this serial number.
    fn sign(&self, serial: u64) -> Pair {
        let mut params = CertificateParams::new(vec!["localhost".into()]).expect("parameters");
        params.serial_number = Some(SerialNumber::from(serial));
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        Pair {
            certificate: signed.pem(),
            key: key.serialize_pem(),
        }
    }
}

fn tls(pair: &Pair, client_ca: Option<&Authority>) -> Tls {
    let client_ca = client_ca.map(|ca| ca.certificate.as_bytes());
    Tls::new(pair.certificate.as_bytes(), pair.key.as_bytes(), client_ca).expect("TLS")
}

fn app(tls: Tls) -> TestServer {
    TestServer::with(Options {
        tls: Some(tls),
        header_timeout: Duration::from_secs(2),
        ..Options::default()
    })
}

/// Returns the configuration of a client that trusts this authority.
fn config(authority: &Authority, own: Option<&Pair>, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.certificate.as_bytes());
    roots.add(root.expect("a certificate")).expect("a root");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = builder.with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = CertificateDer::from_pem_slice(pair.certificate.as_bytes());
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes());
            let chain = vec![chain.expect("a certificate")];
            let config = builder.with_client_auth_cert(chain, key.expect("a key"));
            config.expect("a client's certificate")
        }
    };
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Arc::new(config)
}

/// A connection over TLS.
struct Secure(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Secure {
    /// Completes the handshake.
    fn open(app: &TestServer, config: Arc<ClientConfig>) -> io::Result<Secure> {
        let mut stream = TcpStream::connect(app.address)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let name = ServerName::try_from("localhost").expect("a name");
        let mut connection = ClientConnection::new(config, name).expect("a connection");
        connection.complete_io(&mut stream)?;
        Ok(Secure(BufReader::new(StreamOwned::new(connection, stream))))
    }

    /// Sends a GET request, and returns the status line and the body.
    fn get(&mut self, path: &str) -> io::Result<(String, String)> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes())?;
        let (mut status, mut length) = (String::new(), 0);
        self.0.read_line(&mut status)?;
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        let body = String::from_utf8(body).expect("text");
        Ok((status.trim_end().to_owned(), body))
    }

    /// Returns the server's certificate.
    fn shown(&self) -> Vec<u8> {
        let chain = self.0.get_ref().conn.peer_certificates();
        chain.expect("a certificate")[0].to_vec()
    }
}

fn pong() -> (String, String) {
    ("HTTP/1.1 200 OK".into(), "pong".into())
}

#[test]
fn requests_are_answered_over_tls() {
    let authority = Authority::new();
    let app = app(tls(&authority.sign(1), None));
    for protocols in [&[][..], &["http/1.1"], &["http/1.1", "unknown"]] {
        let mut secure = Secure::open(&app, config(&authority, None, protocols)).expect("TLS");
        assert_eq!(secure.get("/ping").expect("an answer"), pong());
        assert_eq!(
            secure.get("/ping").expect("an answer"),
            pong(),
            "kept alive"
        );
    }
    // The client refuses a server that it does not trust.
    let stranger = Authority::new();
    assert!(Secure::open(&app, config(&stranger, None, &[])).is_err());
}

#[test]
fn http_2_is_negotiated_by_alpn() {
    let authority = Authority::new();
    let app = app(tls(&authority.sign(1), None));
    block_on(async {
        let config = config(&authority, None, &["h2", "http/1.1"]);
        let stream = tokio::net::TcpStream::connect(app.address).await;
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = tokio_rustls::TlsConnector::from(config);
        let stream = connector.connect(name, stream.expect("a connection")).await;
        let stream = stream.expect("TLS");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (mut send, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        for (method, path, body, status) in [
            ("POST", "/kv/n/k", "value", 201),
            ("GET", "/kv/n/k", "", 200),
            ("GET", "/kv/n/none", "", 404),
        ] {
            let uri = format!("https://localhost{path}");
            let request = http::Request::builder().method(method).uri(uri);
            let request = request.body(()).expect("a request");
            let (answer, mut stream) = send.send_request(request, false).expect("a stream");
            stream.send_data(body.into(), true).expect("a body");
            assert_eq!(
                answer.await.expect("an answer").status(),
                status,
                "{method} {path}"
            );
        }
    });
}

#[test]
fn a_request_without_tls_is_explained() {
    let authority = Authority::new();
    let app = app(tls(&authority.sign(1), None));
    let answer = app.ask("POST", "/kv/n/k");
    assert_eq!(answer.refusal(), (400, "invalid_request".into()));
    assert!(answer.text().contains("https://"), "{}", answer.text());
    assert_eq!(app.namespaces(), Vec::<String>::new());
}

#[test]
fn silent_clients_are_disconnected_and_block_no_others() {
    let authority = Authority::new();
    let app = app(tls(&authority.sign(1), None));
    let mut silent = app.connect();
    let mut half = app.connect();
    half.send([22, 3, 1, 2, 0]);
    let mut secure = Secure::open(&app, config(&authority, None, &[])).expect("TLS");
    assert_eq!(secure.get("/ping").expect("an answer"), pong());
    assert!(silent.is_ended() && half.is_ended());
}

#[test]
fn a_new_certificate_applies_to_new_connections_and_closes_no_open_one() {
    let authority = Authority::new();
    let app = app(tls(&authority.sign(1), None));
    let open = || Secure::open(&app, config(&authority, None, &[])).expect("TLS");
    let mut old = open();
    app.handle().replace_tls(tls(&authority.sign(2), None));
    let mut new = open();
    assert_ne!(old.shown(), new.shown());
    for connection in [&mut old, &mut new] {
        assert_eq!(connection.get("/ping").expect("an answer"), pong());
    }
}

#[test]
fn client_certificates_are_required_with_a_client_ca() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let app = app(tls(&servers.sign(1), Some(&clients)));
    let get = |own: Option<&Pair>| {
        Secure::open(&app, config(&servers, own, &[])).and_then(|mut secure| secure.get("/ping"))
    };
    assert_eq!(get(Some(&clients.sign(1))).expect("an answer"), pong());
    // Requests that need no token need a certificate as well.
    assert!(get(None).is_err());
    assert!(get(Some(&servers.sign(2))).is_err());
    assert!(get(Some(&Authority::new().sign(1))).is_err());
    // The authority of clients is renewed as well.
    let others = Authority::new();
    app.handle()
        .replace_tls(tls(&servers.sign(1), Some(&others)));
    assert!(get(Some(&clients.sign(1))).is_err());
    assert_eq!(get(Some(&others.sign(1))).expect("an answer"), pong());
    app.handle().replace_tls(tls(&servers.sign(1), None));
    assert_eq!(get(None).expect("an answer"), pong());
}

/// Returns a builder of typed clients of a server with TLS.
fn client(app: &TestServer) -> ClientBuilder {
    let url = format!("https://localhost:{}", app.address.port());
    Client::builder().base_url(url)
}

fn stored(builder: ClientBuilder) -> Result<Option<u8>, Error> {
    let namespace = builder.build()?.namespace("ns")?;
    block_on(async {
        namespace.set("k", &7).await?;
        Ok(namespace.get("k").await?.map(|entry| entry.value))
    })
}

#[test]
fn the_client_trusts_only_the_configured_authority() {
    let (authority, other) = (Authority::new(), Authority::new());
    let app = app(tls(&authority.sign(1), None));
    let trusting = |authority: &Authority| client(&app).ca_certificate(&authority.certificate);
    assert_eq!(stored(trusting(&authority)).unwrap(), Some(7));
    let both = trusting(&other).ca_certificate(&authority.certificate);
    assert_eq!(stored(both).unwrap(), Some(7));
    // A retry would get the same certificate, so the client does not retry.
    let patient = RetryPolicy::default().initial_backoff(ANSWER_TIMEOUT * 10);
    let wrong = trusting(&other).retry(patient.max_backoff(ANSWER_TIMEOUT * 10));
    let error = stored(wrong.call_timeout(ANSWER_TIMEOUT * 100)).unwrap_err();
    assert_eq!(error.to_string(), "the server cannot be reached");
    assert!(!error.is_retryable() && !error.is_unknown_outcome());
    let watch = trusting(&other).build().unwrap().namespace("ns").unwrap();
    let first = block_on(async { watch.watch().stream().next().await });
    assert!(first.unwrap().is_err(), "a watch would retry without end");
    // A name that is not in the certificate.
    let url = format!("https://127.0.0.1:{}", app.address.port());
    assert!(stored(trusting(&authority).base_url(url)).is_err());
    assert_eq!(app.namespaces(), ["ns"]);
}

#[test]
fn the_client_sends_its_certificate() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let app = app(tls(&servers.sign(1), Some(&clients)));
    let showing = |own: Option<Pair>| {
        let builder = client(&app).ca_certificate(&servers.certificate);
        match own {
            Some(own) => builder.identity([own.certificate, own.key].concat()),
            None => builder,
        }
    };
    assert_eq!(stored(showing(Some(clients.sign(1)))).unwrap(), Some(7));
    assert!(stored(showing(None)).is_err());
    assert!(stored(showing(Some(Authority::new().sign(1)))).is_err());
}

#[test]
fn an_invalid_certificate_is_refused_and_not_shown() {
    let hidden = "-----BEGIN PRIVATE KEY-----\nhidden\n-----END ";
    for builder in [
        Client::builder().ca_certificate(hidden),
        Client::builder()
            .ca_certificate(Authority::new().certificate)
            .identity(hidden),
    ] {
        assert!(!format!("{builder:?}").contains("hidden"));
        let error = builder.base_url("https://localhost").build().unwrap_err();
        assert_eq!(error.code(), Some(akvs_client::Code::InvalidRequest));
        assert!(
            !format!("{error} {error:?}").contains("hidden"),
            "{error:?}"
        );
    }
    let own = akvs_testing::scripted::http().build().unwrap();
    let builder = Client::builder().http_client(own).ca_certificate("x");
    assert!(builder.build().is_err());
}
