//! The integration tests of the replication library, one binary.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod runs;
