//! The blocking client: each call returns when it is done. Requires the feature `blocking`.
//!
//! [`Client`] and [`Namespace`] have the methods of [`crate::Client`] and [`crate::Namespace`], whose docs apply. Where
//! the asynchronous client awaits a builder, the blocking one [sends](Request::send) it; streams are iterators: a list
//! has [`iter`](Request::<crate::List>::iter). An import reads from a [reader](Request::<crate::Import>::read) or an
//! iterator, on the caller's thread. The client can be used on any thread; in an asynchronous runtime it blocks that
//! thread.
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
