//! Lines, done one after the other.

use std::io::{self, BufRead, IsTerminal, Write};
use std::rc::Rc;

use akvs_client::Client;
use tokio::runtime::Runtime;

use super::editor::{Editor, Typed};
use super::line::{self, LineVerb, Read};
use crate::cli::{self, output, status};
use crate::failure::Failure;
use crate::owner::Owner;

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

/// A prompt on a running server.
pub(crate) struct Session {
    runtime: Rc<Runtime>,
    data_dir: String,
    client: Client,
    /// Keeps the way to the socket open.
    owner: Owner,
}

impl Session {
    /// A prompt on the server of this data folder.
    pub(crate) fn open(data_dir: &str) -> Result<Session, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::failed)?;
        let owner = runtime.block_on(Owner::expect(data_dir))?;
        let client = Client::builder().unix_socket(owner.path());
        Ok(Session {
            client: client.build().map_err(Failure::failed)?,
            runtime: Rc::new(runtime),
            data_dir: data_dir.to_owned(),
            owner,
        })
    }

    /// Does one line.
    pub(crate) fn eval(&mut self, text: &str) -> Result<(), Failure> {
        match line::read(text) {
            Read::Nothing => Ok(()),
            Read::Refused(why) => Err(Failure::usage(why)),
            Read::Verb(verb) => self.run(verb).map(drop),
        }
    }

    /// Does what is typed, until there is no more.
    pub(crate) fn talk(&mut self, greeting: &str) -> Result<(), Failure> {
        self.talk_beside(greeting, |_| {})
    }

    /// The same, while others print above the line that is being typed.
    pub(crate) fn talk_beside<P>(&mut self, greeting: &str, others: P) -> Result<(), Failure>
    where
        P: FnOnce(Box<dyn Write + Send>),
    {
        if !is_terminal() {
            return self.listen();
        }
        let mut editor = Editor::new(Rc::clone(&self.runtime), self.client.clone())?;
        others(editor.printer()?);
        output::print(greeting)?;
        loop {
            let text = match editor.read()? {
                Typed::Line(text) => text,
                Typed::Nothing => continue,
                Typed::End => return Ok(()),
            };
            if self.answer(&text)? == Next::Leave {
                return Ok(());
            }
        }
    }

    /// The same for a program that writes the lines. The first that fails ends it, as in a shell that is told so.
    fn listen(&mut self) -> Result<(), Failure> {
        for text in io::stdin().lock().lines() {
            let text = text.map_err(Failure::failed)?;
            match line::read(&text) {
                Read::Nothing => {}
                Read::Refused(why) => return Err(Failure::usage(why)),
                Read::Verb(verb) => {
                    if self.run(verb)? == Next::Leave {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Does a line for somebody who types: what goes wrong is told, and does not end it.
    fn answer(&mut self, text: &str) -> Result<Next, Failure> {
        let done = match line::read(text) {
            Read::Nothing => Ok(Next::GoOn),
            Read::Refused(why) => Err(Failure::usage(why)),
            Read::Verb(verb) => self.run(verb),
        };
        match done {
            Ok(next) => Ok(next),
            Err(failure) => {
                output::note(&failure.to_string());
                self.renew()
            }
        }
    }

    /// After a failure: the server may have been started anew, or be gone.
    fn renew(&mut self) -> Result<Next, Failure> {
        let found = self.runtime.block_on(Owner::find(&self.data_dir))?;
        let Some(owner) = found else {
            output::note("the server is gone");
            return Ok(Next::GoOn);
        };
        if owner.pid() != self.owner.pid() {
            output::note("another server runs now");
            let client = Client::builder().unix_socket(owner.path());
            self.client = client.build().map_err(Failure::failed)?;
            self.owner = owner;
        }
        Ok(Next::GoOn)
    }

    fn run(&mut self, verb: LineVerb) -> Result<Next, Failure> {
        match verb {
            LineVerb::Quit => return Ok(Next::Leave),
            LineVerb::Help { verb } => {
                let text = line::help(verb.as_deref()).map_err(Failure::usage)?;
                output::print(&text)?;
            }
            LineVerb::Stop => {
                let owner = self.runtime.block_on(Owner::expect(&self.data_dir))?;
                self.runtime.block_on(owner.stop(cli::STOP_PATIENCE))?;
                output::print("stopped\n")?;
                return Ok(Next::Leave);
            }
            LineVerb::Client(verb) => self.interruptible(cli::client(*verb, &self.client))?,
            LineVerb::Namespaces => {
                self.interruptible(cli::client(cli::ClientVerb::namespaces(), &self.client))?;
            }
            LineVerb::Stats => {
                let (status, rate) = self.runtime.block_on(status::look(&self.owner))?;
                output::print(&status::table(&status, rate))?;
            }
            LineVerb::Log { level } => {
                let log = self.runtime.block_on(self.owner.log(level.as_deref()))?;
                output::print(&format!("{log}\n"))?;
            }
            LineVerb::Ping => {
                let pong = self.runtime.block_on(self.owner.ping())?;
                output::print(&format!("{pong}\n"))?;
            }
            LineVerb::Version => {
                let status = self.runtime.block_on(self.owner.status())?;
                output::print(&format!("{} ({})\n", status.version, status.commit))?;
            }
        }
        Ok(Next::GoOn)
    }

    /// Does something that Ctrl-C ends.
    fn interruptible(
        &self,
        work: impl Future<Output = Result<(), Failure>>,
    ) -> Result<(), Failure> {
        self.runtime.block_on(async {
            tokio::select! {
                done = work => done,
                _ = tokio::signal::ctrl_c() => output::print("\n"),
            }
        })
    }
}
