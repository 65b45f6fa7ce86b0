//! Reception of bodies within their limits, in no more memory than they need, and without keeping a read buffer alive.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_http::Payload;
use actix_web::error::PayloadError;
use actix_web::http::Version;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use akvs_core::{Code, Error, Result};
use bytes::Bytes;
use futures_util::StreamExt;

use super::message::Request;

/// Bodies up to this size are bounded well enough by the number of connections.
const SMALL_BYTES: usize = 16 << 10;
/// The same for a stream of HTTP/2, of which a connection has many: they are within the memory that is reserved with the
/// head, so that a request that was accepted is not refused for a small body.
const SMALL_STREAM_BYTES: usize = 1 << 10;
/// The maximum length of an unwanted body that is read to keep its connection usable.
const DISCARD_BYTES: usize = 64 << 10;
const DISCARD_TIMEOUT: Duration = Duration::from_millis(500);

/// The maximum length of a document, such as a transaction.
const REQUEST_BYTES: usize = 16 << 20;

/// The limits of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    max_bytes: usize,
    /// The setting that `max_bytes` comes from, for the text of an error; none if it is fixed.
    setting: Option<&'static str>,
    timeout: Duration,
}

impl Limits {
    /// Returns the limits of a value: the settings `limits.max_value_bytes` and `limits.request_timeout`.
    pub(crate) fn for_values(max_bytes: usize, timeout: Duration) -> Limits {
        Limits {
            max_bytes,
            setting: Some("limits.max_value_bytes"),
            timeout,
        }
    }

    /// Returns limits without a setting.
    pub(crate) const fn fixed(max_bytes: usize, timeout: Duration) -> Limits {
        Limits {
            max_bytes,
            setting: None,
            timeout,
        }
    }

    /// Returns the limits of a document, which may take as long as a value.
    pub(crate) fn for_requests(&self) -> Limits {
        Limits {
            max_bytes: REQUEST_BYTES,
            setting: None,
            timeout: self.timeout,
        }
    }

    /// Returns the time that a client may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns the maximum length in bytes.
    pub(crate) fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Adds the setting to the error of a value that becomes too long by an append or a sum, unless the error names the
    /// setting of the namespace.
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

    /// Refuses a body whose announced length is too large.
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

/// A part of the memory, which is released when dropped.
pub(crate) struct MemoryReservation<'a> {
    memory: &'a BodyMemory,
    bytes: usize,
    /// A reservation up to this size is not counted.
    free_bytes: usize,
}

impl BodyMemory {
    pub(crate) fn new(limit: usize) -> BodyMemory {
        BodyMemory {
            used: AtomicUsize::new(0),
            limit,
        }
    }

    /// Returns the maximum in bytes.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns an empty reservation for the body of a request, which grows with the body.
    pub(crate) fn reserve(&self, version: Version) -> MemoryReservation<'_> {
        MemoryReservation {
            memory: self,
            bytes: 0,
            free_bytes: match version {
                Version::HTTP_2 => SMALL_STREAM_BYTES,
                _ => SMALL_BYTES,
            },
        }
    }

    /// Takes a part of the memory, which the caller must release.
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

    /// Releases a part of the memory.
    pub(crate) fn release(&self, bytes: usize) {
        if bytes > 0 {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl MemoryReservation<'_> {
    /// Grows or shrinks to this size; returns the error `overloaded` if the memory is used up.
    pub(crate) fn resize(&mut self, bytes: usize) -> Result<()> {
        if let Some(less) = self.bytes.checked_sub(bytes) {
            self.memory.release(less);
            self.bytes = bytes;
            return Ok(());
        }
        self.grow(bytes)
    }

    /// Grows to this size; returns the error `overloaded` if the memory is used up.
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
    request: &Request,
    payload: &mut Payload,
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
    // Nothing is left to discard. In HTTP/2 the end of the stream may still follow.
    if body.len() == announced && request.version() < Version::HTTP_2 {
        *payload = Payload::None;
    }
    Ok(body)
}

/// Collects the chunks of a body; returns none if it exceeds the limit.
async fn collect(
    request: &Request,
    payload: &mut Payload,
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

/// The received part of a body. Its memory grows with what was received, not with what was announced.
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

    /// Appends a chunk; returns false if the body exceeds the limit.
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

    /// Returns the capacity for this length: twice as much, but at most the announced or the maximum length.
    fn capacity_for(&self, length: usize) -> usize {
        let double = length.saturating_mul(2).max(self.reserved.free_bytes);
        let max = match self.announced {
            0 => self.max_bytes,
            announced => announced,
        };
        double.min(max).max(length)
    }

    fn into_bytes(mut self) -> Bytes {
        // Without an announced length the capacity may be twice as large as the body.
        if self.bytes.capacity() > self.bytes.len() + self.bytes.len() / 8 {
            self.bytes.shrink_to_fit();
        }
        Bytes::from(self.bytes)
    }
}

/// Reads the rest of an unwanted body if it is short and arrives soon, so that the connection remains usable.
pub(crate) async fn discard(request: &Request, payload: &mut Payload) {
    if matches!(payload, Payload::None) {
        return;
    }
    let headers = request.headers();
    let may_be_short = match content_length(headers) {
        Some(bytes) => (1..=DISCARD_BYTES as u64).contains(&bytes),
        None => headers.contains_key(TRANSFER_ENCODING),
    };
    if !may_be_short {
        return;
    }
    // Boxed, because a timer would make the future of every request large. The answer is sent in any case.
    let _ = Box::pin(tokio::time::timeout(DISCARD_TIMEOUT, read_short(payload))).await;
}

/// Reads the rest of a body if it is short.
async fn read_short(payload: &mut Payload) {
    let mut read = 0;
    while let Some(Ok(chunk)) = payload.next().await {
        read += chunk.len();
        if read > DISCARD_BYTES {
            return;
        }
    }
}

/// Returns the announced length of a body.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(CONTENT_LENGTH)?.to_str().ok()?;
    text.trim().parse().ok()
}

/// The reason why a connection cut off the malformed body of its current request. The connection shares it with its
/// requests.
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

/// Returns the error of a body that was not received completely.
pub(crate) fn read_error(request: &Request, error: &PayloadError) -> Error {
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
    fn memory_grows_with_the_received_body_and_is_counted() {
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
    fn a_body_beyond_the_limit_is_refused_before_it_is_stored() {
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
