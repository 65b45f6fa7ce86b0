//! The check of whether an import may continue: not after the rights of its token have ended, and only for a short time
//! after its client has closed its side of the connection.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use akvs_core::{Code, Error, Result};
use akvs_registry::Registry;

use crate::auth::StreamAuthorization;
use crate::transport::connection::Presence;

/// The time that an import continues after the client has closed its side: the client may still read the answer.
const GRACE: Duration = Duration::from_secs(2);

/// The check of whether an import may continue; cheap to clone.
#[derive(Clone)]
pub(crate) struct Wanted(Rc<Inner>);

struct Inner {
    registry: Registry,
    /// The rights that the import needs.
    authorizations: RefCell<Vec<StreamAuthorization>>,
    /// None if the request has no connection, as in tests.
    presence: Option<Presence>,
    /// The time at which the closed side was first noticed.
    closed: Cell<Option<Duration>>,
}

impl Wanted {
    /// Returns a check of these rights and of the presence of the client.
    pub(crate) fn new(
        registry: Registry,
        authorizations: Vec<StreamAuthorization>,
        presence: Option<Presence>,
    ) -> Wanted {
        Wanted(Rc::new(Inner {
            registry,
            authorizations: RefCell::new(authorizations),
            presence,
            closed: Cell::new(None),
        }))
    }

    /// Returns the error that ends the import if its rights have ended, or the client has closed its side for some time.
    /// Must be called before each batch that is written or deleted.
    pub(crate) fn check(&self) -> Result<()> {
        let Inner {
            registry,
            authorizations,
            presence,
            closed,
        } = &*self.0;
        for authorization in authorizations.borrow_mut().iter_mut() {
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
            "the import stopped {GRACE:?} after the client closed its side of the connection"
        );
        Err(Error::new(Code::InvalidRequest, text))
    }
}
