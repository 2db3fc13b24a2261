//! Killed and stopped in mid-run: what the next run finds.
