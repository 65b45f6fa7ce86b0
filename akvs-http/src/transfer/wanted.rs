//! Whether an import may go on: not once its token's rights have ended, and not for long once its client has closed its
//! side of the connection.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use akvs_core::{Code, Error, Result};
use akvs_registry::Registry;

use crate::auth::StreamAuthorization;
use crate::transport::connection::Presence;

/// So much longer an import goes on: its client may have ended what it sends, and still read.
const GRACE: Duration = Duration::from_secs(2);

/// Whether an import may go on; cheap to clone.
#[derive(Clone)]
pub(crate) struct Wanted(Rc<Inner>);

struct Inner {
    registry: Registry,
    /// The rights that all of it needs.
    permits: RefCell<Vec<StreamAuthorization>>,
    /// None where there is no connection.
    presence: Option<Presence>,
    /// When it was first seen that the client has closed its side.
    closed: Cell<Option<Duration>>,
}

impl Wanted {
    /// Wanted for as long as these rights hold and the client is there.
    pub(crate) fn new(
        registry: Registry,
        permits: Vec<StreamAuthorization>,
        presence: Option<Presence>,
    ) -> Wanted {
        Wanted(Rc::new(Inner {
            registry,
            permits: RefCell::new(permits),
            presence,
            closed: Cell::new(None),
        }))
    }

    /// The error that ends the import: its rights have ended, or its client has been gone for a while. To be asked for
    /// before each batch that is written or deleted.
    pub(crate) fn check(&self) -> Result<()> {
        let Inner {
            registry,
            permits,
            presence,
            closed,
        } = &*self.0;
        for authorization in permits.borrow_mut().iter_mut() {
            authorization.check(|| registry.now())?;
        }
        if !presence.as_ref().is_some_and(Presence::is_closed) {
            return Ok(());
        }
        let now = registry.elapsed();
        let since = closed.get().unwrap_or(now);
        closed.set(Some(since));
        if now.saturating_sub(since) < GRACE {
            return Ok(());
        }
        let text = format!(
            "the client closed its side of the connection, and {GRACE:?} later the import was stopped"
        );
        Err(Error::new(Code::InvalidRequest, text))
    }
}
