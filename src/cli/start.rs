//! `akvs start`: a server in the background.
//!
//! It owns the new process until that is ready. Invariant: 0 means that a server runs and answers; everything else that
//! none was started by this.

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

/// The last that is kept of what a process says before it ends.
const STDERR_TAIL_BYTES: u64 = 64 << 10;

pub(crate) fn run(flags: &SettingsArgs) -> Result<(), CliError> {
    // What is wrong with the settings is told here, where it is read.
    let settings = flags.load()?.settings;
    if let Some(server) = block_on(ControlClient::find(&settings.data_dir))? {
        return Err(already(&server, &settings));
    }
    if settings.engine.kind == EngineKind::Disk {
        // Neither a log is to be in a folder that the server will refuse.
        offline::check_format(&settings)?;
    }
    let log = log_file(&settings)?;
    let is_new = !Path::new(&log).exists();
    let mut child = spawn(&flags.or_log_file(&log))?;
    let Some(addresses) = ready(&mut child) else {
        let reason = exit_reason(child, &log);
        if is_new && reason.is_config() {
            // The folder may be another program's, which is left as it was.
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
        "a server is running already: the data folder {} is in use{who}",
        settings.data_dir
    ))
}

/// Where it is to log, in a folder that there is.
fn log_file(settings: &Settings) -> Result<String, CliError> {
    if !settings.log.file.is_empty() {
        return Ok(settings.log.file.clone());
    }
    let folder = Path::new(&settings.data_dir);
    compose::create_data_dir(folder).map_err(|error| {
        let folder = folder.display();
        CliError::config(format!("data_dir: {folder} cannot be made: {error}"))
    })?;
    Ok(format!("{}/{LOG_FILE}", settings.data_dir))
}

fn spawn(flags: &SettingsArgs) -> Result<Child, CliError> {
    let program = current_exe::path()
        .map_err(|error| CliError::failed(format!("this program is not found: {error}")))?;
    let mut command = Command::new(program);
    for variable in VARIABLES {
        // What a service manager has said to this process is not meant for another.
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
        .map_err(|error| CliError::failed(format!("the server cannot be started: {error}")))?;
    // Nothing to read, as from /dev/null, which is not there in an empty root.
    drop(child.stdin.take());
    Ok(child)
}

/// Waits until it says that it is ready, and on which addresses; none where it ends instead.
fn ready(child: &mut Child) -> Option<String> {
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take()?);
    output.read_line(&mut line).ok()?;
    let line = line.trim_end();
    (!line.is_empty()).then(|| line.to_owned())
}

/// Why it ended: as it says itself, with its own exit code.
fn exit_reason(mut child: Child, log: &str) -> CliError {
    let mut stderr = Vec::new();
    if let Some(output) = child.stderr.take() {
        // What cannot be read is not told; the exit code is.
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
        (None, Ok(status)) => format!("the server ended ({status}) without a word; see {log}"),
        (None, Err(error)) => format!("the server ended: {error}"),
    };
    CliError::from_process(status.ok().and_then(|status| status.code()), text)
}
