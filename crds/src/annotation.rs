//! Annotations and the finalizer: what a person says to a resource beside its spec.

use std::collections::BTreeMap;

/// `<namespace>/<name>` of another replicator whose tables and state this one takes over.
pub const ADOPT: &str = "salesforce-replicator.io/adopt";

/// `Contact=<token>`: admits exactly the deletes that the guard holds under that token; several objects are separated by commas.
pub const CONFIRM_DELETES: &str = "salesforce-replicator.io/confirm-deletes";

/// `"true"`: with `deletionPolicy: Delete`, lets the resource go although its tables could not be dropped.
pub const SKIP_CLEANUP: &str = "salesforce-replicator.io/skip-cleanup";

/// The finalizer of resources with `deletionPolicy: Delete`.
pub const FINALIZER: &str = "salesforce-replicator.io/cleanup";

/// What [`CONFIRM_DELETES`] says: tokens by object. `Contact=<token>, Account=<token>`.
pub fn confirmations(text: &str) -> BTreeMap<String, String> {
    text.split(',')
        .filter_map(|one| one.split_once('='))
        .map(|(object, token)| (object.trim().to_owned(), token.trim().to_owned()))
        .filter(|(object, token)| !object.is_empty() && !token.is_empty())
        .collect()
}

/// The value of [`CONFIRM_DELETES`] that says this.
pub fn confirm_deletes(confirmations: &BTreeMap<String, String>) -> String {
    let each: Vec<String> = confirmations
        .iter()
        .map(|(object, token)| format!("{object}={token}"))
        .collect();
    each.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirmations_are_read_as_a_person_writes_them() {
        let read = |text: &str| confirm_deletes(&confirmations(text));
        assert_eq!(read("Contact=7-abc"), "Contact=7-abc");
        assert_eq!(read(" Contact = 7-abc , Account=1-x,"), "Account=1-x,Contact=7-abc");
        for text in ["nothing", "", "=x, Contact="] {
            assert_eq!(read(text), "");
        }
    }
}
