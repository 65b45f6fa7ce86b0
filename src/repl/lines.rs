//! The lines of a text that was pasted.

/// Splits a pasted text into lines: an open quote, or a backslash at the end, joins the next line.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        match lines.last_mut().filter(|_| is_open) {
            Some(begun) => {
                begun.push('\n');
                begun.push_str(line);
            }
            None => lines.push(line.to_owned()),
        }
        is_open = lines
            .last()
            .is_some_and(|line| shlex::split(line).is_none());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_text_is_split_into_lines() {
        for (text, wanted) in [
            ("", &[][..]),
            ("get a b", &["get a b"]),
            ("set a b 1\nset a c 2\n", &["set a b 1", "set a c 2"]),
            ("\n# it's\nping", &["", "# it's", "ping"]),
            ("set a b 'one\ntwo'\nping", &["set a b 'one\ntwo'", "ping"]),
            ("set a \\\n b c\nping", &["set a \\\n b c", "ping"]),
            ("get 'a\nping", &["get 'a\nping"]),
        ] {
            assert_eq!(split(text), wanted, "{text:?}");
        }
    }
}
