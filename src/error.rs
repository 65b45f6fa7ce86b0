//! Why the program ends without success: one line for people and an exit code for scripts.
//!
//! It owns the exit codes; clap has its own 2 for usage. It does not decide which failure is which: whoever fails says so.
//! Invariant: one failure is one line on stderr.

use std::fmt;

/// The end of a run that did not do what it was asked.
#[derive(Debug)]
pub(crate) struct CliError {
    kind: Kind,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Failed,
    Usage,
    Unreachable,
    InUse,
    Config,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Unreachable => 69,
            Kind::InUse => 75,
            Kind::Config => 78,
        }
    }
}

impl CliError {
    /// It was asked for properly, and did not work.
    pub(crate) fn failed(text: impl fmt::Display) -> CliError {
        CliError::new(Kind::Failed, text)
    }

    /// It was not asked for as it can be.
    pub(crate) fn usage(text: impl fmt::Display) -> CliError {
        CliError::new(Kind::Usage, text)
    }

    /// The server that was to do it is not there, cannot be reached or does not answer.
    pub(crate) fn unreachable(text: impl fmt::Display) -> CliError {
        CliError::new(Kind::Unreachable, text)
    }

    /// The same for a verb that asks whether a server is there, and so has its answer.
    pub(crate) fn unreachable_as_failed(self) -> CliError {
        match self.kind {
            Kind::Unreachable => CliError {
                kind: Kind::Failed,
                ..self
            },
            Kind::Failed | Kind::Usage | Kind::InUse | Kind::Config => self,
        }
    }

    /// Another server has the data folder.
    pub(crate) fn in_use(text: impl fmt::Display) -> CliError {
        CliError::new(Kind::InUse, text)
    }

    /// A setting has to be changed first.
    pub(crate) fn config(text: impl fmt::Display) -> CliError {
        CliError::new(Kind::Config, text)
    }

    /// Another process of this program ended with this code, for this reason.
    pub(crate) fn from_process(code: Option<i32>, text: impl fmt::Display) -> CliError {
        let kinds = [Kind::Usage, Kind::InUse, Kind::Config];
        let kind = kinds
            .into_iter()
            .find(|kind| Some(kind.code().into()) == code);
        CliError::new(kind.unwrap_or(Kind::Failed), text)
    }

    fn new(kind: Kind, text: impl fmt::Display) -> CliError {
        // Foreign texts may have several lines.
        let text = text.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        CliError {
            kind,
            text: lines.join(" "),
        }
    }

    /// The exit code that says it.
    pub(crate) fn code(&self) -> u8 {
        self.kind.code()
    }

    /// Whether a setting has to be changed first.
    pub(crate) fn is_config(&self) -> bool {
        self.kind == Kind::Config
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_several_lines_becomes_one() {
        let failure = CliError::config("bad:\n  |\n3 | x");
        assert_eq!(failure.to_string(), "bad: | 3 | x");
    }
}
