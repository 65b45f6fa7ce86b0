//! The web page that the server serves to browsers.

pub(crate) mod page;
