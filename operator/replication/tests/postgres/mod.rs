//! What is PostgreSQL's own: its types, its rights, its faults, its poolers, its plans.

mod columns;
mod faults;
pub(crate) mod fixture;
mod migration;
mod plans;
mod pooler;
mod purge;
mod readiness;
mod rights;
pub(crate) mod server;
mod sessions;
mod silence;
mod tables;
mod types;
mod unchanged;
