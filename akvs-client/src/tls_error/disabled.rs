//! Errors of TLS where TLS is not compiled in: there are none.

use std::error::Error as StdError;

pub(crate) fn is_tls_refusal(_: &(dyn StdError + 'static)) -> bool {
    false
}
