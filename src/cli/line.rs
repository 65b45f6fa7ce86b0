//! The lines of the prompt: the client's verbs, and those of the server itself.
//!
//! A line is split as in a shell, with quotes and backslashes, but nothing is expanded.

use clap::{CommandFactory, Parser, Subcommand};

use super::{ClientVerb, clap_errors};

/// A parsed line.
#[derive(Debug, Parser)]
#[command(
    name = "akvs",
    no_binary_name = true,
    disable_help_flag = true,
    disable_help_subcommand = true
)]
pub(super) struct Line {
    #[command(subcommand)]
    pub(super) verb: LineVerb,
}

#[derive(Debug, Subcommand)]
pub(super) enum LineVerb {
    #[command(flatten)]
    Client(Box<ClientVerb>),
    /// List the namespaces with their keys, bytes and settings
    Namespaces,
    /// Show the server's status
    #[command(alias = "status")]
    Stats,
    /// Show the log filter, or change it until the next start
    Log {
        /// Level or filter, such as debug or info,akvs_http=debug
        level: Option<String>,
    },
    /// Check that the server answers
    Ping,
    /// Show the server's version
    Version,
    /// Stop the server
    Stop,
    /// List the commands, or show the help of one
    Help {
        /// Command
        verb: Option<String>,
    },
    /// Leave the prompt (also Ctrl-D); in a console this stops the server
    #[command(alias = "exit")]
    Quit,
}

/// The result of parsing a line.
#[derive(Debug)]
pub(super) enum Read {
    Nothing,
    Verb(LineVerb),
    /// The reason why the line is invalid.
    Refused(String),
}

/// Parses a line.
pub(super) fn read(text: &str) -> Read {
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return Read::Nothing;
    }
    let Some(words) = shlex::split(text) else {
        return Read::Refused("unclosed quote".into());
    };
    match Line::try_parse_from(&words) {
        Ok(line) => Read::Verb(line.verb),
        Err(error) => Read::Refused(format!(
            "{}; type `help` for the commands",
            clap_errors::line(&error, &Line::command(), &words)
        )),
    }
}

/// Returns the list of verbs, or the help of one.
pub(super) fn help(verb: Option<&str>) -> Result<String, String> {
    let mut all = Line::command();
    all.build();
    let Some(name) = verb else {
        let width = all.get_subcommands().map(|verb| verb.get_name().len());
        let width = width.max().unwrap_or_default();
        let verbs = all.get_subcommands().map(|verb| {
            let about = verb.get_about().map(ToString::to_string);
            let others: Vec<&str> = verb.get_visible_aliases().collect();
            let others = if others.is_empty() {
                String::new()
            } else {
                format!(" [also: {}]", others.join(", "))
            };
            format!(
                "  {:width$}  {}{others}\n",
                verb.get_name(),
                about.unwrap_or_default()
            )
        });
        let verbs: String = verbs.collect();
        return Ok(format!(
            "{verbs}\nType `help COMMAND` for details. Quotes and backslashes work as in a shell.\n"
        ));
    };
    let found = all.find_subcommand_mut(name);
    let found =
        found.ok_or_else(|| format!("unknown command {name:?}; type `help` for the commands"))?;
    let found = found.clone().bin_name(name.to_owned());
    let text = found.disable_help_flag(true).render_long_help();
    Ok(text.to_string())
}

/// Returns the names of the verbs, sorted.
pub(super) fn verbs() -> Vec<String> {
    let command = Line::command();
    let mut names: Vec<String> = command
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_in_a_shell() {
        for text in ["set foo bar baz", "set 'foo' \"bar\" b\\az", "  stats  "] {
            assert!(matches!(read(text), Read::Verb(_)), "{text}");
        }
        for text in ["", "   ", "# a word"] {
            assert!(matches!(read(text), Read::Nothing), "{text:?}");
        }
        for (text, part) in [
            ("get 'foo", "quote"),
            ("gte foo bar", "gte"),
            ("get foo", "<KEY>"),
            ("get --no foo bar", "--no"),
            ("ns", "missing subcommand"),
        ] {
            let Read::Refused(why) = read(text) else {
                panic!("{text} was taken")
            };
            assert!(why.contains(part), "{text}: {why}");
        }
    }

    #[test]
    fn each_verb_has_help() {
        let all = help(None).unwrap();
        for verb in verbs() {
            assert!(all.contains(&verb), "{verb}");
            assert!(help(Some(&verb)).unwrap().contains(&verb), "{verb}");
        }
        assert!(
            help(Some("none"))
                .unwrap_err()
                .contains("unknown command \"none\"")
        );
    }
}
