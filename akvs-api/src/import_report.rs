//! Imports: the report of what was stored.

use serde::{Deserialize, Serialize};

/// The answer to an import. If an import fails, its problem document has these members in its context.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// The number of keys that were deleted because they are not in the file; of the mode `replace` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<u64>,
    /// The lines that were refused; the others were stored.
    pub errors: Vec<LineError>,
    /// The number of records that were stored.
    pub imported: u64,
    /// The number of refused lines beyond `errors`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_errors: u64,
    /// The number of records that were skipped because the key existed; of the mode `create` only.
    pub skipped: u64,
}

/// A line that was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineError {
    /// What is wrong, for a person.
    pub detail: String,
    /// The number of the line, from 1.
    pub line: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_round_trips() {
        for text in [
            r#"{"errors":[],"imported":2,"skipped":0}"#,
            r#"{"deleted":1,"errors":[{"detail":"no","line":3}],"imported":2,"more_errors":4,"skipped":1}"#,
        ] {
            let report: ImportReport = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&report).unwrap(), text);
        }
    }
}
