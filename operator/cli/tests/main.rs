//! The binary as a user runs it, against an org in this process.

#[path = "cli/discovery.rs"]
mod discovery;
#[path = "cli/harness.rs"]
mod harness;
#[path = "cli/offline.rs"]
mod offline;
#[path = "cli/reasons.rs"]
mod reasons;
#[path = "cli/run.rs"]
mod run;
#[path = "cli/show.rs"]
mod show;
