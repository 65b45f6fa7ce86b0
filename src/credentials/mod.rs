//! Who may, as files say it: tokens, certificates, and their renewal while the server runs.
//!
//! | module | owns |
//! | --- | --- |
//! | `tokens` | the file of tokens: its format, reading and writing it |
//! | `secret` | a token's own text |
//! | `load` | what all of them say when a server starts |
//! | `tls_files` | the files of TLS |
//! | `reload` | what a running server reads again, and when |

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
pub(crate) use tokens::{Line, TokenFile, lines as token_lines, parse_time, time_text};
