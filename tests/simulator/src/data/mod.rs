//! The records of the simulated org, made on demand.
//!
//! Record `n` of an object is a pure function of (seed, object, n): a million contacts need no memory, and the same seed
//! gives the same org in every process. Only what a test changes has to be stored, by the org, on top of this.
//!
//! * [`Generator::value`] gives one field of one record as Salesforce writes it (salesforce-api.md 5.4), without its
//!   XML escapes; null is `None`. Compounds (address, location) have no text: they are written from their components.
//! * [`Generator::id`] and [`id::parse`] turn `n` into an Id and back. Ids ascend with `n`; 18 characters, case-sensitive.
//!   Records that the org makes later take the numbers from [`Generator::rows`] on, so their Ids sort last.
//! * [`Generator::modstamp`] is SystemModstamp. Stamps do *not* ascend with `n`: a permutation that can be computed both
//!   ways stands between them, so rows in stamp order, or those of a range of stamps, are found without a look at the
//!   others ([`Generator::rows_by_stamp`]). Seconds are shared by many rows: in each 64 rows (by stamp) 40 have one
//!   second, and from 10 000 rows on 2 500 rows share one second, more than a page.
//! * References are consistent: they name existing records of the target object, or are null.
//!
//! What a field contains is said by its [`Content`], a member of [`crate::schema::Field`]; a field that nobody described gets
//! values by its type, edges included ([`Content::ByType`]), or is null everywhere ([`Content::Null`]), which is how a new
//! field looks in Salesforce.

mod content;
mod edge;
mod generator;
mod hash;
pub mod id;
mod people;
mod phone;
mod places;
mod text;

pub use content::{AddressPart, Content, Moment, PersonPart};
pub use generator::{Generator, StampRange};
