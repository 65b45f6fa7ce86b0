//! The settings: what can be chosen, what holds where nothing is chosen, and from where each choice came.
//!
//! | module | owns |
//! | --- | --- |
//! | `schema` | every key, its type, bounds and default |
//! | `units` | numbers, sizes and times as they are written, with their bounds |
//! | `address` | addresses to listen on as they are written |
//! | `hosts` | names under which the server may be asked as they are written |
//! | `sources` | what a file, the environment and the flags say, each with where it said it |
//! | `variables` | which variables begin with `AKVS_` and are not settings: injected, misspelt, unknown |
//! | `home` | paths that begin with `~` |
//! | `install_dir` | where this program was unpacked: the files that are beside it |
//! | `default_paths` | the paths among them: their defaults, and from where on they count |
//! | `layers` | one over the other, down to typed settings or one clear failure |

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
