//! The verbs and their help, and their dispatch.
//!
//! `akvs` alone is `akvs serve`, so the flags of that verb are accepted without its name too. A client's verb has flags
//! that choose the server, which the same verb does not have at the prompt.

use std::ffi::OsString;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::client::Target;
use super::{
    ClientVerb, DataDirArgs, SettingsArgs, attach, backup, clap_errors, client, completions,
    config, console, doctor, eval, healthcheck, man, order, pid, ping, restart, restore, serve,
    start, status, stop, token, verify, version,
};
use crate::control::block_on;
use crate::error::CliError;

/// The key-value store that you can curl.
#[derive(Debug, Parser)]
#[command(
    name = "akvs",
    version,
    disable_version_flag = true,
    about,
    long_about = "The key-value store that you can curl.\n\nWithout a command, it runs `akvs serve`.",
    args_conflicts_with_subcommands = true,
    after_long_help = EXAMPLES
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    serve: serve::ServeArgs,
    /// Print the version
    #[arg(short = 'V', long)]
    version: bool,
    /// With --version: print commit, date, target, engines and on-disk format too
    #[arg(long, requires = "version")]
    long: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the server in the foreground, and log to stderr [alias: foreground]
    #[command(alias = "foreground", after_long_help = EXAMPLES)]
    Serve(serve::ServeArgs),
    /// Run the server in the foreground with a prompt; leaving the prompt stops the server
    #[command(after_long_help = START)]
    Console(SettingsArgs),
    /// Run the server in the background, and wait until it is ready
    #[command(after_long_help = START)]
    Start(SettingsArgs),
    /// Stop the server, and wait until its process has ended
    #[command(after_long_help = START)]
    Stop(stop::Flags),
    /// Stop the server if it is running, and start it with these flags
    #[command(after_long_help = START)]
    Restart(restart::Flags),
    /// Check that the server answers
    #[command(after_long_help = START)]
    Ping(DataDirArgs),
    /// Print the server's process id
    #[command(after_long_help = START)]
    Pid(DataDirArgs),
    /// Print the status of the server
    #[command(after_long_help = START)]
    Status(status::Flags),
    /// Open a prompt on the running server; leaving it (Ctrl-D, quit) does not stop the server
    #[command(
        after_long_help = "Examples:\n  akvs attach\n  printf 'set foo bar baz\\nget foo bar\\n' | akvs attach"
    )]
    Attach(DataDirArgs),
    /// Execute one line of the prompt
    #[command(
        after_long_help = "Examples:\n  akvs eval \"set foo bar baz\"\n  akvs eval \"get foo bar\"\n  akvs eval \"log debug\""
    )]
    Eval(eval::Flags),
    #[command(flatten)]
    Client(Box<ClientVerb>),
    /// Write all data to a file, while the server keeps running
    #[command(after_long_help = BACKUP)]
    Backup(backup::Flags),
    /// Restore a backup into an empty data directory
    #[command(after_long_help = BACKUP)]
    Restore(restore::Flags),
    /// Check all data, or a backup, for errors
    #[command(after_long_help = BACKUP)]
    Verify(verify::Flags),
    /// Create, list and remove tokens
    #[command(
        subcommand,
        after_long_help = "Examples:\n  akvs token new ops --rights admin\n  akvs token ls\n  akvs token rm ops"
    )]
    Token(token::Verb),
    /// Show or check the effective settings
    #[command(
        subcommand,
        after_long_help = "Examples:\n  akvs config show\n  akvs config check --config akvs.toml"
    )]
    Config(config::Verb),
    /// Check machine and settings: fsync, space, clock, descriptors, permissions
    #[command(after_long_help = "Example:\n  akvs doctor --data-dir /srv/kv")]
    Doctor(DataDirArgs),
    /// Check that the server accepts writes
    #[command(after_long_help = START)]
    Healthcheck(DataDirArgs),
    /// Print shell completions
    #[command(after_long_help = "Example:\n  akvs completions bash > /etc/bash_completion.d/akvs")]
    Completions(completions::Flags),
    /// Print the manual page
    #[command(after_long_help = "Example:\n  akvs man | man -l -")]
    Man,
}

const EXAMPLES: &str = "\
Examples:
  akvs
  akvs serve --listen 127.0.0.1:9000 --data-dir /srv/kv
  akvs --engine memory --log debug
  AKVS_HTTP__LISTEN=127.0.0.1:9000,[::1]:9000 akvs
  akvs start; akvs set foo bar baz; akvs get foo bar; akvs stop
  akvs config show
  akvs token new ops --rights admin

Settings are read from the config file, the environment and the flags; later ones override earlier \
ones. The config file is the first of --config, $AKVS_CONFIG, config/akvs.toml next to the program's \
bin, and /etc/akvs/akvs.toml. Every key has a variable, such as AKVS_LIMITS__MAX_VALUE_BYTES for \
limits.max_value_bytes. Variables that Kubernetes or Docker inject, such as AKVS_PORT=tcp://..., are \
ignored. Flags may precede the command.

Exit codes:
  0   success
  1   failure, or no such key
  2   invalid usage
  69  the server cannot be reached (1 for ping, pid, status, stop and healthcheck)
  75  another server uses the data directory
  78  invalid settings";

const START: &str = "\
Examples:
  akvs start --listen 127.0.0.1:9000 --data-dir /srv/kv
  akvs status --data-dir /srv/kv
  akvs restart --data-dir /srv/kv --log debug
  akvs stop --data-dir /srv/kv

The server is found by the socket akvs.sock in its data directory, whatever its address, tokens or \
TLS.";

const BACKUP: &str = "\
Examples:
  akvs backup monday.akvs
  akvs verify monday.akvs
  akvs restore monday.akvs --data-dir /srv/kv-restored
  akvs backup - | ssh elsewhere 'akvs restore - --data-dir /srv/kv'

A running server is found by the socket in its data directory; otherwise the directory itself is \
read.";

const CLIENT: &str = "\
Examples:
  akvs set foo bar baz
  akvs set foo picture @cat.png --content-type image/png --ttl 7d
  date | akvs set foo now -
  akvs get foo bar
  akvs ls foo --prefix b --json
  akvs watch foo --state --values
  AKVS_URL=https://kv.example AKVS_TOKEN_FILE=token akvs get foo bar

Without --url and AKVS_URL, the server of the data directory is used, over its socket and without a \
token.

Exit codes:
  0   success
  1   failure, or no such key
  2   invalid usage
  69  the server cannot be reached
  78  invalid settings";

/// A parsed command line.
pub(crate) struct ParsedArgs {
    cli: Cli,
    /// The server of a client's verb.
    target: Option<Target>,
}

/// Returns the whole command line for clap.
pub(crate) fn command() -> clap::Command {
    let verbs = ClientVerb::augment_subcommands(clap::Command::new("client"));
    let mut command = Cli::command();
    for verb in verbs.get_subcommands() {
        command = command.mut_subcommand(verb.get_name(), with_target);
    }
    command
}

/// Adds the flags that choose the server to a verb, or to all verbs below it.
fn with_target(verb: clap::Command) -> clap::Command {
    let below: Vec<String> = verb
        .get_subcommands()
        .map(|below| below.get_name().to_owned())
        .collect();
    if below.is_empty() {
        let about = verb.get_about().cloned().unwrap_or_default();
        let examples = verb.get_after_long_help().cloned();
        let examples = examples.unwrap_or_else(|| CLIENT.into());
        // The description of the flags must not replace the verb's own.
        let verb = Target::augment_args(verb);
        return verb.about(about).long_about(None).after_long_help(examples);
    }
    below
        .iter()
        .fold(verb, |verb, name| verb.mut_subcommand(name, with_target))
}

/// Parses the command line; ends the process if only help was requested.
pub(crate) fn parse() -> Result<ParsedArgs, CliError> {
    let command = command();
    let words = order::arrange(&command, std::env::args_os().collect());
    let usage_error = |error: clap::Error| usage_error(&error, &command, &words);
    let matches = command.clone().try_get_matches_from(&words);
    let matches = matches.map_err(usage_error)?;
    let cli = Cli::from_arg_matches(&matches).map_err(usage_error)?;
    let mut leaf = &matches;
    while let Some((_, below)) = leaf.subcommand() {
        leaf = below;
    }
    let is_client = matches!(cli.verb, Some(Verb::Client(_)));
    let target = is_client.then(|| Target::from_arg_matches(leaf));
    let target = target.transpose().map_err(usage_error)?;
    Ok(ParsedArgs { cli, target })
}

fn usage_error(error: &clap::Error, command: &clap::Command, words: &[OsString]) -> CliError {
    if clap_errors::is_answer(error) {
        error.exit();
    }
    let why = clap_errors::line(error, command, words.get(1..).unwrap_or_default());
    CliError::usage(format!("{why}; see --help"))
}

/// Runs the verb.
pub(crate) fn run(typed: ParsedArgs) -> Result<(), CliError> {
    let ParsedArgs { cli, target } = typed;
    if cli.version {
        return version::print(cli.long);
    }
    let Some(verb) = cli.verb else {
        return serve::run(&cli.serve);
    };
    match verb {
        Verb::Serve(flags) => serve::run(&flags),
        Verb::Console(flags) => console::run(&flags),
        Verb::Start(flags) => start::run(&flags),
        Verb::Stop(flags) => stop::run(&flags).map_err(CliError::unreachable_as_failed),
        Verb::Restart(flags) => restart::run(&flags),
        Verb::Ping(flags) => ping::run(&flags).map_err(CliError::unreachable_as_failed),
        Verb::Pid(flags) => pid::run(&flags).map_err(CliError::unreachable_as_failed),
        Verb::Status(flags) => status::run(&flags).map_err(CliError::unreachable_as_failed),
        Verb::Attach(flags) => attach::run(&flags),
        Verb::Eval(flags) => eval::run(&flags),
        Verb::Client(verb) => block_on(async {
            let connected = target.unwrap_or_default().connect().await?;
            client(*verb, &connected.client).await
        }),
        Verb::Backup(flags) => backup::run(&flags),
        Verb::Restore(flags) => restore::run(&flags),
        Verb::Verify(flags) => verify::run(&flags),
        Verb::Token(verb) => token::run(&verb),
        Verb::Config(verb) => config::run(&verb),
        Verb::Doctor(flags) => doctor::run(&flags),
        Verb::Healthcheck(flags) => {
            healthcheck::run(&flags).map_err(CliError::unreachable_as_failed)
        }
        Verb::Completions(flags) => completions::run(&flags),
        Verb::Man => man::run(),
    }
}
