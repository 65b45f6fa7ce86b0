//! The pages of the documentation: their commands run as they are written.

mod blocks;
mod examples;
mod http_api;
mod links;
mod operations;
mod readme;
