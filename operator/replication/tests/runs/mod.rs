//! The runs against the simulator and SQLite: what arrives, what it costs, and what happens when something breaks.

mod breaks;
mod faults;
mod fixture;
mod incremental;
mod initial;
mod ticks;
