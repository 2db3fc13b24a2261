//! Replicates Salesforce objects into a SQL database. Knows no Kubernetes client.
//!
//! The way of the data (design section 5): a spec and a describe become a [`plan`]; a run reads pages, tokenises them
//! into [`batch`]es on a blocking thread, and a [`destination`] writes them, a segment at a time, together with its
//! [`state`].

pub mod batch;
pub mod budget;
pub mod destination;
pub mod plan;
pub mod progress;
pub mod state;

mod error;

pub use error::{Error, Problems, Result};
