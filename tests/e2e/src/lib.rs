//! What the end-to-end tests share: the binary as a user runs it, databases to write to, a Kubernetes control plane, and
//! the comparison of a table with the org.
//!
//! The tests start the very binary that is shipped, as a process of its own, so that exit codes, output, signals and
//! `kill -9` are tested too. A test that lacks a server fails and names the command that provides it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "the whole package is tests: what is not as expected ends the test"
)]

pub mod binary;
pub mod column;
pub mod compare;
pub mod condition;
pub mod control_plane;
pub mod database;
pub mod gate;
pub mod helm;
pub mod line;
pub mod operator;
pub mod prometheus;
pub mod proxy;
pub mod replica;
pub mod resource;
pub mod scramble;
pub mod stage;
pub mod story;
pub mod truth;
