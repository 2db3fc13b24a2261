//! What is PostgreSQL's own: its types, its rights, its faults, its poolers.

mod faults;
mod fixture;
mod pooler;
mod rights;
pub(crate) mod server;
mod tables;
mod types;
mod unchanged;
