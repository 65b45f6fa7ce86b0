//! What can be typed: the verbs and their help, and which file does which.
//!
//! It does nothing itself. `akvs` alone is `akvs serve`, so that verb's flags are taken without its name too.

use clap::{Parser, Subcommand};

use super::{PlaceFlags, SettingsFlags, config, ping, serve, start, status, stop, token};
use crate::failure::Failure;

/// The key-value store that you can curl.
#[derive(Debug, Parser)]
#[command(
    name = "akvs",
    version,
    about,
    long_about = "The key-value store that you can curl.\n\nWithout a command it is `akvs serve`.",
    args_conflicts_with_subcommands = true,
    after_long_help = EXAMPLES
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    serve: serve::ServeFlags,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the server in the foreground; logs go to stderr [alias: foreground]
    #[command(alias = "foreground", after_long_help = EXAMPLES)]
    Serve(serve::ServeFlags),
    /// Run the server in the background; done once it is ready
    Start(SettingsFlags),
    /// Stop the server, and wait until its process is gone
    Stop(stop::Flags),
    /// Stop the server if one runs, and start it with these flags
    Restart(stop::RestartFlags),
    /// Say pong, if the server answers
    Ping(PlaceFlags),
    /// Print the server's process id
    Pid(PlaceFlags),
    /// Print how the server is
    Status(status::Flags),
    /// Succeed if the server takes writes
    Healthcheck(PlaceFlags),
    /// See the settings that hold, and check them
    #[command(subcommand)]
    Config(config::Verb),
    /// Make tokens, list them, take them back
    #[command(subcommand)]
    Token(token::Verb),
}

const EXAMPLES: &str = "\
Examples:
  akvs
  akvs serve --listen 127.0.0.1:9000 --data-dir /srv/kv
  akvs --engine memory --log debug
  AKVS_HTTP__LISTEN=127.0.0.1:9000,[::1]:9000 akvs
  akvs config show
  akvs token new ops --rights admin

Settings come from built-in defaults, then the config file, then the environment, then flags; later ones win.
The config file is the first of --config, $AKVS_CONFIG, config/akvs.toml beside the program's bin, and
/etc/akvs/akvs.toml. Every key can be set in the environment: AKVS_LIMITS__MAX_VALUE_BYTES for
limits.max_value_bytes.

Exit codes: 0; 1 it failed; 2 usage; 75 another server has the data folder; 78 a setting is wrong.";

/// Does what was typed.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    match cli.verb {
        None => serve::run(&cli.serve),
        Some(Verb::Serve(flags)) => serve::run(&flags),
        Some(Verb::Start(flags)) => start::run(&flags),
        Some(Verb::Stop(flags)) => stop::run(&flags),
        Some(Verb::Restart(flags)) => stop::restart(&flags),
        Some(Verb::Ping(flags)) => ping::run(&flags),
        Some(Verb::Pid(flags)) => ping::pid(&flags),
        Some(Verb::Status(flags)) => status::run(&flags),
        Some(Verb::Healthcheck(flags)) => ping::health(&flags),
        Some(Verb::Config(verb)) => config::run(&verb),
        Some(Verb::Token(verb)) => token::run(&verb),
    }
}
