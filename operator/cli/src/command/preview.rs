//! `preview`: some records, as Salesforce has them and as the tables would.

use replication::{
    Error,
    plan::{ColumnSource, ObjectPlan},
    preview::{Preview as Rows, PreviewRow},
};
use serde::Serialize;

use crate::{
    arguments::Preview,
    exit::Exit,
    failure::Failure,
    printer::{self, Printer},
    session::{Context, Prepared, objects},
};

/// Characters of a value that are shown to people; programs get all.
const SHOWN: usize = 60;

/// What `preview -o json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PreviewOutput {
    /// `namespace/name`.
    replicator: String,
    /// Each object, in the order of the resource.
    objects: Vec<Rows>,
}

/// Shows some records of each object.
pub(crate) async fn preview(arguments: Preview, context: &Context) -> Result<Exit, Failure> {
    let Preview {
        source,
        objects: wanted,
        rows,
    } = arguments;
    let prepared = Prepared::load(&source.source, context)?;
    let session = prepared.open().await?;
    let mut output = PreviewOutput {
        replicator: prepared.identity.to_string(),
        objects: Vec::new(),
    };
    let mut unplanned = None;
    for object in objects(&session, &wanted)? {
        match Box::pin(session.preview(&object, rows.into())).await {
            Ok(preview) => output.objects.push(preview),
            // The others can be shown.
            Err(error @ Error::Unplanned { .. }) => {
                let failure = Failure::Engine(error);
                Printer::failure(&failure);
                unplanned = Some(failure.exit());
            }
            Err(error) => return Err(error.into()),
        }
    }
    let plans = &session.plan().objects;
    context.printer.result(&output, || {
        let texts = output.objects.iter().map(|rows| {
            let plan = plans.iter().find(|plan| plan.object.as_str() == rows.object);
            text(rows, plan)
        });
        texts.collect::<Vec<_>>().join("\n\n")
    })?;
    Ok(unplanned.unwrap_or(Exit::Success))
}

fn text(preview: &Rows, plan: Option<&ObjectPlan>) -> String {
    let Rows {
        object,
        table,
        fields,
        columns,
        rows,
    } = preview;
    let mut blocks = vec![format!(
        "{object} -> {table}: {}",
        printer::count(widened(rows.len()), "record", "records")
    )];
    for (number, PreviewRow { raw, mapped }) in rows.iter().enumerate() {
        let lines = columns.iter().zip(mapped).enumerate().map(|(index, (column, value))| {
            let field = plan
                .and_then(|plan| plan.columns.get(index))
                .and_then(|column| match &column.source {
                    ColumnSource::Field(position) => Some(*position),
                    ColumnSource::Template(_)
                    | ColumnSource::Empty
                    | ColumnSource::Null
                    | ColumnSource::IsDeleted
                    | ColumnSource::DeletedAt => None,
                });
            let name = field.and_then(|field| fields.get(field)).cloned().unwrap_or_default();
            let raw = field.and_then(|field| raw.get(field)).and_then(Option::as_deref);
            // A URL is shown whole: whether it leads to the record can only be seen at its end.
            let value = if field.is_some() {
                shown(value.as_deref())
            } else {
                value.clone().unwrap_or_default()
            };
            vec![column.clone(), value, name, shown(raw)]
        });
        blocks.push(format!(
            "{} of {}\n{}",
            number + 1,
            rows.len(),
            printer::table(&["COLUMN", "VALUE", "FIELD", "IN SALESFORCE"], lines)
        ));
    }
    blocks.join("\n\n")
}

fn widened(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// A value on one line, cut where it is long. NULL is nothing.
fn shown(value: Option<&str>) -> String {
    let Some(value) = value else { return String::new() };
    let mut text: String = value
        .chars()
        .take(SHOWN)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    if value.chars().nth(SHOWN).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fit_a_line() {
        assert_eq!(shown(None), "");
        assert_eq!(shown(Some("a\nb")), "a b");
        let long = "ü".repeat(61);
        assert_eq!(shown(Some(&long)), format!("{}…", "ü".repeat(60)));
        assert_eq!(shown(Some(&"ü".repeat(60))), "ü".repeat(60));
    }

    #[test]
    fn a_record_is_a_table_of_its_columns() {
        let preview = Rows {
            object: "Contact".into(),
            table: "contact".into(),
            fields: vec!["Id".into()],
            columns: vec!["salesforce_id".into(), "url".into()],
            rows: vec![PreviewRow {
                raw: vec![Some("003".into())],
                mapped: vec![Some("003".into()), None],
            }],
        };
        assert!(text(&preview, None).starts_with("Contact -> contact: 1 record\n\n1 of 1\nCOLUMN         VALUE"));
    }
}
