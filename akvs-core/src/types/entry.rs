//! The entry of a key: its value, its type and encoding, its times and its revision.

use bytes::Bytes;

use crate::{Code, Error, Result, Revision, Timestamp};

/// A stored value with its metadata. Cheap to clone: the bytes are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value, byte for byte as it was written.
    pub value: Bytes,
    /// The type and encoding that the writer stated.
    pub representation: Representation,
    /// The revision of the change that wrote it.
    pub revision: Revision,
    /// When the key was created.
    pub created: Timestamp,
    /// When this revision was written.
    pub modified: Timestamp,
    /// When the entry expires; none where it does not.
    pub deadline: Option<Timestamp>,
}

/// An entry whose value may not have been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeekedEntry {
    /// The entry; with an empty value where that was not read.
    pub entry: Entry,
    /// The length of a value that was not read.
    pub left_bytes: Option<usize>,
}

impl PeekedEntry {
    /// Returns the length of the value, whether or not it was read.
    pub fn value_bytes(&self) -> usize {
        self.left_bytes.unwrap_or(self.entry.value.len())
    }
}

impl From<Entry> for PeekedEntry {
    fn from(entry: Entry) -> PeekedEntry {
        PeekedEntry {
            entry,
            left_bytes: None,
        }
    }
}

impl Entry {
    /// Returns whether the entry is not expired at this time.
    ///
    /// ```
    /// use akvs_core::{Entry, Representation, Revision, Timestamp};
    /// let at = Timestamp::from_millis;
    /// let entry = Entry {
    ///     value: "v".into(),
    ///     representation: Representation::default(),
    ///     revision: Revision::new(1),
    ///     created: at(0),
    ///     modified: at(0),
    ///     deadline: Some(at(10)),
    /// };
    /// assert!(entry.is_live(at(9)));
    /// assert!(!entry.is_live(at(10)));
    /// ```
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.deadline.is_none_or(|deadline| now < deadline)
    }
}

/// The representation of a value (RFC 9110, section 8): stored and returned, never interpreted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Representation {
    /// The `Content-Type`; none means `application/octet-stream`.
    pub content_type: Option<FieldValue>,
    /// The `Content-Encoding`; none means that the value is not encoded.
    pub content_encoding: Option<FieldValue>,
}

impl Representation {
    /// Returns a copy that shares no memory.
    pub(crate) fn detached(&self) -> Representation {
        let own = |field: &Option<FieldValue>| {
            let bytes = Bytes::copy_from_slice(field.as_ref()?.as_bytes());
            Some(FieldValue(bytes))
        };
        Representation {
            content_type: own(&self.content_type),
            content_encoding: own(&self.content_encoding),
        }
    }
}

/// The text of an HTTP field (RFC 9110, section 5.5).
///
/// - It has 1 to [`FieldValue::MAX_BYTES`] bytes.
/// - Each is visible ASCII or a space, so that any header can carry it unchanged.
///
/// ```
/// use akvs_core::FieldValue;
/// assert_eq!(FieldValue::new("text/plain; charset=utf-8")?.as_str(), "text/plain; charset=utf-8");
/// assert!(FieldValue::new("text/plain\r\nSet-Cookie: a=b").is_err());
/// # Ok::<(), akvs_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldValue(Bytes);

impl FieldValue {
    /// The maximum length, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Creates a field value; `invalid_request` where a rule is violated.
    pub fn new(text: impl Into<Bytes>) -> Result<FieldValue> {
        let bytes = text.into();
        let length = bytes.len();
        if length == 0 || length > FieldValue::MAX_BYTES {
            let message = format!(
                "invalid field value of {length} bytes: expected 1 to {}",
                FieldValue::MAX_BYTES
            );
            return Err(Error::new(Code::InvalidRequest, message));
        }
        match bytes.iter().find(|byte| !(b' '..=b'~').contains(byte)) {
            Some(byte) => Err(Error::new(
                Code::InvalidRequest,
                format!(
                    "invalid byte 0x{byte:02x} in a field value: expected visible ASCII or spaces"
                ),
            )),
            None => Ok(FieldValue(bytes)),
        }
    }

    /// Creates a field value from a text that was checked before it was stored.
    pub(crate) fn from_stored(bytes: Bytes) -> FieldValue {
        FieldValue(bytes)
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the text's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_value_has_1_to_255_bytes() {
        assert!(FieldValue::new("").is_err());
        assert!(FieldValue::new("x".repeat(255)).is_ok());
        assert!(FieldValue::new("x".repeat(256)).is_err());
    }

    #[test]
    fn a_field_value_is_visible_ascii_and_spaces() {
        for byte in 0..=255_u8 {
            assert_eq!(
                FieldValue::new(vec![byte]).is_ok(),
                (0x20..0x7f).contains(&byte),
                "{byte}"
            );
        }
    }
}
