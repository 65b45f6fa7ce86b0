//! Usage errors as one line.

use std::ffi::OsStr;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

use super::suggest;

/// Returns true if help or the version was requested, which is no error.
pub(super) fn is_answer(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    )
}

/// Describes a usage error in one line, without the usage that clap adds.
pub(crate) fn line<W: AsRef<OsStr>>(error: &Error, command: &Command, words: &[W]) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "missing subcommand".into();
    }
    if error.kind() == ErrorKind::InvalidSubcommand
        && let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand)
    {
        return no_verb(word, command, words);
    }
    let text = error.render().to_string();
    let mut parts = text.split("\n\n").map(str::trim);
    let why = parts.next().unwrap_or_default();
    let why = why.strip_prefix("error: ").unwrap_or(why);
    let tip = parts.find_map(|part| part.strip_prefix("tip: "));
    let why: Vec<&str> = why.lines().map(str::trim).collect();
    match tip {
        Some(tip) => format!("{} ({})", why.join(" "), tip.trim()),
        None => why.join(" "),
    }
}

/// Describes an unknown verb, with a suggestion.
fn no_verb<W: AsRef<OsStr>>(word: &str, command: &Command, words: &[W]) -> String {
    // The verbs below the last known one are suggested.
    let mut above = command;
    for typed in words.iter().map(AsRef::as_ref) {
        match above.find_subcommand(typed) {
            Some(below) => above = below,
            None if typed == word => break,
            None => {}
        }
    }
    let verbs = above.get_subcommands().filter(|verb| !verb.is_hide_set());
    let names: Vec<&str> = verbs
        .flat_map(|verb| std::iter::once(verb.get_name()).chain(verb.get_visible_aliases()))
        .collect();
    match suggest::verb(word, &names) {
        Some(meant) => format!("unknown command '{word}'; did you mean '{meant}'?"),
        None => format!("unknown command '{word}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    #[test]
    fn a_usage_error_is_one_line() {
        let command = Command::new("akvs").arg(Arg::new("key").value_name("KEY").required(true));
        for (words, part) in [
            (&["akvs"][..], "not provided: <KEY>"),
            (&["akvs", "--kez"], "unexpected argument '--kez' found"),
            (&["akvs", "a", "b"], "unexpected argument 'b' found"),
        ] {
            let error = command.clone().try_get_matches_from(words).unwrap_err();
            let line = line(&error, &command, &words[1..]);
            assert!(line.contains(part) && !line.contains('\n'), "{line}");
            assert!(!is_answer(&error));
        }
        let command = command
            .subcommand(Command::new("get"))
            .subcommand(Command::new("token").subcommand(Command::new("new")));
        for (words, wanted) in [
            (
                &["akvs", "gte"][..],
                "unknown command 'gte'; did you mean 'get'?",
            ),
            (
                &["akvs", "token", "nwe"],
                "unknown command 'nwe'; did you mean 'new'?",
            ),
            (&["akvs", "token", "gte"], "unknown command 'gte'"),
        ] {
            let command = command.clone().subcommand_negates_reqs(true);
            let command = command.mut_arg("key", |key| key.long("key"));
            let command = command.mut_subcommand("token", |it| it.subcommand_required(true));
            let error = command.clone().try_get_matches_from(words).unwrap_err();
            assert_eq!(line(&error, &command, &words[1..]), wanted);
        }
        let help = command.try_get_matches_from(["akvs", "--help"]);
        assert!(is_answer(&help.unwrap_err()));
    }
}
