//! The client as a whole.

#[cfg(test)]
mod simulated;
