//! The memory of all answers that are under way.
//!
//! It counts what an answer holds until its client has taken it: the text that was made for it, the values that it
//! refers to, and what is on its way to the socket. A value that several answers share counts once. Small answers are
//! bounded well enough by the number of connections, and cost nothing here.
//!
//! A part of it is set aside for what compresses answers, which is held from the beginning of an answer to its end, also
//! while that waits for other memory: otherwise answers that wait for each other would never end.
//!
//! Invariant: what is held is at most the limit, or is one answer that is larger than that and alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use akvs_core::{Code, Error, Result};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Answers go out in slices of this size, so that none is ever copied as a whole, in bytes.
pub(crate) const SLICE_BYTES: usize = 32 << 10;
/// Answers up to this size are not counted, in bytes.
pub(crate) const SMALL_BYTES: usize = SLICE_BYTES;

/// So large a part of the memory is for encoders.
const ENCODERS_DIVISOR: usize = 8;
/// What is counted, in bytes.
const UNIT_BYTES: usize = 1 << 10;

/// The memory of all answers; cheap to clone.
#[derive(Clone)]
pub(crate) struct ResponseMemory(Arc<Inner>);

struct Inner {
    room: Arc<Semaphore>,
    /// All of it, in units.
    units: u32,
    encoders: Arc<Semaphore>,
    /// All of that, in units.
    encoder_units: u32,
    limit: usize,
    values: Mutex<HashMap<Place, Weak<Value>>>,
}

/// Where bytes are, and how many: the same place is the same value for as long as it is held.
type Place = (usize, usize);

/// A part of the memory, given back when dropped.
pub(crate) struct ResponseReservation {
    memory: ResponseMemory,
    authorization: Option<OwnedSemaphorePermit>,
}

/// The memory of an encoder, given back when dropped.
pub(crate) struct EncoderMemory(#[expect(dead_code, reason = "held")] Option<OwnedSemaphorePermit>);

/// A value that answers share.
struct Value {
    // It keeps its place as long as it is counted.
    bytes: Bytes,
    memory: ResponseMemory,
    _held: ResponseReservation,
}

/// What an answer holds that gives a value.
pub(crate) struct Shared {
    _value: Arc<Value>,
    /// What is on its way to the socket; counted with the value for the first.
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

    /// A part of it, if there is so much left; else the error `overloaded`.
    pub(crate) fn hold(&self, bytes: usize) -> Result<ResponseReservation> {
        let mut held = self.nothing();
        held.grow(bytes)?;
        Ok(held)
    }

    /// The memory of an encoder, if there is so much left; else the error `overloaded`. One that needs more than there
    /// is for all of them may be alone.
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

    /// A part of it, once there is so much left. Those that wait are served in order.
    pub(crate) async fn wait(&self, bytes: usize) -> ResponseReservation {
        let room = Arc::clone(&self.0.room);
        let authorization = room.acquire_many_owned(self.units(bytes)).await;
        ResponseReservation {
            memory: self.clone(),
            // It is never closed.
            authorization: authorization.ok(),
        }
    }

    /// What an answer holds that gives these bytes, which others may give too; of what was reserved for it, if anything
    /// was.
    pub(crate) fn share(
        &self,
        bytes: &Bytes,
        reserved: Option<ResponseReservation>,
    ) -> Result<Shared> {
        let place = (bytes.as_ptr() as usize, bytes.len());
        let known = self.values().get(&place).and_then(Weak::upgrade);
        if let Some(value) = known {
            drop(reserved);
            return Ok(Shared {
                _value: value,
                _slice: Some(self.hold(SLICE_BYTES)?),
            });
        }
        let mut held = reserved.unwrap_or_else(|| self.nothing());
        held.grow(bytes.len() + SLICE_BYTES)?;
        held.shrink(bytes.len() + SLICE_BYTES);
        let value = Arc::new(Value {
            bytes: bytes.clone(),
            memory: self.clone(),
            _held: held,
        });
        self.values().insert(place, Arc::downgrade(&value));
        Ok(Shared {
            _value: value,
            _slice: None,
        })
    }

    fn nothing(&self) -> ResponseReservation {
        ResponseReservation {
            memory: self.clone(),
            authorization: None,
        }
    }

    /// What is more than all of it counts as all of it, so that it can be sent alone.
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

    fn values(&self) -> MutexGuard<'_, HashMap<Place, Weak<Value>>> {
        self.0.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResponseReservation {
    /// Grows to so many bytes, if there are so many left; else it stays as it is, with the error `overloaded`.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<()> {
        let has = self.authorization.as_ref().map_or(0, units_of);
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
        match &mut self.authorization {
            Some(authorization) => authorization.merge(more),
            None => self.authorization = Some(more),
        }
        Ok(())
    }

    /// Shrinks to so many bytes.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let units = self.memory.units(bytes);
        if let Some(authorization) = &mut self.authorization
            && let Some(less) = units_of(authorization).checked_sub(units)
        {
            drop(authorization.split(less as usize));
        }
    }
}

fn units_of(authorization: &OwnedSemaphorePermit) -> u32 {
    u32::try_from(authorization.num_permits()).unwrap_or(u32::MAX)
}

impl Drop for Value {
    fn drop(&mut self) {
        let place = (self.bytes.as_ptr() as usize, self.bytes.len());
        let mut values = self.memory.values();
        // Another may have taken its place in the table meanwhile.
        if values
            .get(&place)
            .is_some_and(|value| value.strong_count() == 0)
        {
            values.remove(&place);
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
    fn no_more_is_held_than_the_limit() {
        let memory = with_room(1 << 20);
        let mut first = memory.hold(600 << 10).unwrap();
        let refused = memory.hold(600 << 10).map(drop).unwrap_err();
        assert_eq!(refused.code(), Code::Overloaded);
        // Alone it may take all of it, and more.
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
    fn a_value_counts_once_however_many_share_it() {
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
    fn those_that_wait_are_served_in_order() {
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
