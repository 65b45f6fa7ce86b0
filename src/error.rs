//! The error of a verb: one line for people and an exit code for scripts.
//!
//! It owns the exit codes, except clap's own 2 for usage. The code that fails chooses the kind. Invariant: an error is
//! one line.

use std::fmt;

/// An error that ends the program.
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
    /// A correct request that failed.
    pub(crate) fn failed(text: impl fmt::Display) -> CliError {
        CliError::new(Kind::Failed, text)
    }

    /// A wrong command line.
    pub(crate) fn usage(text: impl fmt::Display) -> CliError {
        CliError::new(Kind::Usage, text)
    }

    /// A server that is not running, cannot be reached or does not answer.
    pub(crate) fn unreachable(text: impl fmt::Display) -> CliError {
        CliError::new(Kind::Unreachable, text)
    }

    /// Turns "unreachable" into "failed", for verbs that ask whether a server is running.
    pub(crate) fn unreachable_as_failed(self) -> CliError {
        match self.kind {
            Kind::Unreachable => CliError {
                kind: Kind::Failed,
                ..self
            },
            Kind::Failed | Kind::Usage | Kind::InUse | Kind::Config => self,
        }
    }

    /// A data directory that another server uses.
    pub(crate) fn in_use(text: impl fmt::Display) -> CliError {
        CliError::new(Kind::InUse, text)
    }

    /// A setting that must be changed first.
    pub(crate) fn config(text: impl fmt::Display) -> CliError {
        CliError::new(Kind::Config, text)
    }

    /// The error of another process of this program, from its exit code.
    pub(crate) fn from_process(code: Option<i32>, text: impl fmt::Display) -> CliError {
        let kinds = [Kind::Usage, Kind::InUse, Kind::Config];
        let kind = kinds
            .into_iter()
            .find(|kind| Some(kind.code().into()) == code);
        CliError::new(kind.unwrap_or(Kind::Failed), text)
    }

    fn new(kind: Kind, text: impl fmt::Display) -> CliError {
        // Texts of libraries may have several lines.
        let text = text.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        CliError {
            kind,
            text: lines.join(" "),
        }
    }

    /// Returns the exit code.
    pub(crate) fn code(&self) -> u8 {
        self.kind.code()
    }

    /// Returns true if a setting must be changed first.
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
    fn a_multi_line_text_becomes_one_line() {
        let failure = CliError::config("bad:\n  |\n3 | x");
        assert_eq!(failure.to_string(), "bad: | 3 | x");
    }
}
