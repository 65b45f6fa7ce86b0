//! The pages of the documentation: each command that they show is run as it stands there.

mod blocks;
mod examples;
mod http_api;
mod links;
mod operations;
mod readme;
