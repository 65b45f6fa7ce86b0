//! The order of arguments: flags before their verb, and after the line of `eval`, which clap does not accept there.
//!
//! It only moves words; clap parses them.

use std::ffi::{OsStr, OsString};

use clap::{ArgAction, Command};

/// The program's own flags, which no verb has.
const OWN_FLAGS: [&str; 4] = ["help", "version", "long", "detached"];
/// The flags of `eval`, which no verb of the prompt has.
const EVAL_FLAGS: [&str; 2] = ["--data-dir", "--config"];

/// Moves flags that precede their verb after it: `akvs --config F config check` becomes `akvs config check --config F`.
/// Without a verb, or with an unknown flag, nothing is moved.
pub(super) fn arrange(command: &Command, words: Vec<OsString>) -> Vec<OsString> {
    moved(command, &words).unwrap_or(words)
}

fn moved(command: &Command, words: &[OsString]) -> Option<Vec<OsString>> {
    let mut at = 1;
    let mut verb = command;
    let mut arranged: Vec<OsString> = words.first().cloned().into_iter().collect();
    let mut flags = Vec::new();
    while verb.has_subcommands() {
        let word = words.get(at)?;
        if let Some(length) = flag_length(command, word) {
            flags.extend_from_slice(words.get(at..at + length)?);
            at += length;
            continue;
        }
        verb = verb.find_subcommand(word)?;
        arranged.push(word.clone());
        at += 1;
    }
    arranged.extend(flags);
    let rest = &words[at..];
    match verb.get_name() {
        "eval" => arranged.extend(before_the_line(rest)),
        _ => arranged.extend_from_slice(rest),
    }
    Some(arranged)
}

/// Returns the number of words of a flag with its value; none for any other word.
fn flag_length(command: &Command, word: &OsStr) -> Option<usize> {
    let text = word.to_str()?.strip_prefix("--")?;
    let (name, has_value) = match text.split_once('=') {
        Some((name, _)) => (name, true),
        None => (text, false),
    };
    if OWN_FLAGS.contains(&name) {
        return None;
    }
    let takes = takes_value(command, name)?;
    Some(if takes && !has_value { 2 } else { 1 })
}

/// Returns true if the flag takes a value; none if no verb has the flag.
fn takes_value(command: &Command, name: &str) -> Option<bool> {
    let own = command
        .get_arguments()
        .find(|argument| argument.get_long() == Some(name));
    if let Some(own) = own {
        return Some(matches!(
            own.get_action(),
            ArgAction::Set | ArgAction::Append
        ));
    }
    command
        .get_subcommands()
        .find_map(|verb| takes_value(verb, name))
}

/// Moves the flags of `eval` that follow its line before it; words after `--` stay.
fn before_the_line(words: &[OsString]) -> Vec<OsString> {
    let (mut flags, mut line) = (Vec::new(), Vec::new());
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            line.push(word.clone());
            line.extend(rest.cloned());
            break;
        }
        let text = word.to_str().unwrap_or_default();
        if EVAL_FLAGS.contains(&text) {
            flags.push(word.clone());
            flags.extend(rest.next().cloned());
        } else if EVAL_FLAGS.iter().any(|flag| is_with_value(text, flag)) {
            flags.push(word.clone());
        } else {
            line.push(word.clone());
        }
    }
    flags.extend(line);
    flags
}

fn is_with_value(text: &str, flag: &str) -> bool {
    text.strip_prefix(flag)
        .is_some_and(|rest| rest.starts_with('='))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command::command;

    fn arranged(line: &str) -> String {
        let words = line.split(' ').map(OsString::from).collect();
        let words = arrange(&command(), words);
        let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap()).collect();
        words.join(" ")
    }

    #[test]
    fn flags_move_after_their_verb() {
        for (line, wanted) in [
            (
                "akvs --config F config check",
                "akvs config check --config F",
            ),
            (
                "akvs --config=F config check",
                "akvs config check --config=F",
            ),
            (
                "akvs config --config F check",
                "akvs config check --config F",
            ),
            (
                "akvs --config F token new ops --rights admin",
                "akvs token new --config F ops --rights admin",
            ),
            ("akvs --data-dir D stop", "akvs stop --data-dir D"),
            (
                "akvs --url U --timeout 5 get a b",
                "akvs get --url U --timeout 5 a b",
            ),
            ("akvs --json get a b", "akvs get --json a b"),
            (
                "akvs --unauthenticated serve",
                "akvs serve --unauthenticated",
            ),
            ("akvs --data-dir D rm a b", "akvs rm --data-dir D a b"),
            ("akvs ns --url U ls", "akvs ns ls --url U"),
        ] {
            assert_eq!(arranged(line), wanted);
        }
        for line in [
            "akvs",
            "akvs --config F",
            "akvs --engine memory --log debug",
            "akvs --config",
            "akvs --no-such config check",
            "akvs --version serve",
            "akvs get a b --url U",
            "akvs set a --json -- --config",
            "akvs nope --config F",
            "akvs help get",
        ] {
            assert_eq!(arranged(line), line);
        }
    }

    #[test]
    fn the_flags_of_eval_may_follow_its_line() {
        for (line, wanted) in [
            ("akvs eval ping --data-dir D", "akvs eval --data-dir D ping"),
            ("akvs eval ping --config=F", "akvs eval --config=F ping"),
            (
                "akvs --config F eval set a b c --ttl 5m --data-dir D",
                "akvs eval --config F --data-dir D set a b c --ttl 5m",
            ),
            (
                "akvs eval set a b -- --data-dir D",
                "akvs eval set a b -- --data-dir D",
            ),
        ] {
            assert_eq!(arranged(line), wanted);
        }
    }
}
