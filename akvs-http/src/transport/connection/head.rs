//! The head of a request, as far as its connection must know it: where it ends, how long the body is, and whether
//! another request follows (RFC 9112).
//!
//! The framework parses a head again, by the same library and the same rules. Invariant: nothing is passed on of which
//! it could find another end than this module does, so no request hides within another.

use std::ops::Range;

use actix_web::http::Uri;
use memchr::memchr;

use super::Refusal;
use super::chunks::Chunks;
use super::target;

/// The most fields of a request.
pub(crate) const MAX_FIELDS: usize = 96;
/// The longest head.
pub(crate) const MAX_HEAD_BYTES: usize = 131_072;
/// The longest target: what the `http` crate takes.
pub(crate) const MAX_TARGET_BYTES: usize = 65_534;
/// A longer target is looked at with care.
const PLAIN_TARGET_BYTES: usize = 2_048;

/// A longer head is looked at once it is whole.
const PLAIN_HEAD_BYTES: usize = 8 << 10;

/// What bytes begin with.
pub(super) enum Scan {
    /// A head whose end has not come.
    Partial,
    /// A read of so many bytes that has no body and leaves the connection open.
    Plain(usize),
    Other(Head),
    Refused(Refusal),
}

/// A head that is passed on alone.
pub(super) struct Head {
    /// How many bytes it has.
    pub(super) length: usize,
    pub(super) body: Body,
    /// Whether the connection ends with its answer.
    pub(super) is_last: bool,
}

/// What is left of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    None,
    Length(u64),
    Chunks(Chunks),
}

/// Looks at the head that these bytes begin with; its end is not among the first `searched` of them. An offer of
/// another protocol is blanked out.
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

/// A head that goes on: refused where it is too long already, or begins like none.
fn partial(bytes: &[u8]) -> Scan {
    if bytes.len() <= PLAIN_HEAD_BYTES {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let begun = httparse::Request::new(&mut fields).parse(bytes);
        if let Err(error) = begun {
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

/// Where the head ends: behind its first empty line.
fn end(bytes: &[u8], searched: usize) -> Option<usize> {
    // The line may have ended among what was searched before.
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

/// The length of a head without anything unusual, if it is whole, in the fewest steps; and the body of one that is not a
/// plain read.
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
            b' ' | b'\t' => false,
            _ => true,
        };
        if !is_plain {
            return None;
        }
    }
    None
}

/// The body of this length, where it is written in the usual way.
fn plain_length(text: &[u8]) -> Option<Body> {
    // More digits might be more than there can be.
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

/// A line without its end.
fn line(bytes: &[u8]) -> &[u8] {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The value of a field, where it has this name; none that is good where the name is followed by a blank.
fn value<'a>(field: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = field.split_at_checked(name.len())?;
    let value = match rest {
        [b':', value @ ..] => value.trim_ascii(),
        [b' ' | b'\t', ..] => b"\0",
        _ => return None,
    };
    found.eq_ignore_ascii_case(name).then_some(value)
}

/// What the fields of a head say.
struct Parsed {
    body: Body,
    is_last: bool,
    /// Where another protocol is offered.
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
    let is_old = request.version != Some(1);
    let mut framing = Framing::default();
    for field in request.headers.iter() {
        framing.take(field, head)?;
    }
    let body = framing.body(method, is_old)?;
    Ok(Parsed {
        // A tunnel that is not opened has no end either.
        is_last: framing.says_close || is_old && !framing.says_keep || method == "CONNECT",
        body,
        offers: framing.offers,
    })
}

/// Why the library takes no head for one.
fn refused(error: httparse::Error, head: &[u8]) -> Refusal {
    use httparse::Error as Fault;
    let first = memchr(b'\n', head).map_or(head, |end| line(&head[..=end]));
    Refusal::malformed(match error {
        Fault::TooManyHeaders => return Refusal::large_head(),
        Fault::HeaderName => {
            "invalid field name in the head of the request: expected NAME: VALUE".into()
        }
        Fault::HeaderValue => {
            "invalid character in the value of a field of the request's head".into()
        }
        Fault::NewLine => match target::line_fault(first) {
            Some(fault) => fault,
            None => "a line of the request's head does not end in CR LF".into(),
        },
        Fault::Token | Fault::Version | Fault::Status => target::line_fault(first)
            .unwrap_or_else(|| "invalid request line: expected METHOD TARGET HTTP/1.1".into()),
    })
}

/// What the fields that are seen so far say of the body and of the connection.
#[derive(Default)]
struct Framing {
    has_host: bool,
    length: Option<u64>,
    is_chunked: bool,
    has_encoding: bool,
    says_close: bool,
    says_keep: bool,
    offers: Vec<Range<usize>>,
}

impl Framing {
    fn take(&mut self, field: &httparse::Header<'_>, head: &[u8]) -> Result<(), Refusal> {
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
            self.offers.push(place(head, field.name.as_bytes()));
        } else if is("connection") {
            for option in field.value.split(|byte| *byte == b',') {
                let option = option.trim_ascii();
                self.says_close |= option.eq_ignore_ascii_case(b"close");
                self.says_keep |= option.eq_ignore_ascii_case(b"keep-alive");
                if option.eq_ignore_ascii_case(b"upgrade") {
                    self.offers.push(place(head, option));
                }
            }
        }
        Ok(())
    }

    /// The body that is said to follow (RFC 9112, section 6.3).
    fn body(&self, method: &str, is_old: bool) -> Result<Body, Refusal> {
        let refused = |text: &str| Err(Refusal::malformed(text));
        if !is_old && !self.has_host {
            return refused("missing field: Host, which HTTP/1.1 requires");
        }
        match (self.is_chunked, self.length) {
            (true, _) if is_old => refused("Transfer-Encoding in a request of HTTP/1.0"),
            (true, Some(_)) => refused("both Content-Length and Transfer-Encoding: expected one"),
            (true, None) => Ok(Body::Chunks(Chunks::default())),
            (false, None) if is_old && method == "POST" => {
                refused("missing field: Content-Length, which HTTP/1.0 requires")
            }
            (false, None | Some(0)) => Ok(Body::None),
            (false, Some(length)) => Ok(Body::Length(length)),
        }
    }
}

/// Where a part of a head stands in it.
fn place(head: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(head.as_ptr() as usize);
    let start = start.min(head.len());
    start..(start + part.len()).min(head.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a head is taken for: without a look at its parts first, and with one.
    fn both(head: &str) -> [(usize, Option<Body>, bool); 2] {
        [0, 1].map(
            |searched| match scan(&mut head.as_bytes().to_vec(), searched) {
                Scan::Plain(length) => (length, Some(Body::None), false),
                Scan::Other(head) => (head.length, Some(head.body), head.is_last),
                Scan::Partial => (0, None, false),
                Scan::Refused(_) => (1, None, true),
            },
        )
    }

    #[test]
    fn the_short_way_and_the_long_way_find_the_same() {
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
                ] {
                    let head = format!("{start} {version}\r\n{fields}\r\n");
                    let [short, long] = both(&head);
                    assert_eq!(short, long, "{head:?}");
                    let more = head.clone() + "GET / HTTP/1.1\r\n\r\n";
                    assert_eq!(both(&more), [short, long], "{more:?}");
                    for end in 0..head.len() - 1 {
                        let part = both(&head[..end])[0];
                        assert!(part.1.is_none() || part.0 <= end, "{:?}", &head[..end]);
                    }
                }
            }
        }
    }
}
