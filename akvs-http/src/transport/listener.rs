//! Listening sockets. A port serves HTTP/1.1, and HTTP/2 to clients with prior knowledge (RFC 9113, section 3.3); with TLS
//! the protocol is negotiated.
//!
//! actix's own detection of the protocol waits without end for a client's first bytes, even when the server stops. This one
//! waits for the header timeout, and not at all after the server has begun to stop.
//!
//! A Unix socket serves the same protocols without TLS, because its bytes never leave the machine.

mod service;

use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use actix_http::error::DispatchError;
use actix_http::{Protocol, Request, Response};
use actix_rt::net::{TcpStream, UnixStream};
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{ServiceFactory, ServiceFactoryExt, fn_service};
use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use akvs_core::{Code, Error};
use futures_util::future::{Either, select};
use rustix::net::RecvFlags;
use rustls::ServerConfig;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use self::service::{AcceptedStream, Service};
use crate::response::fields::STANDING_TEXT;
use crate::response::problem;
use crate::transport::connection::Timeouts;
use crate::transport::resources::Resources;
use crate::transport::tls::{Current, HTTP_2};

/// The first bytes of a client that speaks HTTP/2.
const PREFACE: &[u8; 12] = b"PRI * HTTP/2";
/// The first byte of a client that speaks TLS: a record of a handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// A listening socket, bound by the caller.
#[derive(Debug)]
pub enum Listener {
    /// A TCP socket, with TLS if the server has a certificate.
    Tcp(TcpListener),
    /// A Unix socket for all users that may open its file; tokens are required as over TCP.
    Unix(UnixListener),
    /// A Unix socket for the owner of the data: all users that may open its file have all rights without a token, and
    /// `/admin/…` (see [`AdminApi`](crate::AdminApi)), which no other listener has.
    Admin(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Listener {
        Listener::Tcp(listener)
    }
}

/// The resources that all listeners of a server share.
pub(crate) struct Shared<'a> {
    pub(crate) timeouts: Timeouts,
    pub(crate) tls: Option<&'a Current>,
    pub(crate) resources: &'a Arc<Resources>,
}

/// Serves an application on a listening socket.
pub(crate) fn serve<A, S, B>(
    builder: ServerBuilder,
    listener: Listener,
    app: A,
    shared: &Shared<'_>,
) -> io::Result<ServerBuilder>
where
    A: Fn() -> S + Send + Clone + 'static,
    S: ServiceFactory<
            Request,
            Config = (),
            Response = Response<B>,
            Error = HttpResponse,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let address = match &listener {
        Listener::Tcp(listener) => Some(listener.local_addr()?),
        Listener::Unix(_) | Listener::Admin(_) => None,
    };
    let timeouts = shared.timeouts;
    let ending = builder.graceful_shutdown_signal();
    let resources = Arc::clone(shared.resources);
    let is_admin = matches!(listener, Listener::Admin(_));
    let service = move || Service {
        address,
        is_admin,
        timeouts,
        resources: Arc::clone(&resources),
        ending: ending.clone(),
    };
    match (listener, shared.tls.cloned()) {
        (Listener::Tcp(listener), None) => builder.listen("http", listener, move || {
            let service = service();
            let ending = service.ending.clone();
            fn_service(move |stream| accept(stream, timeouts, ending.clone()))
                .and_then(service.http(app()))
        }),
        (Listener::Tcp(listener), Some(tls)) => builder.listen("https", listener, move || {
            let (service, tls) = (service(), tls.clone());
            let ending = service.ending.clone();
            fn_service(move |stream| accept_tls(stream, tls.config(), timeouts, ending.clone()))
                .and_then(service.http(app()))
        }),
        (Listener::Unix(listener) | Listener::Admin(listener), _) => {
            builder.listen_uds("unix", listener, move || {
                let service = service();
                let ending = service.ending.clone();
                fn_service(move |stream| accept_unix(stream, timeouts, ending.clone()))
                    .and_then(service.http(app()))
            })
        }
    }
}

/// Waits for the first bytes, which show the protocol.
async fn accept(
    stream: TcpStream,
    timeouts: Timeouts,
    ending: GracefulShutdownSignal,
) -> Result<AcceptedStream<TcpStream>, DispatchError> {
    let since = Instant::now();
    prepare(&stream, timeouts)?;
    let mut start = [0; PREFACE.len()];
    let peek = stream.async_io(Interest::READABLE, || peek_start(&stream, &mut start));
    within_header_timeout(peek, timeouts, &ending).await?;
    Ok(AcceptedStream {
        protocol: detect_protocol(&start),
        peer: stream.peer_addr().ok(),
        stream,
        since,
    })
}

/// Accepts a connection over a Unix socket in the same way.
async fn accept_unix(
    stream: UnixStream,
    timeouts: Timeouts,
    ending: GracefulShutdownSignal,
) -> Result<AcceptedStream<UnixStream>, DispatchError> {
    let since = Instant::now();
    let mut start = [0; PREFACE.len()];
    let peek = stream.async_io(Interest::READABLE, || peek_start(&stream, &mut start));
    within_header_timeout(peek, timeouts, &ending).await?;
    Ok(AcceptedStream {
        protocol: detect_protocol(&start),
        peer: None,
        stream,
        since,
    })
}

/// Peeks at the first bytes, as many as show the protocol. `WouldBlock` while there are too few, because the preface of
/// HTTP/2 may come in several segments.
fn peek_start(stream: impl AsFd, start: &mut [u8; PREFACE.len()]) -> io::Result<()> {
    let (length, _) = rustix::net::recv(stream, &mut start[..], RecvFlags::PEEK)?;
    if (1..PREFACE.len()).contains(&length) && PREFACE.starts_with(&start[..length]) {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(())
}

/// Returns the protocol of a client with these first bytes.
fn detect_protocol(start: &[u8; PREFACE.len()]) -> Protocol {
    if start == PREFACE {
        Protocol::Http2
    } else {
        Protocol::Http1
    }
}

/// Does the TLS handshake, which negotiates the protocol.
async fn accept_tls(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    timeouts: Timeouts,
    ending: GracefulShutdownSignal,
) -> Result<AcceptedStream<TlsStream<TcpStream>>, DispatchError> {
    let since = Instant::now();
    prepare(&stream, timeouts)?;
    let peer = stream.peer_addr().ok();
    let accept = async {
        let mut start = [0];
        stream.peek(&mut start).await?;
        if start != [HANDSHAKE] {
            return Err(reject_plaintext(stream).await);
        }
        TlsAcceptor::from(config).accept(stream).await
    };
    let stream = within_header_timeout(accept, timeouts, &ending)
        .await
        .inspect_err(|error| log::debug!("a TLS handshake failed: {error}"))?;
    let protocol = match stream.get_ref().1.alpn_protocol() {
        Some(HTTP_2) => Protocol::Http2,
        _ => Protocol::Http1,
    };
    Ok(AcceptedStream {
        stream,
        protocol,
        peer,
        since,
    })
}

/// Answers a client that does not use TLS with an error in plain text.
async fn reject_plaintext(mut stream: TcpStream) -> io::Error {
    let text = "the port expects TLS: write https:// in place of http://";
    let (media_type, body) = (
        problem::PROBLEM_JSON,
        problem::document(&Error::new(Code::InvalidRequest, text)),
    );
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n{STANDING_TEXT}connection: close\r\n\r\n{body}",
        body.len()
    );
    // The connection ends in any case.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    io::Error::other("the client does not use TLS")
}

fn prepare(stream: &TcpStream, timeouts: Timeouts) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // The kernel ends a connection whose client does not acknowledge data, which would keep the data in memory.
    let stall = u32::try_from(timeouts.stall.as_millis()).unwrap_or(u32::MAX);
    Ok(rustix::net::sockopt::set_tcp_user_timeout(stream, stall)?)
}

/// Waits for a client's first step within the header timeout, and only until the server begins to stop.
async fn within_header_timeout<T>(
    step: impl Future<Output = io::Result<T>>,
    timeouts: Timeouts,
    ending: &GracefulShutdownSignal,
) -> Result<T, DispatchError> {
    let step = std::pin::pin!(tokio::time::timeout(timeouts.head, step));
    let ending = std::pin::pin!(ending.notified());
    match select(step, ending).await {
        Either::Left((Ok(done), _)) => Ok(done?),
        Either::Left((Err(_), _)) => Err(DispatchError::SlowRequestTimeout),
        Either::Right(_) => Err(DispatchError::DisconnectTimeout),
    }
}
