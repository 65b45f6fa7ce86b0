//! Authentication and authorization: tokens, their rights, and what a caller may do.
//!
//! Where the tokens are stored is not known here: they are passed in as a whole, and replaced as a whole while the server
//! runs. Invariant: once there have been tokens, every request needs one until the server is restarted.
//!
//! | module | owns |
//! | --- | --- |
//! | `token` | a token, its checks and its policy |
//! | `tokens` | all tokens, found by the secret that a request presents |
//! | `authenticator` | the tokens in force, and the identity of a request |
//! | `identity` | what a caller may do |
//! | `whoami` | the document of `/whoami` |
//! | `disclosure` | what a response may reveal to a token |
//! | `csrf` | requests made by pages of other sites |
//! | `host` | the host names that a server without tokens answers to |

mod authenticator;
mod csrf;
mod disclosure;
mod host;
mod identity;
mod token;
mod tokens;
mod whoami;

pub(crate) use authenticator::{AuthRequest, Authenticator};
pub(crate) use host::Hosts;
pub(crate) use identity::{Identity, Resource, Scope, StreamAuthorization};
pub use token::{Right, Token, TokenError};
pub use tokens::Tokens;
pub(crate) use whoami::WhoamiDocument;
