//! What a purge has done, and what stood in its way.

use salesforce::ErrorKind;

use super::Purged;
use crate::{Error, Result};

/// Collects what becomes of a replicator's tables.
#[derive(Debug, Default)]
pub(super) struct Purging {
    tables: Vec<String>,
    errors: Vec<Error>,
}

impl Purging {
    /// A table is gone.
    pub(super) fn dropped(&mut self, table: &str) {
        tracing::info!(table, "a table is dropped with its replicator");
        self.tables.push(table.to_owned());
    }

    /// Something stays.
    pub(super) fn kept(&mut self, error: Error) {
        self.errors.push(error);
    }

    /// The end of it.
    ///
    /// # Errors
    /// What stays, in one error.
    pub(super) fn end(self) -> Result<Purged> {
        let Self { mut tables, mut errors } = self;
        if errors.len() > 1 {
            return Err(Error::Database {
                kind: soonest(&errors),
                message: errors.iter().map(Error::message).collect::<Vec<_>>().join("; "),
                source: None,
            });
        }
        if let Some(error) = errors.pop() {
            return Err(error);
        }
        tables.sort_unstable();
        Ok(Purged { tables })
    }
}

/// The kind that is tried again first: what passes by itself must not wait for what a person has to mend.
fn soonest(errors: &[Error]) -> ErrorKind {
    let order = [
        ErrorKind::Transient,
        ErrorKind::Quota,
        ErrorKind::Fatal,
        ErrorKind::Credentials,
        ErrorKind::Invalid,
    ];
    let is_among = |kind: &ErrorKind| errors.iter().any(|error| error.kind() == *kind);
    order.into_iter().find(is_among).unwrap_or(ErrorKind::Fatal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind, message: &str) -> Error {
        Error::Database {
            kind,
            message: message.to_owned(),
            source: None,
        }
    }

    #[test]
    fn several_errors_are_one_that_is_tried_again_soon() {
        let mut purging = Purging::default();
        purging.dropped("lead");
        purging.dropped("account");
        let Purged { tables } = purging.end().unwrap();
        assert_eq!(tables, ["account", "lead"]);

        let mut purging = Purging::default();
        purging.kept(error(ErrorKind::Invalid, "a view"));
        assert_eq!(purging.end().unwrap_err().kind(), ErrorKind::Invalid);

        let mut purging = Purging::default();
        purging.kept(error(ErrorKind::Invalid, "a view"));
        purging.kept(error(ErrorKind::Transient, "a lock"));
        let together = purging.end().unwrap_err();
        assert_eq!(
            (together.kind(), together.message().as_str()),
            (ErrorKind::Transient, "a view; a lock")
        );
    }
}
