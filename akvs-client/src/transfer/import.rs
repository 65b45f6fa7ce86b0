//! Imports of exported files, or of records.
//!
//! It owns the request and its report. It does not own the format of a file. Invariant: no rejected line that the
//! server reports is dropped.

use std::error::Error as StdError;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};

use super::body;
use super::export::{Encoding, TransferTarget};
use super::record::Record;
use crate::error::{Error, Result};
use crate::ndjson::NO_TIMEOUT;
use crate::wire::query::Query;
use crate::{Client, Namespace};
use akvs_api::{media_type, param};

const NDJSON: HeaderValue = HeaderValue::from_static(media_type::NDJSON);

/// The treatment of existing keys by an import.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// use akvs_client::{ImportMode, Record};
/// namespace.set_bytes("a", "old").await?;
/// let import = namespace.import().mode(ImportMode::Create);
/// let done = import.records([Record::new("a", "new"), Record::new("b", "new")]).await?;
/// assert_eq!((done.imported, done.skipped), (1, 1));
/// assert_eq!(namespace.get_bytes_or("a", "").await?, "old");
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImportMode {
    /// Existing keys are overwritten.
    #[default]
    Merge,
    /// Existing keys are kept.
    Create,
    /// Existing keys are overwritten, and those that are not in the file are deleted after the whole file was verified.
    Replace,
}

/// An import, sent by [`body`](Self::body), [`stream`](Self::stream), [`records`](Self::records) or
/// [`record_stream`](Self::record_stream).
///
/// It is not atomic: stored records are kept, also where the file turns out to be truncated.
/// [`imported`](Error::imported) of the error reports them. The client's timeout does not apply.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = akvs_client::Client::new(&serve())?;
/// use akvs_client::{Encoding, ImportMode};
/// client.namespace("foo")?.set("bar", &1).await?;
/// let file = client.export().bytes(Encoding::Zstd);
/// let import = client.import().encoding(Encoding::Zstd).mode(ImportMode::Create);
/// let done = import.stream(file).await?;
/// assert_eq!((done.imported, done.skipped), (0, 1));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "an import is sent only with its body"]
pub struct Import {
    target: TransferTarget,
    mode: ImportMode,
    encoding: Encoding,
}

/// The report of an import.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// use akvs_client::Record;
/// let mut bad = Record::new("b", "2");
/// bad.content_type = Some("no\ntype".into());
/// let done = namespace.import().records([Record::new("a", "1"), bad]).await?;
/// assert_eq!((done.imported, done.errors.len(), done.errors[0].line), (1, 1, 3));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// The number of stored records.
    pub imported: u64,
    /// The number of records that were skipped because their keys exist.
    pub skipped: u64,
    /// The number of deleted keys that are not in the file; only with [`ImportMode::Replace`].
    pub deleted: Option<u64>,
    /// The rejected lines; all others were imported.
    pub errors: Vec<LineError>,
    /// The number of rejected lines beyond those in `errors`.
    pub more_errors: u64,
}

/// A rejected line of an import.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// let done = namespace.import().records([akvs_client::Record::new("", "1")]).await?;
/// println!("line {}: {}", done.errors[0].line, done.errors[0].detail);
/// # assert!(done.errors[0].detail.contains("key"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineError {
    /// The line number, from 1 on; the first line of a file is not a record.
    pub line: u64,
    /// The reason, for people.
    pub detail: String,
}

impl From<akvs_api::ImportReport> for ImportReport {
    fn from(report: akvs_api::ImportReport) -> ImportReport {
        let errors = report.errors.into_iter();
        ImportReport {
            imported: report.imported,
            skipped: report.skipped,
            deleted: report.deleted,
            errors: errors
                .map(|akvs_api::LineError { line, detail }| LineError { line, detail })
                .collect(),
            more_errors: report.more_errors,
        }
    }
}

impl Namespace {
    /// Returns an import into this namespace, from a file of any namespace. The namespace is created if it is missing.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let file = std::fs::read("foo.ndjson")?;
    /// let report = namespace.import().body(file).await?;
    /// # Ok(()) }
    /// ```
    pub fn import(&self) -> Import {
        Import::new(TransferTarget::One(self.clone()))
    }
}

impl Client {
    /// Returns an import into the namespaces that the file names.
    ///
    /// ```no_run
    /// # async fn example(client: akvs_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let file = std::fs::read("all.ndjson")?;
    /// let report = client.import().body(file).await?;
    /// # Ok(()) }
    /// ```
    pub fn import(&self) -> Import {
        Import::new(TransferTarget::All(self.clone()))
    }
}

impl Import {
    fn new(target: TransferTarget) -> Import {
        Import {
            target,
            mode: ImportMode::default(),
            encoding: Encoding::default(),
        }
    }

    /// Sets the treatment of existing keys; they are overwritten by default.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let import = namespace.import().mode(akvs_client::ImportMode::Create);
    /// let report = import.records([akvs_client::Record::new("bar", "1")]).await?;
    /// # Ok(()) }
    /// ```
    pub fn mode(mut self, mode: ImportMode) -> Import {
        self.mode = mode;
        self
    }

    /// Sets the encoding of the file. It is sent unchanged, and the server decodes it. Records are never encoded.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let import = namespace.import().encoding(akvs_client::Encoding::Gzip);
    /// let report = import.body(std::fs::read("foo.ndjson.gz")?).await?;
    /// # Ok(()) }
    /// ```
    pub fn encoding(mut self, encoding: Encoding) -> Import {
        self.encoding = encoding;
        self
    }

    /// Imports a file in memory, or any other body.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let error = namespace.import().body("no such file").await.unwrap_err();
    /// assert_eq!(error.imported().unwrap().imported, 0);
    /// # Ok(()) }
    /// ```
    pub async fn body(self, body: impl Into<reqwest::Body>) -> Result<ImportReport> {
        let mut query = Query::default();
        query.text(
            param::MODE,
            match self.mode {
                ImportMode::Merge => "merge",
                ImportMode::Create => "create",
                ImportMode::Replace => "replace",
            },
        );
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, NDJSON)]);
        headers.extend(self.encoding.name().map(|name| (CONTENT_ENCODING, name)));
        let request = self.target.request(Method::POST, "/import", &query)?;
        let request = request.headers(headers).timeout(NO_TIMEOUT).body(body);
        let client = self.target.client();
        let answer = client.send(request, &[StatusCode::OK]).await?;
        let response = answer.map_err(Error::api)?;
        let read = |report: akvs_api::ImportReport| Some(report.into());
        client
            .parse_json(response, "the report of the import", read)
            .await
    }

    /// Imports a file as a stream of chunks of any size. If the stream fails, the import fails, with the stream's error
    /// among its sources.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set("bar", &1).await?;
    /// let file = namespace.export().bytes(Default::default());
    /// assert_eq!(namespace.import().stream(file).await?.imported, 1);
    /// # Ok(()) }
    /// ```
    pub async fn stream<B, E>(
        self,
        pieces: impl Stream<Item = Result<B, E>> + Send + 'static,
    ) -> Result<ImportReport>
    where
        B: Into<Bytes> + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        self.body(body::from_chunks(pieces)).await
    }

    /// Imports these records.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// use akvs_client::Record;
    /// let records = (0..3_000_u32).map(|number| Record::new(number.to_be_bytes().to_vec(), "v"));
    /// assert_eq!(namespace.import().records(records).await?.imported, 3_000);
    /// # Ok(()) }
    /// ```
    pub async fn records<I>(self, records: I) -> Result<ImportReport>
    where
        I: IntoIterator<Item = Record>,
        I::IntoIter: Send + 'static,
    {
        let records = records.into_iter().map(Ok::<Record, Error>);
        self.record_stream(stream::iter(records)).await
    }

    /// Imports a stream of records.
    ///
    /// ```no_run
    /// # async fn example(client: akvs_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let (from, to) = (client.namespace("foo")?, client.namespace("copy")?);
    /// from.set("bar", &1).await?;
    /// assert_eq!(to.import().record_stream(from.export().records()).await?.imported, 1);
    /// # Ok(()) }
    /// ```
    pub async fn record_stream<E>(
        mut self,
        records: impl Stream<Item = Result<Record, E>> + Send + 'static,
    ) -> Result<ImportReport>
    where
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let TransferTarget::One(namespace) = &self.target else {
            let text = "records need a namespace: import them by Namespace::import";
            return Err(akvs_core::Error::new(akvs_core::Code::InvalidRequest, text).into());
        };
        let body = body::from_records(namespace.name(), records);
        self.encoding = Encoding::Identity;
        self.body(body).await
    }
}

impl Error {
    /// Returns the report of an import up to its failure; `None` for other errors.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let error = namespace.import().body("a cut file").await.unwrap_err();
    /// println!("{:?}", error.imported());
    /// # Ok(()) }
    /// ```
    pub fn imported(&self) -> Option<ImportReport> {
        let Error::Api(problem) = self else {
            return None;
        };
        let context = serde_json::Value::Object(problem.context().clone());
        let report: akvs_api::ImportReport = serde_json::from_value(context).ok()?;
        Some(report.into())
    }
}
