//! Export and import of a namespace, or of a whole server.
//!
//! `record` has the contents of a file, `line` its format, `verifier` its checksum; `export` and `import` are the
//! requests, `body` the body of an import.

mod body;
mod export;
mod import;
mod line;
mod record;
mod verifier;

pub use export::{Encoding, Export, ExportBytes, ExportSections, Records};
pub use import::{Import, ImportMode, ImportReport, LineError};
pub use record::{ExportItem, Record, Section};
