//! `akvs start`: a server in the background.
//!
//! It owns the new process until it is ready. Invariant: the exit code is 0 only if this has started a server, and that
//! server answers.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::SettingsArgs;
use crate::compose::{self, offline};
use crate::control::{ControlClient, block_on};
use crate::current_exe;
use crate::error::CliError;
use crate::logging::LOG_FILE;
use crate::output;
use crate::service_manager::VARIABLES;
use crate::settings::{EngineKind, Settings};

/// Maximum number of bytes of the child's stderr that are read.
const STDERR_TAIL_BYTES: u64 = 64 << 10;

pub(crate) fn run(flags: &SettingsArgs) -> Result<(), CliError> {
    // Errors of the settings are reported by this process.
    let settings = flags.load()?.settings;
    if let Some(server) = block_on(ControlClient::find(&settings.data_dir))? {
        return Err(already(&server, &settings));
    }
    if settings.engine.kind == EngineKind::Disk {
        // Checked first, so that no log file is created in a directory that the server refuses.
        offline::check_format(&settings)?;
    }
    let log = log_file(&settings)?;
    let is_new = !Path::new(&log).exists();
    let mut child = spawn(&flags.or_log_file(&log))?;
    let Some(addresses) = ready(&mut child) else {
        let reason = exit_reason(child, &log);
        if is_new && reason.is_config() {
            // The directory may belong to another program, and is left unchanged.
            let _ = std::fs::remove_file(&log);
        }
        return Err(reason);
    };
    output::print(&format!(
        "akvs {} is running: process {}\n  listening on  {addresses}\n  data          {}\n  log           {log}\n",
        env!("CARGO_PKG_VERSION"),
        child.id(),
        settings.data_dir,
    ))
}

fn already(server: &ControlClient, settings: &Settings) -> CliError {
    let who = server.pid().map_or_else(String::new, |pid| {
        format!(" by process {}", pid.as_raw_nonzero())
    });
    CliError::in_use(format!(
        "a server is already running: the data directory {} is in use{who}",
        settings.data_dir
    ))
}

/// Returns the path of the log file, whose directory is created.
fn log_file(settings: &Settings) -> Result<String, CliError> {
    if !settings.log.file.is_empty() {
        return Ok(settings.log.file.clone());
    }
    let folder = Path::new(&settings.data_dir);
    compose::create_data_dir(folder).map_err(|error| {
        let folder = folder.display();
        CliError::config(format!("data_dir: cannot create {folder}: {error}"))
    })?;
    Ok(format!("{}/{LOG_FILE}", settings.data_dir))
}

fn spawn(flags: &SettingsArgs) -> Result<Child, CliError> {
    let program = current_exe::path().map_err(|error| {
        CliError::failed(format!("cannot find the path of this program: {error}"))
    })?;
    let mut command = Command::new(program);
    for variable in VARIABLES {
        // The variables of a service manager are meant for this process alone.
        command.env_remove(variable);
    }
    let mut child = command
        .arg("serve")
        .arg("--detached")
        .args(flags.to_args())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| CliError::failed(format!("cannot start the server: {error}")))?;
    // Closed instead of /dev/null, which an empty root does not have.
    drop(child.stdin.take());
    Ok(child)
}

/// Waits until the server is ready, and returns its addresses; none if it ends instead.
fn ready(child: &mut Child) -> Option<String> {
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take()?);
    output.read_line(&mut line).ok()?;
    let line = line.trim_end();
    (!line.is_empty()).then(|| line.to_owned())
}

/// Returns the error of a server that ended, with its exit code.
fn exit_reason(mut child: Child, log: &str) -> CliError {
    let mut stderr = Vec::new();
    if let Some(output) = child.stderr.take() {
        // Without the text, the exit code is left.
        let _ = output.take(STDERR_TAIL_BYTES).read_to_end(&mut stderr);
    }
    let stderr = String::from_utf8_lossy(&stderr);
    let last = stderr.lines().rev().find_map(|line| {
        let line = line.trim();
        (!line.is_empty()).then(|| line.strip_prefix("akvs: ").unwrap_or(line))
    });
    let status = child.wait();
    let text = match (last, &status) {
        (Some(last), _) => last.to_owned(),
        (None, Ok(status)) => {
            format!("the server ended ({status}) without an error message; see {log}")
        }
        (None, Err(error)) => format!("the server ended: {error}"),
    };
    CliError::from_process(status.ok().and_then(|status| status.code()), text)
}
