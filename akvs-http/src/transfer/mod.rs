//! Exports and imports: the file that a namespace, or all of them, are written to and read back from.
//!
//! | module | owns |
//! | --- | --- |
//! | `format` | the lines of the file, and how each is read |
//! | `writer` | how each is written |
//! | [`akvs_api::export`] | the members of the lines, and the checksum in the last one |
//! | `sums` | the checksum where line ends were changed on the way |
//! | `compression` | gzip and zstd, in bounded memory |
//! | `lines` | bytes as they come, cut into lines that are not too long |
//! | `reader` | what the lines mean, one after the other |
//! | `mistaken` | what a file is that is no export |
//! | `report` | what became of an import |
//! | `importer` | what an import does to the store |
//! | `wanted` | whether an import's client is still there |

mod compression;
mod format;
mod importer;
mod lines;
mod mistaken;
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
