//! What is stored under a key: the value, what its writer said of it, and when and as what revision it came.

use bytes::Bytes;

use crate::{Code, Error, Result, Revision, Timestamp};

/// A stored value with all that is known of it. Cheap to clone: the bytes are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value, to the byte as it was written.
    pub value: Bytes,
    /// What the writer said the value is.
    pub representation: Representation,
    /// The change that wrote it.
    pub revision: Revision,
    /// When the key came into being.
    pub created: Timestamp,
    /// When this revision was written.
    pub modified: Timestamp,
    /// From this snapshot on the entry is gone, whether or not its space is.
    pub deadline: Option<Timestamp>,
}

/// An entry whose value was perhaps left where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeekedEntry {
    /// The entry; with an empty value where that was left.
    pub entry: Entry,
    /// How many bytes a value has that was left.
    pub left_bytes: Option<usize>,
}

impl PeekedEntry {
    /// How many bytes the value has, whether it is there or was left.
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
    /// Whether the entry is still there at this snapshot.
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

/// How a value is represented (RFC 9110, section 8): kept for the writer and given back, never acted upon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Representation {
    /// The `Content-Type`; none means `application/octet-stream`.
    pub content_type: Option<FieldValue>,
    /// The `Content-Encoding`; none means that the value is not encoded.
    pub content_encoding: Option<FieldValue>,
}

impl Representation {
    /// The same, in memory of its own.
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
/// - Each is visible ASCII or a space, so that it can be sent in any header as it is.
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
    /// The longest text, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// A field's text; `invalid_request` where a rule is broken.
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

    /// A text that was checked before it was stored.
    pub(crate) fn from_stored(bytes: Bytes) -> FieldValue {
        FieldValue(bytes)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text's bytes.
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
