//! Sections 4.2 to 4.4, preconditions in detail (RFC 9110, section 13): dates, lists of tags in every spelling, their
//! order, and the requests that have none.

mod dates;
mod lists;
mod other_routes;
mod parts;
