use serde_json::json;

use super::*;
use crate::fixture::spec;

fn reason(more: &serde_json::Value, serves_sqlite: bool) -> Option<Reason> {
    validate(&spec(more), serves_sqlite).err().map(|trouble| trouble.reason)
}

#[test]
fn a_spec_is_refused_by_what_is_wrong_with_it() {
    assert_eq!(reason(&json!({}), false), None);
    let cron = json!({"trigger": {"schedule": "61 * * * *"}});
    assert_eq!(reason(&cron, false), Some(Reason::InvalidSchedule));
    let two = json!({"destination": {"sqlite": {"file": "a.db"}, "postgres": {"secretRef": {"name": "a"}}}});
    assert_eq!(reason(&two, true), Some(Reason::InvalidSpec));
    let sqlite = json!({"destination": {"sqlite": {"file": "a.db"}}});
    assert_eq!(reason(&sqlite, true), None);
    assert_eq!(reason(&sqlite, false), Some(Reason::NotServed));
}

#[test]
fn confirmations_are_read_as_a_person_writes_them() {
    let read = |text: &str| {
        confirmations(text)
            .into_iter()
            .map(|(object, token)| format!("{object}:{token}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(read("Contact=7-abc"), ["Contact:7-abc"]);
    assert_eq!(
        read(" Contact = 7-abc , Account=1-x,"),
        ["Account:1-x", "Contact:7-abc"]
    );
    assert!(read("nothing").is_empty() && read("").is_empty() && read("=x, Contact=").is_empty());
}
