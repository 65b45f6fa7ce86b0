//! The same client for programs that are not asynchronous: each call returns when it is done. With the feature
//! `blocking`.
//!
//! [`Client`] and [`Namespace`] have the methods of [`crate::Client`] and [`crate::Namespace`], where they do the same;
//! what is awaited there is [sent](Request::send) here, and what is a stream there is an iterator here: of a list by
//! [`iter`](Request::<crate::List>::iter). What an import sends comes from a [reader](Request::<crate::Import>::read) or an
//! iterator, which are asked on the caller's thread. They can be used on any thread, within an asynchronous runtime too,
//! whose thread they then hold up.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let url = &serve();
//! use akvs_client::blocking::Client;
//!
//! let primes = Client::new(url)?.namespace("primes")?;
//! primes.set("small", &[2, 3, 5]).if_absent().send()?;
//! let entry = primes.get::<Vec<u32>>("small")?.expect("it was just stored");
//! assert_eq!(entry.value, [2, 3, 5]);
//! assert!(primes.del("small").send()?);
//! # Ok(()) }
//! ```

mod client;
mod iter;
mod list;
mod namespace;
mod request;
mod runtime;
mod server;
mod transfer;
mod upload;

pub use client::Client;
pub use iter::Items;
pub use namespace::Namespace;
pub use request::Request;
