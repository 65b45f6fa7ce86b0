//! The execution of the prompt's lines on a running server.
//!
//! It reaches the server over the socket in the data directory. Leaving the prompt never stops a server that the prompt
//! did not start.

use std::rc::Rc;

use akvs_client::Client;
use tokio::runtime::Runtime;

use super::line::{self, LineVerb, Read};
use super::stop::TIMEOUT;
use super::{ClientVerb, client, status};
use crate::control;
use crate::control::ControlClient;
use crate::error::CliError;
use crate::output;
use crate::repl::{self, Next};

/// An interpreter with its connection to the server of a data directory.
pub(crate) struct Interpreter {
    runtime: Rc<Runtime>,
    data_dir: String,
    client: Client,
    /// Keeps the path to the socket valid.
    server: ControlClient,
}

impl Interpreter {
    /// Connects to the server of this data directory.
    pub(crate) fn connect(data_dir: &str) -> Result<Interpreter, CliError> {
        let runtime = control::runtime()?;
        let server = runtime.block_on(ControlClient::expect(data_dir))?;
        Ok(Interpreter {
            client: client_for(&server)?,
            runtime: Rc::new(runtime),
            data_dir: data_dir.to_owned(),
            server,
        })
    }

    /// Executes a verb, unless Ctrl-C ends it.
    fn run(&self, verb: LineVerb) -> Result<Next, CliError> {
        self.runtime.block_on(async {
            // A Ctrl-C that came before was not meant for this verb: it is delivered now, while nothing waits for it.
            tokio::task::yield_now().await;
            tokio::select! {
                done = self.run_verb(verb) => done,
                _ = tokio::signal::ctrl_c() => output::print("\n").map(|()| Next::Continue),
            }
        })
    }

    async fn run_verb(&self, verb: LineVerb) -> Result<Next, CliError> {
        match verb {
            LineVerb::Quit => return Ok(Next::Leave),
            LineVerb::Help { verb } => {
                let text = line::help(verb.as_deref()).map_err(CliError::usage)?;
                output::print(&text)?;
            }
            LineVerb::Stop => {
                let server = ControlClient::expect(&self.data_dir).await?;
                server.stop(TIMEOUT).await?;
                output::print("stopped\n")?;
                return Ok(Next::Leave);
            }
            LineVerb::Client(verb) => client(*verb, &self.client).await?,
            LineVerb::Namespaces => client(ClientVerb::namespaces(), &self.client).await?,
            LineVerb::Stats => {
                let (status, rate) = status::sample(&self.server).await?;
                output::print(&status::table(&status, rate))?;
            }
            LineVerb::Log { level } => {
                let log = self.server.log(level.as_deref()).await?;
                output::print(&format!("{log}\n"))?;
            }
            LineVerb::Ping => {
                let pong = self.server.ping().await?;
                output::print(&format!("{pong}\n"))?;
            }
            LineVerb::Version => {
                let status = self.server.status().await?;
                output::print(&format!("{} ({})\n", status.version, status.commit))?;
            }
        }
        Ok(Next::Continue)
    }
}

impl repl::Interpreter for Interpreter {
    fn execute(&mut self, line: &str) -> Result<Next, CliError> {
        match line::read(line) {
            Read::Nothing => Ok(Next::Continue),
            Read::Refused(why) => Err(CliError::usage(why)),
            Read::Verb(verb) => self.run(verb),
        }
    }

    fn recover(&mut self) -> Result<(), CliError> {
        let server = match self.runtime.block_on(ControlClient::find(&self.data_dir)) {
            Ok(Some(server)) => server,
            Ok(None) => {
                output::note("the server has stopped");
                return Ok(());
            }
            Err(error) => {
                output::note(&error.to_string());
                return Ok(());
            }
        };
        if server.pid() != self.server.pid() {
            output::note("connected to a restarted server");
            self.client = client_for(&server)?;
            self.server = server;
        }
        Ok(())
    }

    fn verbs(&self) -> Vec<String> {
        line::verbs()
    }

    fn client(&self) -> Client {
        self.client.clone()
    }

    fn runtime(&self) -> Rc<Runtime> {
        Rc::clone(&self.runtime)
    }
}

fn client_for(server: &ControlClient) -> Result<Client, CliError> {
    let client = Client::builder().unix_socket(server.path());
    client.build().map_err(CliError::failed)
}
