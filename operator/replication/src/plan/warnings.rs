//! What an administrator should know before it shows in the data.

use salesforce::describe::FieldType;

use super::{
    field_path::FieldPath,
    findings::{Findings, list},
    links::Refreshed,
    object::{Deletes, ObjectPlan, VerifyBy},
    periods,
    schema::{Found, Lookup},
};
use crate::destination::Capabilities;

/// Whether the object has columns that change without its stamp: then it is refreshed more often.
pub(super) fn moves(lookup: Lookup<'_>, select: &[FieldPath]) -> bool {
    found(lookup, select).any(|found| found.field.calculated || found.path.relationship.is_some())
}

fn found<'a>(lookup: Lookup<'a>, select: &[FieldPath]) -> impl Iterator<Item = Found<'a>> {
    select
        .iter()
        .filter_map(move |path| lookup.find(&path.to_string()).ok())
}

/// The warnings that a whole object gives, its columns and condition apart.
pub(super) fn of(plan: &ObjectPlan, lookup: Lookup<'_>, capabilities: Capabilities, findings: &mut Findings<'_>) {
    of_values(plan, lookup, capabilities, findings);
    match plan.stamp {
        Some(_) => of_deletes(plan, findings),
        None => findings.warning(
            "it has no SystemModstamp, so Salesforce cannot be asked for what changed: each run reads all of its records again \
             (Refresh), writes those that differ, and finds what was deleted; the column system_modstamp is NULL",
        ),
    }
}

/// Values that arrive late, or not as Salesforce has them.
fn of_values(plan: &ObjectPlan, lookup: Lookup<'_>, capabilities: Capabilities, findings: &mut Findings<'_>) {
    let paths_of = |wanted: &dyn Fn(&Found<'_>) -> bool| -> Vec<String> {
        found(lookup, &plan.select)
            .filter(|found| wanted(found))
            .map(|found| found.path.to_string())
            .collect()
    };
    // Of polymorphic parents every field is told already.
    let calculated = paths_of(&|found| found.field.calculated && !found.polymorphic);
    if !calculated.is_empty() && plan.stamp.is_some() {
        findings.warning(format!(
            "formulas and roll-ups change without a stamp, so their new values arrive {}: {}",
            Refreshed::of(plan.periods).arrival(),
            list(calculated)
        ));
    }
    let masked = paths_of(&|found| found.field.field_type == FieldType::EncryptedString);
    if !masked.is_empty() {
        findings.warning(format!(
            "encrypted fields arrive masked unless the Salesforce user has the permission View Encrypted Data: {}",
            list(masked)
        ));
    }
    if let Some(digits) = capabilities.exact_digits {
        let rounded = paths_of(&|found| found.field.scale > 0 && found.field.precision > digits);
        if !rounded.is_empty() {
            findings.warning(format!(
                "{} keeps {digits} digits of a number with decimals, longer ones are rounded: {}",
                capabilities.name,
                list(rounded)
            ));
        }
    }
}

/// Late commits and deletes that are found late, or never.
fn of_deletes(plan: &ObjectPlan, findings: &mut Findings<'_>) {
    let finders = match plan.verify_by {
        VerifyBy::Log => {
            let finders = [(plan.periods.verify, "Verify"), (plan.periods.reconcile, "Reconcile")];
            let finders: Vec<&str> = finders
                .into_iter()
                .filter_map(|(period, name)| period.map(|_| name))
                .collect();
            finders.join(" and ")
        }
        VerifyBy::Listing => {
            let listing = plan.periods.listing(plan.verify_by);
            let found = listing.map_or_else(
                || "are not found, since consistency.verifyEvery and reconcileEvery are 0s".to_owned(),
                |period| {
                    format!(
                        "are found by Reconcile only, which takes Verify's place and runs every {}",
                        periods::text(period)
                    )
                },
            );
            findings.warning(format!(
                "Salesforce does not list its changes and deletes (it is not replicateable): late commits and hard deletes \
                 {found}"
            ));
            listing.map(|_| "Reconcile".to_owned()).unwrap_or_default()
        }
    };
    // Users are deactivated and never deleted, so that User lacks the field costs nothing.
    if plan.is_deleted.is_some() || plan.deletes == Deletes::Ignore || plan.object.as_str() == "User" {
        return;
    }
    let found = if finders.is_empty() {
        "and Verify and Reconcile are switched off, so its deletes are not found".to_owned()
    } else {
        format!("found by {finders}")
    };
    findings.warning(format!(
        "it has no IsDeleted: Incremental cannot see its deletes, {found}"
    ));
}
