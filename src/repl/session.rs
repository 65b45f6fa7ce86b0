//! Lines, done one after the other.

use std::io::{self, IsTerminal, Write};
use std::rc::Rc;

use akvs_client::Client;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::editor::{Editor, Typed};
use super::line::{self, LineVerb, Read};
use crate::cli::{self, status};
use crate::control;
use crate::control::ControlClient;
use crate::error::CliError;
use crate::output;

/// Whether somebody types, and reads.
pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    Leave,
}

fn client_of(owner: &ControlClient) -> Result<Client, CliError> {
    let client = Client::builder().unix_socket(owner.path());
    client.build().map_err(CliError::failed)
}

/// A prompt on a running server.
pub(crate) struct Session {
    runtime: Rc<Runtime>,
    data_dir: String,
    client: Client,
    /// Keeps the way to the socket open.
    owner: ControlClient,
}

impl Session {
    /// A prompt on the server of this data folder.
    pub(crate) fn open(data_dir: &str) -> Result<Session, CliError> {
        let runtime = control::runtime()?;
        let owner = runtime.block_on(ControlClient::expect(data_dir))?;
        Ok(Session {
            client: client_of(&owner)?,
            runtime: Rc::new(runtime),
            data_dir: data_dir.to_owned(),
            owner,
        })
    }

    /// Does one line.
    pub(crate) fn eval(&mut self, text: &str) -> Result<(), CliError> {
        self.line(text).map(drop)
    }

    fn line(&self, text: &str) -> Result<Next, CliError> {
        match line::read(text) {
            Read::Nothing => Ok(Next::GoOn),
            Read::Refused(why) => Err(CliError::usage(why)),
            Read::Verb(verb) => self.run(verb),
        }
    }

    /// Does what is typed, until there is no more.
    pub(crate) fn talk(&mut self, greeting: &str) -> Result<(), CliError> {
        self.talk_beside(greeting, |_| {})
    }

    /// The same, while others print above the line that is being typed.
    pub(crate) fn talk_beside<P>(&mut self, greeting: &str, others: P) -> Result<(), CliError>
    where
        P: FnOnce(Box<dyn Write + Send>),
    {
        if !is_terminal() {
            return self.listen();
        }
        self.heed_interrupts()?;
        let mut editor = Editor::new(Rc::clone(&self.runtime), self.client.clone())?;
        others(editor.printer()?);
        output::print(greeting)?;
        loop {
            let text = match editor.read()? {
                Typed::Line(text) => text,
                Typed::Nothing => continue,
                Typed::End => return Ok(()),
            };
            for text in line::lines(&text) {
                if self.answer(&text)? == Next::Leave {
                    return Ok(());
                }
            }
        }
    }

    /// From here on Ctrl-C ends what is being done, and nothing else: not the prompt, and not a server beside it.
    fn heed_interrupts(&self) -> Result<(), CliError> {
        let _within = self.runtime.enter();
        let heeded = signal(SignalKind::interrupt());
        heeded.map(drop).map_err(CliError::failed)
    }

    /// The same for a program that writes the lines. The first that fails ends it, as in a shell that is told so.
    fn listen(&self) -> Result<(), CliError> {
        let mut text = String::new();
        // Stdin is not held meanwhile: a verb may take the rest as its value.
        while io::stdin().read_line(&mut text).map_err(CliError::failed)? > 0 {
            if self.line(&std::mem::take(&mut text))? == Next::Leave {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Does a line for somebody who types: what goes wrong is told, and does not end it.
    fn answer(&mut self, text: &str) -> Result<Next, CliError> {
        self.line(text).or_else(|failure| {
            output::note(&failure.to_string());
            self.renew()
        })
    }

    /// After a failure: the server may have been started anew, or be gone.
    fn renew(&mut self) -> Result<Next, CliError> {
        let owner = match self.runtime.block_on(ControlClient::find(&self.data_dir)) {
            Ok(Some(owner)) => owner,
            Ok(None) => {
                output::note("the server is gone");
                return Ok(Next::GoOn);
            }
            Err(failure) => {
                output::note(&failure.to_string());
                return Ok(Next::GoOn);
            }
        };
        if owner.pid() != self.owner.pid() {
            output::note("another server runs now");
            self.client = client_of(&owner)?;
            self.owner = owner;
        }
        Ok(Next::GoOn)
    }

    /// Does a verb, unless Ctrl-C ends that.
    fn run(&self, verb: LineVerb) -> Result<Next, CliError> {
        self.runtime.block_on(async {
            // A Ctrl-C that came before was not meant for this: it is told now, while nobody heeds it.
            tokio::task::yield_now().await;
            tokio::select! {
                done = self.work(verb) => done,
                _ = tokio::signal::ctrl_c() => output::print("\n").map(|()| Next::GoOn),
            }
        })
    }

    async fn work(&self, verb: LineVerb) -> Result<Next, CliError> {
        match verb {
            LineVerb::Quit => return Ok(Next::Leave),
            LineVerb::Help { verb } => {
                let text = line::help(verb.as_deref()).map_err(CliError::usage)?;
                output::print(&text)?;
            }
            LineVerb::Stop => {
                let owner = ControlClient::expect(&self.data_dir).await?;
                owner.stop(cli::STOP_PATIENCE).await?;
                output::print("stopped\n")?;
                return Ok(Next::Leave);
            }
            LineVerb::Client(verb) => cli::client(*verb, &self.client).await?,
            LineVerb::Namespaces => {
                cli::client(cli::ClientVerb::namespaces(), &self.client).await?;
            }
            LineVerb::Stats => {
                let (status, rate) = status::look(&self.owner).await?;
                output::print(&status::table(&status, rate))?;
            }
            LineVerb::Log { level } => {
                let log = self.owner.log(level.as_deref()).await?;
                output::print(&format!("{log}\n"))?;
            }
            LineVerb::Ping => {
                let pong = self.owner.ping().await?;
                output::print(&format!("{pong}\n"))?;
            }
            LineVerb::Version => {
                let status = self.owner.status().await?;
                output::print(&format!("{} ({})\n", status.version, status.commit))?;
            }
        }
        Ok(Next::GoOn)
    }
}
