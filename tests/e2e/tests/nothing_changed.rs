//! When nothing changed: one call for each object, and not one write.
