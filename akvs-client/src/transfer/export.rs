//! Exports of a namespace or of a whole server, of one snapshot.
//!
//! It owns the requests and the streams. It does not own the format of a file. Invariant: a stream that ends without an
//! error is complete and unchanged.

use bytes::Bytes;
use futures_util::stream::try_unfold;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder};

use super::record::{ExportItem, Record};
use super::verifier::ExportVerifier;
use crate::error::{Result, protocol_error};
use crate::ndjson::{Body, LineBuffer, Lines};
use crate::pagination::{Boxed, stream};
use crate::wire::query::Query;
use crate::{Client, Namespace, wire};

/// The compression of a file.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// use akvs_client::Encoding;
/// namespace.set("bar", &1).await?;
/// let piece = namespace.export().bytes(Encoding::Gzip).next().await.unwrap()?;
/// assert_eq!(piece[..2], [0x1f, 0x8b]);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// None.
    #[default]
    Identity,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Encoding {
    pub(super) fn name(self) -> Option<HeaderValue> {
        match self {
            Encoding::Identity => None,
            Encoding::Gzip => Some(HeaderValue::from_static("gzip")),
            Encoding::Zstd => Some(HeaderValue::from_static("zstd")),
        }
    }
}

/// An export, as a stream of [`records`](Self::records) or as a file's [`bytes`](Self::bytes).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = akvs_client::Client::new(&serve())?;
/// use akvs_client::Encoding;
/// let (from, to) = (client.namespace("foo")?, client.namespace("copy")?);
/// from.txn().set("a", &1).set_bytes(b"\xff", "2").commit().await?;
///
/// let done = to.import().stream(from.export().bytes(Encoding::Identity)).await?;
/// assert_eq!((done.imported, done.errors.len()), (2, 0));
/// assert_eq!(to.get_bytes_or(b"\xff", "").await?, "2");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "an export is requested only when a stream of it is polled"]
pub struct Export(TransferTarget);

/// The source of an export, or the target of an import.
#[derive(Clone, Debug)]
pub(super) enum TransferTarget {
    One(Namespace),
    All(Client),
}

impl TransferTarget {
    pub(super) fn client(&self) -> &Client {
        match self {
            TransferTarget::One(namespace) => namespace.client(),
            TransferTarget::All(client) => client,
        }
    }

    pub(super) fn request(
        &self,
        method: Method,
        route: &str,
        query: &Query,
    ) -> Result<RequestBuilder> {
        match self {
            TransferTarget::One(namespace) => namespace.request(method, route, query),
            TransferTarget::All(client) => client.request(method, [route, "", query.as_str()]),
        }
    }
}

/// The records of an export, from [`Export::records`].
#[must_use = "an export is requested only when it is polled"]
pub struct Records(Boxed<Record>);

stream!(Records => Record, "namespace.export().records()");

/// The namespaces and records of an export, from [`Export::parts`].
#[must_use = "an export is requested only when it is polled"]
pub struct ExportSections(Boxed<ExportItem>);

stream!(ExportSections => ExportItem, "client.export().parts()");

/// An export as the bytes of a file, from [`Export::bytes`].
#[must_use = "an export is requested only when it is polled"]
pub struct ExportBytes(Boxed<Bytes>);

stream!(ExportBytes => Bytes, "client.export().bytes(Default::default())");

impl Namespace {
    /// Returns an export of the namespace, of the snapshot at its first poll.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut records = namespace.export().records();
    /// let first = records.next().await.transpose()?;
    /// # Ok(()) }
    /// ```
    pub fn export(&self) -> Export {
        Export(TransferTarget::One(self.clone()))
    }
}

impl Client {
    /// Returns an export of all namespaces, of the snapshot at its first poll.
    ///
    /// ```no_run
    /// # async fn example(client: akvs_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut chunks = client.export().bytes(akvs_client::Encoding::Zstd);
    /// let first = chunks.next().await.transpose()?;
    /// # Ok(()) }
    /// ```
    pub fn export(&self) -> Export {
        Export(TransferTarget::All(self.clone()))
    }
}

impl Export {
    /// Returns a stream of the records. It ends without an error only if they are complete and unchanged, by the
    /// checksum of the last line.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut records = namespace.export().records();
    /// while let Some(record) = records.next().await.transpose()? {
    ///     println!("{:?}", record.key);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn records(self) -> Records {
        Records(Box::pin(try_unfold(self.parts(), async |mut parts| {
            loop {
                match parts.next().await.transpose()? {
                    Some(ExportItem::Record(record)) => return Ok(Some((record, parts))),
                    Some(ExportItem::Section(_)) => {}
                    None => return Ok(None),
                }
            }
        })))
    }

    /// Returns a stream of the namespaces with their settings, each before its records. It ends without an error only
    /// if it is complete and unchanged.
    ///
    /// ```no_run
    /// # async fn example(client: akvs_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut parts = client.export().parts();
    /// let first = parts.next().await.transpose()?;
    /// # Ok(()) }
    /// ```
    pub fn parts(self) -> ExportSections {
        ExportSections(Box::pin(try_unfold(None, move |state| {
            let target = self.0.clone();
            async move {
                let (mut lines, mut check) = match state {
                    Some(state) => state,
                    None => {
                        let body = open(&target, Encoding::Identity).await?;
                        (Lines::new(target.client(), body), ExportVerifier::new())
                    }
                };
                while let Some(line) = lines.next().await? {
                    if let Some(part) = check.line(&line)? {
                        return Ok(Some((part, Some((lines, check)))));
                    }
                }
                check.finish()?;
                Ok(None)
            }
        })))
    }

    /// Returns a stream of the file's bytes. Without compression it is verified: a truncated or changed file ends with
    /// an error. With compression only truncation is noticed; verify the decompressed file.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut chunks = namespace.export().bytes(akvs_client::Encoding::Gzip);
    /// let first = chunks.next().await.transpose()?;
    /// # Ok(()) }
    /// ```
    pub fn bytes(self, encoding: Encoding) -> ExportBytes {
        ExportBytes(Box::pin(try_unfold(None, move |state| {
            let target = self.0.clone();
            async move {
                let (mut body, mut verifier) = match state {
                    Some(state) => state,
                    None => (
                        open(&target, encoding).await?,
                        (encoding == Encoding::Identity)
                            .then(|| StreamVerifier::new(target.client())),
                    ),
                };
                let Some(chunk) = body.chunk().await? else {
                    verifier.map_or(Ok(()), |verifier| verifier.finish())?;
                    return Ok(None);
                };
                if let Some(verifier) = &mut verifier {
                    verifier.push(&chunk)?;
                }
                Ok(Some((chunk, Some((body, verifier)))))
            }
        })))
    }
}

/// The verifier of a file that is passed on.
struct StreamVerifier {
    lines: LineBuffer,
    verifier: ExportVerifier,
}

impl StreamVerifier {
    fn new(client: &Client) -> StreamVerifier {
        let max_bytes = usize::try_from(client.max_answer_bytes()).unwrap_or(usize::MAX);
        StreamVerifier {
            lines: LineBuffer::new(max_bytes),
            verifier: ExportVerifier::new(),
        }
    }

    fn push(&mut self, chunk: &[u8]) -> Result<()> {
        self.lines.push(chunk);
        while let Some(line) = self.lines.line()? {
            self.verifier.line(&line)?;
        }
        Ok(())
    }

    fn finish(&self) -> Result<()> {
        match self.lines.is_empty() {
            true => self.verifier.finish(),
            false => Err(protocol_error("truncated export: it ends within a line")),
        }
    }
}

async fn open(target: &TransferTarget, encoding: Encoding) -> Result<Body> {
    let mut request = target.request(Method::GET, "/export", &Query::default())?;
    if let Some(name) = encoding.name() {
        request = request.headers(HeaderMap::from_iter([(ACCEPT_ENCODING, name)]));
    }
    let body = Body::open(target.client(), request).await?;
    let encoding_name = wire::text_field(body.headers(), CONTENT_ENCODING);
    let expected = encoding.name();
    match encoding_name.as_deref().map(str::as_bytes)
        == expected.as_ref().map(HeaderValue::as_bytes)
    {
        true => Ok(body),
        false => Err(protocol_error(
            "invalid answer: the export has another encoding than requested",
        )),
    }
}
