//! Annotations and the finalizer: what a person says to a resource beside its spec.

/// `<namespace>/<name>` of another replicator whose tables and state this one takes over.
pub const ADOPT: &str = "salesforce-replicator.io/adopt";

/// `Contact=<token>`: admits exactly the deletes that the guard holds under that token; several objects are separated by commas.
pub const CONFIRM_DELETES: &str = "salesforce-replicator.io/confirm-deletes";

/// `"true"`: with `deletionPolicy: Delete`, lets the resource go although its tables could not be dropped.
pub const SKIP_CLEANUP: &str = "salesforce-replicator.io/skip-cleanup";

/// The finalizer of resources with `deletionPolicy: Delete`.
pub const FINALIZER: &str = "salesforce-replicator.io/cleanup";
