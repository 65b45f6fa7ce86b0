//! The command line: its verbs, one a file, and the flags that several of them share.
//!
//! | module | owns |
//! | --- | --- |
//! | `command` | what can be typed, and who does it |
//! | `flags` | the flags that say something about the settings |
//! | `output` | how verbs print |
//! | `place` | the flags that say which data folder is meant |
//! | all others | a verb each, or a few that belong together |

mod command;
mod config;
mod flags;
mod output;
mod ping;
mod place;
mod serve;
mod start;
mod status;
mod stop;
mod token;

pub(crate) use command::{Cli, run};
pub(crate) use flags::SettingsFlags;
pub(crate) use place::PlaceFlags;
