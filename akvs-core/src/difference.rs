//! A comparison of two sets of items that stores none of them: items of one side are added and those of the other
//! subtracted, as keyed hashes. The sum is zero where they agree, and practically never otherwise.

use std::hash::{BuildHasher, Hash, RandomState};

/// The difference of the two sides so far.
#[derive(Default)]
pub(crate) struct Difference {
    hasher: RandomState,
    sum: u64,
}

impl Difference {
    /// Adds an item of the first side.
    pub(crate) fn add(&mut self, item: impl Hash) {
        self.sum = self.sum.wrapping_add(self.hasher.hash_one(item));
    }

    /// Subtracts an item of the second side.
    pub(crate) fn subtract(&mut self, item: impl Hash) {
        self.sum = self.sum.wrapping_sub(self.hasher.hash_one(item));
    }

    /// Returns whether both sides have the same items.
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
