//! Errors of TLS within those of the HTTP library.
//!
//! It owns which of them end a call. It does not own the use of TLS.

use std::error::Error as StdError;
use std::io;

/// Whether the two sides do not trust each other, which asking again does not mend.
pub(crate) fn is_tls_refusal(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        let io_error = error.downcast_ref::<io::Error>();
        next = match io_error.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}
