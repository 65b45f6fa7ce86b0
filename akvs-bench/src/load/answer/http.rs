//! Answers of HTTP/1.1, with `Content-Length` or chunked.

use memchr::memmem::{Finder, find};

use super::Answer;

const STATUS: usize = "HTTP/1.1 ".len();
const END: &[u8] = b"\r\n\r\n";
const LENGTH: &[u8] = b"content-length:";
const CODING: &[u8] = b"transfer-encoding:";

/// The layout of the last answer's head. The next is nearly always the same: then a comparison replaces the search.
#[derive(Default)]
struct Layout {
    head: usize,
    /// The place of the line with the length, and its bytes.
    at: usize,
    line: Vec<u8>,
    content: usize,
}

/// A reader that remembers the layout of the last answer.
pub(crate) struct Http {
    end: Finder<'static>,
    last: Layout,
}

impl Default for Http {
    fn default() -> Http {
        Http {
            end: Finder::new(END),
            last: Layout::default(),
        }
    }
}

impl Http {
    /// Reads the answer that these bytes begin with.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Answer {
        if self.is_like_last(bytes) {
            return known(bytes, self.last.head + self.last.content);
        }
        let Some(end) = self.end.find(bytes) else {
            return Answer::Unknown;
        };
        let head = end + END.len();
        match content(&bytes[..end]) {
            Content::Length { at, to, content } => {
                self.last = Layout {
                    head,
                    at,
                    line: bytes[at..to].to_vec(),
                    content,
                };
                known(bytes, head + content)
            }
            Content::Chunked => {
                chunks(&bytes[head..]).map_or(Answer::Unknown, |length| known(bytes, head + length))
            }
            Content::None => known(bytes, head),
        }
    }

    fn is_like_last(&self, bytes: &[u8]) -> bool {
        let Layout { head, at, line, .. } = &self.last;
        !line.is_empty()
            && bytes.len() >= *head
            && bytes[head - END.len()..*head] == *END
            && bytes[*at..at + line.len()] == **line
    }
}

enum Content {
    Length {
        at: usize,
        to: usize,
        content: usize,
    },
    Chunked,
    None,
}

/// Returns what a head says about the content.
fn content(head: &[u8]) -> Content {
    let mut at = 0;
    while let Some(next) = memchr::memchr(b'\n', &head[at..]) {
        at += next + 1;
        let line = &head[at..];
        let to = memchr::memchr(b'\r', line).unwrap_or(line.len());
        let line = &line[..to];
        if starts_with(line, LENGTH) {
            let digits = line[LENGTH.len()..].iter().filter(|b| b.is_ascii_digit());
            let content = digits.fold(0_usize, |length, digit| {
                length
                    .saturating_mul(10)
                    .saturating_add(usize::from(digit - b'0'))
            });
            return Content::Length {
                at,
                to: at + to + usize::from(at + to < head.len()),
                content,
            };
        }
        if starts_with(line, CODING) {
            return Content::Chunked;
        }
    }
    Content::None
}

fn starts_with(line: &[u8], name: &[u8]) -> bool {
    line.len() >= name.len() && line[..name.len()].eq_ignore_ascii_case(name)
}

/// Returns the length of all chunks with the last one, if it has arrived.
fn chunks(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = find(bytes.get(at..)?, b"\r\n")?;
        let digits = bytes[at..at + line]
            .iter()
            .map_while(|byte| char::from(*byte).to_digit(16));
        let size = digits.fold(0_usize, |size, digit| {
            size.saturating_mul(16).saturating_add(digit as usize)
        });
        at = at + line + 2;
        if size == 0 {
            // No server here sends trailers.
            return bytes.get(at..at + 2).map(|_| at + 2);
        }
        at = at.checked_add(size)?.checked_add(2)?;
    }
}

fn known(bytes: &[u8], length: usize) -> Answer {
    Answer::Known {
        length,
        success: bytes.get(STATUS) == Some(&b'2'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"1\"\r\n\r\nthreeHTTP/1.1";

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let mut http = Http::default();
        let length = OK.len() - 8;
        // The second is found by the layout of the first.
        for _ in 0..2 {
            let expected = Answer::Known {
                length,
                success: true,
            };
            assert_eq!(http.read(OK), expected);
        }
        for part in [0, 1, 12, 30, 46] {
            assert_eq!(http.read(&OK[..part]), Answer::Unknown, "{part}");
        }
    }

    #[test]
    fn a_content_that_is_not_there_yet_has_a_length() {
        let expected = Answer::Known {
            length: OK.len() - 8,
            success: true,
        };
        assert_eq!(Http::default().read(&OK[..50]), expected);
    }

    #[test]
    fn another_layout_is_noticed() {
        let mut http = Http::default();
        http.read(OK);
        for (other, success) in [
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 6\r\netag: \"1\"\r\n\r\nthrees",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"10\"\r\n\r\nthree",
                true,
            ),
            (
                "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nNot Found",
                false,
            ),
            ("HTTP/1.1 204 No Content\r\n\r\n", true),
        ] {
            let length = other.len();
            assert_eq!(
                http.read(other.as_bytes()),
                Answer::Known { length, success },
                "{other}"
            );
        }
    }

    #[test]
    fn chunks_end_with_the_empty_one() {
        let mut http = Http::default();
        let text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nthree\r\na\r\n0123456789\r\n0\r\n\r\n";
        let expected = Answer::Known {
            length: text.len(),
            success: true,
        };
        assert_eq!(http.read(text), expected);
        for part in 47..text.len() {
            assert_eq!(http.read(&text[..part]), Answer::Unknown, "{part}");
        }
    }
}
