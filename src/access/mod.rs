//! Who may, as files say it: tokens, certificates, and their renewal while the server runs.
//!
//! | module | owns |
//! | --- | --- |
//! | `tokens` | the file of tokens: its format, reading and writing it |
//! | `secret` | a token's own text |
//! | `start` | what all of them say when a server starts |
//! | `certificates` | the files of TLS |
//! | `renewal` | what a running server reads again, and when |

mod certificates;
mod renewal;
mod secret;
mod start;
mod tokens;

use certificates::read as certificates;
use tokens::read as tokens;

pub(crate) use renewal::Renewal;
pub(crate) use secret::Secret;
pub(crate) use start::Access;
pub(crate) use tokens::{Line, TokenFile, lines as token_lines, parse_time, time_text};
