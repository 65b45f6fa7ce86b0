//! Export and import: all of a namespace, or of a server, as a file.
//!
//! `record` is what a file holds, `line` how that is written, `verifier` whether it came whole; `export` and `import` are
//! the requests, `body` what an import sends.

mod body;
mod export;
mod import;
mod line;
mod record;
mod verifier;

pub use export::{Encoding, Export, ExportBytes, ExportSections, Records};
pub use import::{Import, ImportMode, ImportReport, LineError};
pub use record::{ExportItem, Record, Section};
