//! What a test did, step by step, for whoever has to follow a failure.
//!
//! A test that acts at random is worth as much as its failures can be read. Each step is a line; a failure prints the last
//! ones, and all lines about the records that are wrong.

use std::sync::{Arc, Mutex, PoisonError};

/// The steps so far. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Story {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Story {
    /// One more step.
    pub fn tell(&self, line: impl Into<String>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = format!("{:>5} {}", lines.len(), line.into());
        lines.push(line);
    }

    /// The last steps, a line each.
    pub fn last(&self, most: usize) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let from = lines.len().saturating_sub(most);
        lines
            .iter()
            .skip(from)
            .fold(String::new(), |text, line| text + line + "\n")
    }

    /// All steps that name one of these words.
    pub fn about(&self, words: &[&str]) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let named = lines.iter().filter(|line| words.iter().any(|word| line.contains(word)));
        named.fold(String::new(), |text, line| text + line + "\n")
    }
}
