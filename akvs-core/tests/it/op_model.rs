//! The meaning of writes, stated twice: [`apply`] is compared with a model that is short enough to verify by reading,
//! first one operation at a time, then in sequences over a store.
//!
//! [`evaluate`] is the model: the contract's sections on conditions, expiry and arithmetic, in plain types, without a
//! store. It shares only the operations with the code that it tests. Invariant: it stays simple.

use std::collections::BTreeMap;
use std::sync::Arc;

use akvs_core::engine::Durability;
use akvs_core::{
    Action, Change, Code, Condition, Database, Entry, Error, FieldValue, Key, MemoryEngine,
    Namespace, Op, Options, Representation, Revision, Store, Timestamp, Ttl, apply,
};
use bytes::Bytes;
use proptest::{collection::vec, option::of, prelude::*, sample::select};
use serde_json::{Value, json};

/// 9999-12-31T23:59:59.999Z.
const LAST: u64 = 253_402_300_799_999;

/// The state of a key; times are in ms.
#[derive(Clone, Debug, Default, PartialEq)]
struct KeyState {
    value: Vec<u8>,
    /// The content type and the content encoding.
    representation: [Option<String>; 2],
    revision: u64,
    created: u64,
    modified: u64,
    deadline: Option<u64>,
}

/// The effect of an operation, or why it has none, with the context of the error.
#[derive(Clone, Debug, PartialEq)]
enum Effect {
    Put(KeyState),
    Remove,
    Nothing,
    Refused(Code, Value),
}

/// The model: returns the effect of an operation on the state of its key; a change takes this revision.
fn evaluate(op: &Op, stored: Option<&KeyState>, now: u64, revision: u64) -> Effect {
    let stored = stored.filter(|state| is_live(state, now));
    let mut context = stored.map_or(json!({}), |state| json!({"revision": state.revision}));
    if !holds(&op.condition, stored) {
        return Effect::Refused(Code::PreconditionFailed, context);
    }
    // A missing key counts as empty: without a type, created now, without a deadline.
    let mut after = stored.cloned().unwrap_or(KeyState {
        created: now,
        ..KeyState::default()
    });
    (after.revision, after.modified) = (revision, now);
    let ttl = match &op.action {
        Action::Delete if stored.is_some() => return Effect::Remove,
        Action::Delete => return Effect::Nothing,
        Action::Set {
            value,
            representation,
            ttl,
        } => {
            after.value = value.to_vec();
            after.representation = texts(representation);
            ttl
        }
        Action::Add { by, ttl } => {
            let before = stored.map_or(Some(0), |state| integer(&state.value));
            let sum = before.and_then(|before| in_bounds(before + i128::from(*by)));
            let Some(sum) = sum else {
                return Effect::Refused(Code::Conflict, context);
            };
            after.value = sum.to_string().into_bytes();
            ttl
        }
        Action::Append {
            value,
            max_bytes,
            ttl,
        } => {
            after.value.extend_from_slice(value);
            if after.value.len() > *max_bytes {
                context["limit"] = json!(max_bytes);
                return Effect::Refused(Code::TooLarge, context);
            }
            ttl
        }
        Action::Touch { .. } if stored.is_none() => {
            return Effect::Refused(Code::NotFound, context);
        }
        Action::Touch { ttl } => ttl,
        other => panic!("the model does not know {other:?}"),
    };
    let end = match ttl {
        Ttl::Keep => return Effect::Put(after),
        Ttl::Default | Ttl::Forever => None,
        Ttl::Millis(millis) => Some(i128::from(now) + i128::from(*millis)),
        Ttl::Until(end) => Some(i128::from(end.as_millis())),
    };
    if end.is_some_and(|end| end > i128::from(LAST)) {
        return Effect::Refused(Code::InvalidRequest, json!({}));
    }
    after.deadline = end.and_then(|end| u64::try_from(end).ok());
    Effect::Put(after)
}

fn is_live(state: &KeyState, now: u64) -> bool {
    state.deadline.is_none_or(|deadline| now < deadline)
}

fn holds(condition: &Condition, stored: Option<&KeyState>) -> bool {
    match condition {
        Condition::None => true,
        Condition::Absent => stored.is_none(),
        Condition::Exists => stored.is_some(),
        Condition::Revisions(list) => {
            stored.is_some_and(|state| list.iter().any(|one| one.get() == state.revision))
        }
        Condition::NoneOf(list) => {
            stored.is_none_or(|state| list.iter().all(|one| one.get() != state.revision))
        }
        Condition::UnmodifiedSince(date) => {
            stored.is_none_or(|state| state.modified / 1_000 <= date.as_millis() / 1_000)
        }
        Condition::All(parts) => parts.iter().all(|part| holds(part, stored)),
    }
}

/// Parses digits with or without a sign: nothing else is an integer, and it must be an `i64`.
fn integer(text: &[u8]) -> Option<i128> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] | digits => (1, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // A number far out of bounds stays out, however many digits follow.
    let append_digit =
        |size: i128, digit: &u8| (size * 10 + i128::from(digit - b'0')).min(1 << 100);
    in_bounds(sign * digits.iter().fold(0, append_digit))
}

fn in_bounds(number: i128) -> Option<i128> {
    i64::try_from(number).ok().map(i128::from)
}

fn texts(representation: &Representation) -> [Option<String>; 2] {
    [
        &representation.content_type,
        &representation.content_encoding,
    ]
    .map(|field| field.as_ref().map(|field| field.as_str().to_owned()))
}

fn state(entry: &Entry) -> KeyState {
    KeyState {
        value: entry.value.to_vec(),
        representation: texts(&entry.representation),
        revision: entry.revision.get(),
        created: entry.created.as_millis(),
        modified: entry.modified.as_millis(),
        deadline: entry.deadline.map(Timestamp::as_millis),
    }
}

/// Converts a result to the model's terms: whether something changed, and to what.
fn reported(done: Result<(bool, Option<Entry>), Error>) -> Effect {
    match done {
        Ok((true, Some(entry))) => Effect::Put(state(&entry)),
        Ok((true, None)) => Effect::Remove,
        Ok((false, None)) => Effect::Nothing,
        Ok((false, Some(entry))) => panic!("{entry:?} without a change"),
        Err(error) => Effect::Refused(error.code(), Value::Object(error.context().clone())),
    }
}

/// Limits and revisions are generated relative to the current state: this one meets it exactly.
const EXACT: u64 = 1_000;

fn aim(mut op: Op, stored: Option<&KeyState>, now: u64) -> Op {
    let stored = stored.filter(|state| is_live(state, now));
    let bytes = op.bytes() + stored.map_or(0, |state| state.value.len());
    if let Action::Append { max_bytes, .. } = &mut op.action {
        *max_bytes = (bytes + *max_bytes).saturating_sub(EXACT as usize);
    }
    aim_condition(&mut op.condition, stored);
    op
}

fn aim_condition(condition: &mut Condition, stored: Option<&KeyState>) {
    match condition {
        Condition::Revisions(list) | Condition::NoneOf(list) => {
            let current = stored.map_or(EXACT, |state| state.revision);
            for one in list {
                *one = Revision::new((current + one.get()).saturating_sub(EXACT));
            }
        }
        Condition::UnmodifiedSince(date) => {
            let current = stored.map_or(EXACT, |state| state.modified);
            let date_ms = current.saturating_add(date.as_millis()) / EXACT * EXACT;
            *date = Timestamp::from_millis(date_ms.saturating_sub(EXACT));
        }
        Condition::All(parts) => parts
            .iter_mut()
            .for_each(|part| aim_condition(part, stored)),
        Condition::None | Condition::Absent | Condition::Exists => {}
    }
}

fn number() -> impl Strategy<Value = i64> {
    let edges = [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX];
    prop_oneof![3 => select(edges.to_vec()), 3 => -2..=2_i64, 1 => any::<i64>()]
}

/// Almost integers, separated by bars.
const ALMOST: &str = "|+1|-0|+0|007| 7|7 |7\n|7\0|+|-|--1|+-1|0x10|1_0|1.0|1e3|\u{663}|é|+9223372036854775807|\
    9223372036854775808|-9223372036854775809|-0009223372036854775808|99999999999999999999999999999999999999999";

fn value() -> BoxedStrategy<Bytes> {
    prop_oneof![
        3 => number().prop_map(|number| number.to_string().into()),
        3 => select(ALMOST.split('|').map(Bytes::from).collect::<Vec<_>>()),
        1 => vec(any::<u8>(), 0..6).prop_map(Bytes::from),
    ]
    .boxed()
}

/// Around a time: before it, at it, and after it.
fn around(time: u64) -> impl Strategy<Value = u64> {
    (-1..=1_i64).prop_map(move |by| time.saturating_add_signed(by))
}

fn time(now: u64) -> impl Strategy<Value = Timestamp> {
    prop_oneof![3 => around(now), 1 => any::<u64>()].prop_map(Timestamp::from_millis)
}

fn ttl(now: u64) -> BoxedStrategy<Ttl> {
    let millis = prop_oneof![
        3 => 0..20_u64, 2 => around(LAST.saturating_sub(now)), 1 => around(u64::MAX - now), 1 => any::<u64>(),
    ];
    let end = time(now).prop_map(Ttl::Until);
    prop_oneof![2 => millis.prop_map(Ttl::Millis), 1 => end, 1 => Just(Ttl::Forever), 1 => Just(Ttl::Keep)]
        .boxed()
}

fn condition() -> BoxedStrategy<Condition> {
    let revisions = vec(around(EXACT).prop_map(Revision::new), 0..4);
    let plain = prop_oneof![2 => Just(Condition::None), 1 => Just(Condition::Absent), 1 => Just(Condition::Exists)];
    let none_of = vec(around(EXACT).prop_map(Revision::new), 0..4).prop_map(Condition::NoneOf);
    let date =
        around(EXACT).prop_map(|date| Condition::UnmodifiedSince(Timestamp::from_millis(date)));
    let one = prop_oneof![4 => plain, 2 => revisions.prop_map(Condition::Revisions), 1 => none_of, 1 => date].boxed();
    let all = vec(one.clone(), 0..3).prop_map(Condition::All);
    prop_oneof![8 => one, 1 => all].boxed()
}

prop_compose! {
    fn representation()(
        content_type in of(select(vec!["text/plain", "image/png"])), content_encoding in of(Just("gzip")),
    ) -> Representation {
        let field = |text: Option<_>| text.map(|text| FieldValue::new(text).expect("a text"));
        Representation { content_type: field(content_type), content_encoding: field(content_encoding) }
    }
}

prop_compose! {
    fn op(now: u64)(
        kind in 0..10, value in value(), representation in representation(), ttl in ttl(now), by in number(),
        room in prop_oneof![4 => EXACT - 1..=EXACT + 1, 1 => Just(0), 1 => Just(1 << 40)], condition in condition(),
    ) -> Op {
        let action = match kind {
            0 => Action::Delete,
            1..=2 => Action::Touch { ttl },
            3..=4 => Action::Append { value, max_bytes: room as usize, ttl },
            5..=6 => Action::Set { value, representation, ttl },
            _ => Action::Add { by, ttl },
        };
        Op::from(action).on(condition)
    }
}

prop_compose! {
    fn stored(now: u64)(
        value in value(), representation in representation(), revision in (1..1_u64 << 50).prop_map(Revision::new),
        created in time(now), modified in time(now), deadline in of(time(now)),
    ) -> Entry {
        Entry { value, representation, revision, created, modified, deadline }
    }
}

/// A time, the state then, and the operation.
fn case() -> impl Strategy<Value = (u64, Option<Entry>, Op)> {
    let edges = prop_oneof![2 => around(LAST), 1 => around(u64::MAX), 1 => any::<u64>()];
    prop_oneof![0..100_u64, edges].prop_flat_map(|now| (Just(now), of(stored(now)), op(now)))
}

/// An operation on this key, this long after the previous step.
type Step = (usize, u64, Op);

prop_compose! {
    fn steps()(start in select(vec![0, 1_000, LAST - 40]))(
        steps in vec((0..3_usize, prop_oneof![Just(0), 1..8_u64], op(start)), 1..60), start in Just(start),
    ) -> (u64, Vec<Step>) {
        (start, steps)
    }
}

/// Applies the steps in groups of this size to a new store, and compares all results with the model.
fn run(start: u64, steps: &[Step], size: usize) {
    let engine = Arc::new(MemoryEngine::new());
    let database = Database::open(engine, Options::default()).expect("a database");
    let store = Store::new(&database, Namespace::new("ns").expect("a name")).expect("a store");
    let keys = ["a", "b", "c"].map(|name| Key::new(name).expect("a key"));
    let (mut model, mut newest, mut now) = (BTreeMap::<usize, KeyState>::new(), 0, start);
    for steps in steps.chunks(size) {
        let mut group = (size > 1).then(|| database.group());
        for (number, pause, op) in steps {
            now += pause;
            let time = Timestamp::from_millis(now);
            let stored = model.get(number);
            let existed = stored.is_some_and(|state| is_live(state, now));
            let (op, key) = (aim(op.clone(), stored, now), &keys[*number]);
            let outcome = match &mut group {
                Some(group) => group.apply(&store, key, op.clone(), time),
                None => store.apply(key, op.clone(), time),
            };
            if let Ok(outcome) = &outcome {
                assert_eq!(outcome.existed, existed, "{op:?}");
                let before = newest;
                newest = outcome.revision.map_or(before, Revision::get);
                assert!(newest > before || outcome.revision.is_none(), "{op:?}");
            }
            let effect = evaluate(&op, stored, now, newest);
            let done = outcome.map(|outcome| (outcome.revision.is_some(), outcome.entry));
            assert_eq!(reported(done), effect, "{op:?} at {now}");
            match effect {
                Effect::Put(state) => drop(model.insert(*number, state)),
                Effect::Remove => drop(model.remove(number)),
                Effect::Nothing | Effect::Refused(..) => {}
            }
        }
        if let Some(group) = group {
            group.commit(Durability::Buffered).expect("a commit");
        }
        assert_eq!(database.revision().get(), newest);
        for (number, key) in keys.iter().enumerate() {
            for then in [now, now + 5] {
                let found = store.find(key.as_bytes(), Timestamp::from_millis(then));
                let found = found.expect("a read").as_ref().map(state);
                let expected = model.get(&number).filter(|state| is_live(state, then));
                assert_eq!(found.as_ref(), expected, "{key:?} at {then}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn an_operation_matches_the_model((now, stored, op) in case(), revision: u64) {
        let state = stored.as_ref().map(state);
        let op = aim(op, state.as_ref(), now);
        let expected = evaluate(&op, state.as_ref(), now, revision);
        let done = apply(op.clone(), stored.as_ref(), Timestamp::from_millis(now)).map(|change| match change {
            Change::Put(draft) => (true, Some(draft.into_entry(Revision::new(revision)))),
            Change::Remove => (true, None),
            Change::Nothing => (false, None),
        });
        prop_assert_eq!(reported(done), expected, "{:?}", op);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_store_matches_the_model_however_its_operations_are_grouped((start, steps) in steps()) {
        for size in [1, 3, steps.len() + 1] {
            run(start, &steps, size);
        }
    }
}
