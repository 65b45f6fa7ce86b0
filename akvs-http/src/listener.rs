//! From a listening socket to requests: HTTP/1.1, and HTTP/2 for a client that knows it is spoken (RFC 9113, section
//! 3.3), on the same port.
//!
//! actix's own detection waits for a client's first bytes without an end, also when the server stops; this one gives
//! a silent client the time that it has for a request's head, and none once the end has begun.

use std::io;
use std::net::TcpListener;

use actix_http::error::DispatchError;
use actix_http::{HttpMessage, HttpService, Protocol, Request, Response};
use actix_rt::net::TcpStream;
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::http::header::CONTENT_TYPE;
use akvs_core::Error;
use futures_util::future::{Either, select};

use crate::{Options, body, problem};

/// The first bytes of a client that speaks HTTP/2.
const PREFACE: &[u8; 12] = b"PRI * HTTP/2";

/// Serves an application on a listening socket.
pub(crate) fn serve<A, F, S, B>(
    builder: ServerBuilder,
    listener: TcpListener,
    app: A,
    options: Options,
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
    let ending = builder.graceful_shutdown_signal();
    let address = listener.local_addr()?;
    builder.listen(format!("http {address}"), listener, move || {
        let signal = ending.clone();
        let app = app().into_factory().map_err(|error| error.error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let signal = signal.clone();
                async move { signal.notified().await }
            })
            .keep_alive(options.keep_alive)
            .client_request_timeout(options.header_timeout)
            // Also lets a client read the answer to a body that was refused before it is cut off.
            .client_disconnect_timeout(options.header_timeout)
            .local_addr(address)
            .expect(fn_service(move |request| {
                continue_unless_too_large(request, options)
            }))
            .finish(map_config(app, |()| AppConfig::default()));
        let ending = ending.clone();
        fn_service(move |stream| begin(stream, options, ending.clone())).and_then(http)
    })
}

/// Waits for the first bytes, and tells by them what is spoken.
async fn begin(
    stream: TcpStream,
    options: Options,
    ending: GracefulShutdownSignal,
) -> Result<(TcpStream, Protocol, Option<std::net::SocketAddr>), DispatchError> {
    stream.set_nodelay(true)?;
    // Who does not read holds a connection and what waits for it, and nobody else could end that.
    let stall = u32::try_from(options.stall_timeout.as_millis()).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(&stream, stall).map_err(io::Error::from)?;
    let mut start = [0; PREFACE.len()];
    {
        let peek = std::pin::pin!(tokio::time::timeout(
            options.header_timeout,
            stream.peek(&mut start)
        ));
        let ending = std::pin::pin!(ending.notified());
        match select(peek, ending).await {
            Either::Left((Ok(peeked), _)) => peeked?,
            Either::Left((Err(_), _)) => return Err(DispatchError::SlowRequestTimeout),
            Either::Right(_) => return Err(DispatchError::DisconnectTimeout),
        };
    }
    let protocol = if start == *PREFACE {
        Protocol::Http2
    } else {
        Protocol::Http1
    };
    let peer = stream.peer_addr().ok();
    Ok((stream, protocol, peer))
}

/// A client that asks before it sends a body (RFC 9110, section 10.1.1) is told at once where that is too large.
async fn continue_unless_too_large(request: Request, options: Options) -> Result<Request, Refused> {
    let announced = body::announced(request.headers());
    match body::Limits::of_values(&options).check(announced) {
        Ok(()) => Ok(request),
        Err(error) => Err(Refused(error)),
    }
}

struct Refused(Error);

impl From<Refused> for Response<BoxBody> {
    fn from(Refused(error): Refused) -> Response<BoxBody> {
        let (status, _) = problem::status(error.code());
        Response::build(status)
            .insert_header((CONTENT_TYPE, problem::PROBLEM_JSON))
            .force_close()
            .body(problem::document(&error))
            .map_into_boxed_body()
    }
}
