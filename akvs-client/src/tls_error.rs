//! The errors of TLS among the sources of an error of the HTTP library.
//!
//! It owns the search for them. It does not own the use of TLS.

use std::error::Error as StdError;
use std::io;

/// Returns whether the TLS handshake failed, which is not worth a repetition.
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
