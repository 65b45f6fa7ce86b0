//! The command line: its verbs, one a file, and the flags that several of them share.
//!
//! | module | owns |
//! | --- | --- |
//! | `command` | what can be typed, and who does it |
//! | `flags` | the flags that say something about the settings |
//! | `order` | flags before their verb, and after the line of `eval` |
//! | `usage`, `suggest` | what was not understood, as a line, and what is likely meant |
//! | `output`, `bar`, `file` | how verbs print, show how far they are, and make files |
//! | `time` | times as they are typed |
//! | `client` | the verbs that a client does, which the prompt has too |
//! | `version` | what the program says of its build |
//! | `place` | the flags that say which data folder is meant |
//! | all others | a verb each, or a few that belong together |

mod attach;
mod backup;
mod bar;
mod client;
mod command;
mod config;
mod doctor;
mod file;
mod flags;
mod order;
pub(crate) mod output;
mod ping;
mod place;
mod serve;
mod shell;
mod start;
pub(crate) mod status;
mod stop;
mod suggest;
mod time;
mod token;
pub(crate) mod usage;
mod version;

pub(crate) use client::{ClientVerb, run as client};
pub(crate) use command::{parse, run};
pub(crate) use flags::SettingsFlags;
pub(crate) use place::PlaceFlags;
pub(crate) use stop::PATIENCE as STOP_PATIENCE;
