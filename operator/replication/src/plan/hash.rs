//! When rows look the same.
//!
//! The hash says whether the rows in the table are those that this plan would write (design 6.8). It covers what a
//! value depends on and nothing else: not the table's name, not its indexes, not the order of columns or objects, and
//! not lengths and scales, which change no row that is there. So a plan may be made anew by each process, from a fresh
//! describe, without every row being read again.

use sha2::{Digest, Sha256};

use super::{
    column::{Column, ColumnSource},
    field_path::FieldPath,
    identifier::hex,
    object::{Condition, Deletes},
    template::TemplatePart,
};

/// Two hashes (design 6.8): over all that changes what a row looks like (columns, deletes, templates), and over which
/// rows there are (the condition). They are told apart, for the first needs a Refresh and the second a Reconcile.
///
/// Written as `<rows>`, or `<rows>/<condition>` where there is a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanHash(pub String);

/// Begins what is hashed; another one when the meaning of a column changes in this program and all rows are to be read again.
const VERSION: &str = "1";

/// Stands between the pieces of what is hashed; no name or URL has it.
const SEPARATOR: char = '\u{1f}';

impl PlanHash {
    /// The part that says what rows look like.
    pub fn rows(&self) -> &str {
        self.0.split_once('/').map_or(self.0.as_str(), |(rows, _)| rows)
    }

    /// The part that says which rows there are; `None` without a condition.
    pub fn condition(&self) -> Option<&str> {
        self.0.split_once('/').map(|(_, condition)| condition)
    }

    pub(super) fn of(
        columns: &[Column],
        select: &[FieldPath],
        deletes: Deletes,
        condition: Option<&Condition>,
    ) -> Self {
        let mut lines: Vec<String> = columns.iter().map(|column| line(column, select)).collect();
        lines.sort_unstable();
        let mut hasher = Sha256::new();
        hasher.update(format!("{VERSION}\n{}\n", deletes.as_str()));
        hasher.update(lines.join("\n"));
        let rows = hex(&hasher.finalize());
        Self(match condition {
            Some(Condition { soql }) => format!("{rows}/{}", hex(&Sha256::digest(format!("{VERSION}\n{soql}")))),
            None => rows,
        })
    }
}

fn line(column: &Column, select: &[FieldPath]) -> String {
    let path = |position: usize| select.get(position).map(FieldPath::to_string).unwrap_or_default();
    let source = match &column.source {
        ColumnSource::Field(position) => format!("field{SEPARATOR}{}", path(*position)),
        ColumnSource::Template(template) => {
            let parts = template.parts.iter().map(|part| match part {
                TemplatePart::Literal(literal) => format!("{SEPARATOR}literal{SEPARATOR}{literal}"),
                TemplatePart::Field(position) => format!("{SEPARATOR}field{SEPARATOR}{}", path(*position)),
            });
            format!("template{}", parts.collect::<String>())
        }
        ColumnSource::Empty => "empty".to_owned(),
        ColumnSource::Null => "null".to_owned(),
        ColumnSource::IsDeleted => "is_deleted".to_owned(),
        ColumnSource::DeletedAt => "deleted_at".to_owned(),
    };
    // NULL has no type: what describe says of an excluded field, or that it says nothing any more, changes no row.
    let kind = if column.source == ColumnSource::Null {
        ""
    } else {
        column.kind.word()
    };
    format!("{}{SEPARATOR}{kind}{SEPARATOR}{source}", column.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{column::ColumnKind, identifier::Identifier, template::UrlTemplate};

    fn column(name: &str, kind: ColumnKind, source: ColumnSource) -> Column {
        Column {
            name: Identifier::new(name),
            kind,
            source,
        }
    }

    fn example() -> (Vec<Column>, Vec<FieldPath>) {
        let template = UrlTemplate {
            parts: vec![
                TemplatePart::Literal("https://example.com/".to_owned()),
                TemplatePart::Field(0),
            ],
        };
        (
            vec![
                column("salesforce_id", ColumnKind::Id, ColumnSource::Field(0)),
                column("system_modstamp", ColumnKind::Timestamp, ColumnSource::Field(1)),
                column("email", ColumnKind::Text { length: Some(80) }, ColumnSource::Field(2)),
                column(
                    "company",
                    ColumnKind::Text { length: Some(255) },
                    ColumnSource::Field(3),
                ),
                column("phone_home", ColumnKind::Text { length: None }, ColumnSource::Empty),
                column(
                    "url",
                    ColumnKind::Text { length: None },
                    ColumnSource::Template(template),
                ),
            ],
            vec![
                FieldPath::own("Id"),
                FieldPath::own("SystemModstamp"),
                FieldPath::own("Email"),
                FieldPath::linked("Account", "Name"),
            ],
        )
    }

    fn hash(columns: &[Column], select: &[FieldPath]) -> String {
        PlanHash::of(columns, select, Deletes::Remove, None).0
    }

    /// A change here reads every row of every table of every installation again. It must be meant: raise `VERSION`.
    #[test]
    fn the_hash_is_the_same_in_every_version() {
        let (columns, select) = example();
        assert_eq!(
            hash(&columns, &select),
            "dd09c86fef7a7f7920f05964820693548288c163a0f5946c21876f02da12e6d6"
        );
    }

    /// The same goes for conditions, whose other hash makes a Reconcile.
    #[test]
    fn a_condition_has_a_hash_of_its_own_beside_that_of_the_rows() {
        let (columns, select) = example();
        let with = |soql: &str| {
            let condition = Condition { soql: soql.to_owned() };
            PlanHash::of(&columns, &select, Deletes::Remove, Some(&condition))
        };
        let plain = PlanHash(hash(&columns, &select));
        assert_eq!((plain.rows(), plain.condition()), (plain.0.as_str(), None));
        let germany = with("(Country = 'DE')");
        assert_eq!(germany.rows(), plain.rows());
        assert_eq!(
            germany.condition(),
            Some("3fb001ebb2870d9bc74fae6a4657ea7755f923a002beb1ccfcef4175baaed921")
        );
        assert_ne!(germany, with("(Country = 'AT')"));
    }

    #[test]
    fn order_lengths_and_positions_change_nothing() {
        let (mut columns, mut select) = example();
        let before = hash(&columns, &select);
        columns.reverse();
        columns[3].kind = ColumnKind::Text { length: None };
        assert_eq!(hash(&columns, &select), before);
        select.swap(2, 3);
        columns[3].source = ColumnSource::Field(3);
        columns[2].source = ColumnSource::Field(2);
        assert_eq!(hash(&columns, &select), before);
    }

    #[test]
    fn whatever_changes_a_row_changes_the_hash() {
        let (columns, select) = example();
        let mut seen = vec![
            hash(&columns, &select),
            PlanHash::of(&columns, &select, Deletes::Mark, None).0,
        ];
        let mut changed = |change: &dyn Fn(&mut Vec<Column>, &mut Vec<FieldPath>)| {
            let (mut columns, mut select) = example();
            change(&mut columns, &mut select);
            let hash = hash(&columns, &select);
            assert!(!seen.contains(&hash));
            seen.push(hash);
        };
        changed(&|columns, _| columns[2].name = Identifier::new("mail"));
        changed(&|columns, _| columns[2].kind = ColumnKind::Boolean);
        changed(&|columns, _| columns[2].source = ColumnSource::Empty);
        changed(&|columns, _| columns[2].source = ColumnSource::Null);
        changed(&|columns, _| drop(columns.pop()));
        changed(&|_, select| select[3] = FieldPath::own("Name"));
        changed(&|columns, _| {
            columns[5].source = ColumnSource::Template(UrlTemplate {
                parts: vec![
                    TemplatePart::Literal("https://example.org/".to_owned()),
                    TemplatePart::Field(0),
                ],
            });
        });
        changed(&|columns, _| {
            columns[5].source = ColumnSource::Template(UrlTemplate {
                parts: vec![
                    TemplatePart::Literal("https://example.com/".to_owned()),
                    TemplatePart::Field(2),
                ],
            });
        });
    }
}
