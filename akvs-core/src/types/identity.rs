//! The ids of namespaces and histories in rows.

/// The id of the namespace that a row belongs to; never assigned twice, not even to a namespace of the same name.
pub(crate) type NamespaceId = u64;

/// The id of the history that a row belongs to; never assigned twice.
pub type HistoryId = u64;
