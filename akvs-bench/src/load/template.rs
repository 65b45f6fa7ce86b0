//! Requests as templates: bytes with holes for keys, namespaces and values, which are filled for each request.
//!
//! Holes have a fixed width, so that the length of a request never changes and writing one is a copy and a few stores.
//! Values are random letters, which the store cannot compress.

use std::ops::Range;

use crate::result::Result;

/// The number of digits of a key's hole.
const KEY_DIGITS: usize = 8;
/// The number of digits of a namespace's hole.
const NAMESPACE_DIGITS: usize = 6;
/// Random letters that values are cut from. The pool is large, so that values in one block of the store rarely overlap.
const NOISE_BYTES: usize = 1 << 20;
/// The part of a value that differs between requests. Longer values are not compressed anyway.
const FRESH_BYTES: usize = 4 << 10;
/// The 64 letters of base64, so that each value is also valid in JSON and in base64.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A request with holes. Several keys of one request are consecutive.
#[derive(Clone)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    keys: Vec<usize>,
    namespaces: Vec<usize>,
    values: Vec<Range<usize>>,
}

impl Template {
    /// Parses a text with the holes `{{key}}`, `{{namespace}}` and `{{value}}`, the latter of this length.
    pub(crate) fn parse(text: &str, value_bytes: usize) -> Result<Template> {
        let mut template = Template {
            bytes: Vec::new(),
            keys: Vec::new(),
            namespaces: Vec::new(),
            values: Vec::new(),
        };
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (hole, after) = after
                .split_once("}}")
                .ok_or_else(|| format!("invalid template {text:?}: expected }}}}"))?;
            template.bytes.extend(before.bytes());
            template.open(hole, value_bytes)?;
            rest = after;
        }
        template.bytes.extend(rest.bytes());
        Ok(template)
    }

    fn open(&mut self, hole: &str, value_bytes: usize) -> Result {
        let at = self.bytes.len();
        let width = match hole {
            "key" => {
                self.keys.push(at);
                KEY_DIGITS
            }
            "namespace" => {
                self.namespaces.push(at);
                NAMESPACE_DIGITS
            }
            "value" => {
                self.values.push(at..at + value_bytes);
                value_bytes
            }
            _ => return Err(format!("unknown hole {hole:?}").into()),
        };
        let noise = LETTERS.iter().cycle().take(width);
        self.bytes.extend(noise);
        Ok(())
    }

    /// Returns the length of each request.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Fills templates. Keys are numbers below `keys`; a key is always in the same of the `namespaces`.
pub(crate) struct Filler {
    keys: u64,
    namespaces: u64,
    /// The next key, where keys are taken in order.
    next: Option<u64>,
    random: fastrand::Rng,
    noise: Vec<u8>,
}

impl Filler {
    /// Takes keys in order, beginning with this one, or uniformly at random.
    pub(crate) fn new(keys: u64, namespaces: u64, first: Option<u64>, seed: u64) -> Filler {
        let mut random = fastrand::Rng::with_seed(seed);
        let letters = std::iter::repeat_with(|| LETTERS[random.usize(..LETTERS.len())]);
        let noise = letters.take(NOISE_BYTES).collect();
        Filler {
            keys: keys.max(1),
            namespaces: namespaces.max(1),
            next: first,
            random,
            noise,
        }
    }

    /// Returns a number from 0 to 99, for the choice of a template.
    pub(crate) fn percent(&mut self) -> u32 {
        self.random.u32(..100)
    }

    /// Appends a request.
    pub(crate) fn write(&mut self, template: &Template, output: &mut Vec<u8>) {
        let base = output.len();
        output.extend_from_slice(&template.bytes);
        let request = &mut output[base..];
        let key = self.key();
        for (number, &at) in (0..).zip(&template.keys) {
            let key = (key + number) % self.keys;
            digits(&mut request[at..at + KEY_DIGITS], key);
        }
        for &at in &template.namespaces {
            digits(
                &mut request[at..at + NAMESPACE_DIGITS],
                key % self.namespaces,
            );
        }
        for hole in &template.values {
            let length = hole.len().min(FRESH_BYTES);
            let from = self.random.usize(..NOISE_BYTES - FRESH_BYTES);
            request[hole.start..hole.start + length]
                .copy_from_slice(&self.noise[from..from + length]);
        }
    }

    fn key(&mut self) -> u64 {
        match &mut self.next {
            Some(next) => {
                let key = *next % self.keys;
                *next += 1;
                key
            }
            None => self.random.u64(..self.keys),
        }
    }
}

/// Writes a number with leading zeros over the whole place.
fn digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, filler: &mut Filler) -> String {
        let template = Template::parse(text, 5).unwrap();
        let mut output = b"before ".to_vec();
        filler.write(&template, &mut output);
        assert_eq!(output.len(), 7 + template.len());
        String::from_utf8(output[7..].to_vec()).unwrap()
    }

    #[test]
    fn keys_in_order_fill_their_holes() {
        let mut filler = Filler::new(3, 2, Some(1), 7);
        let text = "n{{namespace}}/k{{key}} k{{key}};";
        assert_eq!(written(text, &mut filler), "n000001/k00000001 k00000002;");
        assert_eq!(written(text, &mut filler), "n000000/k00000002 k00000000;");
        assert_eq!(written(text, &mut filler), "n000000/k00000000 k00000001;");
    }

    #[test]
    fn random_keys_stay_in_their_range_and_reach_all_of_it() {
        let mut filler = Filler::new(4, 1, None, 7);
        let seen: std::collections::BTreeSet<String> =
            (0..100).map(|_| written("{{key}}", &mut filler)).collect();
        assert_eq!(seen.len(), 4);
        assert_eq!(seen.last().unwrap(), "00000003");
    }

    #[test]
    fn values_differ_and_keep_their_length() {
        let mut filler = Filler::new(1, 1, None, 7);
        let (one, other) = (
            written("<{{value}}>", &mut filler),
            written("<{{value}}>", &mut filler),
        );
        assert_ne!(one, other);
        assert_eq!((one.len(), other.len()), (7, 7));
    }

    #[test]
    fn an_unknown_hole_is_refused() {
        assert!(Template::parse("{{kye}}", 5).is_err());
        assert!(Template::parse("{{key", 5).is_err());
        assert!(Template::parse("{\"a\":{}}", 5).is_ok());
    }
}
