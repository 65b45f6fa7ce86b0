//! What was typed and not understood, as one line.

use clap::Error;
use clap::error::ErrorKind;

/// Whether nothing is wrong: help or the version was asked for.
pub(super) fn is_answer(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    )
}

/// What is wrong, without how it would be right: help tells that.
pub(crate) fn line(error: &Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a word is missing".into();
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, Command};

    #[test]
    fn what_is_wrong_fits_on_a_line() {
        let command = Command::new("akvs").arg(Arg::new("key").value_name("KEY").required(true));
        for (words, part) in [
            (&["akvs"][..], "not provided: <KEY>"),
            (&["akvs", "--kez"], "unexpected argument '--kez' found"),
            (&["akvs", "a", "b"], "unexpected argument 'b' found"),
        ] {
            let error = command.clone().try_get_matches_from(words).unwrap_err();
            let line = line(&error);
            assert!(line.contains(part) && !line.contains('\n'), "{line}");
            assert!(!is_answer(&error));
        }
        let help = command.try_get_matches_from(["akvs", "--help"]);
        assert!(is_answer(&help.unwrap_err()));
    }
}
