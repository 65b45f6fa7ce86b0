//! The command line: its verbs, one a file, and the flags that several of them share.
//!
//! | module | owns |
//! | --- | --- |
//! | `command` | what can be typed, and who does it |
//! | `flags` | the flags that say something about the settings |
//! | `serve`, `config` | a verb each |

mod command;
mod config;
mod flags;
mod serve;

use flags::SettingsFlags;

pub(crate) use command::{Cli, run};
