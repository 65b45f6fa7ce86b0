//! Options of a PostgreSQL database.

use std::sync::Arc;
use std::time::Duration;

use akvs_core::{Code, Error, Result};
use rustls::ClientConfig;
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};

/// Options of a PostgreSQL database.
#[derive(Clone)]
pub struct PostgresOptions {
    /// Where the database is, and the user to connect as.
    pub(crate) config: Config,
    /// The TLS configuration; none for connections without TLS.
    pub tls: Option<Arc<ClientConfig>>,
    /// The maximum number of connections that write.
    pub write_connections: usize,
    /// The number of connections that reads share.
    pub read_connections: usize,
    /// The maximum number of connections for lists, exports and watches that catch up.
    pub snapshot_connections: usize,
    /// The maximum wait for an answer of the database.
    pub timeout: Duration,
    /// The maximum time that a snapshot is kept: it retains the space of replaced entries.
    pub snapshot_timeout: Duration,
    /// The minimum number of synchronous standbys: with fewer, writes are refused.
    pub min_standbys: u32,
    /// Whether hints of other nodes are received, which needs a connection of its own.
    pub listen: bool,
    /// The number of changes of each namespace that the history keeps.
    pub history_changes: u64,
}

impl PostgresOptions {
    /// Returns the default options for a database at a URL such as `postgres://akvs@db1,db2,db3/akvs`. Of several hosts
    /// that which accepts writes is used.
    ///
    /// ```
    /// use akvs_postgres::PostgresOptions;
    /// assert!(PostgresOptions::new("postgres://akvs@db1,db2/akvs", None).is_ok());
    /// assert!(PostgresOptions::new("http://db1/akvs", None).is_err());
    /// ```
    pub fn new(url: &str, password: Option<&str>) -> Result<PostgresOptions> {
        let invalid = |error: tokio_postgres::Error| {
            // The error may contain a part of the URL, but no password.
            Error::new(Code::InvalidRequest, "invalid URL of a PostgreSQL database").because(error)
        };
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            let text = "invalid URL of a PostgreSQL database: expected postgres://USER@HOST/NAME";
            return Err(Error::new(Code::InvalidRequest, text));
        }
        let mut config: Config = url.parse().map_err(invalid)?;
        if let Some(password) = password {
            config.password(password);
        }
        if config.get_application_name().is_none() {
            config.application_name("akvs");
        }
        config
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .connect_timeout(Duration::from_secs(2))
            .keepalives_idle(Duration::from_secs(5))
            .keepalives_interval(Duration::from_secs(2))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(15));
        Ok(PostgresOptions {
            config,
            tls: None,
            write_connections: 8,
            read_connections: 4,
            snapshot_connections: 8,
            timeout: Duration::from_secs(25),
            snapshot_timeout: Duration::from_secs(600),
            min_standbys: 0,
            listen: true,
            history_changes: 100_000,
        })
    }

    /// Returns the configuration of a connection.
    pub(crate) fn config(&self) -> Config {
        let mut config = self.config.clone();
        config.ssl_mode(match self.tls {
            Some(_) => SslMode::Require,
            None => SslMode::Disable,
        });
        config
    }
}

impl std::fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The configuration has the password.
        f.debug_struct("PostgresOptions")
            .field("hosts", &self.config.get_hosts())
            .field("tls", &self.tls.is_some())
            .field("min_standbys", &self.min_standbys)
            .finish_non_exhaustive()
    }
}
