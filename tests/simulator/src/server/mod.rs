//! HTTP: connections, paths, bodies, and what rules do to them.

pub(crate) mod body;
pub(crate) mod connection;
mod damage;
mod exchange;
mod inbound;
pub(crate) mod path;
pub(crate) mod respond;
