//! The dropped namespaces that are kept, and the revision from which they are read: reads skip the tombstones of purged
//! ones.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::Database;
use crate::encoding;
use crate::engine::{KeyRange, PageLimit, Table};
use crate::{Result, Revision};

impl Database {
    /// Returns the first rows of kept dropped namespaces, the oldest first.
    pub(crate) fn oldest_drops(&self, limit: PageLimit) -> Result<Vec<(Bytes, Bytes)>> {
        let oldest = Revision::new(self.0.oldest_drop.load(Ordering::Acquire));
        let range = KeyRange {
            start: encoding::dropped_key(oldest),
            ..encoding::dropped_range()
        };
        let page = self.engine().page(Table::Meta, &range, limit)?;
        if let Some((key, _)) = page.first() {
            let oldest = encoding::parse_dropped_key(key)?;
            self.0.oldest_drop.store(oldest.get(), Ordering::Release);
        }
        Ok(page)
    }

    /// Returns the revision up to which dropped namespaces may be purged.
    pub(crate) fn purged(&self) -> Revision {
        Revision::new(self.0.purged.load(Ordering::Acquire))
    }

    /// Records that the namespace dropped at this revision was purged.
    pub(crate) fn note_purged(&self, revision: Revision) {
        self.0.purged.fetch_max(revision.get(), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::Durability;
    use crate::{Key, MemoryEngine, Namespace, Op, Options, Store, Timestamp};

    #[test]
    fn tombstones_of_purged_drops_are_not_read_again() {
        let database = Database::open(Arc::new(MemoryEngine::new()), Options::default()).unwrap();
        for number in 0..400 {
            let name = Namespace::new(format!("n{number}")).unwrap();
            let store = || Store::new(&database, name.clone()).unwrap();
            let mut group = database.group();
            let set = group.apply(
                &store(),
                &Key::new("k").unwrap(),
                Op::set("v"),
                Timestamp::from_millis(1),
            );
            set.unwrap();
            group.commit(Durability::Buffered).unwrap();
            let mut group = database.group();
            assert!(group.drop_namespace(&store()).unwrap());
            group.commit(Durability::Buffered).unwrap();
        }
        let begins = database.0.oldest_drop.load(Ordering::Acquire);
        let all = encoding::dropped_range();
        let page = database
            .engine()
            .page(Table::Meta, &all, PageLimit::rows(1_000));
        let page = page.unwrap();
        let first = encoding::parse_dropped_key(&page[0].0).unwrap().get();
        assert!(first > 200, "no drop was purged");
        // The last group purged the first rows that it had read.
        assert!(begins <= first && first - begins <= 4, "{begins} {first}");
        assert_eq!(database.oldest_drops(PageLimit::rows(1_000)).unwrap(), page);
    }
}
