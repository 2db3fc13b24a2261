//! The runs against the simulator, mostly with SQLite: what arrives, what it costs, and what happens when something breaks.

mod apart;
mod breaks;
mod clocks;
mod consistency;
mod ending;
mod faults;
mod fixture;
mod incremental;
mod initial;
mod observed;
mod purge;
mod resume;
mod slow;
mod stalled;
mod ticks;
