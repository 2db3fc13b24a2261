//! What an API server would say of a file.
//!
//! `run -f`, `plan -f` and `preview -f` read the file that `kubectl apply` takes, with no API server between. What it
//! does is done here, against the same schema: types, required and unknown fields, patterns, lengths, bounds, duplicates
//! in map lists and sets, then the CEL rules over the defaulted resource. Two things go beyond it: unknown fields are
//! problems (an API server prunes them with a warning) and come with a suggestion, and the cron line and the time zone
//! are read.
//!
//! All problems are reported at once, each with the path of its field; whoever knows lines of the file can find them by
//! the path. Values are not told but for names, which are no secrets: a password that stands in the wrong place must not
//! reach a terminal that somebody shares.
//!
//! An explicit null counts as absent: that is what is left of a section whose lines were all commented out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::OnceLock,
};

use kube::core::cel::{CompiledSchema, ErrorKind, Validator, compile_schema};
use regex::Regex;
use serde_json::{Map, Value};

use crate::{API_VERSION, KIND, SalesforceReplicator, Schedule, ScheduleError, manifest, nearest};

/// A step on the way from the document's root to a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A member of a mapping.
    Key(String),
    /// An item of a list, from 0.
    Index(usize),
}

/// The way from the document's root to a field: `spec.objects[0].name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Path(pub Vec<Step>);

/// Something wrong with a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub path: Path,
    /// What, and what to do.
    pub message: String,
}

impl Path {
    fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.to_owned()));
        Self(steps)
    }

    fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }

    /// Reads what [`fmt::Display`] writes; keys here have neither dots nor brackets.
    fn parse(text: &str) -> Self {
        let steps = text.split(['.', '[']).filter(|step| !step.is_empty()).map(|step| {
            step.strip_suffix(']')
                .and_then(|index| index.parse().ok())
                .map_or_else(|| Step::Key(step.to_owned()), Step::Index)
        });
        Self(steps.collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.0.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// Checks a document as an API server would, and makes it a resource with its defaults.
///
/// `status` is ignored, so that what `kubectl get -o yaml` prints can be used.
///
/// # Errors
/// All problems, sorted by path.
pub fn validate(document: &Value) -> Result<SalesforceReplicator, Vec<Problem>> {
    let mut document = document.clone();
    drop_nulls(&mut document);
    if let Value::Object(members) = &mut document {
        members.remove("status");
    }
    let mut problems = Vec::new();
    check_envelope(&document, &mut problems);
    let root = Path::default();
    if let (Some(spec), Some(schema)) = (document.get("spec"), schema().pointer("/properties/spec")) {
        check(schema, spec, &root.key("spec"), &mut problems);
    }
    check_rules(&document, &mut problems);
    let resource = if problems.is_empty() {
        match serde_json::from_value::<SalesforceReplicator>(document) {
            Ok(resource) => Some(resource),
            Err(error) => {
                problems.push(Problem {
                    path: root,
                    message: error.to_string(),
                });
                None
            }
        }
    } else {
        check_schedule(document.pointer("/spec/trigger"), &mut problems);
        None
    };
    if let Some(resource) = resource {
        check_schedule_of(&resource.spec.trigger, &mut problems);
        if problems.is_empty() {
            return Ok(resource);
        }
    }
    problems.sort();
    problems.dedup();
    Err(problems)
}

/// The schema that the API server gets.
fn schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        manifest::crd_value()
            .pointer_mut("/spec/versions/0/schema/openAPIV3Schema")
            .map(Value::take)
            .unwrap_or_default()
    })
}

/// Its CEL rules, which cost more to compile than to evaluate.
fn rules() -> &'static CompiledSchema {
    static RULES: OnceLock<CompiledSchema> = OnceLock::new();
    RULES.get_or_init(|| compile_schema(schema()))
}

/// Names of Kubernetes objects (RFC 1123 subdomains).
const NAME_PATTERN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// The patterns of the schema, compiled once: a resource may have thousands of names. One that does not compile here
/// matches nothing, which a test would show.
fn patterns() -> &'static BTreeMap<String, Regex> {
    static PATTERNS: OnceLock<BTreeMap<String, Regex>> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        let mut patterns = BTreeSet::from([NAME_PATTERN.to_owned()]);
        collect_patterns(schema(), &mut patterns);
        patterns
            .into_iter()
            .filter_map(|pattern| Some((pattern.clone(), Regex::new(&pattern).ok()?)))
            .collect()
    })
}

fn collect_patterns(schema: &Value, into: &mut BTreeSet<String>) {
    into.extend(schema.get("pattern").and_then(Value::as_str).map(str::to_owned));
    let properties = schema.get("properties").and_then(Value::as_object);
    let below = properties.into_iter().flat_map(Map::values).chain(schema.get("items"));
    below.for_each(|schema| collect_patterns(schema, into));
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What a resource may have beside spec and status: the metadata of every Kubernetes object.
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

fn check_envelope(document: &Value, problems: &mut Vec<Problem>) {
    let root = Path::default();
    let Value::Object(members) = document else {
        problems.push(Problem {
            path: root,
            message: format!("must be a resource of kind {KIND}, not {}", kind_of(document)),
        });
        return;
    };
    for key in members.keys() {
        check_known(key, &["apiVersion", "kind", "metadata", "spec"], &root, problems);
    }
    for (key, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        if members.get(key).and_then(Value::as_str) != Some(expected) {
            problems.push(Problem {
                path: root.key(key),
                message: format!("must be {expected}"),
            });
        }
    }
    if !members.contains_key("spec") {
        problems.push(Problem {
            path: root.key("spec"),
            message: "is required".to_owned(),
        });
    }
    let metadata = root.key("metadata");
    match members.get("metadata") {
        Some(Value::Object(fields)) => {
            for key in fields.keys() {
                check_known(key, &METADATA, &metadata, problems);
            }
            let name_schema = serde_json::json!({
                "type": "string", "minLength": 1, "pattern": NAME_PATTERN
            });
            match fields.get("name") {
                Some(name) => check(&name_schema, name, &metadata.key("name"), problems),
                None => problems.push(Problem {
                    path: metadata.key("name"),
                    message: "is required".to_owned(),
                }),
            }
            if let Some(namespace) = fields.get("namespace") {
                check(&name_schema, namespace, &metadata.key("namespace"), problems);
            }
        }
        Some(other) => problems.push(wrong_type(&metadata, "object", other)),
        None => problems.push(Problem {
            path: metadata,
            message: "is required".to_owned(),
        }),
    }
}

fn check_known(key: &str, known: &[&str], path: &Path, problems: &mut Vec<Problem>) {
    if known.contains(&key) {
        return;
    }
    let message = match nearest(key, known.iter().copied()) {
        Some(meant) => format!("unknown field; did you mean {meant}?"),
        None => format!("unknown field; known are {}", known.join(", ")),
    };
    problems.push(Problem {
        path: path.key(key),
        message,
    });
}

/// Checks a value against a structural schema, all but its CEL rules.
fn check(schema: &Value, value: &Value, path: &Path, problems: &mut Vec<Problem>) {
    let expected = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    match (expected, value) {
        ("object", Value::Object(members)) => check_object(schema, members, path, problems),
        ("array", Value::Array(items)) => check_array(schema, items, path, problems),
        ("string", Value::String(text)) => check_string(schema, text, path, problems),
        ("integer", Value::Number(number)) if number.as_i64().is_some() => {
            check_integer(schema, number.as_i64(), path, problems);
        }
        ("boolean", Value::Bool(_)) | ("", _) => {}
        _ => problems.push(wrong_type(path, expected, value)),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

fn wrong_type(path: &Path, expected: &str, value: &Value) -> Problem {
    let wanted = match expected {
        "object" => "a mapping",
        "array" => "a list",
        "string" if matches!(value, Value::Number(_) | Value::Bool(_)) => "text: write it in quotes",
        "string" => "text",
        "integer" => "a whole number",
        "boolean" => "true or false",
        other => other,
    };
    Problem {
        path: path.clone(),
        message: format!("must be {wanted}, not {}", kind_of(value)),
    }
}

fn check_object(schema: &Value, members: &Map<String, Value>, path: &Path, problems: &mut Vec<Problem>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let known: Vec<&str> = properties
        .into_iter()
        .flat_map(|properties| properties.keys().map(String::as_str))
        .collect();
    for (key, member) in members {
        match properties.and_then(|properties| properties.get(key)) {
            Some(schema) => check(schema, member, &path.key(key), problems),
            None => check_known(key, &known, path, problems),
        }
    }
    let required = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    for key in required.filter(|key| !members.contains_key(*key)) {
        problems.push(Problem {
            path: path.key(key),
            message: "is required".to_owned(),
        });
    }
}

fn check_array(schema: &Value, items: &[Value], path: &Path, problems: &mut Vec<Problem>) {
    check_count(
        items.len(),
        bound(schema, "minItems"),
        bound(schema, "maxItems"),
        "entries",
        path,
        problems,
    );
    if let Some(item_schema) = schema.get("items") {
        for (index, item) in items.iter().enumerate() {
            check(item_schema, item, &path.index(index), problems);
        }
    }
    let keys: Vec<&str> = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => Vec::new(),
        Some("map") => {
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            keys.into_iter().flatten().filter_map(Value::as_str).collect()
        }
        _ => return,
    };
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let identity = if keys.is_empty() {
            item.as_str().map(str::to_owned)
        } else {
            keys.iter()
                .map(|key| item.get(*key).and_then(Value::as_str))
                .collect::<Option<Vec<_>>>()
                .map(|parts| parts.join(", "))
        };
        let Some(identity) = identity else { continue };
        if !seen.insert(identity.clone()) {
            let at = keys
                .first()
                .map_or_else(|| path.index(index), |key| path.index(index).key(key));
            problems.push(Problem {
                path: at,
                message: format!("{identity} is there twice"),
            });
        }
    }
}

fn check_string(schema: &Value, text: &str, path: &Path, problems: &mut Vec<Problem>) {
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        let allowed: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        if !allowed.contains(&text) {
            let meant = nearest(text, allowed.iter().copied())
                .map_or(String::new(), |meant| format!("; did you mean {meant}?"));
            problems.push(Problem {
                path: path.clone(),
                message: format!("must be one of {}{meant}", allowed.join(", ")),
            });
        }
        return;
    }
    let before = problems.len();
    let length = text.chars().count();
    check_count(
        length,
        bound(schema, "minLength"),
        bound(schema, "maxLength"),
        "characters",
        path,
        problems,
    );
    if before != problems.len() {
        return;
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && !patterns().get(pattern).is_some_and(|compiled| compiled.is_match(text))
    {
        problems.push(Problem {
            path: path.clone(),
            message: format!("must match {pattern}{}", example(schema)),
        });
    }
}

/// The example that the description of a field ends with: a pattern alone teaches nobody.
fn example(schema: &Value) -> String {
    let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    description
        .rsplit_once("Example: ")
        .map_or(String::new(), |(_, example)| format!(", such as {}", example.trim()))
}

fn check_integer(schema: &Value, number: Option<i64>, path: &Path, problems: &mut Vec<Problem>) {
    let (minimum, maximum) = (bound(schema, "minimum"), bound(schema, "maximum"));
    let Some(number) = number else { return };
    if minimum.is_some_and(|minimum| number < minimum) || maximum.is_some_and(|maximum| number > maximum) {
        problems.push(Problem {
            path: path.clone(),
            message: format!("must be {}", range(minimum, maximum)),
        });
    }
}

fn check_count(
    count: usize,
    minimum: Option<i64>,
    maximum: Option<i64>,
    what: &str,
    path: &Path,
    problems: &mut Vec<Problem>,
) {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    if minimum.is_some_and(|minimum| count < minimum) || maximum.is_some_and(|maximum| count > maximum) {
        problems.push(Problem {
            path: path.clone(),
            message: format!("must have {} {what}", range(minimum, maximum)),
        });
    }
}

fn range(minimum: Option<i64>, maximum: Option<i64>) -> String {
    match (minimum, maximum) {
        (Some(minimum), Some(maximum)) if minimum == maximum => format!("{minimum}"),
        (Some(minimum), Some(maximum)) => format!("{minimum} to {maximum}"),
        (Some(minimum), None) => format!("at least {minimum}"),
        (None, Some(maximum)) => format!("at most {maximum}"),
        (None, None) => "any number of".to_owned(),
    }
}

/// A bound; schemars writes whole ones as floats.
#[expect(
    clippy::cast_possible_truncation,
    reason = "bounds of our own schema, far below 2^53"
)]
fn bound(schema: &Value, name: &str) -> Option<i64> {
    let bound = schema.get(name)?;
    bound.as_i64().or_else(|| bound.as_f64().map(|bound| bound as i64))
}

/// The CEL rules. A rule that cannot be evaluated says something only where the schema found nothing: a missing or
/// mistyped field makes rules over it fail with words that help nobody.
fn check_rules(document: &Value, problems: &mut Vec<Problem>) {
    let Err(errors) = Validator::new().validate_compiled(rules(), document, None) else {
        return;
    };
    let sound = problems.is_empty();
    for error in errors.into_vec() {
        if error.kind == ErrorKind::ValidationFailure || sound {
            problems.push(Problem {
                path: Path::parse(&error.field_path),
                message: error.message,
            });
        }
    }
}

/// The cron line and the time zone of a trigger that has other problems beside.
fn check_schedule(trigger: Option<&Value>, problems: &mut Vec<Problem>) {
    let text = |key: &str| {
        let at = Path::parse("spec.trigger").key(key);
        let text = trigger?.get(key)?.as_str()?;
        // What the schema refuses needs no second sentence.
        problems
            .iter()
            .all(|problem| problem.path != at)
            .then(|| text.to_owned())
    };
    let (schedule, time_zone) = (text("schedule"), text("timeZone"));
    // A zone alone is read with a line that is one.
    let schedule = schedule.or_else(|| time_zone.as_ref().map(|_| "* * * * *".to_owned()));
    check_schedule_of(
        &crate::Trigger {
            schedule,
            time_zone,
            ..crate::Trigger::default()
        },
        problems,
    );
}

fn check_schedule_of(trigger: &crate::Trigger, problems: &mut Vec<Problem>) {
    let Err(errors) = Schedule::new(trigger) else { return };
    for error in errors {
        let key = match error {
            ScheduleError::Line { .. } => "schedule",
            ScheduleError::TimeZone(_) => "timeZone",
        };
        problems.push(Problem {
            path: Path::parse("spec.trigger").key(key),
            message: error.to_string(),
        });
    }
}

#[cfg(test)]
mod tests;
