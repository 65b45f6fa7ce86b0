//! The evaluation of changes to one namespace: each against the state after those before it, with the namespace's
//! settings, limits and counts.
//!
//! It knows no rows and no database: what it needs of these it asks of a [`Context`], so that every engine gives the same
//! answers. It has no clock either. Invariant: a change that fails leaves the state as it was, except for entries that
//! were read.

mod apply;
mod entries;
mod namespace;
mod transact;

use bytes::Bytes;

pub(crate) use self::entries::{PendingEntries, PendingEntry};
use crate::{
    Counts, Event, EventKind, Key, Result, Revision, Settings, SettingsPatch, StoredEntry,
    Timestamp,
};

/// What the evaluation needs of the database of a namespace.
pub trait Context {
    /// Returns the committed entry of a key, if any, expired or not. A value that is stored apart may be left out.
    fn entry(&mut self, key: &Key) -> Result<Option<StoredEntry>>;

    /// Returns the value that was left out of an entry.
    fn value(&mut self, key: &Key, stored: &StoredEntry) -> Result<Bytes>;

    /// Refuses to add data where there is no space for it.
    fn check_growth(&mut self) -> Result<()>;

    /// Creates the namespace, before its first change. Returns the number of changes in its history: that of a name that
    /// was dropped continues.
    fn create(&mut self, now: Timestamp) -> Result<u64>;

    /// Changes the settings of the namespace, which exists, and returns all of them.
    fn configure(&mut self, patch: &SettingsPatch, current: Settings) -> Result<Settings>;

    /// Refuses to drop the namespace, which exists, where that is not possible now.
    fn check_drop(&mut self) -> Result<()>;

    /// Returns the revision of the next change.
    fn next_revision(&self) -> Revision;

    /// Takes the next revision, for events that follow.
    fn take_revision(&mut self);

    /// Appends an event of the taken revision to the history, with the place of the entry that it set, if any.
    fn append(&mut self, event: Event, place: Option<usize>);
}

/// A namespace as it will be after the commit of all changes so far.
///
/// ```
/// use akvs_core::evaluation::{Context, PendingNamespace};
/// use akvs_core::{Counts, Key, Op, Settings, Timestamp};
/// # use akvs_core::{Event, Result, Revision, SettingsPatch, StoredEntry};
/// # struct Empty(u64);
/// # impl Context for Empty {
/// #     fn entry(&mut self, _: &Key) -> Result<Option<StoredEntry>> { Ok(None) }
/// #     fn value(&mut self, _: &Key, stored: &StoredEntry) -> Result<bytes::Bytes> { Ok(stored.entry.value.clone()) }
/// #     fn check_growth(&mut self) -> Result<()> { Ok(()) }
/// #     fn create(&mut self, _: Timestamp) -> Result<u64> { Ok(0) }
/// #     fn configure(&mut self, patch: &SettingsPatch, current: Settings) -> Result<Settings> { Ok(patch.apply(current)) }
/// #     fn check_drop(&mut self) -> Result<()> { Ok(()) }
/// #     fn next_revision(&self) -> Revision { Revision::new(self.0 + 1) }
/// #     fn take_revision(&mut self) { self.0 += 1; }
/// #     fn append(&mut self, _: Event, _: Option<usize>) {}
/// # }
/// # let mut context = Empty(0);
/// let mut namespace = PendingNamespace::new(false, Settings::default(), Counts::default());
/// let (key, now) = (Key::new("k")?, Timestamp::from_millis(0));
/// let first = namespace.apply(&mut context, &key, Op::set("1"), now)?;
/// let second = namespace.apply(&mut context, &key, Op::set("2"), now)?;
/// assert!(!first.existed && second.existed);
/// assert_eq!(namespace.counts().keys, 1);
/// # Ok::<(), akvs_core::Error>(())
/// ```
pub struct PendingNamespace {
    exists: bool,
    /// Whether it was dropped. No change follows.
    is_dropped: bool,
    settings: Settings,
    counts: Counts,
    entries: PendingEntries,
    /// The bytes of values that were written.
    produced_bytes: usize,
}

impl PendingNamespace {
    /// Returns a namespace without pending changes.
    pub fn new(exists: bool, settings: Settings, counts: Counts) -> PendingNamespace {
        PendingNamespace {
            exists,
            is_dropped: false,
            settings,
            counts,
            entries: PendingEntries::default(),
            produced_bytes: 0,
        }
    }

    /// Returns whether the namespace exists.
    pub fn exists(&self) -> bool {
        self.exists && !self.is_dropped
    }

    /// Returns whether the namespace was dropped by one of the changes.
    pub fn is_dropped(&self) -> bool {
        self.is_dropped
    }

    /// Returns the settings.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Returns the counts.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns the bytes of values that were written, including those that later changes replaced.
    pub fn produced_bytes(&self) -> usize {
        self.produced_bytes
    }

    /// Returns the changed entries, in the order in which their keys were first read; none for a removed one. A value that
    /// was stored apart and not rewritten may be left out.
    pub fn into_changes(mut self) -> impl Iterator<Item = (Key, Option<StoredEntry>)> {
        let entries = self.entries.take();
        entries
            .filter(|(_, entry)| entry.changed)
            .map(|(key, entry)| (key, entry.entry))
    }

    /// Returns the entries that were read or changed.
    pub(crate) fn entries(&mut self) -> &mut PendingEntries {
        &mut self.entries
    }

    /// Records that this many of the oldest changes were removed from the history.
    pub(crate) fn trimmed(&mut self, changes: u64) {
        self.counts.history = self.counts.history.saturating_sub(changes);
    }

    /// Appends events to the history, all under the next revision, which is returned. Each has the place of the entry
    /// that it set, if any.
    fn append(
        &mut self,
        context: &mut impl Context,
        kinds: impl IntoIterator<Item = (EventKind, Option<usize>), IntoIter: ExactSizeIterator>,
    ) -> Revision {
        let revision = context.next_revision();
        context.take_revision();
        let kinds = kinds.into_iter();
        let last = kinds.len().saturating_sub(1);
        for (index, (kind, place)) in kinds.enumerate() {
            let event = Event {
                revision,
                is_last: index == last,
                kind,
            };
            self.counts.history += 1;
            context.append(event, place);
        }
        revision
    }
}
