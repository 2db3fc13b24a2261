//! What the simulator puts on the wire, byte for byte where it was recorded, and every gate and rule of its checklist
//! (salesforce-api.md section 13). Requests are written by hand: no client library stands between a test and the wire.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests fail by panicking, and take apart what the test has asked for"
)]

mod control_http;
mod deletes;
mod describe;
mod driving;
mod faults;
mod http;
mod limits;
mod login;
mod pages;
mod people;
mod permissions;
mod query;
mod replication;
mod scale;
mod sharing;
mod wire;
mod writes;
