//! Content codings of exports and imports (RFC 9110, section 8.4): gzip (RFC 1952) and zstd (RFC 8878), a piece at a
//! time, so that a body that unfolds to a thousand times its size takes no more memory than any other.

use std::io::{self, Write};

use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderName};
use akvs_core::{Code, Error, Result};
use bytes::{Buf, Bytes};
use flate2::Compression;
use flate2::write::{GzEncoder, MultiGzDecoder};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, Operation};
use zstd::stream::write::Encoder as ZstdEncoder;

/// So much of a gzip body is unfolded at once: to about half a mebibyte at the most.
const GZIP_BYTES: usize = 512;
/// So much of what a zstd body unfolds to is taken at once.
const ZSTD_BYTES: usize = 64 << 10;
/// The largest window that a zstd body may want, as a power of two: the one that RFC 8878 asks all to support.
const ZSTD_WINDOW_LOG: u32 = 23;
/// As fast as lines are made.
const ZSTD_LEVEL: i32 = 1;

/// How a body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

impl Coding {
    /// The one that a client likes best (RFC 9110, section 12.5.3); of those that it likes as well, the one that
    /// comes first of zstd, gzip and none. It gets none where it accepts nothing that is known here.
    pub(crate) fn accepted(headers: &HeaderMap) -> Coding {
        let codings = [
            (Coding::Zstd, "zstd"),
            (Coding::Gzip, "gzip"),
            (Coding::Identity, "identity"),
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
            let of = |name: &str| listed.iter().find(|(found, _)| found == name);
            // What is not listed is not wanted, unless all is; none at all is worse than any other.
            let any = of("*").map(|(_, quality)| *quality);
            let unlisted = any.unwrap_or(if name == "identity" { 0.000_1 } else { 0.0 });
            of(name).map_or(unlisted, |(_, quality)| *quality)
        };
        let mut best = (Coding::Identity, 0.0);
        for (coding, name) in codings {
            let quality = quality(name);
            if quality > best.1 {
                best = (coding, quality);
            }
        }
        best.0
    }

    /// How a request says that its body is coded.
    pub(crate) fn of_body(headers: &HeaderMap) -> Result<Coding> {
        let mut coding = Coding::Identity;
        for name in elements(headers, &CONTENT_ENCODING) {
            let next = match &*name.to_ascii_lowercase() {
                "identity" | "" => continue,
                "gzip" | "x-gzip" => Coding::Gzip,
                "zstd" => Coding::Zstd,
                _ => return Err(unknown(&name)),
            };
            if coding != Coding::Identity {
                return Err(unknown("two of them, one upon the other,"));
            }
            coding = next;
        }
        Ok(coding)
    }

    /// Its name, where a response has to say it.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Coding::Identity => None,
            Coding::Gzip => Some("gzip"),
            Coding::Zstd => Some("zstd"),
        }
    }
}

/// The elements of a list (RFC 9110, section 5.6.1).
fn elements(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> {
    let values = headers.get_all(name);
    let texts = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    texts.flat_map(|text| {
        let elements = text.split(',').map(|element| element.trim().to_owned());
        elements.collect::<Vec<_>>()
    })
}

fn unknown(name: &str) -> Error {
    let name: String = name.chars().take(64).collect();
    let text = format!("content-encoding: {name} is not known; there are gzip, zstd and identity");
    Error::new(Code::InvalidRequest, text).with("field", "content-encoding")
}

/// Codes a body, piece by piece.
pub(crate) enum Encoder {
    Identity(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

impl Encoder {
    /// One that has coded nothing yet.
    pub(crate) fn new(coding: Coding) -> Result<Encoder> {
        Ok(match coding {
            Coding::Identity => Encoder::Identity(Vec::new()),
            Coding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Coding::Zstd => {
                let encoder = ZstdEncoder::new(Vec::new(), ZSTD_LEVEL);
                Encoder::Zstd(encoder.map_err(no_memory)?)
            }
        })
    }

    /// Takes in what comes next, and gives out what is ready, which may be nothing.
    pub(crate) fn code(&mut self, text: &[u8]) -> Result<Vec<u8>> {
        let (coded, out) = match self {
            Encoder::Identity(out) => (out.write_all(text), out),
            Encoder::Gzip(encoder) => (encoder.write_all(text), encoder.get_mut()),
            Encoder::Zstd(encoder) => (encoder.write_all(text), encoder.get_mut()),
        };
        coded.map_err(no_memory)?;
        Ok(std::mem::take(out))
    }

    /// Gives out the rest.
    pub(crate) fn finish(self) -> Result<Vec<u8>> {
        match self {
            Encoder::Identity(out) => Ok(out),
            Encoder::Gzip(encoder) => encoder.finish().map_err(no_memory),
            Encoder::Zstd(encoder) => encoder.finish().map_err(no_memory),
        }
    }
}

/// There is nothing else that could fail.
fn no_memory(error: io::Error) -> Error {
    Error::new(Code::Unavailable, "the answer could not be coded").because(error)
}

/// Undoes a coding, piece by piece.
pub(super) enum Decoder {
    Identity,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstd {
        decoder: ZstdDecoder<'static>,
        /// Whether all that was begun has ended.
        is_whole: bool,
        /// Whether there may be more to be given out without any more coming in.
        is_full: bool,
    },
}

impl Decoder {
    /// One that has been given nothing yet.
    pub(super) fn new(coding: Coding) -> Result<Decoder> {
        Ok(match coding {
            Coding::Identity => Decoder::Identity,
            Coding::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Coding::Zstd => {
                let decoder = ZstdDecoder::new().and_then(|mut decoder| {
                    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))?;
                    Ok(decoder)
                });
                Decoder::Zstd {
                    decoder: decoder.map_err(no_memory)?,
                    is_whole: true,
                    is_full: false,
                }
            }
        })
    }

    /// Whether more has to come in before anything more goes out.
    pub(super) fn wants(&self, input: &Bytes) -> bool {
        let is_full = match self {
            Decoder::Identity | Decoder::Gzip(_) => false,
            Decoder::Zstd { is_full, .. } => *is_full,
        };
        input.is_empty() && !is_full
    }

    /// Takes a part of what came in, and gives out what it unfolds to: at most about half a mebibyte, or the input.
    pub(super) fn decode(&mut self, input: &mut Bytes, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Decoder::Identity => {
                out.extend_from_slice(input);
                input.clear();
            }
            Decoder::Gzip(decoder) => {
                let piece = input.split_to(input.len().min(GZIP_BYTES));
                let decoded = decoder.write_all(&piece);
                decoded.and_then(|()| decoder.flush()).map_err(corrupt)?;
                out.append(decoder.get_mut());
            }
            Decoder::Zstd {
                decoder,
                is_whole,
                is_full,
            } => {
                let before = out.len();
                out.resize(before + ZSTD_BYTES, 0);
                let status = decoder.run_on_buffers(input, &mut out[before..]);
                let status = status.inspect_err(|_| out.truncate(before));
                let status = status.map_err(corrupt)?;
                out.truncate(before + status.bytes_written);
                input.advance(status.bytes_read);
                *is_full = status.bytes_written == ZSTD_BYTES;
                if status.bytes_read > 0 || status.bytes_written > 0 {
                    *is_whole = status.remaining == 0;
                }
            }
        }
        Ok(())
    }

    /// Checks that what came in was whole.
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
    fn the_best_that_is_accepted_is_chosen() {
        assert_eq!(Coding::accepted(&HeaderMap::new()), Coding::Identity);
        for (text, expected) in [
            ("", Coding::Identity),
            ("gzip", Coding::Gzip),
            ("GZIP", Coding::Gzip),
            ("gzip, deflate, br, zstd", Coding::Zstd),
            ("gzip;q=1, zstd;q=0.5", Coding::Gzip),
            ("gzip;q=0", Coding::Identity),
            ("identity, gzip;q=0.5", Coding::Identity),
            ("br", Coding::Identity),
            ("*", Coding::Zstd),
            ("*;q=0.5, zstd;q=0", Coding::Gzip),
            ("gzip;q=x", Coding::Identity),
            ("*;q=0", Coding::Identity),
        ] {
            let found = Coding::accepted(&headers(ACCEPT_ENCODING, text));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn only_one_known_coding_is_taken() {
        for (text, expected) in [
            ("identity", Some(Coding::Identity)),
            ("gzip", Some(Coding::Gzip)),
            ("X-Gzip", Some(Coding::Gzip)),
            ("zstd", Some(Coding::Zstd)),
            ("br", None),
            ("gzip, zstd", None),
        ] {
            let found = Coding::of_body(&headers(CONTENT_ENCODING, text)).ok();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_unfolds_to_much_is_given_out_in_small_pieces() {
        let zeros = vec![0_u8; 64 << 20];
        for coding in [Coding::Gzip, Coding::Zstd] {
            let mut encoder = Encoder::new(coding).unwrap();
            let mut coded = encoder.code(&zeros).unwrap();
            coded.extend(encoder.finish().unwrap());
            let (mut input, mut length) = (Bytes::from(coded), 0);
            let mut decoder = Decoder::new(coding).unwrap();
            while !decoder.wants(&input) {
                let mut out = Vec::new();
                decoder.decode(&mut input, &mut out).unwrap();
                assert!(out.len() <= 1 << 20, "{coding:?}: {}", out.len());
                length += out.len();
            }
            decoder.finish(&mut Vec::new()).unwrap();
            assert_eq!(length, zeros.len(), "{coding:?}");
        }
    }

    #[test]
    fn what_is_cut_off_is_not_whole() {
        for coding in [Coding::Gzip, Coding::Zstd] {
            let mut encoder = Encoder::new(coding).unwrap();
            let mut coded = encoder.code(b"some text").unwrap();
            coded.extend(encoder.finish().unwrap());
            for end in 1..=coded.len() {
                let mut input = Bytes::copy_from_slice(&coded[..end]);
                let mut decoder = Decoder::new(coding).unwrap();
                let mut out = Vec::new();
                while !decoder.wants(&input) {
                    decoder.decode(&mut input, &mut out).unwrap();
                }
                let whole = decoder.finish(&mut out).is_ok();
                assert_eq!(whole, end == coded.len(), "{coding:?} {end}");
            }
        }
    }
}
