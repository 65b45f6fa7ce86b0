//! The counters that the next commit continues from.

use crate::Revision;
use crate::types::identity::NamespaceId;

/// The highest revision and the highest namespace id that were assigned so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) revision: Revision,
    pub(crate) namespace: NamespaceId,
}
