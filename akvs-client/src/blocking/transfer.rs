//! Export and import, for programs that are not asynchronous.
//!
//! It owns where a file comes from: bytes, a reader, an iterator. It does not own the form of a file. Invariant: what is
//! sent is read on the caller's thread, and an import whose source fails is never taken for a whole one.

use std::io::{ErrorKind, Read};

use bytes::Bytes;

use super::upload::{Failure, Upload};
use super::{Client, Items, Namespace, Request};
use crate::error::Result;
use crate::{Encoding, Export, ExportBytes, ExportSections, Import, ImportReport, Record, Records};

/// So much is read of a file at once.
const CHUNK_BYTES: usize = 64 << 10;

impl Namespace {
    /// As [`crate::Namespace::export`].
    pub fn export(&self) -> Request<Export> {
        self.request(self.namespace.export())
    }

    /// As [`crate::Namespace::import`].
    pub fn import(&self) -> Request<Import> {
        self.request(self.namespace.import())
    }
}

impl Client {
    /// As [`crate::Client::export`].
    pub fn export(&self) -> Request<Export> {
        Request::new(&self.runtime, self.client.export())
    }

    /// As [`crate::Client::import`].
    pub fn import(&self) -> Request<Import> {
        Request::new(&self.runtime, self.client.import())
    }
}

impl Request<Export> {
    /// As [`Export::records`].
    pub fn records(self) -> Items<Records> {
        self.items(Export::records)
    }

    /// As [`Export::parts`].
    pub fn parts(self) -> Items<ExportSections> {
        self.items(Export::parts)
    }

    /// As [`Export::bytes`].
    pub fn bytes(self, encoding: Encoding) -> Items<ExportBytes> {
        self.items(|export| export.bytes(encoding))
    }
}

impl Request<Import> {
    /// Imports a file that is read, in any size: [`Import::stream`]. Where the reader fails, the import does, and the
    /// reader's error is among its sources.
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

    /// As [`Import::stream`], of an iterator.
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

    /// As [`Import::records`].
    pub fn records(self, records: impl IntoIterator<Item = Record>) -> Result<ImportReport> {
        let records = records.into_iter().map(Ok::<Record, Failure>);
        self.try_records(records)
    }

    /// As [`Import::record_stream`], of an iterator.
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

/// What a reader has; nothing at its end.
fn read_chunk<'a>(file: &mut impl Read, buffer: &'a mut [u8]) -> std::io::Result<&'a [u8]> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read.map(|length| &buffer[..length]),
        }
    }
}
