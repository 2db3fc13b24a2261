//! The binary as a user runs it, against an org in this process.

#[cfg(test)]
#[path = "cli/check.rs"]
mod check;
#[cfg(test)]
#[path = "cli/discovery.rs"]
mod discovery;
#[cfg(test)]
#[path = "cli/harness.rs"]
mod harness;
#[cfg(test)]
#[path = "cli/init.rs"]
mod init;
#[cfg(test)]
#[path = "cli/offline.rs"]
mod offline;
#[cfg(test)]
#[path = "cli/reasons.rs"]
mod reasons;
#[cfg(test)]
#[path = "cli/run.rs"]
mod run;
#[cfg(test)]
#[path = "cli/show.rs"]
mod show;
