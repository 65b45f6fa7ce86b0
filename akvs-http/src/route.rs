//! A row of the route table without its handler, for the layers below the handlers.
//!
//! The table itself is in `router`. The layers below it get it as [`Routes`], so that none of them names a handler.
//! Metric labels are numbered when the table is compiled, so that counting a request needs no lookup.

use actix_web::http::Method;

use crate::auth::Right;
use crate::request::body::Limits;

/// The number of the label `long_poll`. A read that waits for a change has it in place of its route's label, because its
/// duration is not the server's latency.
pub(crate) const LONG_POLL: usize = 0;

/// A route: a path with its methods, rights and limits.
#[derive(Debug)]
pub(crate) struct Route {
    /// The name, as in `AKVS-Route`.
    pub(crate) name: &'static str,
    /// The path, with the parameters `{namespace}`, `{key}` and `{key64}`.
    pub(crate) path: &'static str,
    /// The path up to its first parameter.
    pub(crate) prefix: &'static str,
    /// Whether the path has a key.
    pub(crate) has_key: bool,
    pub(crate) access: Access,
    /// The methods, and the right that each needs at least; none if any token is enough.
    pub(crate) methods: &'static [(Method, Option<Right>)],
    /// The methods as the field `Allow` lists them.
    pub(crate) allow: &'static str,
    pub(crate) body: BodyLimit,
    pub(crate) preconditions: Preconditions,
    /// The number of the metric label.
    pub(crate) label: usize,
    /// The description in the list of `GET /`.
    pub(crate) summary: &'static str,
}

/// The callers that a route is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// All callers. A handler that needs a token checks it itself.
    Open,
    /// Callers with a token, where the server has tokens.
    Token,
    /// The owner of the data, over the admin socket only.
    Owner,
}

/// The limits of the size and the time of a request's content.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BodyLimit {
    /// No content is read. Any content is discarded before the handler runs.
    None,
    /// A value.
    Value,
    /// A document, such as a transaction.
    Request,
    /// Any size: the handler reads it part by part.
    Stream,
    /// Limits of its own.
    Fixed(Limits),
}

/// The part that evaluates the preconditions of a read (RFC 9110, section 13.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preconditions {
    /// The handler.
    Handler,
    /// None: a request that has any is rejected.
    Rejected,
}

impl Route {
    /// Returns whether the route has this method.
    pub(crate) fn allows(&self, method: &Method) -> bool {
        self.methods.iter().any(|(allowed, _)| allowed == method)
    }

    /// Returns whether a path has the shape of this route's path.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix(self.prefix) else {
            return false;
        };
        let parameters = &self.path[self.prefix.len()..];
        match parameters.split_once('/') {
            // The handler rejects a namespace with a slash.
            None if parameters.is_empty() => rest.is_empty(),
            None => true,
            Some((_, key)) => {
                let literal = key.split('{').next().unwrap_or_default();
                let key = rest.split_once('/');
                key.is_some_and(|(_, key)| key.starts_with(literal))
            }
        }
    }
}

impl BodyLimit {
    /// Returns the limits in force, given those of values; none if no content is read or it may have any size.
    pub(crate) fn limits(self, values: &Limits) -> Option<Limits> {
        match self {
            BodyLimit::None | BodyLimit::Stream => None,
            BodyLimit::Value => Some(*values),
            BodyLimit::Request => Some(values.for_requests()),
            BodyLimit::Fixed(limits) => Some(limits),
        }
    }

    /// Returns whether the handler reads content.
    pub(crate) fn is_read(self) -> bool {
        !matches!(self, BodyLimit::None)
    }
}

/// The route table as the layers below the handlers see it.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) rows: &'static [Route],
    /// The metric labels, by their numbers.
    pub(crate) labels: &'static [&'static str],
    /// Finds the route of a raw path; a route of the owner only if the flag is set.
    pub(crate) find: fn(&str, bool) -> &'static Route,
}

impl Routes {
    /// Returns the route of a raw path, of a request over the admin socket or not.
    pub(crate) fn find(&self, path: &str, is_owner: bool) -> &'static Route {
        (self.find)(path, is_owner)
    }
}

/// Returns the part of a path before its first parameter.
pub(crate) const fn prefix(path: &str) -> &str {
    let mut end = 0;
    while end < path.len() && path.as_bytes()[end] != b'{' {
        end += 1;
    }
    path.split_at(end).0
}

/// Returns whether a path has a second parameter, which is a key.
pub(crate) const fn has_key(path: &str) -> bool {
    let (mut parameters, mut at) = (0, 0);
    while at < path.len() {
        if path.as_bytes()[at] == b'{' {
            parameters += 1;
        }
        at += 1;
    }
    parameters == 2
}

/// Returns the number of a row's label, given the labels of all rows. Rows with the same label share its number.
pub(crate) const fn label(labels: &[&str], row: usize) -> usize {
    let (mut number, mut earlier) = (LONG_POLL + 1, 0);
    while !equal(labels[earlier], labels[row]) {
        if first(labels, earlier) == earlier {
            number += 1;
        }
        earlier += 1;
    }
    number
}

/// Returns the number of different labels, given those of all rows.
pub(crate) const fn label_count(labels: &[&str]) -> usize {
    let (mut count, mut row) = (LONG_POLL + 1, 0);
    while row < labels.len() {
        if first(labels, row) == row {
            count += 1;
        }
        row += 1;
    }
    count
}

/// Returns the labels by their numbers, given those of all rows.
pub(crate) const fn labels<const COUNT: usize>(rows: &[&'static str]) -> [&'static str; COUNT] {
    let mut labels = ["long_poll"; COUNT];
    let mut row = 0;
    while row < rows.len() {
        labels[label(rows, row)] = rows[row];
        row += 1;
    }
    labels
}

/// Returns the first row with the label of this one.
const fn first(labels: &[&str], row: usize) -> usize {
    let mut first = 0;
    while !equal(labels[first], labels[row]) {
        first += 1;
    }
    first
}

const fn equal(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_label_share_its_number() {
        const ROWS: &[&str] = &["key", "key", "export", "ping", "export", "other"];
        let numbers: Vec<usize> = (0..ROWS.len()).map(|row| label(ROWS, row)).collect();
        assert_eq!(numbers, [1, 1, 2, 3, 2, 4]);
        let labels: [&str; label_count(ROWS)] = labels(ROWS);
        assert_eq!(labels, ["long_poll", "key", "export", "ping", "other"]);
    }

    #[test]
    fn the_prefix_ends_at_the_first_parameter() {
        for (path, expected) in [
            ("/kv/{namespace}/{key}", "/kv/"),
            ("/watch/{namespace}", "/watch/"),
            ("/ping", "/ping"),
            ("/", "/"),
        ] {
            assert_eq!(prefix(path), expected);
            assert_eq!(has_key(path), path.contains("{key}"));
        }
    }
}
