//! The stand-in where TLS is not compiled in, and has no errors.

use std::error::Error as StdError;

pub(crate) fn is_tls_refusal(_: &(dyn StdError + 'static)) -> bool {
    false
}
