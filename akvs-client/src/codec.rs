//! Codecs: values in other formats than JSON.
//!
//! It owns the built-in codecs and the trait for others. It sends nothing.

use std::borrow::Cow;
use std::error::Error as StdError;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use akvs_api::media_type::JSON;
use akvs_api::media_type::{OCTET_STREAM as BYTES, TEXT};

/// The error of a codec.
pub type CodecError = Box<dyn StdError + Send + Sync>;

/// A format of values, for [`Namespace::get_with`](crate::Namespace::get_with) and [`Namespace::set_with`](crate::Namespace::set_with).
///
/// [`Json`], [`Text`] and [`Raw`] are built in. Another one takes two functions:
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// use std::borrow::Cow;
/// use akvs_client::{Codec, CodecError};
/// use bytes::Bytes;
///
/// /// Numbers separated by commas.
/// struct Csv;
///
/// impl Codec<Vec<u32>> for Csv {
///     fn encode(&self, value: &Vec<u32>) -> Result<(Bytes, Cow<'static, str>), CodecError> {
///         let fields: Vec<String> = value.iter().map(u32::to_string).collect();
///         Ok((fields.join(",").into(), "text/csv".into()))
///     }
///
///     fn decode(&self, bytes: Bytes, content_type: &str) -> Result<Vec<u32>, CodecError> {
///         if content_type != "text/csv" {
///             return Err(format!("unexpected content type {content_type:?}: expected text/csv").into());
///         }
///         let text = std::str::from_utf8(&bytes)?;
///         text.split(',').map(|field| Ok(field.parse()?)).collect()
///     }
/// }
///
/// namespace.set_with(&Csv, "primes", &vec![2, 3, 5]).await?;
/// assert_eq!(namespace.get_bytes_or("primes", "").await?, "2,3,5");
/// assert_eq!(namespace.get_with(&Csv, "primes").await?.unwrap().value, [2, 3, 5]);
/// # Ok(()) }
/// ```
pub trait Codec<T> {
    /// Encodes a value, and returns its content type.
    fn encode(&self, value: &T) -> Result<(Bytes, Cow<'static, str>), CodecError>;

    /// Decodes a value of this content type.
    fn decode(&self, bytes: Bytes, content_type: &str) -> Result<T, CodecError>;
}

/// JSON by serde, as [`Namespace::set`](crate::Namespace::set) and [`Namespace::get`](crate::Namespace::get) use it. It decodes any content type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json;

/// Text in UTF-8. It decodes any content type without another charset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text;

/// Bytes without any encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raw;

impl<T: Serialize + DeserializeOwned> Codec<T> for Json {
    fn encode(&self, value: &T) -> Result<(Bytes, Cow<'static, str>), CodecError> {
        Ok((serde_json::to_vec(value)?.into(), JSON.into()))
    }

    fn decode(&self, bytes: Bytes, _: &str) -> Result<T, CodecError> {
        Ok(serde_json::from_slice(&bytes)?)
    }
}

impl Codec<String> for Text {
    fn encode(&self, value: &String) -> Result<(Bytes, Cow<'static, str>), CodecError> {
        Ok((value.clone().into(), TEXT.into()))
    }

    fn decode(&self, bytes: Bytes, content_type: &str) -> Result<String, CodecError> {
        let content_type = content_type.to_ascii_lowercase();
        let mut parameters = content_type.split(';').skip(1).map(str::trim);
        if let Some(charset) = parameters.find_map(|text| text.strip_prefix("charset="))
            && !matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii")
        {
            return Err(format!("unsupported charset {charset}: expected utf-8").into());
        }
        Ok(String::from_utf8(bytes.into())?)
    }
}

impl Codec<Bytes> for Raw {
    fn encode(&self, value: &Bytes) -> Result<(Bytes, Cow<'static, str>), CodecError> {
        Ok((value.clone(), BYTES.into()))
    }

    fn decode(&self, bytes: Bytes, _: &str) -> Result<Bytes, CodecError> {
        Ok(bytes)
    }
}

impl Codec<Vec<u8>> for Raw {
    fn encode(&self, value: &Vec<u8>) -> Result<(Bytes, Cow<'static, str>), CodecError> {
        Ok((value.clone().into(), BYTES.into()))
    }

    fn decode(&self, bytes: Bytes, _: &str) -> Result<Vec<u8>, CodecError> {
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_decode_what_they_encode() {
        fn there_and_back<T: PartialEq + std::fmt::Debug>(codec: &impl Codec<T>, value: &T) {
            let (bytes, content_type) = codec.encode(value).unwrap();
            assert_eq!(&codec.decode(bytes, &content_type).unwrap(), value);
        }
        there_and_back(&Json, &vec![Some(1), None]);
        there_and_back(&Text, &"Grüße".to_owned());
        there_and_back(&Raw, &vec![0, 255]);
        there_and_back(&Raw, &Bytes::from_static(b"\xff"));
    }

    #[test]
    fn text_is_utf_8() {
        let read = |bytes: &'static [u8], content_type| Text.decode(bytes.into(), content_type);
        for content_type in [
            "",
            "text/plain",
            "a/b; x=y; Charset=\"UTF-8\"",
            "a/b;charset=utf8",
        ] {
            assert_eq!(read(b"a", content_type).unwrap(), "a");
        }
        let error = read(b"a", "text/plain; charset=latin1").unwrap_err();
        assert!(error.to_string().contains("latin1"));
        assert!(read(b"\xff", "text/plain").is_err());
    }
}
