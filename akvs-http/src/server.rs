//! Starting, running and stopping the server. The caller binds the listening sockets, so that tests can use port 0.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_rt::spawn;
use actix_server::{Server as ActixServer, ServerBuilder, ServerHandle as ActixServerHandle};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, apply, map_config};
use actix_web::dev::AppConfig;
use actix_web::{App, web};
use akvs_registry::Registry;
use akvs_server::CompletionQueue;
use futures_util::future::join_all;

use crate::handlers::version;
use crate::middleware::expectation;
use crate::router::{self, ROUTES};
use crate::service::RequestServices;
use crate::state::State;
use crate::transport::connection::Timeouts;
use crate::transport::listener;
use crate::transport::listener::{Listener, Shared};
use crate::transport::resources::Resources;
use crate::transport::tls::Current;
use crate::{Options, Tls, Tokens};

/// The maximum number of connections of the admin socket. They have a worker of their own and do not count with the
/// others, so that the owner can connect when all of those are in use.
const ADMIN_CONNECTIONS: usize = 256;

/// Starts a server of a registry on these listeners. Must be called within an actix or tokio runtime. The server runs while
/// the returned future is polled, until it is stopped by its [`ServerHandle`].
pub fn start(
    listeners: impl IntoIterator<Item: Into<Listener>>,
    registry: Registry,
    options: &Options,
) -> io::Result<Server> {
    let listeners = listeners.into_iter().map(Into::into);
    let (admin, public): (Vec<_>, Vec<_>) =
        listeners.partition(|listener| matches!(listener, Listener::Admin(_)));
    let workers = options.workers.max(1);
    let connections = options.max_connections.div_ceil(workers);
    let groups = [
        (public, workers, connections),
        (admin, 1, ADMIN_CONNECTIONS),
    ];
    let groups = groups
        .into_iter()
        .filter(|(listeners, ..)| !listeners.is_empty());
    let groups: Vec<_> = groups.collect();
    let all_workers = groups.iter().map(|(_, workers, _)| workers).sum();
    let version = version::document(&registry, options);
    let state = State::new(registry, options, (&ROUTES, version), all_workers);
    let tls = options.tls.clone().map(Current::new);
    let shared = Shared {
        timeouts: Timeouts {
            head: options.header_timeout,
            idle: options.keep_alive,
            stall: options.stall_timeout,
        },
        tls: tls.as_ref(),
        resources: &Arc::new(resources(&state)),
    };
    let servers = groups
        .into_iter()
        .map(|(listeners, workers, connections)| {
            let builder = ActixServer::build()
                .workers(workers)
                .max_concurrent_connections(connections)
                .shutdown_timeout(options.drain_timeout.as_secs().max(1))
                .disable_signals();
            let listen = |builder, listener| listen(builder, listener, &shared, &state);
            Ok(listeners.into_iter().try_fold(builder, listen)?.run())
        })
        .collect::<io::Result<Vec<_>>>()?;
    let handle = ServerHandle {
        servers: servers.iter().map(ActixServer::handle).collect(),
        tls,
        state,
    };
    Ok(Server { handle, servers })
}

/// Returns the part of the state that connections use.
fn resources(state: &Arc<State>) -> Resources {
    let shared = Arc::clone(state);
    Resources {
        registry: state.registry.clone(),
        connections: state.metrics.connections(),
        body_memory: Arc::clone(&state.body_memory),
        response_memory: state.response_memory.clone(),
        expectation: Box::new(move |request| expectation::check(request, &shared)),
    }
}

/// Adds a listener that serves the application.
fn listen(
    builder: ServerBuilder,
    listener: Listener,
    shared: &Shared<'_>,
    state: &Arc<State>,
) -> io::Result<ServerBuilder> {
    let is_admin = matches!(listener, Listener::Admin(_));
    let data = web::Data::from(Arc::clone(state));
    let app = move || {
        // Each worker completes its own writes, and is woken once per commit.
        if let Some(queue) = CompletionQueue::attach() {
            spawn(queue);
            spawn(data.health.join(data.registry.clone()));
        }
        let counters = data.metrics.worker();
        let app = App::new()
            .app_data(data.clone())
            .configure(|config| router::configure(config, is_admin));
        let app = app
            .into_factory()
            .map_err(|error: actix_web::Error| error.error_response());
        let app = map_config(app, |()| AppConfig::default());
        apply(RequestServices::new(counters, Arc::clone(&data)), app)
    };
    listener::serve(builder, listener, app, shared)
}

/// A running server: a future that serves while it is polled, and ends once the server has stopped.
#[must_use = "a server serves only while it is polled"]
pub struct Server {
    handle: ServerHandle,
    /// The groups of workers that have not stopped.
    servers: Vec<ActixServer>,
}

impl Server {
    /// Returns a handle that stops the server.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }
}

impl Future for Server {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut failed = None;
        self.servers
            .retain_mut(|server| match Pin::new(server).poll(context) {
                Poll::Pending => true,
                Poll::Ready(ended) => {
                    failed = failed.take().or(ended.err());
                    false
                }
            });
        match failed {
            Some(error) => Poll::Ready(Err(error)),
            None if self.servers.is_empty() => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    }
}

/// A handle that stops a server and replaces its tokens and certificate; cheap to clone.
#[derive(Clone)]
pub struct ServerHandle {
    servers: Vec<ActixServerHandle>,
    tls: Option<Current>,
    state: Arc<State>,
}

impl ServerHandle {
    /// Replaces the tokens, for responses in progress as well. A server that has had tokens rejects every request once
    /// it has none.
    pub fn replace_tokens(&self, tokens: Tokens) {
        self.state.authenticator.replace(tokens);
    }

    /// Replaces the certificate for new connections; open ones go on. Does nothing if the server was started without
    /// TLS.
    pub fn replace_tls(&self, tls: Tls) {
        if let Some(current) = &self.tls {
            current.replace(tls);
        }
    }

    /// Returns true once every worker and the committer have answered, as they answer writes, and false if the committer
    /// has stopped. Does not return while one of them hangs or is missing. A full disk, or connections that are all in
    /// use, are not failures.
    ///
    /// ```
    /// # use akvs_core::{Database, MemoryEngine};
    /// # use akvs_server::{Committer, SystemClock};
    /// # use std::sync::Arc;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let database = Database::open(Arc::new(MemoryEngine::new()), Default::default())?;
    /// # let committer = Committer::start(database, Default::default(), Arc::new(SystemClock::new()))?;
    /// # let registry = akvs_registry::Registry::new(committer.clone());
    /// # actix_web::rt::System::new().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let running = akvs_http::start(vec![listener], registry, &akvs_http::Options::default())?;
    /// let handle = running.handle();
    /// let served = actix_web::rt::spawn(running);
    /// assert!(handle.is_healthy().await);
    /// committer.stop()?;
    /// assert!(!handle.is_healthy().await, "the committer has stopped");
    /// # handle.stop(true).await;
    /// # served.await??;
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub async fn is_healthy(&self) -> bool {
        self.state.health.check().await
    }

    /// Makes `/readyz` answer 503, ahead of a stop; everything else goes on.
    pub fn drain(&self) {
        self.state.drain();
    }

    /// Stops the server: it accepts no more connections and, if `graceful`, requests in flight may end first, within
    /// the drain timeout. Returns once all workers have stopped.
    pub async fn stop(&self, graceful: bool) {
        self.state.drain();
        // Watches do not end by themselves.
        self.state.registry.end_watches();
        join_all(self.servers.iter().map(|server| server.stop(graceful))).await;
    }
}
