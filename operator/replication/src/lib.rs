//! Replicates Salesforce objects into a SQL database. Knows no Kubernetes client.
//!
//! The way of the data (design section 5): a spec and a describe become a [`plan`]; a run reads pages, tokenises them
//! into [`batch`]es on a blocking thread, and a [`destination`] writes them, a segment at a time, together with its
//! [`state`].
//!
//! [`connect`] goes the whole way from a resource to something that can run, [`replicator`] runs it tick by tick,
//! [`timetable`] says when a tick is due, [`retry`] when to try again, and [`progress`] what to tell meanwhile.

pub mod batch;
pub mod budget;
pub mod check;
pub mod connect;
pub mod destination;
pub mod guard;
pub mod plan;
pub mod preview;
pub mod progress;
pub mod replicator;
pub mod retry;
pub mod state;
pub mod timetable;
pub mod value;
pub mod visibility;

mod error;
#[cfg(test)]
mod fixture;
mod quota;
mod run;
mod soql;
mod source;

pub use error::{Error, Problems, Result};
pub use quota::Spent;
