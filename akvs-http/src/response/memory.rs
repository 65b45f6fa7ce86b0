//! The memory of all answers that are being sent.
//!
//! It counts what an answer holds until its client has received it: its text, the values that it refers to, and the slice
//! that is being sent. A value that several answers share counts once. Small answers are not counted, because the limit of
//! connections bounds them.
//!
//! A part of the memory is for encoders, which an answer holds from its beginning to its end, even while it waits for other
//! memory: in one pool, answers could wait for each other without end.
//!
//! Invariant: the memory held is at most the limit, or that of a single answer which is larger than the limit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use akvs_core::{Code, Error, Result};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The size in bytes of the slices of an answer: no answer is copied as a whole.
pub(crate) const SLICE_BYTES: usize = 32 << 10;
/// The size in bytes up to which answers are not counted.
pub(crate) const SMALL_BYTES: usize = SLICE_BYTES;

/// The memory divided by the part of it that is for encoders.
const ENCODERS_DIVISOR: usize = 8;
/// The unit of counting, in bytes.
const UNIT_BYTES: usize = 1 << 10;

/// The memory of all answers; cheap to clone.
#[derive(Clone)]
pub(crate) struct ResponseMemory(Arc<Inner>);

struct Inner {
    room: Arc<Semaphore>,
    /// The size of `room`, in units.
    units: u32,
    encoders: Arc<Semaphore>,
    /// The size of `encoders`, in units.
    encoder_units: u32,
    limit: usize,
    values: Mutex<HashMap<ValueId, Weak<Value>>>,
}

/// The address and the length of bytes, which identify a value while it is held.
type ValueId = (usize, usize);

/// A part of the memory, released when dropped.
pub(crate) struct ResponseReservation {
    memory: ResponseMemory,
    permit: Option<OwnedSemaphorePermit>,
}

/// The memory of an encoder, released when dropped.
pub(crate) struct EncoderMemory(#[expect(dead_code, reason = "held")] Option<OwnedSemaphorePermit>);

/// A value that answers share.
struct Value {
    // Keeps the bytes at their address while they are counted.
    bytes: Bytes,
    memory: ResponseMemory,
    _held: ResponseReservation,
}

/// The memory of an answer with a value.
pub(crate) struct Shared {
    _value: Arc<Value>,
    /// The slice that is being sent; the first answer with a value counts it with the value.
    _slice: Option<ResponseReservation>,
}

impl ResponseMemory {
    pub(crate) fn new(limit: usize) -> ResponseMemory {
        let for_encoders = limit / ENCODERS_DIVISOR;
        ResponseMemory::with_parts(limit, limit - for_encoders, for_encoders)
    }

    fn with_parts(limit: usize, room: usize, for_encoders: usize) -> ResponseMemory {
        let units = |bytes: usize| u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX).max(1);
        let (units, encoder_units) = (units(room), units(for_encoders));
        ResponseMemory(Arc::new(Inner {
            room: Arc::new(Semaphore::new(units as usize)),
            units,
            encoders: Arc::new(Semaphore::new(encoder_units as usize)),
            encoder_units,
            limit,
            values: Mutex::default(),
        }))
    }

    /// Reserves memory, or returns the error `overloaded` if too little is left.
    pub(crate) fn hold(&self, bytes: usize) -> Result<ResponseReservation> {
        let mut held = self.empty();
        held.grow(bytes)?;
        Ok(held)
    }

    /// Reserves the memory of an encoder, or returns the error `overloaded` if too little is left. An encoder that needs
    /// more than the whole part for encoders takes all of it.
    pub(crate) fn hold_encoder(&self, bytes: usize) -> Result<EncoderMemory> {
        if bytes == 0 {
            return Ok(EncoderMemory(None));
        }
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let encoders = Arc::clone(&self.0.encoders);
        let held = encoders.try_acquire_many_owned(units.min(self.0.encoder_units));
        let held = held.map_err(|_| self.too_many_encoders())?;
        Ok(EncoderMemory(Some(held)))
    }

    fn too_many_encoders(&self) -> Error {
        let limit = self.0.limit / ENCODERS_DIVISOR;
        let text = format!(
            "too many answers are being compressed at once: they hold at most {limit} bytes \
             (an eighth of limits.max_response_memory_bytes); try again later, or without accept-encoding"
        );
        self.refusal(text, limit)
    }

    /// Waits until this much memory is left, and reserves it. Waiting answers are served in order.
    pub(crate) async fn wait(&self, bytes: usize) -> ResponseReservation {
        let room = Arc::clone(&self.0.room);
        let permit = room.acquire_many_owned(self.units(bytes)).await;
        ResponseReservation {
            memory: self.clone(),
            // The semaphore is never closed.
            permit: permit.ok(),
        }
    }

    /// Returns the memory of an answer with these bytes, which other answers may share. Uses what was reserved for them, if
    /// anything was.
    pub(crate) fn share(
        &self,
        bytes: &Bytes,
        reserved: Option<ResponseReservation>,
    ) -> Result<Shared> {
        let id = (bytes.as_ptr() as usize, bytes.len());
        let known = self.values().get(&id).and_then(Weak::upgrade);
        if let Some(value) = known {
            drop(reserved);
            return Ok(Shared {
                _value: value,
                _slice: Some(self.hold(SLICE_BYTES)?),
            });
        }
        let mut held = reserved.unwrap_or_else(|| self.empty());
        held.grow(bytes.len() + SLICE_BYTES)?;
        held.shrink(bytes.len() + SLICE_BYTES);
        let value = Arc::new(Value {
            bytes: bytes.clone(),
            memory: self.clone(),
            _held: held,
        });
        self.values().insert(id, Arc::downgrade(&value));
        Ok(Shared {
            _value: value,
            _slice: None,
        })
    }

    fn empty(&self) -> ResponseReservation {
        ResponseReservation {
            memory: self.clone(),
            permit: None,
        }
    }

    /// Returns bytes in units. More than the limit counts as the limit, so that such an answer can be sent alone.
    fn units(&self, bytes: usize) -> u32 {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        units.min(self.0.units)
    }

    fn overloaded(&self) -> Error {
        let limit = self.0.limit;
        let text = format!(
            "too many large answers are being sent at once: they hold at most {limit} bytes \
            (limits.max_response_memory_bytes); try again later"
        );
        self.refusal(text, limit)
    }

    fn refusal(&self, text: String, limit: usize) -> Error {
        Error::new(Code::Overloaded, text)
            .with("limit", limit)
            .with("setting", "limits.max_response_memory_bytes")
            .with("retry_after_s", 1)
    }

    fn values(&self) -> MutexGuard<'_, HashMap<ValueId, Weak<Value>>> {
        self.0.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResponseReservation {
    /// Grows to this many bytes. If too little is left, it stays unchanged and the error is `overloaded`.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<()> {
        let has = self.permit.as_ref().map_or(0, units_in);
        let Some(more) = self
            .memory
            .units(bytes)
            .checked_sub(has)
            .filter(|more| *more > 0)
        else {
            return Ok(());
        };
        let room = Arc::clone(&self.memory.0.room);
        let more = room.try_acquire_many_owned(more);
        let more = more.map_err(|_| self.memory.overloaded())?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }

    /// Shrinks to this many bytes.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let units = self.memory.units(bytes);
        if let Some(permit) = &mut self.permit
            && let Some(less) = units_in(permit).checked_sub(units)
        {
            drop(permit.split(less as usize));
        }
    }
}

fn units_in(permit: &OwnedSemaphorePermit) -> u32 {
    u32::try_from(permit.num_permits()).unwrap_or(u32::MAX)
}

impl Drop for Value {
    fn drop(&mut self) {
        let id = (self.bytes.as_ptr() as usize, self.bytes.len());
        let mut values = self.memory.values();
        // A later value may have replaced this one in the table.
        if values
            .get(&id)
            .is_some_and(|value| value.strong_count() == 0)
        {
            values.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_room(bytes: usize) -> ResponseMemory {
        ResponseMemory::with_parts(bytes, bytes, 0)
    }

    fn left(memory: &ResponseMemory) -> usize {
        memory.0.room.available_permits() * UNIT_BYTES
    }

    #[test]
    fn the_memory_held_is_bounded() {
        let memory = with_room(1 << 20);
        let mut first = memory.hold(600 << 10).unwrap();
        let refused = memory.hold(600 << 10).map(drop).unwrap_err();
        assert_eq!(refused.code(), Code::Overloaded);
        // A single answer may exceed the limit.
        first.grow(2 << 20).unwrap();
        assert_eq!(left(&memory), 0);
        first.shrink(100 << 10);
        assert_eq!(left(&memory), 924 << 10);
        let second = memory.hold(900 << 10).unwrap();
        assert!(first.grow(200 << 10).is_err());
        drop((first, second));
        assert_eq!(left(&memory), 1 << 20);
    }

    #[test]
    fn a_shared_value_counts_once() {
        let memory = with_room(1 << 20);
        let value = Bytes::from(vec![0; 512 << 10]);
        let readers: Vec<Shared> = (0..16)
            .map(|_| memory.share(&value, None).unwrap())
            .collect();
        assert_eq!(left(&memory), 0);
        assert!(memory.share(&value, None).is_err());
        drop(readers);
        assert_eq!(left(&memory), 1 << 20);
        assert!(memory.values().is_empty());
        let copies = (0..3).map(|_| memory.share(&Bytes::from(vec![0; 512 << 10]), None));
        assert_eq!(copies.filter(Result::is_ok).count(), 3, "each was let go");
    }

    #[test]
    fn encoders_have_a_part_of_their_own() {
        let memory = ResponseMemory::new(8 << 20);
        assert_eq!(left(&memory), 7 << 20);
        let all = memory.hold(7 << 20).unwrap();
        let first = memory.hold_encoder(700 << 10).unwrap();
        let refused = memory.hold_encoder(700 << 10).map(drop).unwrap_err();
        assert_eq!(refused.code(), Code::Overloaded);
        assert_eq!(refused.context()["limit"], 1 << 20);
        assert!(memory.hold_encoder(0).is_ok());
        drop(first);
        assert!(memory.hold_encoder(2 << 20).is_ok(), "alone");
        drop(all);
        assert_eq!(left(&memory), 7 << 20);
    }

    #[test]
    fn waiting_answers_are_served_in_order() {
        use std::future::Future;
        use std::pin::pin;
        use std::task::{Context, Waker};

        let memory = with_room(1 << 20);
        let all = memory.hold(1 << 20).unwrap();
        let (mut large, mut small) = (pin!(memory.wait(4 << 20)), pin!(memory.wait(1)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(large.as_mut().poll(&mut context).is_pending());
        assert!(small.as_mut().poll(&mut context).is_pending());
        drop(all);
        assert!(
            small.as_mut().poll(&mut context).is_pending(),
            "it came later"
        );
        assert!(large.as_mut().poll(&mut context).is_ready());
    }
}
