//! Statements by which staged rows with long values are tried against indexes like the plan's.

use super::{
    super::encode::Kind,
    Names, Statement, quote,
    rows::{KIND, READ, STAGING, is_one_of},
    written,
};
use crate::plan::ObjectPlan;

/// A table that has nothing but the indexed columns and their indexes.
const TRIAL: &str = "pg_temp.\"#trial\"";

const STAGING_INDEX: &str = "\"#staged\"";

/// Statements of a trial.
#[derive(Debug)]
pub(crate) struct TrialStatements {
    /// Make the table that rows are tried in, where this connection has none.
    pub(crate) create: Vec<Statement>,
    /// `$1` orders of reading: the staged rows, and where they stand.
    pub(crate) places: Statement,
    /// `$1` places of staged rows.
    pub(crate) insert: Statement,
    /// `$1` orders of reading: these are rejected.
    pub(crate) refuse: Statement,
    /// Orders of reading of the live rows.
    pub(crate) live: Statement,
    /// Finds staged rows by their order of reading, where they are merged in many parts.
    pub(crate) index_staging: Statement,
    pub(crate) drop_staging_index: Statement,
}

pub(super) fn statements(names: &Names, plan: &ObjectPlan) -> TrialStatements {
    let columns: Vec<(&str, &str, &str)> = written(plan)
        .map(|(_, column)| column)
        .zip(names.columns.iter().zip(&names.types))
        .map(|(column, (name, type_name))| (column.name.as_str(), name.as_str(), *type_name))
        .filter(|(column, ..)| {
            let mut indexed = plan.indexes.iter().flat_map(|index| &index.columns);
            indexed.any(|name| name.as_str() == *column)
        })
        .collect();
    let list = |prefix: &str| {
        let names = columns.iter().map(|(_, name, _)| format!("{prefix}{name}"));
        names.collect::<Vec<_>>().join(", ")
    };
    let definitions: Vec<String> = columns
        .iter()
        .map(|(_, name, type_name)| format!("{name} {type_name}"))
        .collect();
    let table = Statement::new(format!(
        "CREATE TEMPORARY TABLE IF NOT EXISTS {TRIAL} ({}) ON COMMIT DELETE ROWS",
        definitions.join(", ")
    ));
    let indexes = plan.indexes.iter().enumerate().filter_map(|(number, index)| {
        let name_of = |wanted: &str| columns.iter().find(|(column, ..)| *column == wanted);
        // A column that the plan does not write is not staged.
        let indexed: Vec<&str> = index
            .columns
            .iter()
            .filter_map(|column| name_of(column.as_str()))
            .map(|(_, name, _)| *name)
            .collect();
        (!indexed.is_empty()).then(|| {
            Statement::new(format!(
                "CREATE INDEX IF NOT EXISTS {} ON {TRIAL} ({})",
                quote(&format!("#trial {number}")),
                indexed.join(", ")
            ))
        })
    });
    let create = std::iter::once(table).chain(indexes).collect();
    TrialStatements {
        create,
        places: Statement::new(format!(
            "SELECT s.{READ}, s.ctid::text FROM {STAGING} s WHERE {} AND s.{READ} = ANY ($1)",
            is_one_of(&[Kind::Live])
        )),
        insert: Statement::new(format!(
            "INSERT INTO {TRIAL} ({}) SELECT {} FROM {STAGING} s WHERE s.ctid = ANY ($1::text[]::tid[])",
            list(""),
            list("s.")
        )),
        refuse: Statement::new(format!(
            "UPDATE {STAGING} SET {KIND} = {} WHERE {READ} = ANY ($1)",
            Kind::Rejected.code()
        )),
        live: Statement::new(format!(
            "SELECT s.{READ} FROM {STAGING} s WHERE {} ORDER BY 1",
            is_one_of(&[Kind::Live])
        )),
        index_staging: Statement::new(format!("CREATE INDEX {STAGING_INDEX} ON {STAGING} ({READ})")),
        drop_staging_index: Statement::new(format!("DROP INDEX pg_temp.{STAGING_INDEX}")),
    }
}
