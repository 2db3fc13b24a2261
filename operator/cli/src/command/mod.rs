//! The commands, one file each.

pub(crate) mod discover;
pub(crate) mod plan;
pub(crate) mod preview;
pub(crate) mod run;
