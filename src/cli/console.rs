//! `akvs console`: a server with a prompt in one process.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};

use super::SettingsArgs;
use super::interpreter::Interpreter;
use super::serve::{self, ConsoleHooks, Mode};
use crate::control::{ControlClient, block_on};
use crate::error::CliError;
use crate::logging;
use crate::service_manager::Manager;
use crate::{output, repl};

/// Runs `akvs console`. The server stops when the prompt ends.
pub(crate) fn run(flags: &SettingsArgs) -> Result<(), CliError> {
    let settings = flags.load()?.settings;
    let data_dir = &settings.data_dir;
    let (sender, receiver) = mpsc::channel();
    let flags = flags.clone();
    let code = Arc::new(AtomicU8::new(0));
    let server_code = Arc::clone(&code);
    let server = std::thread::Builder::new()
        .name("server".into())
        .spawn(move || {
            let failures = sender.clone();
            let ready = move |addresses: &str| drop(sender.send(Ok(addresses.to_owned())));
            let hooks = ConsoleHooks {
                ready: Box::new(ready),
                code: server_code,
            };
            let ended = serve::run_as(&flags, Mode::Console(hooks), Manager::default());
            // Reached only if the server could not start, or failed: a server that stops ends the process.
            if let Err(error) = ended
                && let Err(mpsc::SendError(Err(error))) = failures.send(Err(error))
            {
                output::failure(&error);
                serve::exit(error.code());
            }
        });
    let server = server.map_err(CliError::failed)?;
    let addresses = match receiver.recv() {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => return Err(error),
        Err(_) => {
            return Err(CliError::failed(
                "the server ended without an error message",
            ));
        }
    };
    // From here on the server reports its own failure.
    drop(receiver);
    let mut interpreter = Interpreter::connect(data_dir)?;
    let greeting = format!(
        "Listening on {addresses}. Type `help` for the commands; Ctrl-D stops the server.\n"
    );
    let session = repl::run_interactive(&mut interpreter, &greeting, |prompt| {
        logging::write_to_prompt(&settings, prompt)
    });
    if let Err(error) = &session {
        output::failure(error);
        code.store(error.code(), Ordering::Relaxed);
    }
    block_on(async {
        match ControlClient::find(data_dir).await? {
            Some(server) => server.request_stop().await,
            None => Ok(()),
        }
    })?;
    // The server ends the process with its exit code.
    server
        .join()
        .map_err(|_| CliError::failed("the server's thread panicked"))
}
