//! The command line: one verb per file, and what several of them share.
//!
//! | module | owns |
//! | --- | --- |
//! | `command` | the verbs, their help, and their dispatch |
//! | `settings_args` | the arguments that set settings |
//! | `order` | arguments before their verb, and after the line of `eval` |
//! | `clap_errors`, `suggest` | usage errors as one line, and suggestions |
//! | `progress`, `atomic_file` | progress bars, and output files |
//! | `time` | the syntax of times |
//! | `client` | the client's verbs, which the prompt has too |
//! | `line`, `interpreter` | the lines of the prompt, and their execution |
//! | `version` | `akvs --version` |
//! | `data_dir_args` | the arguments that name a data directory |
//! | all others | one verb each |

mod atomic_file;
mod attach;
mod backup;
mod clap_errors;
mod client;
mod command;
mod completions;
mod config;
mod console;
mod data_dir_args;
mod doctor;
mod eval;
mod healthcheck;
mod interpreter;
mod line;
mod man;
mod order;
mod pid;
mod ping;
mod progress;
mod restart;
mod restore;
mod serve;
mod settings_args;
mod start;
mod status;
mod stop;
mod suggest;
mod time;
mod token;
mod verify;
mod version;

use client::{ClientVerb, run as client};
pub(crate) use command::{parse, run};
use data_dir_args::DataDirArgs;
use settings_args::SettingsArgs;
