//! The command line: its verbs, one a file, and the flags that several of them share.
//!
//! | module | owns |
//! | --- | --- |
//! | `command` | what can be typed, and who does it |
//! | `flags` | the flags that say something about the settings |
//! | `output` | how verbs print |
//! | `serve`, `config`, `token` | a verb each |

mod command;
mod config;
mod flags;
mod output;
mod serve;
mod token;

pub(crate) use command::{Cli, run};
pub(crate) use flags::SettingsFlags;
