//! What is found while a plan is made: problems, which end it, and warnings, which go with it.
//!
//! All of them are collected, none ends the making: who mends a resource wants the whole list.

/// Collects what is found; each sentence begins with its object.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    object: Option<&'a str>,
    problems: &'a mut Vec<String>,
    warnings: &'a mut Vec<String>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(problems: &'a mut Vec<String>, warnings: &'a mut Vec<String>) -> Self {
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
        self.problems.push(sentence(self.object, text.as_ref()));
    }

    pub(super) fn warning(&mut self, text: impl AsRef<str>) {
        self.warnings.push(sentence(self.object, text.as_ref()));
    }

    /// How many problems there are by now: unchanged means that a step found none.
    pub(super) fn problems(&self) -> usize {
        self.problems.len()
    }
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
