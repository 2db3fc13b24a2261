//! The reference of the resource, from the schema that the API server enforces: what is documented is what is checked.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::{code, heading, table};

const PAGE: &str = "\
# The resource

Every field of a `SalesforceReplicator`, by its path. `kubectl explain sfr.spec --recursive` shows the same where the definition is
installed. What is against it is refused by name: by the API server, and by `salesforce-replicator check`.

```yaml
apiVersion: salesforce-replicator.io/v1alpha1
kind: SalesforceReplicator
metadata: {name: crm}
spec:
  connection: {auth: {password: {secretRef: {name: crm-salesforce}}}}
  destination: {postgres: {secretRef: {name: crm-database}}}
  objects: [{name: Contact}, {name: Account}]
```
";

/// Parts of the status that are Kubernetes' own, and described there.
const NOT_OURS: &str = "conditions";

const HEADER: [&str; 5] = ["field", "type", "default", "constraints", "meaning"];

/// The page, as Markdown.
pub(super) fn page() -> String {
    let definition = serde_json::to_value(crds::crd()).unwrap_or_default();
    let mut text = PAGE.to_owned();
    for part in ["spec", "status"] {
        let schema = definition.pointer(&format!("/spec/versions/0/schema/openAPIV3Schema/properties/{part}"));
        section(&mut text, part, schema.unwrap_or(&Value::Null));
    }
    heading(&mut text, "Annotations", "");
    let annotations = [
        (
            crds::annotation::ADOPT,
            "`<namespace>/<name>` of another replicator of the same org, whose tables this one takes over",
        ),
        (
            crds::annotation::CONFIRM_DELETES,
            "`Contact=<token>`: lets exactly the deletes go that are held under this token; several are separated by commas",
        ),
        (
            crds::annotation::SKIP_CLEANUP,
            "`true`: with `deletionPolicy: Delete`, lets the resource go although its tables could not be dropped",
        ),
    ];
    let rows = annotations.map(|(name, meaning)| [code(name), meaning.to_owned()]);
    table(&mut text, ["annotation", "meaning"], rows);
    text
}

/// A section of its own for each structured member of `spec` or `status`, and one before them for the plain ones.
fn section(text: &mut String, name: &str, schema: &Value) {
    heading(text, name, description(schema));
    let mut plain = Vec::new();
    let mut structured = Vec::new();
    for (member, its) in members(schema) {
        if properties(element(its)).is_some() && member != NOT_OURS {
            structured.push((member, its));
        } else {
            plain.push(row(member, its, is_required(schema, member)));
        }
    }
    table(text, HEADER, plain);
    rules(text, schema);
    for (member, its) in structured {
        let required = if is_required(schema, member) { " Required." } else { "" };
        // Writing to a String does not fail.
        writeln!(text, "\n### {name}.{member}\n\n{}{required}", told(its)).ok();
        let mut rows = Vec::new();
        let own = element(its);
        let prefix = if own == its { String::new() } else { "[].".to_owned() };
        descend(&mut rows, &prefix, own);
        table(text, HEADER, rows);
        rules(text, its);
        rules_below(text, its);
    }
}

/// Every field below a schema, each before its own members.
fn descend(rows: &mut Vec<[String; 5]>, prefix: &str, schema: &Value) {
    for (member, its) in members(schema) {
        let path = format!("{prefix}{member}");
        rows.push(row(&path, its, is_required(schema, member)));
        let inner = element(its);
        let dot = if inner == its { "." } else { "[]." };
        descend(rows, &format!("{path}{dot}"), inner);
    }
}

fn row(path: &str, schema: &Value, required: bool) -> [String; 5] {
    let (meaning, said) = without_default(&told(schema));
    let default = match &schema["default"] {
        Value::Null => said.unwrap_or_default(),
        // The sentence may say more than the value.
        Value::String(word) => said
            .filter(|said| said.len() > word.len())
            .unwrap_or_else(|| code(word)),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => code(&other.to_string()),
    };
    let mut constraints = constraints(schema);
    if required {
        constraints.insert(0, "required".to_owned());
    }
    [code(path), kind(schema), default, constraints.join(", "), meaning]
}

/// A description without its sentence on the default, and what that says.
fn without_default(text: &str) -> (String, Option<String>) {
    let Some((before, after)) = text.split_once("Default") else {
        return (text.to_owned(), None);
    };
    let after = after.trim_start_matches([':', ' ']);
    let (default, rest) = after.split_once(". ").unwrap_or((after.trim_end_matches('.'), ""));
    let meaning = format!("{}{}{rest}", before.trim_end(), if rest.is_empty() { "" } else { " " });
    (meaning.trim().to_owned(), Some(default.to_owned()))
}

/// The type, as a person says it.
fn kind(schema: &Value) -> String {
    let of = schema["type"].as_str().unwrap_or("any");
    if of == "array" {
        return format!("list of {}", kind(&schema["items"]));
    }
    match (of, schema["format"].as_str()) {
        ("string", Some("date-time")) => "time".to_owned(),
        ("object", _) => "object".to_owned(),
        (other, _) => other.to_owned(),
    }
}

fn constraints(schema: &Value) -> Vec<String> {
    let number = |name: &str| schema[name].as_f64();
    let mut all = Vec::new();
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words.iter().filter_map(Value::as_str).map(code).collect();
        all.push(words.join(" or "));
    }
    for (least, most, unit) in [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " entries"),
    ] {
        match (number(least), number(most)) {
            (Some(least), Some(most)) if (least - most).abs() < f64::EPSILON => all.push(format!("{most}{unit}")),
            (Some(least), Some(most)) => all.push(format!("{least} to {most}{unit}")),
            (Some(least), None) => all.push(format!("at least {least}{unit}")),
            (None, Some(most)) => all.push(format!("at most {most}{unit}")),
            (None, None) => {}
        }
    }
    if let Some(keys) = schema["x-kubernetes-list-map-keys"].as_array() {
        let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
        all.push(format!("one entry for each {}", keys.join(", ")));
    } else if schema["x-kubernetes-list-type"] == "set" {
        all.push("no entry twice".to_owned());
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        all.push(code(pattern));
    }
    all.extend(messages(schema));
    all
}

/// What rules say of this very field: those of a structure stand below its table.
fn messages(schema: &Value) -> Vec<String> {
    if properties(element(schema)).is_some() {
        return Vec::new();
    }
    said(schema)
}

fn said(schema: &Value) -> Vec<String> {
    let rules = schema["x-kubernetes-validations"].as_array();
    let messages = rules.into_iter().flatten();
    messages
        .filter_map(|rule| rule["message"].as_str())
        .map(str::to_owned)
        .collect()
}

/// The rules that compare fields of this structure.
fn rules(text: &mut String, schema: &Value) {
    let said = said(schema);
    if said.is_empty() {
        return;
    }
    writeln!(text).ok();
    for message in said {
        writeln!(text, "* {message}").ok();
    }
}

/// The rules of structures below this one.
fn rules_below(text: &mut String, schema: &Value) {
    for (_, its) in members(element(schema)) {
        if properties(element(its)).is_some() {
            rules(text, its);
            rules_below(text, its);
        }
    }
}

fn description(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

/// A description on one line.
fn told(schema: &Value) -> String {
    description(schema).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a list is made of, else the schema itself.
fn element(schema: &Value) -> &Value {
    match schema.get("items") {
        Some(items) if items["type"] == "object" => items,
        _ => schema,
    }
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema["properties"].as_object()
}

fn members(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = properties(schema).into_iter().flatten();
    members.map(|(name, schema)| (name.as_str(), schema))
}

fn is_required(schema: &Value, member: &str) -> bool {
    let required = schema["required"].as_array().into_iter().flatten();
    required.into_iter().any(|name| name == member)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(schema: &Value, prefix: &str, all: &mut Vec<String>) {
        for (member, its) in members(schema) {
            let path = format!("{prefix}{member}");
            let inner = element(its);
            let dot = if inner == its { "." } else { "[]." };
            if path != "status.conditions" {
                paths(inner, &format!("{path}{dot}"), all);
            }
            all.push(path);
        }
    }

    #[test]
    fn every_field_has_a_line_with_its_meaning() {
        let page = page();
        let definition = serde_json::to_value(crds::crd()).unwrap();
        let root = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut all = Vec::new();
        paths(&root["properties"]["spec"], "spec.", &mut all);
        paths(&root["properties"]["status"], "status.", &mut all);
        assert!(all.len() > 80, "{}", all.len());
        for path in all {
            let (section, rest) = path.split_once('.').unwrap();
            let (member, below) = rest.split_once('.').unwrap_or((rest, ""));
            let (heading, field) = if below.is_empty() && !page.contains(&format!("\n### {section}.{member}\n")) {
                (format!("\n## {section}\n"), rest.to_owned())
            } else if below.is_empty() {
                continue;
            } else if let Some(list) = member.strip_suffix("[]") {
                (format!("\n### {section}.{list}\n"), format!("[].{below}"))
            } else {
                (format!("\n### {section}.{member}\n"), below.to_owned())
            };
            let (_, part) = page.split_once(&heading).unwrap_or_else(|| panic!("{heading}"));
            let line = part.lines().find(|line| line.starts_with(&format!("| `{field}` |")));
            let line = line.unwrap_or_else(|| panic!("{path}: no line"));
            let meaning = line.trim_end_matches(" |").rsplit(" | ").next().unwrap();
            assert!(!meaning.is_empty(), "{path}: {line}");
        }
    }

    #[test]
    fn defaults_bounds_and_rules_are_told() {
        let page = page();
        for line in [
            "| `loginUrl` | string | https://login.salesforce.com; a sandbox has https://test.salesforce.com, and every org its own My Domain host | 8 to 255 characters, ",
            "| `auth` | object |  | required | ",
            "| `[].name` | string |  | required, 1 to 80 characters, ",
            "| `parallelism` | integer | `2` | 1 to 32 | ",
            "| `deletionPolicy` | string | `Retain` | `Retain` or `Delete` | ",
            "* schedule and interval are mutually exclusive",
            "* exactly one of password, clientCredentials and jwtBearer must be set",
            "| `apiVersion` | string | 66.0 | 4 to 5 characters, ",
            "| `overlap` | string | 10m | 2 to 18 characters, ",
            "| `[].exclude` | list of string |  | at most 800 entries, no entry twice | ",
        ] {
            assert!(page.contains(&format!("\n{line}")), "{line}: {page}");
        }
    }
}
