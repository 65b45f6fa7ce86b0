//! The read cache: whole entries, bounded in bytes, so that a read of a cached key costs one look-up and no copy.
//!
//! It never returns an older entry than any reader has seen before. Two kinds of callers write to it:
//!
//! - **The committer** invalidates a key before the engine commits its change, and inserts the committed entry
//!   afterwards, before any caller is answered. In between the key's stripe is marked as committing. Both increment the
//!   stripe's count, and lock the stripe while they change the cache.
//! - **A reader fills** after a miss. It reads the stripe's count *before* it reads the engine. Afterwards it locks the
//!   stripe, and stores what it read only if the count is unchanged and no key of the stripe is committing.
//!
//! *A read that follows an answered write sees it*: the write was inserted before its answer, so the reader finds the
//! inserted entry or, once that was evicted, reads the engine, which has it. *No reader sees an older entry after
//! another saw a newer one*: while a key is committing it is not in the cache and cannot be inserted by a reader, so
//! that all its readers read the engine, where the new entry replaces the old one atomically. *A late fill never hides
//! a newer entry*: if the newer one was invalidated or inserted after the reader read the count, the counts differ; if
//! it was inserted before, the engine was read after its commit. An eviction in between does not matter, because the
//! count is kept outside the cache.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use foldhash::fast::RandomState;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, Weighter};

use crate::types::identity::NamespaceId;
use crate::{Entry, Key, Representation, Revision, Timestamp};

/// Bytes that an entry costs in addition to its key and value: the slot, the allocations' heads, the row's head.
const OVERHEAD_BYTES: usize = 224;
/// Bytes that the types of an entry cost in addition to their texts.
const TYPES_BYTES: usize = 128;
/// The assumed cost of an entry, from which the cache sizes its index.
const TYPICAL_BYTES: u64 = 384;
const STRIPES: usize = 256;

/// A bounded cache of current entries.
pub(crate) struct EntryCache {
    entries: Cache<Slot, CachedEntry, Weight, RandomState>,
    stripes: Box<[Stripe]>,
    hasher: RandomState,
}

/// The content of the read cache, and its hits and misses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Look-ups that found an entry, including those of writes.
    pub hits: u64,
    /// Look-ups that found none, including those of missing keys.
    pub misses: u64,
    /// The number of entries.
    pub entries: u64,
    /// Their approximate size, in bytes.
    pub bytes: u64,
    /// The maximum size, in bytes.
    pub max_bytes: u64,
}

/// The count of a stripe when a reader began to read.
#[derive(Clone, Copy)]
pub(crate) struct ReadToken(u64);

#[derive(Default)]
struct Stripe {
    count: AtomicU64,
    /// How many keys of the stripe are committing.
    committing: Mutex<usize>,
}

impl Stripe {
    /// Locks the stripe, so that only the caller changes the cache for its keys.
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.committing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, PartialEq, Eq)]
struct Slot {
    id: NamespaceId,
    // A copy, because the caller's key may be a small slice of a large buffer.
    key: Box<[u8]>,
}

/// An entry in less memory: most have no types.
#[derive(Clone)]
struct CachedEntry {
    value: Bytes,
    representation: Option<Box<Representation>>,
    revision: Revision,
    created: Timestamp,
    modified: Timestamp,
    deadline: Option<Timestamp>,
}

impl From<Entry> for CachedEntry {
    fn from(entry: Entry) -> CachedEntry {
        let has_types = entry.representation != Representation::default();
        CachedEntry {
            value: entry.value,
            representation: has_types.then(|| Box::new(entry.representation)),
            revision: entry.revision,
            created: entry.created,
            modified: entry.modified,
            deadline: entry.deadline,
        }
    }
}

impl From<CachedEntry> for Entry {
    fn from(cached: CachedEntry) -> Entry {
        let representation = cached.representation.map(|types| *types);
        Entry {
            value: cached.value,
            representation: representation.unwrap_or_default(),
            revision: cached.revision,
            created: cached.created,
            modified: cached.modified,
            deadline: cached.deadline,
        }
    }
}

/// A slot that borrows its key.
struct SlotRef<'a> {
    id: NamespaceId,
    key: &'a [u8],
}

impl Hash for Slot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        SlotRef {
            id: self.id,
            key: &self.key,
        }
        .hash(state);
    }
}

impl Hash for SlotRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.id);
        state.write(self.key);
    }
}

impl Equivalent<Slot> for SlotRef<'_> {
    fn equivalent(&self, slot: &Slot) -> bool {
        self.id == slot.id && *self.key == *slot.key
    }
}

#[derive(Clone)]
struct Weight;

impl Weighter<Slot, CachedEntry> for Weight {
    fn weight(&self, slot: &Slot, entry: &CachedEntry) -> u64 {
        let types = entry.representation.as_ref().map_or(0, |types| {
            let texts = [&types.content_type, &types.content_encoding];
            let texts = texts
                .into_iter()
                .flatten()
                .map(|text| text.as_bytes().len());
            texts.sum::<usize>() + TYPES_BYTES
        });
        (slot.key.len() + entry.value.len() + types + OVERHEAD_BYTES) as u64
    }
}

impl EntryCache {
    /// Creates a cache of at most this many bytes, or none where no entry would fit.
    pub(crate) fn new(bytes: u64) -> Option<EntryCache> {
        (bytes >= OVERHEAD_BYTES as u64).then(|| EntryCache {
            entries: Cache::with(
                (bytes / TYPICAL_BYTES).max(1) as usize,
                bytes,
                Weight,
                RandomState::default(),
                DefaultLifecycle::default(),
            ),
            stripes: (0..STRIPES).map(|_| Stripe::default()).collect(),
            hasher: RandomState::default(),
        })
    }

    pub(crate) fn get(&self, id: NamespaceId, key: &[u8]) -> Option<Entry> {
        self.entries.get(&SlotRef { id, key }).map(Entry::from)
    }

    /// Returns the content of the cache, and its hits and misses.
    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.entries.hits(),
            misses: self.entries.misses(),
            entries: self.entries.len() as u64,
            bytes: self.entries.weight(),
            max_bytes: self.entries.capacity(),
        }
    }

    /// Returns the token for a fill. It must be taken before the engine is read.
    pub(crate) fn read_token(&self, id: NamespaceId, key: &[u8]) -> ReadToken {
        ReadToken(self.stripe(id, key).count.load(Ordering::SeqCst))
    }

    /// Stores the entry that a reader found, unless it may have changed since the token was taken.
    pub(crate) fn fill(&self, token: ReadToken, id: NamespaceId, key: &[u8], entry: Entry) {
        let stripe = self.stripe(id, key);
        let committing = stripe.lock();
        if *committing == 0 && stripe.count.load(Ordering::SeqCst) == token.0 {
            let key = key.into();
            self.entries.insert(Slot { id, key }, entry.into());
        }
    }

    /// Removes a key until its commit is inserted, so that all its readers read the engine; for good if the commit
    /// fails.
    pub(crate) fn invalidate(&self, id: NamespaceId, key: &Key) {
        let stripe = self.stripe(id, key.as_bytes());
        let mut committing = stripe.lock();
        *committing += 1;
        stripe.count.fetch_add(1, Ordering::SeqCst);
        self.entries.remove(&SlotRef {
            id,
            key: key.as_bytes(),
        });
    }

    /// Inserts the committed entry, or removes the key if it was deleted. Must be called once for each invalidation.
    pub(crate) fn insert_committed(&self, id: NamespaceId, key: &Key, entry: Option<Entry>) {
        let stripe = self.stripe(id, key.as_bytes());
        let mut committing = stripe.lock();
        *committing = committing.saturating_sub(1);
        stripe.count.fetch_add(1, Ordering::SeqCst);
        match entry {
            Some(entry) => {
                let key = key.as_bytes().into();
                self.entries.insert(Slot { id, key }, entry.into());
            }
            None => {
                self.entries.remove(&SlotRef {
                    id,
                    key: key.as_bytes(),
                });
            }
        }
    }

    fn stripe(&self, id: NamespaceId, key: &[u8]) -> &Stripe {
        &self.stripes[self.hasher.hash_one(SlotRef { id, key }) as usize % STRIPES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(revision: u64, length: usize) -> Entry {
        Entry {
            value: vec![b'v'; length].into(),
            representation: Representation::default(),
            revision: Revision::new(revision),
            created: Timestamp::from_millis(0),
            modified: Timestamp::from_millis(0),
            deadline: None,
        }
    }

    fn revision(cache: &EntryCache) -> Option<u64> {
        cache.get(1, b"k").map(|entry| entry.revision.get())
    }

    #[test]
    fn a_late_fill_does_not_hide_a_committed_entry() {
        let cache = EntryCache::new(1 << 20).unwrap();
        let token = cache.read_token(1, b"k");
        cache.insert_committed(1, &Key::new("k").unwrap(), Some(entry(2, 1)));
        cache.fill(token, 1, b"k", entry(1, 1));
        assert_eq!(revision(&cache), Some(2));
    }

    #[test]
    fn a_late_fill_does_not_restore_a_removed_entry() {
        let cache = EntryCache::new(1 << 20).unwrap();
        let token = cache.read_token(1, b"k");
        cache.insert_committed(1, &Key::new("k").unwrap(), None);
        cache.fill(token, 1, b"k", entry(1, 1));
        assert_eq!(revision(&cache), None);
    }

    #[test]
    fn a_fill_is_kept_and_then_replaced() {
        let cache = EntryCache::new(1 << 20).unwrap();
        let token = cache.read_token(1, b"k");
        cache.fill(token, 1, b"k", entry(1, 1));
        assert_eq!(revision(&cache), Some(1));
        assert!(cache.get(2, b"k").is_none(), "another namespace");
        cache.insert_committed(1, &Key::new("k").unwrap(), Some(entry(2, 1)));
        assert_eq!(revision(&cache), Some(2));
    }

    #[test]
    fn readers_of_a_committing_key_read_the_engine() {
        let cache = EntryCache::new(1 << 20).unwrap();
        let key = Key::new("k").unwrap();
        let before = cache.read_token(1, b"k");
        cache.fill(before, 1, b"k", entry(1, 1));
        cache.invalidate(1, &key);
        assert_eq!(revision(&cache), None, "the old entry is still visible");
        // Two readers of the engine, before and after the commit: the late one must not restore the old entry.
        let during = cache.read_token(1, b"k");
        cache.fill(during, 1, b"k", entry(2, 1));
        cache.fill(during, 1, b"k", entry(1, 1));
        cache.fill(before, 1, b"k", entry(1, 1));
        assert_eq!(revision(&cache), None);
        cache.insert_committed(1, &key, Some(entry(2, 1)));
        cache.fill(during, 1, b"k", entry(1, 1));
        assert_eq!(revision(&cache), Some(2));
    }

    #[test]
    fn the_cache_stays_within_its_bytes() {
        let cache = EntryCache::new(1 << 20).unwrap();
        for index in 0..10_000_u64 {
            cache.insert_committed(
                1,
                &Key::new(index.to_string()).unwrap(),
                Some(entry(index, 1_000)),
            );
        }
        assert!(
            cache.entries.weight() <= 1 << 20,
            "{}",
            cache.entries.weight()
        );
        assert!(cache.entries.len() > 500, "{}", cache.entries.len());
    }
}
