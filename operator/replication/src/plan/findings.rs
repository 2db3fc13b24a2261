//! What is found while a plan is made: problems, which end it, and warnings, which go with it.
//!
//! All of them are collected, none ends the making: who mends a resource wants the whole list.

/// What is wrong, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// The CamelCase word.
    pub(super) reason: &'static str,
    /// A sentence that begins with its object.
    pub(super) text: String,
}

/// The resource asks for what contradicts itself, or cannot be.
const INVALID_SPEC: &str = "InvalidSpec";
/// The org does not have an object, or hides it.
const INVALID_OBJECT: &str = "InvalidObject";
/// The org does not have a field, or hides it.
const INVALID_FIELD: &str = "InvalidField";

/// Collects what is found; each sentence begins with its object.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    object: Option<&'a str>,
    problems: &'a mut Vec<Problem>,
    warnings: &'a mut Vec<String>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(problems: &'a mut Vec<Problem>, warnings: &'a mut Vec<String>) -> Self {
        Self {
            object: None,
            problems,
            warnings,
        }
    }

    /// The same, for one object.
    pub(super) fn of<'b>(&'b mut self, object: &'b str) -> Findings<'b> {
        Findings {
            object: Some(object),
            problems: self.problems,
            warnings: self.warnings,
        }
    }

    pub(super) fn problem(&mut self, text: impl AsRef<str>) {
        self.add(INVALID_SPEC, text.as_ref());
    }

    /// A problem that a change of the org, or of the user's rights, may mend: an object.
    pub(super) fn missing_object(&mut self, text: impl AsRef<str>) {
        self.add(INVALID_OBJECT, text.as_ref());
    }

    /// The same of a field.
    pub(super) fn missing_field(&mut self, text: impl AsRef<str>) {
        self.add(INVALID_FIELD, text.as_ref());
    }

    fn add(&mut self, reason: &'static str, text: &str) {
        let text = sentence(self.object, text);
        self.problems.push(Problem { reason, text });
    }

    pub(super) fn warning(&mut self, text: impl AsRef<str>) {
        self.warnings.push(sentence(self.object, text.as_ref()));
    }

    /// How many problems there are by now: unchanged means that a step found none.
    pub(super) fn problems(&self) -> usize {
        self.problems.len()
    }
}

/// The reason that problems have in common; several that differ are the resource's.
pub(super) fn reason(problems: &[Problem]) -> &'static str {
    let mut reasons = problems.iter().map(|problem| problem.reason);
    let first = reasons.next().unwrap_or(INVALID_SPEC);
    if reasons.all(|reason| reason == first) {
        first
    } else {
        INVALID_SPEC
    }
}

/// Their sentences.
pub(super) fn texts(problems: Vec<Problem>) -> Vec<String> {
    problems.into_iter().map(|problem| problem.text).collect()
}

fn sentence(object: Option<&str>, text: &str) -> String {
    match object {
        Some(object) => format!("{object}: {text}"),
        None => text.to_owned(),
    }
}

/// Names behind one another; of many only the first ones.
pub(super) fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<T> = names.into_iter().collect();
    let shown = names
        .iter()
        .take(SHOWN)
        .map(AsRef::as_ref)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}
