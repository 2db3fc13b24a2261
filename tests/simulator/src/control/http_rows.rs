//! Routes for rows and transactions.

use std::collections::BTreeMap;

use hyper::Method;
use serde::Deserialize;
use serde_json::json;

use super::http::{Asked, Outcome, bad, to_json};
use crate::org::{WriteError, change::Stamps};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    values: BTreeMap<String, Option<serde_json::Value>>,
    #[serde(default = "one")]
    count: u64,
    #[serde(default)]
    stamps: Stamps,
}

fn one() -> u64 {
    1
}

impl Written {
    /// Numbers and booleans may be written as such; the org knows texts.
    fn texts(self) -> Vec<(String, String)> {
        self.values
            .into_iter()
            .map(|(field, value)| {
                let text = match value {
                    None | Some(serde_json::Value::Null) => String::new(),
                    Some(serde_json::Value::String(text)) => text,
                    Some(other) => other.to_string(),
                };
                (field, text)
            })
            .collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merged {
    losers: Vec<String>,
}

/// Rows of one answer where nothing else is asked.
const MOST_ROWS: u64 = 1_000;

/// Answers `rows`, `persons`, `bin`, `deletes` and `transactions`.
pub(super) fn handle(asked: &Asked<'_>) -> Outcome {
    let control = asked.control;
    let transaction = asked.number("transaction")?;
    let done = || Ok(Some(json!({})));
    match (asked.method, asked.path) {
        (&Method::GET, ["rows", object]) => list(asked, object),
        (&Method::GET, ["rows", object, id]) => match control.row(object, id)? {
            Some(row) => Ok(Some(to_json(&row)?)),
            None => Err(WriteError::missing(object, id)),
        },
        (&Method::POST, ["rows", object]) => {
            let written: Written = asked.json()?;
            let count = written.count;
            let values = written.texts();
            let ids = control.write(transaction, |change| {
                (0..count)
                    .map(|_| change.create(object, &values))
                    .collect::<Result<Vec<_>, _>>()
            })?;
            Ok(Some(json!({ "ids": ids })))
        }
        (&Method::PATCH, ["rows", object, id]) => {
            let written: Written = asked.json()?;
            let stamps = written.stamps;
            let values = written.texts();
            control.write(transaction, |change| change.update(object, id, &values, stamps))?;
            done()
        }
        (&Method::DELETE, ["rows", object, id]) => {
            let hard = asked.parameter("hard").is_some_and(|hard| hard == "true");
            control.write(transaction, |change| {
                if hard {
                    change.hard_delete(object, id)
                } else {
                    change.delete(object, id)
                }
            })?;
            done()
        }
        (&Method::POST, ["rows", object, id, "undelete"]) => {
            control.write(transaction, |change| change.undelete(object, id))?;
            done()
        }
        (&Method::POST, ["rows", object, id, "merge"]) => {
            let Merged { losers } = asked.json()?;
            control.write(transaction, |change| change.merge(object, id, &losers))?;
            done()
        }
        (&Method::POST, ["rows", "Lead", id, "convert"]) => {
            let converted = control.write(transaction, |change| change.convert_lead(id))?;
            Ok(Some(to_json(&converted)?))
        }
        (&Method::POST, ["persons"]) => {
            let values = asked.json::<Written>()?.texts();
            let person = control.write(transaction, |change| change.create_person(&values))?;
            Ok(Some(to_json(&person)?))
        }
        (&Method::POST, ["bin", object, "empty"]) => Ok(Some(json!({ "rows": control.empty_bin(object)? }))),
        (&Method::POST, ["deletes", object, "purge"]) => {
            control.purge_delete_log(object)?;
            done()
        }
        (&Method::POST, ["transactions"]) => Ok(Some(json!({ "transaction": control.begin().number() }))),
        (&Method::POST, ["transactions", number, end @ ("commit" | "rollback")]) => {
            let number = number.parse().map_err(|error| bad(format!("{number}: {error}")))?;
            let transaction = control.transaction(number);
            if *end == "commit" {
                transaction.commit()?;
            } else {
                transaction.roll_back()?;
            }
            done()
        }
        _ => Ok(None),
    }
}

fn list(asked: &Asked<'_>, object: &str) -> Outcome {
    let from = asked.number("from")?.unwrap_or(0);
    let most = usize::try_from(asked.number("most")?.unwrap_or(MOST_ROWS)).unwrap_or(usize::MAX);
    let fields = asked.parameter("fields");
    let rows = match &fields {
        Some(fields) => asked
            .control
            .rows_of(object, &fields.split(',').map(str::trim).collect::<Vec<_>>())?,
        None => asked.control.rows(object)?,
    };
    let mut rows = rows.from(from);
    let page: Vec<_> = rows.by_ref().take(most).collect();
    Ok(Some(json!({ "rows": to_json(&page)?, "next": rows.position() })))
}
