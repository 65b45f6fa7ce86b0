//! Tokens and certificates, which are read from files and reloaded while the server runs.
//!
//! | module | owns |
//! | --- | --- |
//! | `tokens` | the token file: its format, reading and writing it |
//! | `secret` | the text of a new token |
//! | `load` | the credentials of a server at its start |
//! | `tls_files` | the files of TLS |
//! | `reload` | what a running server reloads, and when |

mod load;
mod reload;
mod secret;
mod tls_files;
mod tokens;

use tls_files::read as certificates;
use tokens::read as tokens;

pub(crate) use load::Credentials;
pub(crate) use reload::Reloader;
pub(crate) use secret::Secret;
pub(crate) use tokens::{TokenFile, TokenRecord, parse_time, records as token_records, time_text};
