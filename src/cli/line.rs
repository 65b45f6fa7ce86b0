//! What can be typed at the prompt: the client's verbs, and what is asked of the server itself.
//!
//! A line is split as a shell does it, with quotes and backslashes, but nothing is expanded.

use clap::{CommandFactory, Parser, Subcommand};

use super::{ClientVerb, clap_errors};

/// A line that was understood.
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
    /// List the namespaces, each with its keys and bytes
    Namespaces,
    /// Say how the server is
    #[command(alias = "status")]
    Stats,
    /// Say what is logged, or change it until the next start
    Log {
        /// A level or a filter: debug; info,akvs_http=debug
        level: Option<String>,
    },
    /// Say pong
    Ping,
    /// Say which release serves
    Version,
    /// Stop the server
    Stop,
    /// Tell what can be typed, or how a verb is used
    Help {
        /// The verb
        verb: Option<String>,
    },
    /// Leave the prompt (also Ctrl-D); the server goes on, unless the prompt is its console
    #[command(alias = "exit")]
    Quit,
}

/// What a line is.
#[derive(Debug)]
pub(super) enum Read {
    Nothing,
    Verb(LineVerb),
    /// Why it is none.
    Refused(String),
}

/// Reads a line.
pub(super) fn read(text: &str) -> Read {
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return Read::Nothing;
    }
    let Some(words) = shlex::split(text) else {
        return Read::Refused("a quote is not closed".into());
    };
    match Line::try_parse_from(&words) {
        Ok(line) => Read::Verb(line.verb),
        Err(error) => Read::Refused(format!(
            "{}; `help` lists what can be typed",
            clap_errors::line(&error, &Line::command(), &words)
        )),
    }
}

/// What can be typed, or how one verb is used.
pub(super) fn help(verb: Option<&str>) -> Result<String, String> {
    let mut all = Line::command();
    all.build();
    let Some(name) = verb else {
        let width = all.get_subcommands().map(|verb| verb.get_name().len());
        let width = width.max().unwrap_or_default();
        let verbs = all.get_subcommands().map(|verb| {
            let about = verb.get_about().map(ToString::to_string);
            let others: Vec<&str> = verb.get_visible_aliases().collect();
            let others = match others.is_empty() {
                true => String::new(),
                false => format!(" [also: {}]", others.join(", ")),
            };
            format!(
                "  {:width$}  {}{others}\n",
                verb.get_name(),
                about.unwrap_or_default()
            )
        });
        let verbs: String = verbs.collect();
        return Ok(format!(
            "{verbs}\n`help VERB` says more. Quotes and backslashes are as in a shell.\n"
        ));
    };
    let found = all.find_subcommand_mut(name);
    let found = found.ok_or_else(|| format!("there is no verb {name:?}; `help` lists them"))?;
    let found = found.clone().bin_name(name.to_owned());
    let text = found.disable_help_flag(true).render_long_help();
    Ok(text.to_string())
}

/// The names of the verbs, in order.
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
    fn a_line_is_split_as_a_shell_does_it() {
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
            ("ns", "a word is missing"),
        ] {
            let Read::Refused(why) = read(text) else {
                panic!("{text} was taken")
            };
            assert!(why.contains(part), "{text}: {why}");
        }
    }

    #[test]
    fn each_verb_has_its_help() {
        let all = help(None).unwrap();
        for verb in verbs() {
            assert!(all.contains(&verb), "{verb}");
            assert!(help(Some(&verb)).unwrap().contains(&verb), "{verb}");
        }
        assert!(help(Some("none")).unwrap_err().contains("no verb \"none\""));
    }
}
