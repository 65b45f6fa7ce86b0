//! The settings: every key with its default, the sources that set it, and the effective values with their sources.
//!
//! | module | owns |
//! | --- | --- |
//! | `schema` | every key, its type, bounds and default |
//! | `units` | the syntax of numbers, sizes and times, with their bounds |
//! | `address` | the syntax of addresses to listen on |
//! | `hosts` | the syntax of host names |
//! | `sources` | the values of a config file, the environment and the flags, each with its source |
//! | `variables` | the `AKVS_` variables that are not settings: injected, misspelt, unknown |
//! | `home` | paths that begin with `~` |
//! | `install_dir` | the directory of an unpacked release |
//! | `default_paths` | default paths, and their expansion |
//! | `layers` | the order of the sources, down to typed settings or one error |

mod address;
mod default_paths;
mod home;
mod hosts;
mod install_dir;
mod layers;
mod schema;
mod sources;
mod units;
mod variables;

pub(crate) use address::{Address, Addresses};
pub(crate) use default_paths::TOKENS_FILE;
pub(crate) use home::expand as expand_home;
pub(crate) use install_dir::InstallDir;
pub(crate) use layers::{Loaded, load};
pub(crate) use schema::{Durability, EngineKind, LogFormat, Settings};
pub(crate) use sources::{Flag, Sources};
pub(crate) use units::Size;
