//! The log: env_logger to stderr or to files of bounded size, as text for a terminal or as one JSON object per line for
//! programs.
//!
//! It owns the format of a line. Callers never log a stored value or a secret. Invariant: a stderr whose reader is gone
//! does not stop the server.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use env_logger::Logger;
use env_logger::fmt::Formatter;
use env_logger::{Target, WriteStyle};
use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate};
use log::{LevelFilter, Log, Metadata, Record};
use serde::Serialize;

use crate::error::CliError;
use crate::escape;
use crate::files;
use crate::settings::{LogFormat, Settings};

/// Maximum size of a log file, and number of rotated files.
const MAX_FILE_BYTES: usize = 16 << 20;
pub(crate) const OLD_FILES: usize = 4;
/// The log file in the data directory of a server in the background.
pub(crate) const LOG_FILE: &str = "akvs.log";

/// Libraries whose info lines are omitted unless the filter names them.
const QUIET: [(&str, LevelFilter); 8] = [
    ("actix_server", LevelFilter::Warn),
    // Invalid requests are no errors of the server, and a client must not be able to fill the log.
    ("actix_http", LevelFilter::Off),
    ("hyper_util", LevelFilter::Warn),
    ("lsm_tree", LevelFilter::Warn),
    ("mio", LevelFilter::Warn),
    ("reqwest", LevelFilter::Warn),
    ("rustls_platform_verifier", LevelFilter::Warn),
    ("rustyline", LevelFilter::Warn),
];

/// The destination other than stderr: all loggers of a process share it.
static SINK: Mutex<Option<Sink>> = Mutex::new(None);

#[derive(Clone)]
struct Sink {
    writer: Arc<Mutex<dyn Write + Send>>,
    is_terminal: bool,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.flush()
    }
}

impl Sink {
    fn current() -> Option<Sink> {
        SINK.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn install(self) {
        *SINK.lock().unwrap_or_else(PoisonError::into_inner) = Some(self);
    }
}

/// The logger, whose filter can be replaced at any time.
static LOGGER: OnceLock<Replaceable> = OnceLock::new();

struct Replaceable(ArcSwap<Lines>);

/// A logger and its format.
struct Lines {
    logger: Logger,
    is_json: bool,
}

impl Log for Replaceable {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.load().logger.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let lines = self.0.load();
        if lines.is_json || !lines.logger.enabled(record.metadata()) {
            return lines.logger.log(record);
        }
        // Quoted text must not add lines, nor change a terminal.
        let text = record.args().to_string();
        let text = escape::text(&text);
        let mut line = Record::builder();
        line.metadata(record.metadata().clone())
            .module_path(record.module_path())
            .file(record.file())
            .line(record.line());
        lines.logger.log(&line.args(format_args!("{text}")).build());
    }

    fn flush(&self) {
        self.0.load().logger.flush();
    }
}

/// Starts to log according to the settings; panics are logged too.
pub(crate) fn start(settings: &Settings) -> Result<(), CliError> {
    if !settings.log.file.is_empty() {
        open(Path::new(&settings.log.file))?;
    }
    apply(settings);
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let text = panic.payload_as_str().unwrap_or("without a message");
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        log::error!(
            "panic in thread {:?} at {place}: {text}",
            thread.name().unwrap_or("?")
        );
    }));
    Ok(())
}

/// Logs to this file from here on.
fn open(path: &Path) -> Result<(), CliError> {
    let path = &files::to_append(path).map_err(|why| {
        CliError::config(format!("log.file: cannot write {}: {why}", path.display()))
    })?;
    let mut options = OpenOptions::new();
    options.read(true).create(true).append(true).mode(0o600);
    options.custom_flags(files::NO_LINK);
    // The library would continue silently without a file.
    options.open(path).map_err(|error| {
        let path = path.display();
        CliError::config(format!("log.file: cannot write {path}: {error}"))
    })?;
    let file = FileRotate::new(
        path,
        AppendCount::new(OLD_FILES),
        ContentLimit::BytesSurpassed(MAX_FILE_BYTES),
        Compression::None,
        Some(options),
    );
    Sink {
        writer: Arc::new(Mutex::new(file)),
        is_terminal: false,
    }
    .install();
    Ok(())
}

/// Logs above the prompt from here on, unless the settings name a log file.
pub(crate) fn write_to_prompt(settings: &Settings, prompt: Box<dyn Write + Send>) {
    if Sink::current().is_none() {
        let writer = Arc::new(Mutex::new(prompt));
        Sink {
            writer,
            is_terminal: true,
        }
        .install();
        apply(settings);
    }
}

/// Applies the filter and the format of the settings.
pub(crate) fn apply(settings: &Settings) {
    let lines = Arc::new(lines(settings));
    let level = lines.logger.filter();
    let current = LOGGER.get_or_init(|| Replaceable(ArcSwap::new(Arc::clone(&lines))));
    current.0.store(lines);
    // Fails if it is the logger already.
    let _ = log::set_logger(current);
    log::set_max_level(level);
}

/// Logs to stderr again, instead of above a prompt.
pub(crate) fn write_to_stderr(settings: &Settings) {
    let mut sink = SINK.lock().unwrap_or_else(PoisonError::into_inner);
    if sink.as_ref().is_some_and(|sink| sink.is_terminal) {
        *sink = None;
        drop(sink);
        apply(settings);
    }
}

fn lines(settings: &Settings) -> Lines {
    let mut builder = env_logger::Builder::new();
    for (library, level) in QUIET {
        builder.filter_module(library, level);
    }
    builder.parse_filters(settings.log.filter.as_str());
    let sink = Sink::current();
    let json = match settings.log.format {
        LogFormat::Auto => match &sink {
            Some(sink) => !sink.is_terminal,
            None => !io::stderr().is_terminal(),
        },
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    if let Some(sink) = sink {
        builder
            .target(Target::Pipe(Box::new(sink)))
            .write_style(WriteStyle::Never);
    }
    if json {
        builder.write_style(WriteStyle::Never).format(write_json);
    } else {
        builder.format_timestamp_millis();
    }
    Lines {
        logger: builder.build(),
        is_json: json,
    }
}

/// A log line as JSON.
#[derive(Serialize)]
struct Line<'a> {
    /// RFC 3339 with milliseconds, UTC.
    ts: String,
    level: String,
    target: &'a str,
    msg: String,
}

fn write_json(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let line = Line {
        ts: out.timestamp_millis().to_string(),
        level: record.level().as_str().to_ascii_lowercase(),
        target: record.target(),
        msg: record.args().to_string(),
    };
    // serde_json escapes only the control characters that it must.
    let line = serde_json::to_string(&line)?;
    writeln!(out, "{}", escape::json(&line))
}
