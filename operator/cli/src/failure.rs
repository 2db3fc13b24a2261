//! Why a command could not do what was asked, as a person reads it: what, where, what to do.

use std::fmt;

use crate::exit::Exit;

/// Why a command could not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments do not fit together, or to the file.
    Usage(String),
    /// A file cannot be read.
    File {
        /// As it was given.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// What is in the files is not right. All problems at once.
    Invalid {
        /// The first line.
        heading: String,
        /// Each on a line of its own: `crm.yaml:12:5: spec.objects[0].name: is required`.
        problems: Vec<String>,
        /// The last line: what to do.
        advice: &'static str,
    },
    /// The org, or the resource, does not have what was named.
    NotThere(String),
    /// Something did not happen in the time that was given for it.
    TimedOut(String),
    /// Secrets are missing. All at once.
    Secrets(Vec<String>),
    /// What the engine says.
    Engine(replication::Error),
    /// What Salesforce's client says.
    Salesforce(salesforce::Error),
    /// The Kubernetes API server, or the way to it.
    Kubernetes {
        /// What was being done, to which resource.
        doing: String,
        /// What came of it.
        source: Box<kube::Error>,
    },
    /// What ended the operator.
    Operator(controller::Error),
    /// Standard output cannot be written.
    Output(std::io::Error),
    /// A defect of ours.
    Defect(String),
}

impl Failure {
    /// How the process ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_)
            | Self::File { .. }
            | Self::Operator(controller::Error::Settings(_) | controller::Error::NoCluster(_)) => Exit::Usage,
            Self::Invalid { .. } | Self::NotThere(_) => Exit::Invalid,
            Self::Secrets(_) => Exit::Credentials,
            Self::Engine(error) => Exit::of(error),
            Self::Salesforce(error) => Exit::of_salesforce(error),
            Self::Kubernetes { source, .. } => Exit::of_kubernetes(source),
            // As kubectl's own waits end.
            Self::TimedOut(_) | Self::Operator(_) | Self::Output(_) | Self::Defect(_) => Exit::Defect,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::NotThere(text) | Self::TimedOut(text) => f.write_str(text),
            Self::File { name, source } => write!(f, "{name} cannot be read: {source}"),
            Self::Invalid {
                heading,
                problems,
                advice,
            } => {
                list(f, heading, problems)?;
                write!(f, "\n{advice}")
            }
            Self::Secrets(missing) => list(f, "secrets are missing:", missing),
            Self::Engine(replication::Error::Plan(problems)) => match problems.0.as_slice() {
                [problem] => write!(f, "the resource cannot be planned: {problem}"),
                several => list(
                    f,
                    &format!("the resource cannot be planned, {} problems:", several.len()),
                    several,
                ),
            },
            Self::Engine(error) => f.write_str(&error.message()),
            Self::Salesforce(error) => f.write_str(&error.message()),
            Self::Kubernetes { doing, source } => {
                if let kube::Error::Api(status) = source.as_ref() {
                    write!(f, "{doing}: {}", status.message)
                } else {
                    write!(f, "{doing}: {source}")
                }
            }
            Self::Operator(error) => write!(f, "{error}"),
            Self::Output(source) => write!(f, "standard output cannot be written: {source}"),
            Self::Defect(text) => write!(f, "a defect of this program: {text}; please report it"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, heading: &str, lines: &[String]) -> fmt::Result {
    f.write_str(heading)?;
    for line in lines {
        write!(f, "\n  {line}")?;
    }
    Ok(())
}

impl From<replication::Error> for Failure {
    fn from(error: replication::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<salesforce::Error> for Failure {
    fn from(error: salesforce::Error) -> Self {
        Self::Salesforce(error)
    }
}

#[cfg(test)]
mod tests {
    use replication::Problems;

    use super::*;

    #[test]
    fn problems_stand_one_under_the_other() {
        let plan = |problems: &[&str]| {
            let problems = problems.iter().map(|problem| (*problem).to_owned()).collect();
            Failure::from(replication::Error::Plan(Problems(problems)))
        };
        assert_eq!(
            plan(&["Kontact: no such object"]).to_string(),
            "the resource cannot be planned: Kontact: no such object"
        );
        assert_eq!(
            plan(&["a", "b"]).to_string(),
            "the resource cannot be planned, 2 problems:\n  a\n  b"
        );
        assert_eq!(plan(&["a"]).exit(), Exit::Invalid);
        let invalid = Failure::Invalid {
            heading: "x:".into(),
            problems: vec!["a".into()],
            advice: "Mend it.",
        };
        assert_eq!(invalid.to_string(), "x:\n  a\nMend it.");
    }

    #[test]
    fn missing_secrets_are_a_matter_of_credentials() {
        assert_eq!(Failure::Secrets(vec!["a".into()]).exit(), Exit::Credentials);
        assert_eq!(Failure::Usage(String::new()).exit(), Exit::Usage);
    }
}
