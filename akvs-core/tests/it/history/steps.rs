//! The steps that proptest chooses from.

use akvs_core::engine::PageLimit;
use akvs_core::{Action, Op, Representation, Timestamp, Ttl};
use bytes::Bytes;
use proptest::prelude::*;

pub(crate) const NAMES: [&str; 3] = ["a", "b", "Ä"];
pub(crate) const KEYS: [&[u8]; 4] = [b"k", b"k\0", b"\xff", b"l"];

/// A step.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Changes, and possibly the drop of a namespace, at once; recorded or not.
    CommitGroup(Vec<Change>, Option<usize>, bool),
    /// Changes that are not committed.
    Abandon(Vec<Change>),
    /// This number of changes of one namespace at once, so that earlier drops are old.
    Burst(usize),
    Expire(usize),
    /// This many steps of this many rows.
    Sweep(usize, usize),
    /// Keep this many changes from now on.
    Reopen(u64),
    /// Open as an engine that lost commits.
    BeginAnew,
    Check(PageLimit),
}

/// A change of this namespace and key.
pub(crate) type Change = (usize, usize, KeyChange);

/// The change of a key, with values of this length.
#[derive(Clone, Debug)]
pub(crate) enum KeyChange {
    Set(usize, Ttl),
    Append(usize),
    Touch(Ttl),
    Delete,
}

fn what() -> impl Strategy<Value = KeyChange> {
    let ttl = || prop_oneof![2 => Just(Ttl::Forever), 1 => Just(Ttl::Keep), 2 => (1..20_u64).prop_map(Ttl::Millis), 1 => (0..60_u64).prop_map(Timestamp::from_millis).prop_map(Ttl::Until)];
    let length = || prop_oneof![4 => 0..40_usize, 2 => 1_022..1_027_usize, 1 => 5_000..5_010_usize];
    prop_oneof![
        5 => (length(), ttl()).prop_map(|(length, ttl)| KeyChange::Set(length, ttl)),
        2 => length().prop_map(KeyChange::Append),
        2 => ttl().prop_map(KeyChange::Touch),
        2 => Just(KeyChange::Delete),
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let changes = || proptest::collection::vec((0..NAMES.len(), 0..KEYS.len(), what()), 0..12);
    let dropped = proptest::option::weighted(0.25, 0..NAMES.len());
    let limit = prop_oneof![
        (1..9_usize, 1..4_000_usize).prop_map(|(rows, bytes)| PageLimit { rows, bytes }),
        (1..9_usize).prop_map(PageLimit::rows),
        (1..2_000_usize).prop_map(|bytes| PageLimit { rows: 1_000, bytes }),
    ];
    prop_oneof![
        24 => (changes(), dropped, any::<bool>()).prop_map(|(changes, dropped, record)| Step::CommitGroup(changes, dropped, record)),
        2 => changes().prop_map(Step::Abandon),
        1 => (0..NAMES.len()).prop_map(Step::Burst),
        4 => (1..5_usize).prop_map(Step::Expire),
        5 => (1..6_usize, 1..5_usize).prop_map(|(steps, rows)| Step::Sweep(steps, rows)),
        3 => prop_oneof![Just(0), Just(5), Just(50), Just(100_000)].prop_map(Step::Reopen),
        1 => Just(Step::BeginAnew),
        8 => limit.prop_map(Step::Check),
    ]
}

pub(crate) fn op(what: &KeyChange, index: usize) -> Op {
    let value = |length| Bytes::from(vec![index as u8; length]);
    Op::from(match *what {
        KeyChange::Set(length, ttl) => Action::Set {
            value: value(length),
            representation: Representation::default(),
            ttl,
        },
        KeyChange::Append(length) => Action::Append {
            value: value(length),
            max_bytes: 8_000,
            ttl: Ttl::Keep,
        },
        KeyChange::Touch(ttl) => Action::Touch { ttl },
        KeyChange::Delete => Action::Delete,
    })
}
