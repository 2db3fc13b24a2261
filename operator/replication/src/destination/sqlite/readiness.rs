//! Whether a first run could write the file: what can be told without writing it.

use std::path::Path;

use rusqlite::MAIN_DB;
use salesforce::ErrorKind;

use super::{Sqlite, blocking, connect, schema};
use crate::{Error, Result};

impl Sqlite {
    /// What would keep a first run from writing: a folder or a file that is read-only, state tables that are newer than this
    /// program. Empty where nothing is known that would. Writes nothing, and makes no file.
    ///
    /// # Errors
    /// The folder is not there, or the file is no database.
    pub async fn readiness(&self) -> Result<Vec<Error>> {
        let path = self.path.clone();
        blocking("looking at", move || look(&path)).await
    }
}

fn look(path: &Path) -> Result<Vec<Error>> {
    let refused = |what: &str| Error::Database {
        kind: ErrorKind::Fatal,
        message: format!("{}: {what}; give this program the right to write there", path.display()),
        source: None,
    };
    let mut problems = Vec::new();
    let folder = path.parent().unwrap_or(path);
    // SQLite writes beside the file too: its journal.
    if folder.metadata().is_ok_and(|folder| folder.permissions().readonly()) {
        problems.push(refused("the folder is read-only"));
    }
    if let Some(connection) = connect::open_existing(path)? {
        let read_only = connection.is_readonly(MAIN_DB);
        if read_only.map_err(|error| connect::failure(path, "open the file", error))? {
            problems.push(refused("the file is read-only"));
        }
        problems.extend(schema::look(&connection, path).err());
    }
    Ok(problems)
}
