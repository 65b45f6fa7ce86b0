//! `akvs attach`, `akvs eval` and `akvs console`: the prompt, on a server that runs or with one.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};

use clap::Args;

use super::serve::{self, ConsoleHooks, Mode};
use super::{PlaceFlags, SettingsFlags, output};
use crate::control::{ControlClient, block_on};
use crate::error::CliError;
use crate::logging;
use crate::repl;
use crate::repl::Session;
use crate::service_manager::Manager;

#[derive(Args, Debug)]
pub(crate) struct EvalFlags {
    #[command(flatten)]
    place: PlaceFlags,
    /// The line; several words are one line too. --data-dir and --config may follow it; -- ends the flags
    #[arg(value_name = "LINE", required = true, num_args = 1.., trailing_var_arg = true)]
    line: Vec<String>,
}

/// `akvs attach`.
pub(crate) fn run(flags: &PlaceFlags) -> Result<(), CliError> {
    let data_dir = flags.data_dir()?;
    let mut session = Session::open(&data_dir)?;
    session.talk(&format!(
        "Attached to the server of {data_dir}. `help` lists what can be typed; Ctrl-D leaves, and the server goes on.\n"
    ))?;
    match repl::is_terminal() {
        true => output::print("\n"),
        false => Ok(()),
    }
}

/// `akvs eval`.
pub(crate) fn eval(flags: &EvalFlags) -> Result<(), CliError> {
    let line = match &flags.line[..] {
        [line] => line.clone(),
        [line, more, ..] if line.contains(char::is_whitespace) => {
            return Err(CliError::usage(format!(
                "unexpected argument {more:?} after the line {line:?}"
            )));
        }
        words => shlex::try_join(words.iter().map(String::as_str))
            .map_err(|error| CliError::usage(format!("the line cannot be read: {error}")))?,
    };
    Session::open(&flags.place.data_dir()?)?.eval(&line)
}

/// `akvs console`: the server runs beside the prompt, and ends with it.
pub(crate) fn console(flags: &SettingsFlags) -> Result<(), CliError> {
    let settings = flags.load()?.settings;
    let data_dir = &settings.data_dir;
    let (tell, told) = mpsc::channel();
    let flags = flags.clone();
    let code = Arc::new(AtomicU8::new(0));
    let with = Arc::clone(&code);
    let server = std::thread::Builder::new()
        .name("server".into())
        .spawn(move || {
            let failed = tell.clone();
            let ready = move |addresses: &str| drop(tell.send(Ok(addresses.to_owned())));
            let beside = ConsoleHooks {
                ready: Box::new(ready),
                code: with,
            };
            let ended = serve::run_as(&flags, Mode::Console(beside), Manager::default());
            // Only a server that could not start, or failed, comes here: one that stops ends the process.
            if let Err(failure) = ended
                && let Err(mpsc::SendError(Err(failure))) = failed.send(Err(failure))
            {
                failure.report();
                serve::exit(failure.code());
            }
        });
    let server = server.map_err(CliError::failed)?;
    let addresses = match told.recv() {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(failure)) => return Err(failure),
        Err(_) => return Err(CliError::failed("the server ended without a word")),
    };
    // From here on a failure of the server is told by itself.
    drop(told);
    let mut session = Session::open(data_dir)?;
    let greeting = format!(
        "Listening on {addresses}. `help` lists what can be typed; Ctrl-D leaves, and stops the server.\n"
    );
    let talked = session.talk_beside(&greeting, |prompt| logging::above(&settings, prompt));
    if let Err(failure) = &talked {
        failure.report();
        code.store(failure.code(), Ordering::Relaxed);
    }
    block_on(async {
        match ControlClient::find(data_dir).await? {
            Some(owner) => owner.ask_to_stop().await,
            None => Ok(()),
        }
    })?;
    // It ends the process, with the exit code that it has to have.
    server
        .join()
        .map_err(|_| CliError::failed("the server's thread panicked"))
}
