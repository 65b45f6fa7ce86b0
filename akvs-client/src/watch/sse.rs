//! The parser of server-sent events (WHATWG HTML, section 9.2.6).
//!
//! It owns lines and fields. It does not know the meaning of events. Unlike a browser it keeps comments, which carry
//! the revision to resume from, and does not carry an id over to the next event, because an id ends a transaction here.
//! Invariants: any split of the bytes yields the same pieces, and at most `limit` bytes of an event are held.

use bytes::{Buf, Bytes};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Event(Event),
    /// The text of a comment, without one leading space.
    Comment(Vec<u8>),
}

/// A complete event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Empty if the event had none.
    pub(super) name: Vec<u8>,
    /// The id of this event.
    pub(super) id: Option<Vec<u8>>,
    /// The data lines, joined by line feeds.
    pub(super) data: Vec<u8>,
}

/// The error of an event or a line beyond the limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// The parser of one stream.
#[derive(Debug)]
pub(super) struct Parser {
    limit: usize,
    /// The incomplete line.
    line: Vec<u8>,
    /// Whether the last byte was a CR, which an LF may complete.
    after_cr: bool,
    /// Whether the first line has ended.
    begun: bool,
    event: Event,
    /// An event without a data line is ignored.
    has_data: bool,
}

impl Parser {
    pub(super) fn new(limit: usize) -> Parser {
        Parser {
            limit,
            line: Vec::new(),
            after_cr: false,
            begun: false,
            event: Event::default(),
            has_data: false,
        }
    }

    /// Consumes bytes until a piece is complete; `None` if all were consumed and no piece is.
    pub(super) fn next(&mut self, bytes: &mut Bytes) -> Result<Option<Piece>, TooLong> {
        while let Some(first) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && *first == b'\n' {
                bytes.advance(1);
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let part = bytes.split_to(end.unwrap_or(bytes.len()));
            if self.held().saturating_add(part.len()) > self.limit {
                return Err(TooLong);
            }
            self.line.extend_from_slice(&part);
            if end.is_none() {
                return Ok(None);
            }
            self.after_cr = bytes.get_u8() == b'\r';
            let line = std::mem::take(&mut self.line);
            if let Some(piece) = self.end_of_line(line) {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    fn held(&self) -> usize {
        let id = self.event.id.as_ref().map_or(0, Vec::len);
        self.line.len() + self.event.data.len() + self.event.name.len() + id
    }

    fn end_of_line(&mut self, mut line: Vec<u8>) -> Option<Piece> {
        if !std::mem::replace(&mut self.begun, true) && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            if line.is_empty() {
                return self.end_of_event();
            }
            self.field(&line, Vec::new());
            return None;
        };
        let space = usize::from(line.get(colon + 1) == Some(&b' '));
        let value = line.split_off(colon + 1 + space);
        line.truncate(colon);
        if line.is_empty() {
            return Some(Piece::Comment(value));
        }
        self.field(&line, value);
        None
    }

    /// Unknown fields are ignored, as the standard requires.
    fn field(&mut self, name: &[u8], mut value: Vec<u8>) {
        match name {
            b"event" => self.event.name = value,
            b"id" if !value.contains(&0) => self.event.id = Some(value),
            b"data" if self.has_data => {
                self.event.data.push(b'\n');
                self.event.data.append(&mut value);
            }
            b"data" => {
                self.event.data = value;
                self.has_data = true;
            }
            _ => {}
        }
    }

    fn end_of_event(&mut self) -> Option<Piece> {
        let event = std::mem::take(&mut self.event);
        std::mem::take(&mut self.has_data).then_some(Piece::Event(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn pieces_of(chunks: &[&[u8]]) -> Vec<Piece> {
        let mut parser = Parser::new(1 << 20);
        let mut pieces = Vec::new();
        for chunk in chunks {
            let mut bytes = Bytes::copy_from_slice(chunk);
            while let Some(piece) = parser.next(&mut bytes).unwrap() {
                pieces.push(piece);
            }
            assert!(bytes.is_empty());
        }
        pieces
    }

    fn pieces(text: &str) -> Vec<Piece> {
        pieces_of(&[text.as_bytes()])
    }

    fn event(name: &str, id: Option<&str>, data: &str) -> Piece {
        Piece::Event(Event {
            name: name.into(),
            id: id.map(Into::into),
            data: data.into(),
        })
    }

    fn comment(text: &str) -> Piece {
        Piece::Comment(text.into())
    }

    #[test]
    fn events_and_comments_come_in_their_order() {
        let text = ": revision 41\n\nevent: set\nid: 42\ndata: {}\n\n: revision 42\n\n";
        let expected = [
            comment("revision 41"),
            event("set", Some("42"), "{}"),
            comment("revision 42"),
        ];
        assert_eq!(pieces(text), expected);
    }

    #[test]
    fn lines_end_with_cr_lf_or_both() {
        for end in ["\n", "\r", "\r\n"] {
            let text = ["event:a", "data:1", "", "data:2", "", ""].join(end);
            let expected = [event("a", None, "1"), event("", None, "2")];
            assert_eq!(pieces(&text), expected, "{end:?}");
        }
        assert_eq!(
            pieces("data:1\r\n\ndata:2\r\r"),
            pieces("data:1\n\ndata:2\n\n")
        );
    }

    #[test]
    fn one_space_behind_the_colon_is_no_part_of_the_value() {
        let expected = [
            event("", None, "x"),
            event("", None, " x"),
            event("", None, "a:b"),
        ];
        assert_eq!(pieces("data:x\n\ndata:  x\n\ndata: a:b\n\n"), expected);
    }

    #[test]
    fn data_lines_are_joined() {
        let text = "data: a\ndata\ndata:\ndata: b\n\ndata\n\n";
        assert_eq!(
            pieces(text),
            [event("", None, "a\n\n\nb"), event("", None, "")]
        );
    }

    #[test]
    fn an_event_without_data_is_none_and_leaves_nothing_behind() {
        assert_eq!(
            pieces("event: a\nid: 1\n\ndata: x\n\n"),
            [event("", None, "x")]
        );
    }

    #[test]
    fn an_id_is_not_carried_over() {
        let text = "id: 1\ndata: x\n\ndata: y\n\nid: \0\ndata: z\n\n";
        let expected = [
            event("", Some("1"), "x"),
            event("", None, "y"),
            event("", None, "z"),
        ];
        assert_eq!(pieces(text), expected);
    }

    #[test]
    fn unknown_fields_and_a_mark_at_the_start_are_passed_over() {
        let text = "\u{feff}data: x\nretry: 9\nDATA: no\n data: no\nfoo\n\n\u{feff}data: y\n\n";
        assert_eq!(pieces(text), [event("", None, "x")]);
    }

    #[test]
    fn an_incomplete_event_is_none() {
        assert!(pieces("event: set\ndata: x\n").is_empty());
        assert!(pieces("data: x\n\r").len() == 1 && pieces(": comm").is_empty());
    }

    #[test]
    fn no_more_than_the_limit_is_held() {
        let endless: [&str; 5] = [
            "x",
            "data: x\n",
            "data\n",
            ":x",
            "id: 1\nevent: abc\ndata: x\n",
        ];
        for text in endless {
            let mut parser = Parser::new(64);
            let mut given = 0;
            while parser
                .next(&mut Bytes::from_static(text.as_bytes()))
                .is_ok()
            {
                assert!(parser.held() <= 64);
                given += 1;
                assert!(given < 1_000, "{text:?}");
            }
        }
        let mut parser = Parser::new(64);
        for _ in 0..1_000 {
            let mut short = Bytes::from_static(b"id: 1\nevent: set\ndata: a\n\n: b\n\n");
            while parser.next(&mut short).unwrap().is_some() {}
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_pieces(
            lines in vec("(event|data|id|foo|)(: ?|)[a-z: \u{feff}]{0,4}(\n|\r|\r\n)(\n|\r|\r\n)?", 0..12),
            cuts in vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let text = lines.concat();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<_> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(pieces_of(&chunks), pieces(&text));
        }

        #[test]
        fn any_bytes_are_taken_and_byte_for_byte_too(bytes in vec(any::<u8>(), 0..200)) {
            let single: Vec<_> = bytes.chunks(1).collect();
            prop_assert_eq!(pieces_of(&single), pieces_of(&[&bytes]));
        }

        #[test]
        fn codecs_decode_what_they_encode(
            events in vec(("[a-z]{1,5}", proptest::option::of("[0-9]{1,5}"), "[^\r\n]{0,9}"), 0..9),
        ) {
            let mut text = String::new();
            let mut expected = Vec::new();
            for (name, id, data) in &events {
                let line = id.as_ref().map(|id| format!("id: {id}\n")).unwrap_or_default();
                text += &format!("event: {name}\n{line}data: {data}\n\n");
                expected.push(event(name, id.as_deref(), data));
            }
            prop_assert_eq!(pieces(&text), expected);
        }
    }
}
