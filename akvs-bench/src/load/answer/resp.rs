//! Answers of Redis, version 2 of its protocol.

use memchr::memmem::find;

use super::Answer;

const LINE_END: &[u8] = b"\r\n";

/// Reads the answer that these bytes begin with.
pub(super) fn read(bytes: &[u8]) -> Answer {
    let success = bytes.first() != Some(&b'-');
    let (mut at, mut elements) = (0, 1_usize);
    while elements > 0 {
        let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else {
            return Answer::Unknown;
        };
        let Some(line) = find(rest, LINE_END) else {
            return Answer::Unknown;
        };
        let after = at + line + LINE_END.len();
        elements -= 1;
        at = match rest[0] {
            b'$' => match number(&rest[1..line]) {
                Some(length) => after + length + LINE_END.len(),
                // A key that does not exist.
                None => {
                    return Answer::Known {
                        length: after,
                        success: false,
                    };
                }
            },
            b'*' => {
                elements += number(&rest[1..line]).unwrap_or(0);
                after
            }
            _ => after,
        };
    }
    Answer::Known {
        length: at,
        success,
    }
}

/// Returns a number that is not negative.
fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(length: usize, success: bool) -> Answer {
        Answer::Known { length, success }
    }

    #[test]
    fn each_kind_of_answer_has_its_end() {
        assert_eq!(read(b"+OK\r\n+OK\r\n"), known(5, true));
        assert_eq!(read(b":12\r\n"), known(5, true));
        assert_eq!(read(b"-ERR no\r\n"), known(9, false));
        assert_eq!(read(b"$5\r\nthree\r\n+"), known(11, true));
        assert_eq!(read(b"$5\r\nth"), known(11, true));
        assert_eq!(read(b"$-1\r\n"), known(5, false));
        assert_eq!(read(b"*2\r\n$1\r\na\r\n:3\r\n+"), known(15, true));
        for part in [
            &b""[..],
            b"+O",
            b"$5",
            b"*2\r\n$1\r\na\r\n",
            b"*2\r\n$1\r\na\r\n:3",
        ] {
            assert_eq!(read(part), Answer::Unknown, "{part:?}");
        }
    }
}
