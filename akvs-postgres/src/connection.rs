//! Connections: each has its statements prepared, and its warnings noted.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use akvs_core::{Error, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio_postgres::error::Severity;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::failure::{timed_out, unavailable};
use crate::options::PostgresOptions;
use crate::sql;

/// Receives the payloads of notifications.
pub(crate) type OnNotification = Box<dyn Fn(&str) + Send>;

/// How connections are made.
pub(crate) struct Connector {
    options: PostgresOptions,
    runtime: Handle,
}

/// A connection.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// Whether the server has warned of something: it does so before the answer that it is about.
    warned: Arc<AtomicBool>,
}

impl Session {
    /// Returns whether the server has warned since the last call.
    pub(crate) fn take_warning(&self) -> bool {
        self.warned.swap(false, Ordering::AcqRel)
    }
}

impl Connector {
    pub(crate) fn new(options: PostgresOptions, runtime: Handle) -> Connector {
        Connector { options, runtime }
    }

    pub(crate) fn options(&self) -> &PostgresOptions {
        &self.options
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Connects to the host that accepts writes.
    pub(crate) async fn connect(&self) -> Result<Session> {
        self.connect_to_listen(None).await
    }

    /// Connects, and passes notifications on.
    pub(crate) async fn connect_to_listen(
        &self,
        on_notification: Option<OnNotification>,
    ) -> Result<Session> {
        within(self.options.timeout, self.try_connect(on_notification)).await
    }

    async fn try_connect(&self, on_notification: Option<OnNotification>) -> Result<Session> {
        let config = self.options.config();
        let warned = Arc::new(AtomicBool::new(false));
        let client = match &self.options.tls {
            Some(tls) => {
                let tls = MakeRustlsConnect::new((**tls).clone());
                let (client, connection) = config.connect(tls).await.map_err(unavailable)?;
                self.drive(connection, &warned, on_notification);
                client
            }
            None => {
                let (client, connection) = config.connect(NoTls).await.map_err(unavailable)?;
                self.drive(connection, &warned, on_notification);
                client
            }
        };
        let prepared = client.batch_execute(sql::SESSION).await;
        prepared.map_err(unavailable)?;
        let session = Session { client, warned };
        session.take_warning();
        Ok(session)
    }

    /// Runs a connection until it ends.
    fn drive<S, T>(
        &self,
        mut connection: Connection<S, T>,
        warned: &Arc<AtomicBool>,
        on_notification: Option<OnNotification>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let warned = Arc::clone(warned);
        self.runtime.spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    Ok(AsyncMessage::Notice(notice)) => {
                        if notice.parsed_severity() == Some(Severity::Warning) {
                            log::warn!("the database warned: {}", notice.message());
                            warned.store(true, Ordering::Release);
                        }
                    }
                    Ok(AsyncMessage::Notification(notification)) => {
                        if let Some(on_notification) = &on_notification {
                            on_notification(notification.payload());
                        }
                    }
                    Ok(_) => {}
                    Err(error) => {
                        log::debug!("a connection to the database ended: {error}");
                        return;
                    }
                }
            }
        });
    }
}

/// Returns the result of some work, or an error after the timeout.
pub(crate) async fn within<T>(
    timeout: Duration,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let done = tokio::time::timeout(timeout, work).await;
    done.unwrap_or_else(|_| Err(timed_out()))
}

/// A set of statements that a connection has prepared.
pub(crate) trait Statements: Sized + Send + Sync {
    fn prepare(client: &Client)
    -> impl Future<Output = Result<Self, tokio_postgres::Error>> + Send;
}

/// A connection with its statements.
pub(crate) struct Prepared<S> {
    pub(crate) session: Session,
    pub(crate) statements: S,
}

impl<S: Statements> Prepared<S> {
    pub(crate) async fn connect(connector: &Connector) -> Result<Prepared<S>, Error> {
        let session = connector.connect().await?;
        let statements = S::prepare(&session.client);
        let statements = within(connector.options.timeout, async {
            statements.await.map_err(unavailable)
        });
        Ok(Prepared {
            statements: statements.await?,
            session,
        })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.session.client
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.session.client.is_closed()
    }
}
