//! The gaps in the sequence of revisions: after a restore or a loss of data the counter skips all revisions that may
//! have been assigned and are lost.
//!
//! | meta | value |
//! | --- | --- |
//! | `gaps` | for each gap, in order: the last revision before it u64, the one after which the store continued u64 |
//!
//! Invariant: no revision in a gap is ever assigned; a client that knows one has seen another history.

use bytes::{Buf, BufMut, Bytes};

use super::corrupted;
use crate::{Result, Revision};

pub(crate) const META_GAPS: &[u8] = b"gaps";

/// The maximum number of gaps. Beyond it the two oldest are merged.
const MAX_GAPS: usize = 256;

/// The gaps of a store, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gaps(Vec<Gap>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    /// The last revision before the gap.
    last: Revision,
    /// The revision that the store continued after, which was not assigned either.
    next: Revision,
}

impl Gaps {
    /// Adds the newest gap.
    pub(crate) fn add(&mut self, last: Revision, next: Revision) {
        self.0.push(Gap { last, next });
        while self.0.len() > MAX_GAPS {
            let oldest = self.0.remove(0);
            self.0[0].last = oldest.last;
        }
    }

    /// Returns the last revision before the gap that contains this revision, if one does.
    pub(crate) fn before(&self, revision: Revision) -> Option<Revision> {
        let after = self.0.partition_point(|gap| gap.next <= revision);
        let gap = self.0.get(after)?;
        (revision > gap.last).then_some(gap.last)
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.0.len() * 16);
        for gap in &self.0 {
            bytes.put_u64_le(gap.last.get());
            bytes.put_u64_le(gap.next.get());
        }
        bytes.into()
    }

    pub(crate) fn parse(mut value: &[u8]) -> Result<Gaps> {
        let mut gaps = Gaps::default();
        let mut before = Revision::ZERO;
        while value.has_remaining() {
            let mut number = || value.try_get_u64_le().map_err(|_| corrupted("gap"));
            let (last, next) = (Revision::new(number()?), Revision::new(number()?));
            let is_in_order = before <= last && last < next && next <= Revision::MAX;
            if !is_in_order || gaps.0.len() == MAX_GAPS {
                return Err(corrupted("gap"));
            }
            gaps.0.push(Gap { last, next });
            before = next;
        }
        Ok(gaps)
    }

    /// Returns the revision that the store continued after most recently.
    pub(crate) fn newest(&self) -> Revision {
        self.0.last().map_or(Revision::ZERO, |gap| gap.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u64) -> Revision {
        Revision::new(number)
    }

    #[test]
    fn only_revisions_between_its_ends_are_in_a_gap() {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.before(number(5)), None);
        gaps.add(number(5), number(100));
        gaps.add(number(107), number(200));
        for (revision, last) in [
            (5, None),
            (6, Some(5)),
            (99, Some(5)),
            (100, None),
            (107, None),
            (108, Some(107)),
            (199, Some(107)),
            (200, None),
            (u64::MAX, None),
        ] {
            assert_eq!(
                gaps.before(number(revision)),
                last.map(number),
                "{revision}"
            );
        }
        assert_eq!(Gaps::parse(&gaps.encode()).unwrap(), gaps);
    }

    #[test]
    fn too_many_gaps_are_merged_and_none_is_lost() {
        let mut gaps = Gaps::default();
        for step in 0..1_000 {
            gaps.add(number(step * 10 + 3), number(step * 10 + 10));
        }
        assert_eq!(gaps.0.len(), MAX_GAPS);
        for step in 0..1_000 {
            assert!(gaps.before(number(step * 10 + 5)).is_some(), "{step}");
        }
        assert_eq!(gaps.before(number(9_992)), None);
        assert_eq!(gaps.before(number(3)), None);
        assert_eq!(Gaps::parse(&gaps.encode()).unwrap(), gaps);
    }

    #[test]
    fn an_invalid_list_of_gaps_is_an_error() {
        let row = |numbers: &[u64]| -> Vec<u8> {
            numbers
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect()
        };
        assert!(Gaps::parse(&row(&[1, 2, 2, 3])).is_ok());
        for wrong in [
            row(&[1]),
            row(&[2, 2]),
            row(&[3, 2]),
            row(&[1, 5, 4, 6]),
            row(&[1, u64::MAX]),
            row(&[1, 2])[..15].to_vec(),
        ] {
            assert!(Gaps::parse(&wrong).is_err(), "{wrong:?}");
        }
    }
}
