//! The head of a request, as far as its connection needs it (RFC 9112): its end, the length of the body, and whether
//! another request may follow.
//!
//! actix parses the head again, by the same library and the same rules. Invariant: actix never finds another end of a
//! request than this module does, so that no request hides within another (request smuggling).

use std::ops::Range;

use actix_web::http::Uri;
use memchr::memchr;

use super::Refusal;
use super::chunks::Chunks;
use super::target;
use super::token::is_token;

/// The maximum number of fields of a request.
pub(crate) const MAX_FIELDS: usize = 96;
/// The maximum length of a head.
pub(crate) const MAX_HEAD_BYTES: usize = 131_072;
/// The maximum length of a target, which is that of the `http` crate.
pub(crate) const MAX_TARGET_BYTES: usize = 65_534;
/// The maximum length of a target of a plain request.
const PLAIN_TARGET_BYTES: usize = 2_048;

/// The length up to which an incomplete head is checked before its end has come.
const PLAIN_HEAD_BYTES: usize = 8 << 10;

/// The result of a scan.
pub(super) enum Scan {
    /// A head whose end has not come.
    Partial,
    /// A read of this many bytes without a body, which leaves the connection open.
    Plain(usize),
    Other(Head),
    Refused(Refusal),
}

/// A head that is passed on by itself.
pub(super) struct Head {
    /// The length in bytes.
    pub(super) length: usize,
    pub(super) body: Body,
    /// Whether the connection ends with its answer.
    pub(super) is_last: bool,
}

/// The rest of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    None,
    Length(u64),
    Chunks(Chunks),
}

/// Scans the head at the beginning of these bytes; its end is not among the first `searched` of them. An offer of another
/// protocol is overwritten.
pub(super) fn scan(bytes: &mut [u8], searched: usize) -> Scan {
    if searched == 0
        && let Some((length, body)) = plain(bytes)
    {
        return match body {
            None => Scan::Plain(length),
            Some(body) => Scan::Other(Head {
                length,
                body,
                is_last: false,
            }),
        };
    }
    let Some(length) = end(bytes, searched) else {
        return partial(bytes);
    };
    if length > MAX_HEAD_BYTES {
        return Scan::Refused(Refusal::large_head());
    }
    let head = &mut bytes[..length];
    match parse(head) {
        Err(refusal) => Scan::Refused(refusal),
        Ok(parsed) => {
            for range in parsed.offers {
                head[range].fill(b'-');
            }
            Scan::Other(Head {
                length,
                body: parsed.body,
                is_last: parsed.is_last,
            })
        }
    }
}

/// Scans an incomplete head, and refuses it if it is too long or malformed already.
fn partial(bytes: &[u8]) -> Scan {
    if bytes.len() <= PLAIN_HEAD_BYTES {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let parsed = httparse::Request::new(&mut fields).parse(bytes);
        if let Err(error) = parsed {
            return Scan::Refused(refused(error, bytes));
        }
    }
    let mut parts = bytes.split(|byte| *byte == b' ' || *byte == b'\n');
    let is_long = bytes.len() > MAX_TARGET_BYTES
        && parts.next().is_some_and(|method| method.len() <= 32)
        && parts
            .next()
            .is_some_and(|target| target.len() > MAX_TARGET_BYTES);
    match bytes.len() {
        _ if is_long => Scan::Refused(Refusal::long_target()),
        MAX_HEAD_BYTES.. => Scan::Refused(Refusal::large_head()),
        _ => Scan::Partial,
    }
}

/// Returns the end of the head, after its first empty line.
fn end(bytes: &[u8], searched: usize) -> Option<usize> {
    // The line end before the empty line may be in the part that was searched before.
    let mut at = searched.saturating_sub(2);
    while let Some(found) = memchr(b'\n', &bytes[at..]) {
        at += found + 1;
        match bytes[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// Scans a complete head without unusual fields in the fewest steps. Returns its length, and the body unless it is a plain
/// read.
fn plain(bytes: &[u8]) -> Option<(usize, Option<Body>)> {
    let is_write = bytes.starts_with(b"POST /");
    if !is_write && !bytes.starts_with(b"GET /") {
        return None;
    }
    let mut at = memchr(b'\n', bytes)? + 1;
    let target = line(&bytes[4..at]).strip_suffix(b" HTTP/1.1")?;
    let target = target.strip_prefix(b" ").unwrap_or(target);
    if target.len() > PLAIN_TARGET_BYTES || !target::is_plain(target) {
        return None;
    }
    let (mut has_host, mut body) = (false, None);
    for _ in 0..=MAX_FIELDS {
        let rest = &bytes[at..];
        let end = memchr(b'\n', rest)? + 1;
        at += end;
        let field = line(&rest[..end]);
        let Some(first) = field.first() else {
            let is_whole = has_host && body.is_some() == is_write && at <= MAX_HEAD_BYTES;
            return is_whole.then_some((at, body));
        };
        if !is_field(field) {
            return None;
        }
        let is_plain = match first {
            b'h' | b'H' => match value(field, b"host") {
                None => true,
                Some(host) => !std::mem::replace(&mut has_host, true) && target::is_host(host),
            },
            b'c' | b'C' => match (value(field, b"connection"), value(field, b"content-length")) {
                (Some(option), _) => option.eq_ignore_ascii_case(b"keep-alive"),
                (None, Some(length)) => body.replace(plain_length(length)?).is_none(),
                (None, None) => true,
            },
            b't' | b'T' => value(field, b"transfer-encoding").is_none(),
            b'e' | b'E' => value(field, b"expect").is_none(),
            b'u' | b'U' => value(field, b"upgrade").is_none(),
            _ => true,
        };
        if !is_plain {
            return None;
        }
    }
    None
}

/// Returns whether a line is a valid field without control characters in its value (RFC 9112, section 5). It may return
/// `false` for a valid field with a tab, which the full parser accepts.
fn is_field(line: &[u8]) -> bool {
    let name = line.iter().position(|byte| !is_token(*byte));
    let Some((_, [b':', value @ ..])) = name.and_then(|end| line.split_at_checked(end)) else {
        return false;
    };
    let (words, rest) = value.as_chunks();
    let last = value.last_chunk().copied();
    let is_text = |word: &[u8; 8]| {
        const EACH: u64 = u64::from_ne_bytes([1; 8]);
        const HIGH: u64 = EACH << 7;
        let word = u64::from_ne_bytes(*word);
        let delete = word ^ (EACH * 0x7f);
        let below_space = word.wrapping_sub(EACH * 0x20) & !word;
        (below_space | delete.wrapping_sub(EACH) & !delete) & HIGH == 0
    };
    words.iter().all(is_text)
        && match last {
            Some(last) => is_text(&last),
            None => rest.iter().all(|byte| *byte >= b' ' && *byte != 0x7f),
        }
        && !line.starts_with(b":")
}

/// Parses a length of the usual form as a body.
fn plain_length(text: &[u8]) -> Option<Body> {
    // More digits might exceed 64 bits.
    if text.is_empty() || text.len() > 18 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length = text
        .iter()
        .fold(0, |length, digit| length * 10 + u64::from(digit - b'0'));
    Some(match length {
        0 => Body::None,
        length => Body::Length(length),
    })
}

/// Returns a line without its line end.
fn line(bytes: &[u8]) -> &[u8] {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Returns the value of a field of this name; an invalid value if a blank follows the name.
fn value<'a>(field: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = field.split_at_checked(name.len())?;
    let value = match rest {
        [b':', value @ ..] => value.trim_ascii(),
        [b' ' | b'\t', ..] => b"\0",
        _ => return None,
    };
    found.eq_ignore_ascii_case(name).then_some(value)
}

/// The framing of a request by its head.
struct Parsed {
    body: Body,
    is_last: bool,
    /// The positions of offers of another protocol.
    offers: Vec<Range<usize>>,
}

fn parse(head: &[u8]) -> Result<Parsed, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(Refusal::malformed("malformed head of a request")),
        Err(error) => return Err(refused(error, head)),
    }
    let (method, target) = (request.method.unwrap_or(""), request.path.unwrap_or(""));
    if target.len() > MAX_TARGET_BYTES {
        return Err(Refusal::long_target());
    }
    if Uri::try_from(target).is_err() {
        return Err(Refusal::malformed(target::fault(target.as_bytes())));
    }
    let is_http_1_0 = request.version != Some(1);
    let mut framing = Framing::default();
    for field in request.headers.iter() {
        framing.add(field, head)?;
    }
    let body = framing.body(method, is_http_1_0)?;
    Ok(Parsed {
        // What follows a refused `CONNECT` may be data for the tunnel.
        is_last: framing.has_close || is_http_1_0 && !framing.has_keep_alive || method == "CONNECT",
        body,
        offers: framing.offers,
    })
}

/// Returns the refusal of a head that the library does not parse.
fn refused(error: httparse::Error, head: &[u8]) -> Refusal {
    use httparse::Error as Fault;
    let first = memchr(b'\n', head).map_or(head, |end| line(&head[..=end]));
    Refusal::malformed(match error {
        Fault::TooManyHeaders => return Refusal::large_head(),
        Fault::HeaderName => {
            "invalid field name in the head of the request: expected NAME: VALUE".into()
        }
        Fault::HeaderValue => {
            "invalid character in a field value in the head of the request".into()
        }
        Fault::NewLine => match target::line_fault(first) {
            Some(fault) => fault,
            None => "malformed line in the head of the request: expected CR LF at its end".into(),
        },
        Fault::Token | Fault::Version | Fault::Status => target::line_fault(first)
            .unwrap_or_else(|| "invalid request line: expected METHOD TARGET HTTP/1.1".into()),
    })
}

/// The framing of a request by the fields parsed so far.
#[derive(Default)]
struct Framing {
    has_host: bool,
    length: Option<u64>,
    is_chunked: bool,
    has_encoding: bool,
    has_close: bool,
    has_keep_alive: bool,
    offers: Vec<Range<usize>>,
}

impl Framing {
    fn add(&mut self, field: &httparse::Header<'_>, head: &[u8]) -> Result<(), Refusal> {
        let value = field.value.trim_ascii();
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        let shown = || value.escape_ascii();
        if is("content-length") {
            if self.length.is_some() {
                return Err(Refusal::malformed("duplicate field: Content-Length"));
            }
            let is_number = value.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(value).ok().filter(|_| is_number);
            self.length = number.and_then(|text| text.parse().ok());
            if self.length.is_none() {
                let text = format!("invalid Content-Length \"{}\": expected digits", shown());
                return Err(Refusal::malformed(text));
            }
        } else if is("transfer-encoding") {
            if std::mem::replace(&mut self.has_encoding, true) {
                return Err(Refusal::malformed("duplicate field: Transfer-Encoding"));
            }
            self.is_chunked = value.eq_ignore_ascii_case(b"chunked");
            if !self.is_chunked {
                let text = format!(
                    "unknown Transfer-Encoding \"{}\": expected chunked",
                    shown()
                );
                return Err(Refusal::malformed(text));
            }
        } else if is("host") {
            if std::mem::replace(&mut self.has_host, true) {
                return Err(Refusal::malformed("duplicate field: Host"));
            }
            if !target::is_host(value) {
                let text = format!("invalid Host \"{}\": expected HOST or HOST:PORT", shown());
                return Err(Refusal::malformed(text));
            }
        } else if is("upgrade") {
            self.offers.push(position(head, field.name.as_bytes()));
        } else if is("connection") {
            for option in field.value.split(|byte| *byte == b',') {
                let option = option.trim_ascii();
                self.has_close |= option.eq_ignore_ascii_case(b"close");
                self.has_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                if option.eq_ignore_ascii_case(b"upgrade") {
                    self.offers.push(position(head, option));
                }
            }
        }
        Ok(())
    }

    /// Returns the body that follows the head (RFC 9112, section 6.3).
    fn body(&self, method: &str, is_http_1_0: bool) -> Result<Body, Refusal> {
        let refused = |text: &str| Err(Refusal::malformed(text));
        if !is_http_1_0 && !self.has_host {
            return refused("missing field: Host, which HTTP/1.1 requires");
        }
        match (self.is_chunked, self.length) {
            (true, _) if is_http_1_0 => {
                refused("unexpected Transfer-Encoding in a request of HTTP/1.0")
            }
            (true, Some(_)) => refused("both Content-Length and Transfer-Encoding: expected one"),
            (true, None) => Ok(Body::Chunks(Chunks::default())),
            (false, None) if is_http_1_0 && method == "POST" => {
                refused("missing field: Content-Length, which HTTP/1.0 requires")
            }
            (false, None | Some(0)) => Ok(Body::None),
            (false, Some(length)) => Ok(Body::Length(length)),
        }
    }
}

/// Returns the position of a part of a head.
fn position(head: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(head.as_ptr() as usize);
    let start = start.min(head.len());
    start..(start + part.len()).min(head.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the results of the short scan and of the full parser.
    fn both(head: &[u8]) -> [(usize, Option<Body>, bool); 2] {
        [0, 1].map(|searched| match scan(&mut head.to_vec(), searched) {
            Scan::Plain(length) => (length, Some(Body::None), false),
            Scan::Other(head) => (head.length, Some(head.body), head.is_last),
            Scan::Partial => (0, None, false),
            Scan::Refused(_) => (1, None, true),
        })
    }

    #[test]
    fn the_short_scan_and_the_full_parser_agree() {
        for start in [
            "GET /kv/ns/key",
            "POST /kv/ns/key?ttl=1",
            "DELETE /kv/ns/key",
        ] {
            for version in ["HTTP/1.1", "HTTP/1.0", "HTTP/1.2"] {
                for fields in [
                    "",
                    "Host: a\r\n",
                    "Host: a b\r\n",
                    "Host: a\r\nHost: a\r\n",
                    "host: a:80\r\nCONTENT-LENGTH: 17\r\nContent-Type: text/plain\r\n",
                    "Host: a\r\nContent-Length: 0\r\n",
                    "Host: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
                    "Host: a\r\nContent-Length: +5\r\n",
                    "Host: a\r\nContent-Length: 00000000000000000000005\r\n",
                    "Host: a\r\nContent-Length: 99999999999999999999\r\n",
                    "Host: a\r\nContent-Length : 5\r\n",
                    "Host: a\r\n Content-Length: 5\r\n",
                    "Host: a\r\nTransfer-Encoding: chunked\r\n",
                    "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                    "Host: a\r\nConnection: keep-alive\r\nContent-Length: 5\r\n",
                    "Host: a\r\nConnection: keep-alive, close\r\n",
                    "Host: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n",
                    "Host: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n",
                    "Host: a\nX: y\n",
                    "Host: a\r\nfoo\r\n",
                    "Host: a\r\nfoo : x\r\n",
                    "Host: a\r\nfoo\t: x\r\n",
                    "Host: a\r\n: x\r\n",
                    "Host: a\r\n(x): y\r\n",
                    "Host: a\r\nh\u{e9}: y\r\n",
                    "Host: a\r\nX:\r\n",
                    "Host: a\r\nX: y\tz\r\n",
                    "Host: a\r\nX: \u{e9}\r\n",
                    "Host: a\r\nX: a\0b\r\n",
                    "Host: a\r\nX: long enough for a word\0and more\r\n",
                    "Host: a\r\nX: a value that ends in it\0\r\n",
                    "Host: a\r\nX: a value that ends in it\x7f\r\n",
                    "Host: a\r\nX: a\rb\r\n",
                    "Host: a\r\nX: a\r\r\n",
                ] {
                    let head = format!("{start} {version}\r\n{fields}\r\n");
                    let [short, long] = both(head.as_bytes());
                    assert_eq!(short, long, "{head:?}");
                    let more = head.clone() + "GET / HTTP/1.1\r\n\r\n";
                    assert_eq!(both(more.as_bytes()), [short, long], "{more:?}");
                    for end in 0..head.len() - 1 {
                        let part = both(&head.as_bytes()[..end])[0];
                        assert!(part.1.is_none() || part.0 <= end, "{head:?}, {end}");
                    }
                }
            }
        }
    }
}
