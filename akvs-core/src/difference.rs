//! Whether two sides have the same items, told without holding any: those of one side are added, those of the other taken
//! away, as keyed hashes, which comes to nothing where they agree, and practically never else.

use std::hash::{BuildHasher, Hash, RandomState};

/// How the two sides differ so far.
#[derive(Default)]
pub(crate) struct Difference {
    hasher: RandomState,
    sum: u64,
}

impl Difference {
    /// Adds an item of the one side.
    pub(crate) fn add(&mut self, item: impl Hash) {
        self.sum = self.sum.wrapping_add(self.hasher.hash_one(item));
    }

    /// Takes an item of the other side away.
    pub(crate) fn subtract(&mut self, item: impl Hash) {
        self.sum = self.sum.wrapping_sub(self.hasher.hash_one(item));
    }

    /// Whether both sides have the same.
    pub(crate) fn is_none(&self) -> bool {
        self.sum == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_agree_in_any_order_and_only_with_the_same_items() {
        let mut difference = Difference::default();
        difference.add((1, "a"));
        difference.add((2, "b"));
        difference.subtract((2, "b"));
        assert!(!difference.is_none());
        difference.subtract((1, "a"));
        assert!(difference.is_none());
        difference.add((1, "a"));
        difference.subtract((1, "c"));
        assert!(!difference.is_none());
    }
}
