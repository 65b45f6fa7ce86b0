//! Receiving a value: within its limits, in no more memory than it needs, and without keeping a read buffer alive.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::Version;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use actix_web::{HttpRequest, web};
use akvs_core::{Code, Error, Result};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

/// Bodies up to this size are bounded well enough by the number of connections.
const SMALL_BYTES: usize = 16 << 10;
/// How much of an unwanted body is read to keep a connection usable.
const DISCARD_BYTES: usize = 64 << 10;
const DISCARD_TIMEOUT: Duration = Duration::from_millis(500);

/// The most bytes of a request that asks for many things at once.
const REQUEST_BYTES: usize = 16 << 20;

/// What a body may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    max_bytes: usize,
    /// The setting that `max_bytes` comes from, for the error to name; none where it is fixed.
    setting: Option<&'static str>,
    timeout: Duration,
}

impl Limits {
    /// The limits of a value: the settings `limits.max_value_bytes` and `limits.request_timeout`.
    pub(crate) fn for_values(max_bytes: usize, timeout: Duration) -> Limits {
        Limits {
            max_bytes,
            setting: Some("limits.max_value_bytes"),
            timeout,
        }
    }

    /// Limits that nobody sets.
    pub(crate) const fn fixed(max_bytes: usize, timeout: Duration) -> Limits {
        Limits {
            max_bytes,
            setting: None,
            timeout,
        }
    }

    /// The limits of a request that asks for many things at once, which may take as long as a value.
    pub(crate) fn for_requests(&self) -> Limits {
        Limits {
            max_bytes: REQUEST_BYTES,
            setting: None,
            timeout: self.timeout,
        }
    }

    /// How long a client may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The longest, in bytes.
    pub(crate) fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Says which setting a value would exceed that only becomes too large together with what is there, unless the error
    /// names one itself: that of the namespace.
    pub(crate) fn explain(&self, error: Error) -> Error {
        let (Code::TooLarge, Some(setting)) = (error.code(), self.setting) else {
            return error;
        };
        if error.context().contains_key("setting") {
            return error;
        }
        let text = format!("{} ({setting})", error.message());
        let explained = Error::new(Code::TooLarge, text).with("setting", setting);
        let context = error.context().iter();
        context.fold(explained, |error, (name, value)| {
            error.with(name, value.clone())
        })
    }

    /// Refuses a body that says itself that it is too large.
    pub(crate) fn check(&self, announced: Option<u64>) -> Result<()> {
        match announced {
            Some(bytes) if bytes > self.max_bytes as u64 => Err(self.too_large(announced)),
            _ => Ok(()),
        }
    }

    fn too_large(&self, bytes: Option<u64>) -> Error {
        let max_bytes = self.max_bytes;
        let (what, from) = match self.setting {
            Some(setting) => ("value", format!(" ({setting})")),
            None => ("body", String::new()),
        };
        let text = match bytes {
            Some(bytes) => {
                format!("the {what} has {bytes} bytes: expected at most {max_bytes}{from}")
            }
            None => format!("the {what} is too long: expected at most {max_bytes} bytes{from}"),
        };
        let error = Error::new(Code::TooLarge, text).with("limit", max_bytes);
        match self.setting {
            Some(setting) => error.with("setting", setting),
            None => error,
        }
    }
}

/// The memory of all bodies that are being received.
pub(crate) struct BodyMemory {
    used: AtomicUsize,
    limit: usize,
}

/// A part of it, given back when dropped.
pub(crate) struct MemoryReservation<'a> {
    memory: &'a BodyMemory,
    bytes: usize,
    /// Up to so many bytes are not counted.
    free_bytes: usize,
}

impl BodyMemory {
    pub(crate) fn new(limit: usize) -> BodyMemory {
        BodyMemory {
            used: AtomicUsize::new(0),
            limit,
        }
    }

    /// The most of it, in bytes.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// A part of it that is still to grow, for the body of a request.
    pub(crate) fn reserve(&self, version: Version) -> MemoryReservation<'_> {
        MemoryReservation {
            memory: self,
            bytes: 0,
            free_bytes: match version {
                // A connection has many of them at once.
                Version::HTTP_2 => 0,
                _ => SMALL_BYTES,
            },
        }
    }

    /// Takes a part of it, which is to be given back.
    pub(crate) fn acquire(&self, bytes: usize) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        let used = self.used.fetch_add(bytes, Ordering::Relaxed);
        if used.saturating_add(bytes) <= self.limit {
            return Ok(());
        }
        self.release(bytes);
        let text = format!(
            "too many large requests are being received at once: they hold at most {} bytes \
            (limits.max_body_memory_bytes); try again later",
            self.limit
        );
        Err(Error::new(Code::Overloaded, text)
            .with("limit", self.limit)
            .with("setting", "limits.max_body_memory_bytes")
            .with("retry_after_s", 1))
    }

    /// Gives a part of it back.
    pub(crate) fn release(&self, bytes: usize) {
        if bytes > 0 {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl MemoryReservation<'_> {
    /// Grows or shrinks to so many bytes, if there are so many left.
    pub(crate) fn resize(&mut self, bytes: usize) -> Result<()> {
        if let Some(less) = self.bytes.checked_sub(bytes) {
            self.memory.release(less);
            self.bytes = bytes;
            return Ok(());
        }
        self.grow(bytes)
    }

    /// Grows to so many bytes, if there are so many left.
    fn grow(&mut self, bytes: usize) -> Result<()> {
        let Some(more) = bytes
            .checked_sub(self.bytes)
            .filter(|_| bytes > self.free_bytes)
        else {
            return Ok(());
        };
        self.memory.acquire(more)?;
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for MemoryReservation<'_> {
    fn drop(&mut self) {
        self.memory.release(self.bytes);
    }
}

/// Receives a whole body.
pub(crate) async fn receive(
    request: &HttpRequest,
    payload: &mut web::Payload,
    limits: &Limits,
    memory: &BodyMemory,
) -> Result<Bytes> {
    let announced = content_length(request.headers());
    limits.check(announced)?;
    let mut reserved = memory.reserve(request.version());
    let announced = announced.unwrap_or(0) as usize;
    let whole = collect(request, payload, announced, limits.max_bytes, &mut reserved);
    let Ok(body) = tokio::time::timeout(limits.timeout, whole).await else {
        let text = format!(
            "the body did not arrive within {:?} (limits.request_timeout)",
            limits.timeout
        );
        return Err(
            Error::new(Code::InvalidRequest, text).with("setting", "limits.request_timeout")
        );
    };
    let body = body?.ok_or_else(|| limits.too_large(None))?;
    Ok(body)
}

/// Gathers the chunks of a body; none where there are more bytes than the limit.
async fn collect(
    request: &HttpRequest,
    payload: &mut web::Payload,
    announced: usize,
    max_bytes: usize,
    reserved: &mut MemoryReservation<'_>,
) -> Result<Option<Bytes>> {
    let Some(first) = payload.next().await else {
        return Ok(Some(Bytes::new()));
    };
    let first = first.map_err(|error| read_error(request, &error))?;
    if announced > 0 && first.len() == announced {
        // A copy of its own length, because the chunk is a slice of the connection's read buffer.
        return Ok(Some(Bytes::copy_from_slice(&first)));
    }
    let mut body = BodyBuffer::new(announced, max_bytes, reserved);
    let mut next = Some(Ok(first));
    while let Some(chunk) = next {
        let chunk = chunk.map_err(|error| read_error(request, &error))?;
        if !body.push(&chunk)? {
            return Ok(None);
        }
        next = payload.next().await;
    }
    Ok(Some(body.into_bytes()))
}

/// What has come of a body, in memory that follows what came, not what was announced.
struct BodyBuffer<'a, 'b> {
    bytes: Vec<u8>,
    announced: usize,
    max_bytes: usize,
    reserved: &'a mut MemoryReservation<'b>,
}

impl<'a, 'b> BodyBuffer<'a, 'b> {
    fn new(
        announced: usize,
        max_bytes: usize,
        reserved: &'a mut MemoryReservation<'b>,
    ) -> BodyBuffer<'a, 'b> {
        BodyBuffer {
            bytes: Vec::new(),
            announced,
            max_bytes,
            reserved,
        }
    }

    /// Takes a chunk; false where there are more bytes than the most.
    fn push(&mut self, chunk: &[u8]) -> Result<bool> {
        let length = self.bytes.len() + chunk.len();
        if length > self.max_bytes {
            return Ok(false);
        }
        if length > self.bytes.capacity() {
            let capacity = self.capacity_for(length);
            self.reserved.grow(capacity)?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(chunk);
        Ok(true)
    }

    /// Room for twice as much, but for no more than is announced, or may come.
    fn capacity_for(&self, length: usize) -> usize {
        let double = length.saturating_mul(2).max(SMALL_BYTES);
        let most = match self.announced {
            0 => self.max_bytes,
            announced => announced,
        };
        double.min(most).max(length)
    }

    fn into_bytes(mut self) -> Bytes {
        // What grew without an announcement may have twice the capacity that it needs.
        if self.bytes.capacity() > self.bytes.len() + self.bytes.len() / 8 {
            self.bytes.shrink_to_fit();
        }
        Bytes::from(self.bytes)
    }
}

/// Reads what is left of a body that nobody wants, if it is small and comes soon: else the connection could not be
/// used any more.
pub(crate) async fn discard(
    request: &HttpRequest,
    payload: &mut (impl Stream<Item = Result<Bytes, PayloadError>> + Unpin),
) {
    let headers = request.headers();
    let worth_it = match content_length(headers) {
        Some(bytes) => (1..=DISCARD_BYTES as u64).contains(&bytes),
        None => headers.contains_key(TRANSFER_ENCODING),
    };
    if !worth_it {
        return;
    }
    let rest = async {
        let mut read = 0;
        while let Some(Ok(chunk)) = payload.next().await {
            read += chunk.len();
            if read > DISCARD_BYTES {
                return;
            }
        }
    };
    // Whatever comes of it, the answer goes out.
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, rest).await;
}

/// The length that a request says its body has.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Why the body of the request that a connection receives is cut off, where it is malformed. The connection shares it
/// with its requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct BodyFault(Rc<Cell<Option<&'static str>>>);

impl BodyFault {
    pub(crate) fn set(&self, fault: &'static str) {
        self.0.set(Some(fault));
    }

    fn get(&self) -> Option<&'static str> {
        self.0.get()
    }
}

/// That a body did not come whole, and why.
pub(crate) fn read_error(request: &HttpRequest, error: &PayloadError) -> Error {
    if let Some(fault) = request.conn_data::<BodyFault>().and_then(BodyFault::get) {
        let text = format!("malformed chunked body: {fault}");
        return Error::new(Code::InvalidRequest, text);
    }
    let text = match error {
        PayloadError::Incomplete(_) => "the body ended early",
        PayloadError::EncodingCorrupted => "the body is not encoded as Content-Encoding says",
        PayloadError::Overflow | PayloadError::UnknownLength | PayloadError::Io(_) | _ => {
            "the body could not be read"
        }
    };
    Error::new(Code::InvalidRequest, text).because(std::io::Error::other(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_takes_memory_as_it_comes_and_all_of_it_is_counted() {
        let memory = BodyMemory::new(usize::MAX);
        for (announced, chunk) in [(16 << 20, 1), (16 << 20, 8_000), (0, 8_000), (100_000, 7)] {
            let mut reserved = memory.reserve(Version::HTTP_11);
            let mut body = BodyBuffer::new(announced, 16 << 20, &mut reserved);
            let mut came = 0;
            while came < 100_000 {
                let some = chunk.min(100_000 - came);
                assert!(body.push(&vec![b'x'; some]).unwrap());
                came += some;
                let capacity = body.bytes.capacity();
                assert!(capacity <= 2 * came.max(SMALL_BYTES), "{came}: {capacity}");
                let counted = memory.used.load(Ordering::Relaxed);
                assert!(counted == capacity || capacity <= SMALL_BYTES, "{counted}");
            }
            assert_eq!(body.into_bytes().len(), 100_000);
            drop(reserved);
            assert_eq!(memory.used.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn more_than_the_most_is_refused_before_it_is_taken() {
        let memory = BodyMemory::new(64 << 10);
        let mut reserved = memory.reserve(Version::HTTP_11);
        let mut body = BodyBuffer::new(0, 10, &mut reserved);
        assert!(body.push(b"0123456789").unwrap());
        assert!(!body.push(b"x").unwrap());
        let mut reserved = memory.reserve(Version::HTTP_11);
        let mut body = BodyBuffer::new(16 << 20, 16 << 20, &mut reserved);
        assert!(body.push(&[0; 30_000]).unwrap());
        let error = body.push(&[0; 40_000]).unwrap_err();
        assert_eq!(error.code(), Code::Overloaded);
        assert!(body.bytes.capacity() <= 60_000);
    }
}
