//! Plans of whole resources.

mod problems;
mod properties;
mod tables;
