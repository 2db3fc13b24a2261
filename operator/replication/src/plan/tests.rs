//! Plans of whole resources.

mod apart;
mod comparisons;
mod conditions;
mod kinds;
mod links;
mod missing;
mod problems;
mod properties;
mod tables;
