//! Exports and imports of a namespace or of all namespaces.
//!
//! | module | owns |
//! | --- | --- |
//! | `format` | parsing of the lines |
//! | `writer` | writing of the lines |
//! | [`akvs_api::export`] | the members of the lines, and the checksum in the last line |
//! | `sums` | the checksum of a file whose line ends were changed |
//! | `compression` | gzip and zstd in bounded memory |
//! | `lines` | the body, split into lines of bounded length |
//! | `reader` | the order of the lines, and batches of records |
//! | `mistaken` | the errors of files that are not an export |
//! | `report` | the report of an import |
//! | `importer` | the writes of an import |
//! | `wanted` | the check of whether an import may continue |

mod compression;
mod format;
mod importer;
mod lines;
mod mistaken;
mod pending;
mod reader;
mod report;
mod sums;
mod wanted;
mod writer;

pub(crate) use compression::{ContentCoding, Encoder};
pub(crate) use format::{First, Record, Section};
pub(crate) use importer::Importer;
pub(crate) use reader::{Next, Reader};
pub(crate) use wanted::Wanted;
