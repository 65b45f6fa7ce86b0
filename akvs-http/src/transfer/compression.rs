//! Content codings of exports and imports (RFC 9110, section 8.4): gzip (RFC 1952) and zstd (RFC 8878).
//!
//! Bodies are encoded and decoded in small steps. Invariant: a body that decompresses to a thousand times its size takes
//! no more memory than any other.

use std::io::{self, Write};

use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderName};
use akvs_core::{Code, Error, Result};
use bytes::{Buf, Bytes};
use flate2::Compression;
use flate2::write::{GzEncoder, MultiGzDecoder};
use zstd::stream::write::Encoder as ZstdEncoder;
use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{self, DCtx, DParameter, InBuffer, OutBuffer};

/// The bytes of a gzip body that are decoded at once: at most to about half a mebibyte.
const GZIP_BYTES: usize = 512;
/// The maximum output of one step of a zstd decoder, in bytes.
const ZSTD_BYTES: usize = 64 << 10;
/// The largest window that a zstd body may have, as a power of two: 8 MiB (RFC 9659, section 3).
const ZSTD_MAX_WINDOW_LOG: u32 = 23;
/// The smallest possible window, as a power of two (RFC 8878, section 3.1.1.1.2).
const ZSTD_MIN_WINDOW_LOG: u32 = 10;
/// The maximum memory of a gzip decoder without its output: the window, the tables and the buffer of `flate2`.
const GZIP_DECODER_BYTES: usize = 96 << 10;
/// The maximum memory of a gzip encoder without its output.
const GZIP_ENCODER_BYTES: usize = 384 << 10;
/// The maximum memory of a zstd encoder of this level without its output.
const ZSTD_ENCODER_BYTES: usize = 1_408 << 10;
/// The level that is as fast as lines are rendered.
const ZSTD_LEVEL: i32 = 1;

/// The content coding of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentCoding {
    Identity,
    Gzip,
    Zstd,
}

impl ContentCoding {
    /// Returns the coding that a client prefers (RFC 9110, section 12.5.3): of equal ones the first of zstd, gzip and
    /// identity, and identity if it accepts no known coding.
    pub(crate) fn negotiate(headers: &HeaderMap) -> ContentCoding {
        let codings = [
            (ContentCoding::Zstd, "zstd"),
            (ContentCoding::Gzip, "gzip"),
            (ContentCoding::Identity, "identity"),
        ];
        let quality = |name: &str| {
            let listed = elements(headers, &ACCEPT_ENCODING).filter_map(|element| {
                let mut parts = element.split(';').map(str::trim);
                let found = parts.next()?;
                let quality = parts.find_map(|part| part.strip_prefix("q="));
                let quality = quality.map_or(Some(1.0), |text| text.parse::<f32>().ok())?;
                Some((found.to_ascii_lowercase(), quality))
            });
            let listed: Vec<(String, f32)> = listed.collect();
            let find = |name: &str| listed.iter().find(|(found, _)| found == name);
            // A coding that is not listed is not acceptable, except by `*`; identity is, as the last choice.
            let any = find("*").map(|(_, quality)| *quality);
            let unlisted = any.unwrap_or(if name == "identity" { 0.000_1 } else { 0.0 });
            find(name).map_or(unlisted, |(_, quality)| *quality)
        };
        let mut best = (ContentCoding::Identity, 0.0);
        for (coding, name) in codings {
            let quality = quality(name);
            if quality > best.1 {
                best = (coding, quality);
            }
        }
        best.0
    }

    /// Parses the coding of a request's body.
    pub(crate) fn parse(headers: &HeaderMap) -> Result<ContentCoding> {
        let mut coding = ContentCoding::Identity;
        for name in elements(headers, &CONTENT_ENCODING) {
            let next = match &*name.to_ascii_lowercase() {
                "identity" | "" => continue,
                "gzip" | "x-gzip" => ContentCoding::Gzip,
                "zstd" => ContentCoding::Zstd,
                _ => return Err(unsupported(&name)),
            };
            if coding != ContentCoding::Identity {
                let text = "unsupported content-encoding: more than one coding; expected gzip, zstd or identity";
                return Err(invalid(text));
            }
            coding = next;
        }
        Ok(coding)
    }

    /// Returns the maximum memory of an encoder from the beginning of an answer to its end, in bytes.
    pub(crate) fn encoder_bytes(self) -> usize {
        match self {
            ContentCoding::Identity => 0,
            ContentCoding::Gzip => GZIP_ENCODER_BYTES,
            ContentCoding::Zstd => ZSTD_ENCODER_BYTES,
        }
    }

    /// Returns the name for `Content-Encoding`; none for identity.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            ContentCoding::Identity => None,
            ContentCoding::Gzip => Some("gzip"),
            ContentCoding::Zstd => Some("zstd"),
        }
    }
}

/// Returns the elements of a list (RFC 9110, section 5.6.1).
fn elements(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> {
    let values = headers.get_all(name);
    let texts = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    texts.flat_map(|text| {
        let elements = text.split(',').map(|element| element.trim().to_owned());
        elements.collect::<Vec<_>>()
    })
}

fn unsupported(name: &str) -> Error {
    let name: String = name.chars().take(64).collect();
    invalid(&format!(
        "unsupported content-encoding {name:?}: expected gzip, zstd or identity"
    ))
}

fn invalid(text: &str) -> Error {
    Error::new(Code::InvalidRequest, text).with("field", "content-encoding")
}

/// An encoder of a body.
pub(crate) enum Encoder {
    Identity(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

impl Encoder {
    /// Returns an encoder at the beginning of a body.
    pub(crate) fn new(coding: ContentCoding) -> Result<Encoder> {
        Ok(match coding {
            ContentCoding::Identity => Encoder::Identity(Vec::new()),
            ContentCoding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            ContentCoding::Zstd => {
                let encoder = ZstdEncoder::new(Vec::new(), ZSTD_LEVEL);
                Encoder::Zstd(encoder.map_err(no_memory)?)
            }
        })
    }

    /// Encodes the next part, and returns the output that is ready, which may be empty.
    pub(crate) fn encode(&mut self, text: &[u8]) -> Result<Vec<u8>> {
        let (written, out) = match self {
            Encoder::Identity(out) => (out.write_all(text), out),
            Encoder::Gzip(encoder) => (encoder.write_all(text), encoder.get_mut()),
            Encoder::Zstd(encoder) => (encoder.write_all(text), encoder.get_mut()),
        };
        written.map_err(no_memory)?;
        Ok(std::mem::take(out))
    }

    /// Returns the rest of the output.
    pub(crate) fn finish(self) -> Result<Vec<u8>> {
        match self {
            Encoder::Identity(out) => Ok(out),
            Encoder::Gzip(encoder) => encoder.finish().map_err(no_memory),
            Encoder::Zstd(encoder) => encoder.finish().map_err(no_memory),
        }
    }
}

/// Returns the error of an encoder or decoder without memory, the only way in which one fails.
fn no_memory(error: impl Into<io::Error>) -> Error {
    Error::new(Code::Unavailable, "cannot start the content coding").because(error.into())
}

/// A decoder of a body.
pub(super) enum Decoder {
    Identity,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstd {
        decoder: DCtx<'static>,
        max_window_bytes: usize,
        /// Whether the input ends with a complete frame.
        is_whole: bool,
        /// Whether more output may be ready without more input.
        is_full: bool,
    },
}

impl Decoder {
    /// Returns a decoder at the beginning of a body. The window of a zstd body takes at most half of the memory for bodies.
    pub(super) fn new(coding: ContentCoding, body_memory_bytes: usize) -> Result<Decoder> {
        Ok(match coding {
            ContentCoding::Identity => Decoder::Identity,
            ContentCoding::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            ContentCoding::Zstd => {
                let max = (body_memory_bytes / 2).max(1).ilog2();
                let window_log = max.clamp(ZSTD_MIN_WINDOW_LOG, ZSTD_MAX_WINDOW_LOG);
                let decoder = DCtx::try_create();
                let mut decoder = decoder.ok_or_else(|| no_memory(io::ErrorKind::OutOfMemory))?;
                decoder
                    .set_parameter(DParameter::WindowLogMax(window_log))
                    .map_err(|code| no_memory(io::Error::other(zstd_safe::get_error_name(code))))?;
                Decoder::Zstd {
                    decoder,
                    max_window_bytes: 1 << window_log,
                    is_whole: true,
                    is_full: false,
                }
            }
        })
    }

    /// Returns the memory of the decoder in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Decoder::Identity => 0,
            Decoder::Gzip(decoder) => GZIP_DECODER_BYTES + decoder.get_ref().capacity(),
            Decoder::Zstd { decoder, .. } => decoder.sizeof(),
        }
    }

    /// Returns whether the decoder needs more input for more output.
    pub(super) fn needs_input(&self, input: &Bytes) -> bool {
        let is_full = match self {
            Decoder::Identity | Decoder::Gzip(_) => false,
            Decoder::Zstd { is_full, .. } => *is_full,
        };
        input.is_empty() && !is_full
    }

    /// Decodes a part of the input: to at most about half a mebibyte, or to the input itself.
    pub(super) fn decode(&mut self, input: &mut Bytes, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Decoder::Identity => {
                out.extend_from_slice(input);
                input.clear();
            }
            Decoder::Gzip(decoder) => {
                let part = input.split_to(input.len().min(GZIP_BYTES));
                let decoded = decoder.write_all(&part);
                decoded.and_then(|()| decoder.flush()).map_err(corrupt)?;
                out.append(decoder.get_mut());
            }
            Decoder::Zstd {
                decoder,
                max_window_bytes,
                is_whole,
                is_full,
            } => {
                let before = out.len();
                out.resize(before + ZSTD_BYTES, 0);
                let mut from = InBuffer::around(input);
                let mut to = OutBuffer::around(&mut out[before..]);
                let done = decoder.decompress_stream(&mut to, &mut from);
                let (read, written) = (from.pos(), to.pos());
                out.truncate(before + written);
                let remaining = done.map_err(|code| undecodable(code, *max_window_bytes))?;
                input.advance(read);
                *is_full = written == ZSTD_BYTES;
                if read > 0 || written > 0 {
                    *is_whole = remaining == 0;
                }
            }
        }
        Ok(())
    }

    /// Checks that the input was complete.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Decoder::Identity => Ok(()),
            Decoder::Gzip(decoder) => {
                decoder.try_finish().map_err(corrupt)?;
                out.append(decoder.get_mut());
                Ok(())
            }
            Decoder::Zstd { is_whole: true, .. } => Ok(()),
            Decoder::Zstd { .. } => Err(corrupt(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

/// Returns the error of a zstd body that cannot be decoded.
fn undecodable(code: zstd_safe::ErrorCode, max_window_bytes: usize) -> Error {
    let too_large = ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge;
    if !zstd_safe::is_error_kind(code, too_large) {
        return corrupt(io::Error::other(zstd_safe::get_error_name(code)));
    }
    let (why, setting) = if max_window_bytes < 1 << ZSTD_MAX_WINDOW_LOG {
        (
            "half of limits.max_body_memory_bytes",
            Some("limits.max_body_memory_bytes"),
        )
    } else {
        ("RFC 9659", None)
    };
    let text = format!(
        "the window of the zstd body is too large: expected at most {max_window_bytes} bytes ({why}); compress it \
         without --long and --ultra"
    );
    let error = Error::new(Code::TooLarge, text).with("limit", max_window_bytes);
    match setting {
        Some(setting) => error.with("setting", setting),
        None => error,
    }
}

fn corrupt(error: io::Error) -> Error {
    let text = "the body ended early, is damaged, or is not encoded as content-encoding says; with curl send the file by \
                --data-binary @FILE";
    Error::new(Code::InvalidRequest, text).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn headers(name: HeaderName, text: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(text));
        headers
    }

    #[test]
    fn the_preferred_coding_is_chosen() {
        assert_eq!(
            ContentCoding::negotiate(&HeaderMap::new()),
            ContentCoding::Identity
        );
        for (text, expected) in [
            ("", ContentCoding::Identity),
            ("gzip", ContentCoding::Gzip),
            ("GZIP", ContentCoding::Gzip),
            ("gzip, deflate, br, zstd", ContentCoding::Zstd),
            ("gzip;q=1, zstd;q=0.5", ContentCoding::Gzip),
            ("gzip;q=0", ContentCoding::Identity),
            ("identity, gzip;q=0.5", ContentCoding::Identity),
            ("br", ContentCoding::Identity),
            ("*", ContentCoding::Zstd),
            ("*;q=0.5, zstd;q=0", ContentCoding::Gzip),
            ("gzip;q=x", ContentCoding::Identity),
            ("*;q=0", ContentCoding::Identity),
        ] {
            let found = ContentCoding::negotiate(&headers(ACCEPT_ENCODING, text));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn only_one_known_coding_is_accepted() {
        for (text, expected) in [
            ("identity", Some(ContentCoding::Identity)),
            ("gzip", Some(ContentCoding::Gzip)),
            ("X-Gzip", Some(ContentCoding::Gzip)),
            ("zstd", Some(ContentCoding::Zstd)),
            ("br", None),
            ("gzip, zstd", None),
        ] {
            let found = ContentCoding::parse(&headers(CONTENT_ENCODING, text)).ok();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_body_that_expands_much_is_decoded_in_small_steps() {
        let zeros = vec![0_u8; 64 << 20];
        for coding in [ContentCoding::Gzip, ContentCoding::Zstd] {
            let mut encoder = Encoder::new(coding).unwrap();
            let mut coded = encoder.encode(&zeros).unwrap();
            coded.extend(encoder.finish().unwrap());
            let (mut input, mut length) = (Bytes::from(coded), 0);
            let mut decoder = Decoder::new(coding, usize::MAX).unwrap();
            while !decoder.needs_input(&input) {
                let mut out = Vec::new();
                decoder.decode(&mut input, &mut out).unwrap();
                assert!(out.len() <= 1 << 20, "{coding:?}: {}", out.len());
                length += out.len();
            }
            let held = decoder.bytes();
            assert!((32 << 10..1 << 20).contains(&held), "{coding:?}: {held}");
            decoder.finish(&mut Vec::new()).unwrap();
            assert_eq!(length, zeros.len(), "{coding:?}");
        }
    }

    #[test]
    fn a_body_that_was_cut_off_is_detected() {
        for coding in [ContentCoding::Gzip, ContentCoding::Zstd] {
            let mut encoder = Encoder::new(coding).unwrap();
            let mut coded = encoder.encode(b"some text").unwrap();
            coded.extend(encoder.finish().unwrap());
            for end in 1..=coded.len() {
                let mut input = Bytes::copy_from_slice(&coded[..end]);
                let mut decoder = Decoder::new(coding, usize::MAX).unwrap();
                let mut out = Vec::new();
                while !decoder.needs_input(&input) {
                    decoder.decode(&mut input, &mut out).unwrap();
                }
                let whole = decoder.finish(&mut out).is_ok();
                assert_eq!(whole, end == coded.len(), "{coding:?} {end}");
            }
        }
    }

    /// Returns bytes that cannot be compressed.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let next = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[0]
        });
        next.take(length).collect()
    }

    #[test]
    fn a_window_is_counted_and_takes_at_most_half_of_the_memory() {
        let text = noise(9 << 20);
        let coded = |window_log| {
            let mut encoder = ZstdEncoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(window_log).unwrap();
            encoder.write_all(&text).unwrap();
            Bytes::from(encoder.finish().unwrap())
        };
        for (window_log, memory, is_taken) in [
            (23, usize::MAX, true),
            (24, usize::MAX, false),
            (23, 16 << 20, true),
            (23, (16 << 20) - 1, false),
            (17, 256 << 10, true),
            (10, 0, true),
        ] {
            let mut decoder = Decoder::new(ContentCoding::Zstd, memory).unwrap();
            let mut input = coded(window_log);
            let mut out = Vec::new();
            let done = decoder.decode(&mut input, &mut out);
            assert_eq!(done.is_ok(), is_taken, "{window_log} {memory}");
            let held = decoder.bytes();
            match done {
                Ok(()) => assert!(
                    held >= 1 << window_log && held < (1 << window_log) + (1 << 20),
                    "{held}"
                ),
                Err(error) => {
                    assert_eq!(error.code(), Code::TooLarge);
                    assert!(held < 1 << 20, "nothing was allocated: {held}");
                }
            }
        }
    }

    #[test]
    fn an_encoder_of_zstd_holds_at_most_what_is_counted() {
        use zstd::zstd_safe::{CCtx, CParameter};

        let mut encoder = CCtx::create();
        encoder
            .set_parameter(CParameter::CompressionLevel(ZSTD_LEVEL))
            .unwrap();
        let text = noise(4 << 20);
        let mut input = InBuffer::around(&text);
        while input.pos() < text.len() {
            let mut out = vec![0; 128 << 10];
            let mut out = OutBuffer::around(&mut out[..]);
            encoder.compress_stream(&mut out, &mut input).unwrap();
        }
        // The writer around the encoder has a buffer of its own.
        let held = encoder.sizeof() + (32 << 10);
        assert!(held <= ZSTD_ENCODER_BYTES, "{held}");
        assert!(held >= ZSTD_ENCODER_BYTES / 2, "{held}");
    }
}
