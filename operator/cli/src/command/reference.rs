//! `reference`: pages of `docs` that the code knows best. `make generate` writes them, so that no list of words is kept twice.

mod resource;

use std::fmt::Write;

use controller::metrics::family::{self, Family};
use crds::{ConditionType, Reason};

use crate::arguments::Page;

/// A page, as Markdown.
pub(crate) fn page(page: Page) -> String {
    match page {
        Page::Metrics => metrics(),
        Page::Conditions => conditions(),
        Page::Resource => resource::page(),
    }
}

const METRICS: &str = "\
# Metrics

The operator serves them at `/metrics`, for Prometheus; `salesforce-replicator metrics` prints this list. All series of a resource go
with it, and an operator that does not lead has none of any resource. Times are seconds since 1970: a query computes the age.
";

fn metrics() -> String {
    let of_object = |family: &&Family| family.labels.contains(&"object");
    let all = || family::ALL.iter();
    let mut text = METRICS.to_owned();
    section(
        &mut text,
        "The operator",
        "",
        all().filter(|family| !family.of_replicator),
    );
    section(
        &mut text,
        "A replicator",
        "`replicator_namespace` and `replicator` say which resource it is of.",
        all().filter(|family| family.of_replicator && !of_object(family)),
    );
    section(
        &mut text,
        "An object",
        "`--no-object-metrics` switches them off, where objects are many.",
        all().filter(|family| family.of_replicator && of_object(family)),
    );
    text
}

fn section<'a>(text: &mut String, title: &str, about: &str, families: impl Iterator<Item = &'a Family>) {
    let rows = families.map(|family| {
        let labels: Vec<String> = family.all_labels().into_iter().map(code).collect();
        [
            code(&family.full_name()),
            family.kind.as_str().to_owned(),
            labels.join(", "),
            family.help.to_owned(),
        ]
    });
    heading(text, title, about);
    table(text, ["metric", "type", "labels", "meaning"], rows);
}

const CONDITIONS: &str = "\
# Conditions and reasons

`kubectl get sfr` shows whether a replicator is ready, and the reason; `kubectl describe sfr NAME` shows all conditions with a message
that says what to do, and the events.
";

fn conditions() -> String {
    let mut text = CONDITIONS.to_owned();
    heading(&mut text, "Conditions", "");
    let types = ConditionType::ALL.map(|of| [code(of.as_str()), of.meaning().to_owned()]);
    table(&mut text, ["type", "where it is True"], types);
    heading(
        &mut text,
        "Reasons",
        "Conditions, events, logs and the label `reason` of metrics use the same words.",
    );
    for (group, reasons) in Reason::GROUPS {
        writeln!(text, "\n### {group}").ok();
        let rows = reasons
            .iter()
            .map(|reason| [code(reason.as_str()), reason.meaning().to_owned()]);
        table(&mut text, ["reason", "meaning"], rows);
    }
    text
}

fn code(word: &str) -> String {
    format!("`{word}`")
}

fn heading(text: &mut String, title: &str, about: &str) {
    // Writing to a String does not fail.
    writeln!(text, "\n## {title}").ok();
    if !about.is_empty() {
        writeln!(text, "\n{about}").ok();
    }
}

fn table<const N: usize>(text: &mut String, header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    writeln!(text, "\n| {} |\n|{}", header.join(" | "), " --- |".repeat(N)).ok();
    for row in rows {
        writeln!(text, "| {} |", row.map(|cell| cell.replace('|', "\\|")).join(" | ")).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_and_every_reason_has_one_line_on_its_page() {
        let metrics = page(Page::Metrics);
        for family in family::ALL {
            let row = format!("| `{}` | {} |", family.full_name(), family.kind.as_str());
            assert_eq!(metrics.matches(&row).count(), 1, "{row}");
        }
        let conditions = page(Page::Conditions);
        for reason in Reason::ALL {
            let row = format!("\n| `{reason}` | {} |\n", reason.meaning());
            assert_eq!(conditions.matches(&row).count(), 1, "{row}");
        }
        for of in ConditionType::ALL {
            assert!(
                conditions.contains(&format!("\n| `{of}` | {} |\n", of.meaning())),
                "{of}"
            );
        }
    }
}
