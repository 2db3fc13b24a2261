//! Talks to Salesforce. Knows no database.

pub mod clock;
pub mod describe;

mod error;

pub use error::{Error, ErrorKind, Retry};
