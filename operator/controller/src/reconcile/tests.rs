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
