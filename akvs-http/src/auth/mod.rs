//! Who may do what: tokens and their rights, and the judge of each request.
//!
//! It owns the decision. Where the tokens are kept is not known here: they come in whole, and are replaced whole while
//! the server runs. Invariant: once there were tokens, nobody gets in without one until the server is started anew.
//!
//! | module | owns |
//! | --- | --- |
//! | `token` | what a token is, and its checks |
//! | `tokens` | all of them, found by what is presented |
//! | `authenticator` | those that hold now, and who is let in by them |
//! | `identity` | what a caller may do |
//! | `whoami` | what a caller is told of itself |
//! | `disclosure` | what an answer may tell to a token |
//! | `csrf` | which requests other sites' pages make |
//! | `host` | the names under which a server without tokens may be asked |

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
