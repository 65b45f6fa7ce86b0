//! `akvs console`: a server, and the prompt on it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};

use super::SettingsFlags;
use super::interpreter::Interpreter;
use super::serve::{self, ConsoleHooks, Mode};
use crate::control::{ControlClient, block_on};
use crate::error::CliError;
use crate::logging;
use crate::service_manager::Manager;
use crate::{output, repl};

/// `akvs console`: the server runs beside the prompt, and ends with it.
pub(crate) fn run(flags: &SettingsFlags) -> Result<(), CliError> {
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
                output::failure(&failure);
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
    let mut interpreter = Interpreter::connect(data_dir)?;
    let greeting = format!(
        "Listening on {addresses}. `help` lists what can be typed; Ctrl-D leaves, and stops the server.\n"
    );
    let talked = repl::run_interactive(&mut interpreter, &greeting, |prompt| {
        logging::above(&settings, prompt)
    });
    if let Err(failure) = &talked {
        output::failure(failure);
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
