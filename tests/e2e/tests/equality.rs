//! Is the replica what the org is, whatever happened in between?
