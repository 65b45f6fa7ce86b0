//! Line editing at the prompt: history, and completion of verbs, namespaces and keys.

use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::thread::{self, ThreadId};

use akvs_client::Client;
use futures_util::StreamExt;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, ExternalPrinter, Helper};
use tokio::runtime::Runtime;

use super::terminal;
use crate::error::CliError;
use crate::{escape, files};

/// Maximum number of lines in the history.
const HISTORY_LINES: usize = 1_000;
/// Maximum number of candidates of a completion.
const MAX_CANDIDATES: usize = 100;
const PROMPT: &str = "akvs> ";

/// The input of one prompt.
pub(super) enum Typed {
    Line(String),
    /// Ctrl-C: the line is discarded.
    Nothing,
    /// Ctrl-D.
    End,
}

/// The line editor of a session.
pub(super) struct Editor {
    lines: rustyline::Editor<LineHelper, FileHistory>,
    history: Option<PathBuf>,
}

impl Editor {
    pub(super) fn new(
        runtime: Rc<Runtime>,
        client: Client,
        verbs: Vec<String>,
    ) -> Result<Editor, CliError> {
        terminal::save();
        let config = Config::builder()
            .max_history_size(HISTORY_LINES)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(|error| no_terminal(&error))?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .build();
        let mut lines =
            rustyline::Editor::with_config(config).map_err(|error| no_terminal(&error))?;
        lines.set_helper(Some(LineHelper {
            runtime,
            client,
            verbs,
        }));
        let history = history_file();
        if let Some(history) = &history {
            // The file does not exist at the first start.
            let _ = lines.load_history(history);
        }
        Ok(Editor { lines, history })
    }

    /// Reads a line.
    pub(super) fn read(&mut self) -> Result<Typed, CliError> {
        match self.lines.readline(PROMPT) {
            Ok(line) => {
                // A failure to record a line does not prevent its execution.
                let _ = self.lines.add_history_entry(&line);
                if let Some(history) = &self.history {
                    let _ = self.lines.append_history(history);
                }
                Ok(Typed::Line(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Typed::Nothing),
            Err(ReadlineError::Eof) => Ok(Typed::End),
            Err(error) => Err(no_terminal(&error)),
        }
    }

    /// Returns a writer that prints above the line that is being typed.
    pub(super) fn printer(&mut self) -> Result<Box<dyn Write + Send>, CliError> {
        let printer = self
            .lines
            .create_external_printer()
            .map_err(|error| no_terminal(&error))?;
        Ok(Box::new(PromptPrinter {
            printer,
            typing: thread::current().id(),
        }))
    }
}

fn no_terminal(error: &ReadlineError) -> CliError {
    CliError::failed(format!("cannot use the terminal: {error}"))
}

/// Returns the path of the history, which only this user can read because it may have secrets.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").filter(|state| !state.is_empty());
    let state = match state {
        Some(state) => PathBuf::from(state),
        None => PathBuf::from(std::env::var_os("HOME").filter(|home| !home.is_empty())?)
            .join(".local/state"),
    };
    let folder = state.join("akvs");
    files::private_folder(&folder).ok()?;
    Some(folder.join("history"))
}

/// A writer that prints above the line that is being typed.
struct PromptPrinter<P> {
    printer: P,
    /// The thread that reads the lines.
    typing: ThreadId,
}

impl<P: ExternalPrinter> Write for PromptPrinter<P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if thread::current().id() == self.typing {
            // The printer would wait for this very thread. The line is drawn again with the next key.
            return io::stderr().write(bytes);
        }
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.printer.print(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The completion of a line.
struct LineHelper {
    runtime: Rc<Runtime>,
    client: Client,
    verbs: Vec<String>,
}

impl LineHelper {
    /// Returns candidates for the last word. Errors are ignored: they must not disturb the typing.
    fn candidates(&self, before: &[String], prefix: &str) -> Vec<String> {
        match before {
            [] => self.verbs.clone(),
            [verb] if verb == "help" => self.verbs.clone(),
            [_] => self.runtime.block_on(self.namespaces(prefix)),
            [verb, _] if verb == "ns" => self.runtime.block_on(self.namespaces(prefix)),
            [_, namespace] => self.runtime.block_on(self.keys(namespace, prefix)),
            _ => Vec::new(),
        }
    }

    async fn namespaces(&self, prefix: &str) -> Vec<String> {
        let listed = self.client.namespaces().prefix(prefix).stream();
        let listed = listed.take(MAX_CANDIDATES).filter_map(async |namespace| {
            let namespace = namespace.ok()?;
            Some(namespace.name)
        });
        listed.collect().await
    }

    async fn keys(&self, namespace: &str, prefix: &str) -> Vec<String> {
        let Ok(namespace) = self.client.namespace(namespace) else {
            return Vec::new();
        };
        let listed = namespace.list().prefix(prefix).stream();
        let listed = listed.take(MAX_CANDIDATES).filter_map(async |item| {
            let key = item.ok()?.key;
            String::from_utf8(key.into()).ok()
        });
        listed.collect().await
    }
}

impl Completer for LineHelper {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = &line[..position];
        let start = typed.rfind(' ').map_or(0, |space| space + 1);
        let (before, prefix) = typed.split_at(start);
        let Some(before) = shlex::split(before) else {
            return Ok((start, Vec::new()));
        };
        // An open quote is not completed.
        let candidates = self.candidates(&before, prefix).into_iter();
        let candidates = candidates
            .filter(|word| word.starts_with(prefix))
            // Names with control characters could not be typed.
            .filter(|word| escape::is_harmless(word))
            .filter_map(|word| Some(shlex::try_quote(&word).ok()?.into_owned()))
            .map(|word| format!("{word} "));
        Ok((start, candidates.collect()))
    }
}

impl Hinter for LineHelper {
    type Hint = String;
}
impl Highlighter for LineHelper {}
impl Validator for LineHelper {}
impl Helper for LineHelper {}
