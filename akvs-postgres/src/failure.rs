//! The translation of the database's errors.

use akvs_core::{Code, Error};
use tokio_postgres::error::SqlState;

/// Returns the error of a statement that has changed nothing.
pub(crate) fn not_applied(error: tokio_postgres::Error) -> Error {
    let Some(state) = error.code() else {
        return unavailable(error);
    };
    let (code, text) = match state {
        &SqlState::DISK_FULL => (Code::StorageFull, "the disk of the database is full"),
        &SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED => {
            (Code::Corrupted, "the stored data is damaged")
        }
        state if is_temporary(state) => return unavailable(error),
        _ => {
            log::error!("the database failed: {error}: {:?}", error.as_db_error());
            (Code::Storage, "the database failed")
        }
    };
    Error::new(code, text).because(error)
}

/// Returns the error of a request that may succeed later.
pub(crate) fn unavailable(error: tokio_postgres::Error) -> Error {
    Error::new(Code::Unavailable, "the database cannot be reached")
        .with("retry_after_s", 1)
        .because(error)
}

/// Returns the error of a request that the database did not answer in time.
pub(crate) fn timed_out() -> Error {
    Error::new(Code::Unavailable, "the database did not answer in time").with("retry_after_s", 1)
}

/// Returns whether the same statement may succeed later, or at another host.
fn is_temporary(state: &SqlState) -> bool {
    // Connections, resources such as their number, and operator intervention such as a shutdown.
    let class = state.code().get(..2).unwrap_or_default();
    let is_full = *state == SqlState::DISK_FULL;
    matches!(class, "08" | "57") && !is_full
        || [
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::OUT_OF_MEMORY,
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            SqlState::IN_FAILED_SQL_TRANSACTION,
        ]
        .contains(state)
}

/// Returns the error of a database that another program uses, or that is of another release.
pub(crate) fn refused(text: impl Into<String>) -> Error {
    Error::new(Code::Storage, text.into())
}
