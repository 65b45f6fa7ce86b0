//! Blocking export and import.
//!
//! It owns the sources of an import: bytes, a reader, an iterator. It does not own the format of a file. Invariant: a
//! source is read on the caller's thread, and an import whose source fails is never taken for a complete one.

use std::io::{ErrorKind, Read};

use bytes::Bytes;

use super::upload::{Failure, Upload};
use super::{Client, Items, Namespace, Request};
use crate::error::Result;
use crate::{Encoding, Export, ExportBytes, ExportSections, Import, ImportReport, Record, Records};

/// The length of one read of a file.
const CHUNK_BYTES: usize = 64 << 10;

impl Namespace {
    /// Calls [`crate::Namespace::export`].
    pub fn export(&self) -> Request<Export> {
        self.request(self.namespace.export())
    }

    /// Calls [`crate::Namespace::import`].
    pub fn import(&self) -> Request<Import> {
        self.request(self.namespace.import())
    }
}

impl Client {
    /// Calls [`crate::Client::export`].
    pub fn export(&self) -> Request<Export> {
        Request::new(&self.runtime, self.client.export())
    }

    /// Calls [`crate::Client::import`].
    pub fn import(&self) -> Request<Import> {
        Request::new(&self.runtime, self.client.import())
    }
}

impl Request<Export> {
    /// Calls [`Export::records`].
    pub fn records(self) -> Items<Records> {
        self.items(Export::records)
    }

    /// Calls [`Export::parts`].
    pub fn parts(self) -> Items<ExportSections> {
        self.items(Export::parts)
    }

    /// Calls [`Export::bytes`].
    pub fn bytes(self, encoding: Encoding) -> Items<ExportBytes> {
        self.items(|export| export.bytes(encoding))
    }
}

impl Request<Import> {
    /// Imports a file of any size from a reader, by [`Import::stream`]. If the reader fails, the import fails, with the
    /// reader's error among its sources.
    ///
    /// ```no_run
    /// # fn example(namespace: akvs_client::blocking::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let file = std::fs::File::open("foo.ndjson")?;
    /// let report = namespace.import().read(file)?;
    /// # Ok(()) }
    /// ```
    pub fn read(self, mut file: impl Read) -> Result<ImportReport> {
        let mut buffer = vec![0; CHUNK_BYTES];
        self.upload(
            || match read_chunk(&mut file, &mut buffer) {
                Ok([]) => None,
                Ok(chunk) => Some(Ok(Bytes::copy_from_slice(chunk))),
                Err(error) => Some(Err(error.into())),
            },
            |import, pieces| async move { import.stream(pieces).await },
        )
    }

    /// Calls [`Import::stream`] with the items of an iterator.
    ///
    /// ```no_run
    /// # fn example(client: akvs_client::blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let chunks = client.namespace("foo")?.export().bytes(Default::default());
    /// let report = client.namespace("copy")?.import().pieces(chunks)?;
    /// # Ok(()) }
    /// ```
    pub fn pieces<B, E>(
        self,
        pieces: impl IntoIterator<Item = Result<B, E>>,
    ) -> Result<ImportReport>
    where
        B: Into<Bytes>,
        E: Into<Failure>,
    {
        let mut pieces = pieces.into_iter();
        self.upload(
            || Some(pieces.next()?.map(Into::into).map_err(Into::into)),
            |import, pieces: Upload<Bytes>| async move { import.stream(pieces).await },
        )
    }

    /// Calls [`Import::records`].
    pub fn records(self, records: impl IntoIterator<Item = Record>) -> Result<ImportReport> {
        let records = records.into_iter().map(Ok::<Record, Failure>);
        self.try_records(records)
    }

    /// Calls [`Import::record_stream`] with the items of an iterator.
    pub fn try_records<E: Into<Failure>>(
        self,
        records: impl IntoIterator<Item = Result<Record, E>>,
    ) -> Result<ImportReport> {
        let mut records = records.into_iter();
        self.upload(
            || Some(records.next()?.map_err(Into::into)),
            |import, records| async move { import.record_stream(records).await },
        )
    }

    fn upload<P, F>(
        self,
        next: impl FnMut() -> Option<Result<P, Failure>>,
        send: impl FnOnce(Import, Upload<P>) -> F,
    ) -> Result<ImportReport>
    where
        P: Send + 'static,
        F: Future<Output = Result<ImportReport>> + Send + 'static,
    {
        let import = self.builder;
        self.runtime
            .run_upload(next, |upload| send(import, upload))?
    }
}

/// Reads a chunk; empty at the end.
fn read_chunk<'a>(file: &mut impl Read, buffer: &'a mut [u8]) -> std::io::Result<&'a [u8]> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read.map(|length| &buffer[..length]),
        }
    }
}
