//! The service of accepted connections: HTTP/1.1 by actix, HTTP/2 by [`http2`](crate::transport::http2).

use std::future::ready;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol, Request, Response};
use actix_server::GracefulShutdownSignal;
use actix_service::{Service as _, ServiceFactory, fn_factory, fn_service};
use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use futures_util::future::Either;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::transport::connection::{Closes, Connection, ConnectionState, Timeouts};
use crate::transport::http2::Http2Service;
use crate::transport::resources::Resources;
use crate::transport::{expect_continue, http2};

/// An accepted connection.
pub(super) struct AcceptedStream<T> {
    pub(super) stream: T,
    pub(super) protocol: Protocol,
    pub(super) peer: Option<SocketAddr>,
    /// The time since which the server waits for the first request.
    pub(super) since: Instant,
}

/// The service of the connections of a worker.
pub(super) struct Service {
    /// None for a Unix socket.
    pub(super) address: Option<SocketAddr>,
    pub(super) is_admin: bool,
    pub(super) timeouts: Timeouts,
    pub(super) resources: Arc<Resources>,
    pub(super) ending: GracefulShutdownSignal,
}

impl Service {
    /// Returns the service of accepted connections.
    pub(super) fn http<T, S, B>(
        self,
        app: S,
    ) -> impl ServiceFactory<
        AcceptedStream<T>,
        Config = (),
        Response = (),
        Error = DispatchError,
        InitError = (),
    >
    where
        T: AsyncRead + AsyncWrite + Closes + Unpin + 'static,
        S: ServiceFactory<
                Request,
                Config = (),
                Response = Response<B>,
                Error = HttpResponse,
                InitError = (),
            > + 'static,
        B: MessageBody + 'static,
    {
        let (app, service) = (Rc::new(app), Rc::new(self));
        fn_factory(move || {
            let (app, service) = (Rc::clone(&app), Rc::clone(&service));
            async move {
                let app = Rc::new(app.new_service(()).await?);
                let http_1 = Rc::new(service.http_1(Rc::clone(&app)).new_service(()).await?);
                Ok(fn_service(move |accepted: AcceptedStream<T>| {
                    let AcceptedStream {
                        stream,
                        protocol,
                        peer,
                        since,
                    } = accepted;
                    if protocol == Protocol::Http2 {
                        let served = service.http_2(Rc::clone(&app), peer);
                        return Either::Left(http2::serve(stream, served));
                    }
                    let connection = Connection::new(stream, service.timeouts, since);
                    let http_1 = Rc::clone(&http_1);
                    Either::Right(async move { http_1.call((connection, peer)).await })
                }))
            }
        })
    }

    /// Returns the service of HTTP/1.1 with this application.
    fn http_1<T, S, B>(
        &self,
        app: Rc<S>,
    ) -> impl ServiceFactory<
        (Connection<T>, Option<SocketAddr>),
        Config = (),
        Response = (),
        Error = DispatchError,
        InitError = (),
    > + use<T, S, B>
    where
        T: AsyncRead + AsyncWrite + Closes + Unpin + 'static,
        S: actix_service::Service<
                Request,
                Response = Response<B>,
                Error = HttpResponse,
                Future: 'static,
            > + 'static,
        B: MessageBody + 'static,
    {
        let (signal, is_admin) = (self.ending.clone(), self.is_admin);
        let is_local = self.address.is_none();
        let resources = Arc::clone(&self.resources);
        let connections = resources.connections.clone();
        let mut service = HttpService::build();
        if let Some(address) = self.address {
            service = service.local_addr(address);
        }
        service
            .graceful_shutdown_signal(move || {
                let signal = signal.clone();
                async move { signal.notified().await }
            })
            // `Connection` has these timeouts.
            .keep_alive(match self.timeouts.idle {
                Duration::ZERO => KeepAlive::Disabled,
                _ => KeepAlive::Os,
            })
            .client_request_timeout(Duration::ZERO)
            // Gives a client the time to read the answer to a refused body.
            .client_disconnect_timeout(self.timeouts.head)
            // actix drops these when the connection is closed.
            .on_connect_ext(move |connection: &Connection<T>, extensions| {
                let connection_state = connection.state(connections.open(), is_admin);
                extensions.insert(connection_state.with_local(is_local));
                extensions.insert(connection.presence());
                extensions.insert(connection.body_fault());
            })
            .expect(fn_service(move |request| {
                expect_continue::accept_body(request, Arc::clone(&resources))
            }))
            .h1(fn_factory(move || ready(Ok::<_, ()>(Rc::clone(&app)))))
    }

    /// Returns the service of a connection of HTTP/2 with this application.
    fn http_2<S>(&self, app: Rc<S>, peer: Option<SocketAddr>) -> Http2Service<S> {
        let open = self.resources.connections.open();
        let connection_state = ConnectionState::for_http2(self.is_admin, open);
        Http2Service {
            app,
            connection: Rc::new(connection_state.with_local(self.address.is_none())),
            resources: Arc::clone(&self.resources),
            peer,
            timeouts: self.timeouts,
            ending: self.ending.clone(),
        }
    }
}
