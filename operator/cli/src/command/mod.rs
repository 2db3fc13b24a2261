//! The commands, one file each.

pub(crate) mod check;
pub(crate) mod discover;
pub(crate) mod init;
pub(crate) mod metrics;
pub(crate) mod operate;
pub(crate) mod plan;
pub(crate) mod preview;
pub(crate) mod reference;
pub(crate) mod run;
