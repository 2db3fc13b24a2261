//! What is PostgreSQL's own: its types, its rights, its faults, its poolers.

mod faults;
pub(crate) mod fixture;
mod pooler;
mod rights;
pub(crate) mod server;
mod tables;
mod types;
mod unchanged;
