//! HTTP itself, on bare sockets (RFC 9110, RFC 9112, RFC 9113), including what the framework decides.

mod chunks;
mod endless;
mod expect;
mod frames;
mod limits;
mod memory;
mod oversize;
mod persistence;
mod pipelines;
mod slow;
mod smuggling;
mod streams;
mod targets;
