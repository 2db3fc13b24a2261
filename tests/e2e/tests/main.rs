//! The whole, from the outside: one test binary, a module for each theme.

#[cfg(test)]
mod arrows;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod database_faults;
#[cfg(test)]
mod equality;
#[cfg(test)]
mod nothing_changed;
#[cfg(test)]
mod salesforce_faults;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod wrong_input;
