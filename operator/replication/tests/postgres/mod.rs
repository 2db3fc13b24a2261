//! What is PostgreSQL's own.

pub(crate) mod server;
