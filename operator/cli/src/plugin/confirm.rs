//! `confirm-deletes`: lets held deletes go, by the annotation that carries their token.
//!
//! Exactly what was shown is confirmed. Where more is held by the time of the answer, the token has changed, and nothing is said.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
};

use crds::{HeldDeletes, SalesforceReplicator, annotation};
use dialoguer::{Confirm, console::Term};
use kube::ResourceExt;
use serde::Serialize;

use super::{
    arguments::ConfirmDeletes,
    cluster::{Change, Cluster},
};
use crate::{exit::Exit, failure::Failure, printer, session::Context};

/// What `confirm-deletes -o json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfirmOutput<'a> {
    namespace: &'a str,
    name: &'a str,
    /// What is confirmed.
    confirmed: Vec<Held>,
    /// The value of the annotation.
    annotation: String,
}

/// Deletes of an object that are held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Held {
    /// API name.
    pub(super) object: String,
    /// Its table.
    pub(super) table: String,
    /// How many rows would go.
    pub(super) count: i64,
    /// Of so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rows: Option<i64>,
    /// What confirms exactly these.
    pub(super) token: String,
}

impl Held {
    /// `Contact: 120 of 10,000 rows of the table contact`.
    pub(super) fn text(&self) -> String {
        let Self {
            object,
            table,
            count,
            rows,
            token: _,
        } = self;
        let of = rows.map_or(String::new(), |rows| format!(" of {}", printer::grouped(rows)));
        format!("{object}: {}{of} rows of the table {table}", printer::grouped(*count))
    }
}

/// All that is held.
pub(super) fn held(resource: &SalesforceReplicator) -> Vec<Held> {
    let objects = resource.status.iter().flat_map(|status| &status.objects);
    objects
        .filter_map(|object| {
            let HeldDeletes { count, token } = object.held_deletes.clone()?;
            Some(Held {
                object: object.name.clone(),
                table: object.table.clone(),
                count,
                rows: object.rows,
                token,
            })
        })
        .collect()
}

/// What is held of one object, or of all.
fn wanted(resource: &SalesforceReplicator, object: Option<&str>) -> Result<Vec<Held>, Failure> {
    let mut held = held(resource);
    let Some(wanted) = object else {
        return Ok(held);
    };
    let known = || resource.spec.objects.iter().map(|object| object.name.as_str());
    if !known().any(|name| name.eq_ignore_ascii_case(wanted)) {
        let meant = crds::nearest(wanted, known()).map_or(String::new(), |meant| format!("; did you mean {meant}?"));
        return Err(Failure::NotThere(format!(
            "{} has no object {wanted}, but {}{meant}",
            resource.name_any(),
            known().collect::<Vec<_>>().join(", ")
        )));
    }
    held.retain(|held| held.object.eq_ignore_ascii_case(wanted));
    Ok(held)
}

/// The annotation's new value; `None` where it says so already. What it says of other objects stays.
fn annotated(before: &str, confirmed: &[Held]) -> Option<String> {
    let known = annotation::confirmations(before);
    let mut all: BTreeMap<String, String> = known.clone();
    all.extend(confirmed.iter().map(|held| (held.object.clone(), held.token.clone())));
    (all != known).then(|| annotation::confirm_deletes(&all))
}

/// Confirms.
pub(super) async fn confirm(arguments: ConfirmDeletes, cluster: &Cluster, context: &Context) -> Result<Exit, Failure> {
    let ConfirmDeletes { name, object, yes } = arguments;
    let resource = cluster.get(&name).await?;
    let shown = wanted(&resource, object.as_deref())?;
    let annotation_of = |resource: &SalesforceReplicator| {
        let annotations = resource.annotations();
        annotations
            .get(annotation::CONFIRM_DELETES)
            .cloned()
            .unwrap_or_default()
    };
    let mut said = annotation_of(&resource);
    let is_new = annotated(&said, &shown).is_some();
    if is_new {
        if !yes && !ask(&name, &shown, context)? {
            context.printer.remark("nothing was confirmed");
            return Ok(Exit::Success);
        }
        let (resource, _changed) = cluster
            .edit(&name, |resource| {
                if wanted(resource, object.as_deref())? != shown {
                    return Err(Failure::NotThere(format!(
                        "{name}: what is held has changed meanwhile, so nothing was confirmed; look again"
                    )));
                }
                let merged = annotated(&annotation_of(resource), &shown);
                Ok(merged.map(|merged| Change::Annotation(annotation::CONFIRM_DELETES, merged)))
            })
            .await?;
        said = annotation_of(&resource);
    }
    let output = ConfirmOutput {
        namespace: &cluster.namespace,
        name: &name,
        confirmed: shown,
        annotation: said,
    };
    context.printer.result(&output, || {
        let ConfirmOutput { confirmed, .. } = &output;
        match (confirmed.is_empty(), is_new) {
            (true, _) => match &object {
                Some(object) => format!("{name}: no deletes of {object} are held"),
                None => format!("{name}: no deletes are held"),
            },
            (false, false) => format!("{name}: these deletes are confirmed already"),
            (false, true) => {
                let lines: Vec<_> = confirmed
                    .iter()
                    .map(|held| format!("confirmed: {}", held.text()))
                    .collect();
                let then = if resource.spec.suspend {
                    "They go when the replicator is resumed."
                } else {
                    "They go with a run that starts at once; records that have come back meanwhile stay."
                };
                format!("{}\n{then}", lines.join("\n"))
            }
        }
    })?;
    Ok(Exit::Success)
}

fn ask(name: &str, shown: &[Held], context: &Context) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() || !printer::is_watched() {
        return Err(Failure::Usage(
            "nobody can be asked here: --yes confirms without a question".to_owned(),
        ));
    }
    for held in shown {
        context.printer.remark(&held.text());
    }
    Confirm::new()
        .with_prompt(format!("Delete these rows of {name}?"))
        .default(false)
        .interact_on(&Term::stderr())
        .map_err(|error| Failure::Usage(format!("the question could not be asked: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(object: &str, token: &str) -> Held {
        Held {
            object: object.into(),
            table: object.to_lowercase(),
            count: 1200,
            rows: Some(10_000),
            token: token.into(),
        }
    }

    #[test]
    fn what_the_annotation_says_of_other_objects_stays() {
        let contact = [of("Contact", "12-ab")];
        assert_eq!(annotated("", &contact).as_deref(), Some("Contact=12-ab"));
        assert_eq!(
            annotated("Lead=1-x, Contact=9-old", &contact).as_deref(),
            Some("Contact=12-ab,Lead=1-x")
        );
        assert_eq!(annotated("Contact=12-ab, Lead=1-x", &contact), None);
        assert_eq!(annotated("Lead=1-x", &[]), None);
    }

    #[test]
    fn what_would_go_is_told_with_how_much_that_is() {
        let mut held = of("Contact", "12-ab");
        assert_eq!(held.text(), "Contact: 1,200 of 10,000 rows of the table contact");
        held.rows = None;
        assert_eq!(held.text(), "Contact: 1,200 rows of the table contact");
    }
}
