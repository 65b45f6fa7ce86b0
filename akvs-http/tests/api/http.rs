//! HTTP itself: what the framework decides for us, pinned down on bare sockets (RFC 9110, RFC 9112, RFC 9113).

mod chunks;
mod endless;
mod expect;
mod frames;
mod held;
mod limits;
mod oversize;
mod persistence;
mod pipelines;
mod slow;
mod smuggling;
mod streams;
mod targets;
