//! The whole, from the outside: one test binary, a module for each theme.

#[cfg(test)]
mod arrows;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod chart;
#[cfg(test)]
mod control_plane;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod crd;
#[cfg(test)]
mod database_faults;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod equality;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod nothing_changed;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod plugin;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod salesforce_faults;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod schema_changes;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod wrong_input;
