//! JSON text that is rendered while it is sent: large values stay as they are stored, shared with all their readers, and
//! are rendered slice by slice.
//!
//! Invariant: the length is known before the first byte is rendered.

use std::collections::{HashSet, VecDeque};
use std::io;

use actix_web::body::{BodySize, MessageBody};
use akvs_api::{ValueForm, base64url};
use akvs_core::{Entry, Key};
use bytes::{Bytes, BytesMut};
use serde::Serialize;

use crate::response::item;
use crate::response::memory::{ResponseReservation, SLICE_BYTES};

/// Values up to this size are copied into the text at once.
const INLINE_BYTES: usize = 8 << 10;
/// The bytes of a value that are rendered at once: a multiple of three, because base64 encodes three at a time.
const STEP_BYTES: usize = 6 << 10;

/// JSON text, as a list of parts.
#[derive(Default)]
pub(crate) struct Rendering {
    parts: VecDeque<Part>,
    /// The text after the last part.
    text: Vec<u8>,
    length: u64,
    text_bytes: usize,
    value_bytes: usize,
    values: HashSet<(usize, usize)>,
}

#[derive(Clone)]
enum Part {
    Text(Bytes),
    /// The rest of a value in this form.
    Value(Bytes, ValueForm),
}

impl Rendering {
    /// Returns the length in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Returns the memory that the rendering holds, in bytes; a value counts once.
    pub(crate) fn held_bytes(&self) -> usize {
        self.text_bytes + self.value_bytes
    }

    /// Appends text that is JSON.
    pub(crate) fn push(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
        self.length += text.len() as u64;
        self.text_bytes += text.len();
    }

    /// Appends an entry whose value has this many bytes, with the value if it has a form.
    pub(crate) fn item(&mut self, key: &Key, entry: &Entry, size: u64, value: Option<ValueForm>) {
        let is_large = entry.value.len() > INLINE_BYTES;
        let inline = value.is_some() && !is_large;
        let item = item::entry(key, entry, size, inline);
        self.json(&item);
        let Some(form) = value.filter(|_| is_large) else {
            return;
        };
        // The value is the last member.
        self.text.pop();
        (self.length, self.text_bytes) = (self.length - 1, self.text_bytes - 1);
        self.push(b",\"");
        self.push(form.member().as_bytes());
        self.push(b"\":\"");
        self.value(&entry.value, form);
        self.push(b"\"}");
    }

    /// Appends another rendering, which may be appended several times.
    pub(crate) fn append(&mut self, other: &Rendering) {
        for part in &other.parts {
            match part {
                Part::Text(text) => self.push(text),
                Part::Value(value, form) => self.value(value, *form),
            }
        }
        self.push(&other.text);
    }

    fn json(&mut self, value: &impl Serialize) {
        let before = self.text.len();
        // Neither a vector nor the derived serializer of an item fails.
        let _ = serde_json::to_writer(&mut self.text, value);
        let added = self.text.len() - before;
        self.length += added as u64;
        self.text_bytes += added;
    }

    fn value(&mut self, value: &Bytes, form: ValueForm) {
        if !self.text.is_empty() {
            let text = Bytes::from(std::mem::take(&mut self.text));
            self.parts.push_back(Part::Text(text));
        }
        self.parts.push_back(Part::Value(value.clone(), form));
        self.length += form.length();
        if self.values.insert((value.as_ptr() as usize, value.len())) {
            self.value_bytes += value.len();
        }
    }

    /// Renders the next slice; none at the end.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        let mut slice = BytesMut::new();
        while slice.len() < SLICE_BYTES {
            let Some(part) = self.parts.front_mut() else {
                if self.text.is_empty() {
                    break;
                }
                let text = Bytes::from(std::mem::take(&mut self.text));
                self.parts.push_back(Part::Text(text));
                continue;
            };
            let rest = match part {
                // A slice of a single text is not copied.
                Part::Text(text) if slice.is_empty() => {
                    let text = text.split_to(text.len().min(SLICE_BYTES));
                    self.drop_empty();
                    return Some(text);
                }
                Part::Text(text) => {
                    let count = text.len().min(SLICE_BYTES - slice.len());
                    slice.extend_from_slice(&text.split_to(count));
                    text
                }
                Part::Value(value, ValueForm::Text(_)) => {
                    escape(&value.split_to(boundary(value)), &mut slice);
                    value
                }
                Part::Value(value, ValueForm::Base64(_)) => {
                    let step = value.split_to(value.len().min(STEP_BYTES));
                    slice.extend_from_slice(base64url::encode(step).as_bytes());
                    value
                }
            };
            if rest.is_empty() {
                self.parts.pop_front();
            }
        }
        (!slice.is_empty()).then(|| slice.freeze())
    }

    fn drop_empty(&mut self) {
        if let Some(Part::Text(text)) = self.parts.front()
            && text.is_empty()
        {
            self.parts.pop_front();
        }
    }

    /// Renders all of it.
    pub(crate) fn into_vec(mut self) -> Vec<u8> {
        let length = usize::try_from(self.length).unwrap_or_default();
        let mut all = Vec::with_capacity(length);
        while let Some(slice) = self.next() {
            all.extend_from_slice(&slice);
        }
        all
    }
}

impl io::Write for Rendering {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<Bytes> for Rendering {
    fn from(text: Bytes) -> Rendering {
        Rendering {
            length: text.len() as u64,
            text_bytes: text.len(),
            parts: VecDeque::from([Part::Text(text)]),
            ..Rendering::default()
        }
    }
}

/// Returns the bytes of UTF-8 that are rendered at once: whole characters.
fn boundary(value: &[u8]) -> usize {
    if value.len() <= STEP_BYTES {
        return value.len();
    }
    let is_within = |at: &usize| value[*at] & 0xc0 == 0x80;
    let mut ends = (1..=STEP_BYTES).rev();
    ends.find(|at| !is_within(at)).unwrap_or(STEP_BYTES)
}

/// Appends text as the inside of a JSON string.
fn escape(text: &[u8], out: &mut BytesMut) {
    // The form of the value shows that it is UTF-8.
    let text = std::str::from_utf8(text).unwrap_or_default();
    let quoted = serde_json::to_vec(text).unwrap_or_default();
    if let Some((_, inner)) = quoted.split_first()
        && let Some((_, inner)) = inner.split_last()
    {
        out.extend_from_slice(inner);
    }
}

/// Returns the JSON before and after the items of a document.
pub(crate) fn around_items(document: &impl Serialize) -> (Vec<u8>, Vec<u8>) {
    const EMPTY: &[u8] = b"\"items\":[]";
    let mut text = serde_json::to_vec(document).unwrap_or_default();
    // JSON escapes the quotes within texts, so that only the member matches.
    let found = memchr::memmem::find(&text, EMPTY);
    let rest = text.split_off(found.map_or(text.len(), |at| at + EMPTY.len() - 1));
    (text, rest)
}

/// A rendering as the body of an answer, with its reserved memory.
pub(crate) struct RenderedBody {
    length: u64,
    rendering: Rendering,
    _held: ResponseReservation,
}

impl RenderedBody {
    pub(crate) fn new(rendering: Rendering, held: ResponseReservation) -> RenderedBody {
        RenderedBody {
            length: rendering.length(),
            rendering,
            _held: held,
        }
    }
}

impl MessageBody for RenderedBody {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, Self::Error>>> {
        std::task::Poll::Ready(self.rendering.next().map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use akvs_core::{Representation, Revision, Timestamp};

    fn entry(value: Vec<u8>) -> Entry {
        Entry {
            value: value.into(),
            representation: Representation::default(),
            revision: Revision::new(7),
            created: Timestamp::from_millis(0),
            modified: Timestamp::from_millis(1),
            deadline: None,
        }
    }

    fn rendered(entry: &Entry) -> Rendering {
        let key = Key::new("k").unwrap();
        let mut rendering = Rendering::default();
        let size = entry.value.len() as u64;
        rendering.item(&key, entry, size, Some(ValueForm::new(&entry.value)));
        rendering
    }

    #[test]
    fn a_large_value_is_rendered_as_a_small_one_is() {
        let ascii: Vec<u8> = (0..=127).collect();
        let long = |part: &str| part.repeat(100_000 / part.len()).into_bytes();
        let values = [
            ascii.repeat(1_000),
            long("text "),
            long("\"\\\n"),
            long("aä€😀"),
            [long("€"), vec![0xff]].concat(),
            vec![1; 100_000],
            vec![0; INLINE_BYTES],
            vec![b'a'; INLINE_BYTES + 1],
            Vec::new(),
        ];
        for value in values {
            let (entry, key) = (entry(value), Key::new("k").unwrap());
            let item = item::entry(&key, &entry, entry.value.len() as u64, true);
            let expected = serde_json::to_vec(&item).unwrap();
            let rendering = rendered(&entry);
            assert_eq!(rendering.length(), expected.len() as u64);
            assert!(rendering.into_vec() == expected);
        }
    }

    #[test]
    fn it_is_rendered_in_slices() {
        for value in [
            vec![b'"'; 1 << 20],
            vec![0xff; 1 << 20],
            vec![b'a'; 1 << 20],
        ] {
            let (entry, mut length) = (entry(value), 0);
            let mut rendering = rendered(&entry);
            let whole = rendering.length();
            while let Some(slice) = rendering.next() {
                assert!(slice.len() <= 3 * SLICE_BYTES, "{}", slice.len());
                length += slice.len() as u64;
            }
            assert_eq!(length, whole);
        }
    }

    #[test]
    fn a_repeated_value_is_held_once() {
        let entry = entry(vec![1; 1 << 20]);
        let once = rendered(&entry);
        let mut all = Rendering::default();
        for _ in 0..100 {
            all.append(&once);
        }
        assert_eq!(all.length(), 100 * once.length());
        assert!(all.held_bytes() < 2 << 20, "{}", all.held_bytes());
        let expected = rendered(&entry).into_vec().repeat(100);
        assert!(all.into_vec() == expected);
    }
}
