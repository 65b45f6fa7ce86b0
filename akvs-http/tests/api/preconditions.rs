//! Section 3, preconditions in full (RFC 9110, section 13): dates, lists of tags in every spelling, their order, and the
//! requests that have none.

mod dates;
mod elsewhere;
mod lists;
mod parts;
