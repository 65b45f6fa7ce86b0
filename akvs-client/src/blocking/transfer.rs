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
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.set("bar", &1).send()?;
    /// assert_eq!(namespace.export().records().next().unwrap()?.key, "bar");
    /// # Ok(())
    /// # }
    /// ```
    pub fn export(&self) -> Request<Export> {
        self.request(self.namespace.export())
    }

    /// As [`crate::Namespace::import`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// use akvs_client::Record;
    /// let done = namespace.import().records([Record::new("bar", "1")])?;
    /// assert_eq!(done.imported, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn import(&self) -> Request<Import> {
        self.request(self.namespace.import())
    }
}

impl Client {
    /// As [`crate::Client::export`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let client = akvs_client::blocking::Client::new(url)?;
    /// client.namespace("foo")?.set("bar", &1).send()?;
    /// assert_eq!(&*client.export().records().next().unwrap()?.namespace, "foo");
    /// # Ok(())
    /// # }
    /// ```
    pub fn export(&self) -> Request<Export> {
        Request::new(&self.runtime, self.client.export())
    }

    /// As [`crate::Client::import`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let client = akvs_client::blocking::Client::new(url)?;
    /// # let other = akvs_client::blocking::Client::new(&serve())?;
    /// client.namespace("foo")?.set("bar", &1).send()?;
    /// other.import().pieces(client.export().bytes(Default::default()))?;
    /// assert_eq!(other.namespace("foo")?.get_or("bar", 0)?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn import(&self) -> Request<Import> {
        Request::new(&self.runtime, self.client.import())
    }
}

impl Request<Export> {
    /// As [`Export::records`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.txn().set("a", &1).set("b", &2).commit()?;
    /// let records: Result<Vec<_>, _> = namespace.export().records().collect();
    /// assert_eq!(records?.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn records(self) -> Items<Records> {
        self.items(Export::records)
    }

    /// As [`Export::parts`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let client = akvs_client::blocking::Client::new(url)?;
    /// use akvs_client::{ExportItem, Settings};
    /// client.namespace("empty")?.configure(&Settings::default())?;
    /// let part = client.export().parts().next().unwrap()?;
    /// assert!(matches!(part, ExportItem::Section(section) if &*section.namespace == "empty"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn parts(self) -> Items<ExportSections> {
        self.items(Export::parts)
    }

    /// As [`Export::bytes`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// use std::io::Write;
    /// use akvs_client::Encoding;
    /// namespace.set("bar", &1).send()?;
    /// let mut file = Vec::new();
    /// for piece in namespace.export().bytes(Encoding::Zstd) {
    ///     file.write_all(&piece?)?;
    /// }
    /// assert_eq!(file[..4], [0x28, 0xb5, 0x2f, 0xfd]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn bytes(self, encoding: Encoding) -> Items<ExportBytes> {
        self.items(|export| export.bytes(encoding))
    }
}

impl Request<Import> {
    /// Imports a file that is read, in any size: [`Import::stream`]. Where the reader fails, the import does, and the
    /// reader's error is among its sources.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// let file = r#"{"akvs":1,"namespace":"foo"}
    /// {"key":"bar","value":"1"}
    /// "#;
    /// // Its last line is missing: it was cut off.
    /// let error = namespace.import().read(file.as_bytes()).unwrap_err();
    /// assert_eq!(error.imported().unwrap().imported, 1);
    /// # Ok(())
    /// # }
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
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let client = akvs_client::blocking::Client::new(url)?;
    /// let (from, to) = (client.namespace("foo")?, client.namespace("copy")?);
    /// from.set("bar", &1).send()?;
    /// let done = to.import().pieces(from.export().bytes(Default::default()))?;
    /// assert_eq!(done.imported, 1);
    /// # Ok(())
    /// # }
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
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// use akvs_client::Record;
    /// let records = (0..3_000_u32).map(|number| Record::new(number.to_be_bytes().to_vec(), "v"));
    /// assert_eq!(namespace.import().records(records)?.imported, 3_000);
    /// # Ok(())
    /// # }
    /// ```
    pub fn records(self, records: impl IntoIterator<Item = Record>) -> Result<ImportReport> {
        let records = records.into_iter().map(Ok::<Record, Failure>);
        self.try_records(records)
    }

    /// As [`Import::record_stream`], of an iterator.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let client = akvs_client::blocking::Client::new(url)?;
    /// let (from, to) = (client.namespace("foo")?, client.namespace("copy")?);
    /// from.set("bar", &1).send()?;
    /// assert_eq!(to.import().try_records(from.export().records())?.imported, 1);
    /// # Ok(())
    /// # }
    /// ```
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
