//! From a listening socket to requests: HTTP/1.1, and HTTP/2 for a client that knows it is spoken (RFC 9113, section
//! 3.3), on the same port; with TLS, whichever of them is agreed on.
//!
//! actix's own detection waits for a client's first bytes without an end, also when the server stops; this one gives
//! a silent client the time that it has for a request's head, and none once the end has begun.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request};
use actix_rt::net::TcpStream;
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceResponse};
use akvs_core::{Code, Error};
use futures_util::future::{Either, select};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::app::State;
use crate::connection::{Connection, Patience};
use crate::tls::{Current, HTTP_2};
use crate::{Options, expect, problem};

/// The first bytes of a client that speaks HTTP/2.
const PREFACE: &[u8; 12] = b"PRI * HTTP/2";
/// The first byte of a client that speaks TLS: a record of a handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// How long a client may take.
#[derive(Clone, Copy)]
struct Times {
    header: Duration,
    keep_alive: Duration,
    stall: Duration,
}

impl Times {
    fn of(options: &Options) -> Times {
        Times {
            header: options.header_timeout,
            keep_alive: options.keep_alive,
            stall: options.stall_timeout,
        }
    }

    fn patience(self) -> Patience {
        Patience {
            head: self.header,
            idle: self.keep_alive,
        }
    }
}

/// How connections are served, on each worker.
struct Service {
    address: SocketAddr,
    times: Times,
    state: Arc<State>,
    ending: GracefulShutdownSignal,
}

/// A connection, and what is spoken on it.
type Begun<T> = (Connection<T>, Protocol, Option<SocketAddr>);

/// Serves an application on a listening socket; with TLS, where there is a certificate.
pub(crate) fn serve<A, F, S, B>(
    builder: ServerBuilder,
    listener: TcpListener,
    app: A,
    options: &Options,
    tls: Option<&Current>,
    state: &Arc<State>,
) -> io::Result<ServerBuilder>
where
    A: Fn() -> F + Send + Clone + 'static,
    F: IntoServiceFactory<S, Request>,
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let address = listener.local_addr()?;
    let times = Times::of(options);
    let ending = builder.graceful_shutdown_signal();
    let state = Arc::clone(state);
    let service = move || Service {
        address,
        times,
        state: Arc::clone(&state),
        ending: ending.clone(),
    };
    match tls.cloned() {
        None => builder.listen(format!("http {address}"), listener, move || {
            let service = service();
            let ending = service.ending.clone();
            fn_service(move |stream| begin(stream, times, ending.clone()))
                .and_then(service.http(app()))
        }),
        Some(tls) => builder.listen(format!("https {address}"), listener, move || {
            let (service, tls) = (service(), tls.clone());
            let ending = service.ending.clone();
            fn_service(move |stream| begin_tls(stream, tls.config(), times, ending.clone()))
                .and_then(service.http(app()))
        }),
    }
}

impl Service {
    /// What answers the requests of connections that have begun.
    fn http<T, F, S, B>(
        self,
        app: F,
    ) -> impl ServiceFactory<Begun<T>, Config = (), Response = (), Error = DispatchError, InitError = ()>
    where
        T: AsyncRead + AsyncWrite + Unpin + 'static,
        F: IntoServiceFactory<S, Request>,
        S: ServiceFactory<
                Request,
                Config = AppConfig,
                Response = ServiceResponse<B>,
                Error = actix_web::Error,
                InitError = (),
            > + 'static,
        B: MessageBody + 'static,
    {
        let (signal, state) = (self.ending, self.state);
        let connections = state.metrics.connections();
        let app = app.into_factory().map_err(|error| error.error_response());
        HttpService::build()
            .graceful_shutdown_signal(move || {
                let signal = signal.clone();
                async move { signal.notified().await }
            })
            .keep_alive(self.times.keep_alive)
            .client_request_timeout(self.times.header)
            // Also lets a client read the answer to a body that was refused before it is cut off.
            .client_disconnect_timeout(self.times.header)
            .local_addr(self.address)
            // What a connection has with it goes when it is closed.
            .on_connect_ext(move |connection: &Connection<T>, extensions| {
                extensions.insert(connection.asker(connections.open()));
            })
            .expect(fn_service(move |request| {
                expect::invite(request, Arc::clone(&state))
            }))
            .finish(map_config(app, |()| AppConfig::default()))
    }
}

/// Waits for the first bytes, and tells by them what is spoken.
async fn begin(
    stream: TcpStream,
    times: Times,
    ending: GracefulShutdownSignal,
) -> Result<Begun<TcpStream>, DispatchError> {
    prepare(&stream, times)?;
    let mut start = [0; PREFACE.len()];
    in_time(stream.peek(&mut start), times, &ending).await?;
    let protocol = if start == *PREFACE {
        Protocol::Http2
    } else {
        Protocol::Http1
    };
    let peer = stream.peer_addr().ok();
    let connection = Connection::new(stream, protocol, times.patience(), ending);
    Ok((connection, protocol, peer))
}

/// Agrees on how to speak in secret, and on what.
async fn begin_tls(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    times: Times,
    ending: GracefulShutdownSignal,
) -> Result<Begun<TlsStream<TcpStream>>, DispatchError> {
    prepare(&stream, times)?;
    let peer = stream.peer_addr().ok();
    let accept = async {
        let mut start = [0];
        stream.peek(&mut start).await?;
        if start != [HANDSHAKE] {
            return Err(speak_tls(stream).await);
        }
        TlsAcceptor::from(config).accept(stream).await
    };
    let stream = in_time(accept, times, &ending)
        .await
        .inspect_err(|error| log::debug!("a TLS handshake failed: {error}"))?;
    let protocol = match stream.get_ref().1.alpn_protocol() {
        Some(HTTP_2) => Protocol::Http2,
        _ => Protocol::Http1,
    };
    let connection = Connection::new(stream, protocol, times.patience(), ending);
    Ok((connection, protocol, peer))
}

/// Tells a client that came without TLS.
async fn speak_tls(mut stream: TcpStream) -> io::Error {
    let text = "this port speaks TLS; write https:// in place of http://";
    let (media_type, body) = (
        problem::PROBLEM_JSON,
        problem::document(&Error::new(Code::InvalidRequest, text)),
    );
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // Whether it hears that or not, it is gone.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    io::Error::other("it came without TLS")
}

fn prepare(stream: &TcpStream, times: Times) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // Who does not read holds a connection and what waits for it, and nobody else could end that.
    let stall = u32::try_from(times.stall.as_millis()).unwrap_or(u32::MAX);
    Ok(rustix::net::sockopt::set_tcp_user_timeout(stream, stall)?)
}

/// Waits for a client's first step for as long as it has for a request's head, and no longer once the end has begun.
async fn in_time<T>(
    step: impl Future<Output = io::Result<T>>,
    times: Times,
    ending: &GracefulShutdownSignal,
) -> Result<T, DispatchError> {
    let step = std::pin::pin!(tokio::time::timeout(times.header, step));
    let ending = std::pin::pin!(ending.notified());
    match select(step, ending).await {
        Either::Left((Ok(done), _)) => Ok(done?),
        Either::Left((Err(_), _)) => Err(DispatchError::SlowRequestTimeout),
        Either::Right(_) => Err(DispatchError::DisconnectTimeout),
    }
}
