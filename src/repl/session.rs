//! The loop of a session: each line is read, and executed.

use std::io::{self, IsTerminal, Write};
use std::rc::Rc;

use akvs_client::Client;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::editor::{Editor, Typed};
use super::lines;
use crate::error::CliError;
use crate::output;

/// Returns true if stdin and stdout are a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// The next step of a session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Continue,
    Leave,
}

/// The meaning of the lines of a session.
pub(crate) trait Interpreter {
    /// Executes one line.
    fn execute(&mut self, line: &str) -> Result<Next, CliError>;

    /// Recovers after a line failed: the server may have been restarted, or be gone.
    fn recover(&mut self) -> Result<(), CliError>;

    /// Returns the names of the verbs, for completion.
    fn verbs(&self) -> Vec<String>;

    /// Returns the client that completes namespaces and keys.
    fn client(&self) -> Client;

    /// Returns the runtime that executes the lines.
    fn runtime(&self) -> Rc<Runtime>;
}

/// Executes the lines of stdin until it ends or a line leaves the session. `attach_output` receives a writer that
/// prints above the line that is being typed; it is not called without a terminal.
pub(crate) fn run_interactive<I, P>(
    interpreter: &mut I,
    greeting: &str,
    attach_output: P,
) -> Result<(), CliError>
where
    I: Interpreter,
    P: FnOnce(Box<dyn Write + Send>),
{
    if !is_terminal() {
        return run_script(interpreter);
    }
    let runtime = interpreter.runtime();
    ignore_interrupts(&runtime)?;
    let mut editor = Editor::new(runtime, interpreter.client(), interpreter.verbs())?;
    attach_output(editor.printer()?);
    output::print(greeting)?;
    loop {
        let text = match editor.read()? {
            Typed::Line(text) => text,
            Typed::Nothing => continue,
            Typed::End => return Ok(()),
        };
        for line in lines::split(&text) {
            match interpreter.execute(&line) {
                Ok(Next::Continue) => {}
                Ok(Next::Leave) => return Ok(()),
                Err(error) => {
                    output::note(&error.to_string());
                    interpreter.recover()?;
                }
            }
        }
    }
}

/// From here on Ctrl-C ends the line that is being executed, and nothing else: neither the prompt, nor a server in this
/// process.
fn ignore_interrupts(runtime: &Runtime) -> Result<(), CliError> {
    let _within = runtime.enter();
    let handled = signal(SignalKind::interrupt());
    handled.map(drop).map_err(CliError::failed)
}

/// Executes the lines that a program writes. The first line that fails ends the session, as `sh -e` does.
fn run_script<I: Interpreter>(interpreter: &mut I) -> Result<(), CliError> {
    let mut text = String::new();
    // Stdin is not locked meanwhile: a verb may read the rest as its value.
    while io::stdin().read_line(&mut text).map_err(CliError::failed)? > 0 {
        if interpreter.execute(&std::mem::take(&mut text))? == Next::Leave {
            return Ok(());
        }
    }
    Ok(())
}
