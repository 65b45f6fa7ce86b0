//! `akvs export`: a namespace, or all of them, as lines of JSON.

use std::io::Write;
use std::path::{Path, PathBuf};

use akvs_client::Client;
use clap::Args;

use super::compression::Compression;
use super::render;
use crate::cli::atomic_file::AtomicFile;
use crate::cli::progress::Bar;
use crate::error::CliError;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Export {
    /// Namespace; all of them if omitted
    #[arg(value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// File to create; - for stdout [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    force: bool,
    /// Compression [default: by the suffix of the file, .gz or .zst; else none]
    #[arg(long, value_enum)]
    compress: Option<Compression>,
}

impl Export {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let export = match &self.namespace {
            Some(name) => render::namespace(client, name)?.export(),
            None => client.export(),
        };
        let output = self.output.filter(|path| path != Path::new("-"));
        let encoding = Compression::encoding(self.compress, output.as_deref());
        let mut parts = export.bytes(encoding);
        let mut file = match &output {
            Some(path) => Some(AtomicFile::create(path, self.force)?),
            None => None,
        };
        let bar = Bar::for_bytes("exporting");
        while let Some(part) = parts.next().await {
            let part = part.map_err(|error| render::failed(&error))?;
            bar.add(part.len() as u64);
            match &mut file {
                Some(file) => file.write_all(&part).map_err(|error| {
                    CliError::failed(format!("cannot write the export: {error}"))
                })?,
                None => {
                    if !output::write(&part)? {
                        return Ok(());
                    }
                }
            }
        }
        match file {
            Some(file) => file.commit(),
            None => Ok(()),
        }
    }
}
