//! The command line: its verbs, one a file, and the flags that several of them share.
//!
//! | module | owns |
//! | --- | --- |
//! | `command` | what can be typed, and who does it |
//! | `flags` | the flags that say something about the settings |
//! | `order` | flags before their verb, and after the line of `eval` |
//! | `clap_errors`, `suggest` | what was not understood, as a line, and what is likely meant |
//! | `progress`, `atomic_file` | how verbs show how far they are, and make files |
//! | `time` | times as they are typed |
//! | `client` | the verbs that a client does, which the prompt has too |
//! | `line`, `interpreter` | the lines of the prompt: their verbs, and their execution |
//! | `version` | what the program says of its build |
//! | `data_dir_args` | the flags that say which data folder is meant |
//! | all others | a verb each |

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
