//! What can be typed: the verbs and their help, and which file does which.
//!
//! It does nothing itself. `akvs` alone is `akvs serve`, so that verb's flags are taken without its name too. A client's
//! verb takes flags that say which server is meant, which the same verb has not at the prompt.

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
    long_about = "The key-value store that you can curl.\n\nWithout a command it is `akvs serve`.",
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
    /// With --version: commit, date, target, engines and on-disk format too
    #[arg(long, requires = "version")]
    long: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the server in the foreground; logs go to stderr [alias: foreground]
    #[command(alias = "foreground", after_long_help = EXAMPLES)]
    Serve(serve::ServeArgs),
    /// Run the server in the foreground, with a prompt; leaving it stops the server
    #[command(after_long_help = START)]
    Console(SettingsArgs),
    /// Run the server in the background; done once it is ready
    #[command(after_long_help = START)]
    Start(SettingsArgs),
    /// Stop the server, and wait until its process is gone
    #[command(after_long_help = START)]
    Stop(stop::Flags),
    /// Stop the server if one runs, and start it with these flags
    #[command(after_long_help = START)]
    Restart(restart::Flags),
    /// Say pong, if the server answers
    #[command(after_long_help = START)]
    Ping(DataDirArgs),
    /// Print the server's process id
    #[command(after_long_help = START)]
    Pid(DataDirArgs),
    /// Print how the server is
    #[command(after_long_help = START)]
    Status(status::Flags),
    /// A prompt on the running server; leaving it (Ctrl-D, quit) never stops the server
    #[command(
        after_long_help = "Examples:\n  akvs attach\n  printf 'set foo bar baz\\nget foo bar\\n' | akvs attach"
    )]
    Attach(DataDirArgs),
    /// Do one line of the prompt's language
    #[command(
        after_long_help = "Examples:\n  akvs eval \"set foo bar baz\"\n  akvs eval \"get foo bar\"\n  akvs eval \"log debug\""
    )]
    Eval(eval::Flags),
    #[command(flatten)]
    Client(Box<ClientVerb>),
    /// Make a file of all data, while the server goes on
    #[command(after_long_help = BACKUP)]
    Backup(backup::Flags),
    /// Make the data of a backup: keys, types, deadlines, settings, history and revisions
    #[command(after_long_help = BACKUP)]
    Restore(restore::Flags),
    /// Read all data back, or a backup, and say what is wrong
    #[command(after_long_help = BACKUP)]
    Verify(verify::Flags),
    /// Make tokens, list them, take them back
    #[command(
        subcommand,
        after_long_help = "Examples:\n  akvs token new ops --rights admin\n  akvs token ls\n  akvs token rm ops"
    )]
    Token(token::Verb),
    /// See the settings that hold, and check them
    #[command(
        subcommand,
        after_long_help = "Examples:\n  akvs config show\n  akvs config check --config akvs.toml"
    )]
    Config(config::Verb),
    /// Say whether machine and settings are fit: fsync, space, clock, descriptors, rights
    #[command(after_long_help = "Example:\n  akvs doctor --data-dir /srv/kv")]
    Doctor(DataDirArgs),
    /// Succeed if the server takes writes
    #[command(after_long_help = START)]
    Healthcheck(DataDirArgs),
    /// Print what completes these verbs in a shell
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

Settings come from built-in defaults, then the config file, then the environment, then flags; later ones win.
The config file is the first of --config, $AKVS_CONFIG, config/akvs.toml beside the program's bin, and
/etc/akvs/akvs.toml. Every key can be set in the environment: AKVS_LIMITS__MAX_VALUE_BYTES for
limits.max_value_bytes. Flags may stand before the verb too. Variables that Kubernetes or docker inject (AKVS_PORT=tcp://...) are ignored.

Exit codes: 0; 1 it failed, or there is no such key; 2 usage; 69 the server cannot be reached; 75 another server has
the data folder; 78 a setting is wrong. ping, pid, status, stop and healthcheck say 1 where no server answers.";

const START: &str = "\
Examples:
  akvs start --listen 127.0.0.1:9000 --data-dir /srv/kv
  akvs status --data-dir /srv/kv
  akvs restart --data-dir /srv/kv --log debug
  akvs stop --data-dir /srv/kv

A server is found by the socket akvs.sock in its data folder, whatever its address, tokens or TLS.";

const BACKUP: &str = "\
Examples:
  akvs backup monday.akvs
  akvs verify monday.akvs
  akvs restore monday.akvs --data-dir /srv/kv-again
  akvs backup - | ssh elsewhere 'akvs restore - --data-dir /srv/kv'

They find a running server by the socket in its data folder, and else read the folder themselves.";

const CLIENT: &str = "\
Examples:
  akvs set foo bar baz
  akvs set foo picture @cat.png --content-type image/png --ttl 7d
  date | akvs set foo now -
  akvs get foo bar
  akvs ls foo --prefix b --json
  akvs watch foo --state --values
  AKVS_URL=https://kv.example AKVS_TOKEN_FILE=token akvs get foo bar

Without --url and AKVS_URL it is the server of the data folder, by the socket in it, which needs no token.

Exit codes: 0; 1 it failed, or there is no such key; 2 usage; 69 the server cannot be reached; 78 a setting is wrong.";

/// What was typed.
pub(crate) struct ParsedArgs {
    cli: Cli,
    /// Of a client's verb.
    target: Option<Target>,
}

/// The whole of what can be typed.
pub(crate) fn command() -> clap::Command {
    let verbs = ClientVerb::augment_subcommands(clap::Command::new("client"));
    let mut command = Cli::command();
    for verb in verbs.get_subcommands() {
        command = command.mut_subcommand(verb.get_name(), with_target);
    }
    command
}

/// A verb with the flags that say which server is meant, or all verbs below it.
fn with_target(verb: clap::Command) -> clap::Command {
    let below: Vec<String> = verb
        .get_subcommands()
        .map(|below| below.get_name().to_owned())
        .collect();
    if below.is_empty() {
        let about = verb.get_about().cloned().unwrap_or_default();
        let examples = verb.get_after_long_help().cloned();
        let examples = examples.unwrap_or_else(|| CLIENT.into());
        // What the flags say of themselves is not said of the verb.
        let verb = Target::augment_args(verb);
        return verb.about(about).long_about(None).after_long_help(examples);
    }
    below
        .iter()
        .fold(verb, |verb, name| verb.mut_subcommand(name, with_target))
}

/// Reads what was typed; ends the process where help is all that was asked for.
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
    CliError::usage(format!("{why}; --help says more"))
}

/// Does what was typed.
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
