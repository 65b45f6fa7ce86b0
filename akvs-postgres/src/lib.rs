//! PostgreSQL as the database that several AKVS nodes share.
//!
//! A node keeps no data. A write takes two round trips to the primary: its namespace is locked and loaded, evaluated here,
//! and written and committed. What waits for one namespace meanwhile is committed together. The history of the database is
//! what watches read, and how a node finds out whether a commit took place whose answer was lost.
//!
//! Only this crate knows the PostgreSQL client. Times are those of the database.

mod backend;
mod connection;
mod failure;
mod group;
mod health;
mod hints;
mod history;
mod inner;
mod load;
mod lock;
mod maintenance;
mod names;
mod options;
mod pool;
mod reader;
mod rows;
mod schema;
mod snapshot;
mod sql;
mod statements;
mod tasks;
mod transaction;
mod write;

pub use backend::Postgres;
pub use options::PostgresOptions;
