//! "Changed columns. `create` adds columns that are missing. A column whose type differs from the plan's stays until
//! `settle_columns`: meanwhile its values go into a column beside it, made by `create`, that readers do not know."

use replication::{
    Error,
    destination::{ColumnFate, Contents, Destination, Listed, ObjectTable, Stretch},
    plan::{ColumnKind, ColumnSource, Deletes, Identifier, IndexPlan, IndexedRows, ObjectPlan, PlanHash},
};

use super::{
    Harness,
    fixture::{
        DECIMAL, LAST, MERGE, Row, TEXT, Table, checkpoint, contact, counts, created, id, lines, moment, open,
        rejected, state_of,
    },
};

/// The plan after a field became one of another type.
fn changed(plan: &ObjectPlan, name: &str, kind: ColumnKind) -> ObjectPlan {
    let mut plan = plan.clone();
    let column = plan.columns.iter_mut().find(|column| column.name.as_str() == name);
    column.unwrap().kind = kind;
    plan.hash = PlanHash("hash of the changed plan".into());
    plan
}

/// Opens the table under another plan and makes it as that has it.
async fn adapted<H: Harness>(harness: &H, plan: &ObjectPlan) -> Table<H> {
    let mut table = open(&harness.destination(), plan).await;
    let state = state_of(harness, plan).await;
    assert_eq!(
        table.create(&state.checkpoint, moment(9)).await.unwrap(),
        Contents::Rows
    );
    table
}

/// How many columns the table has, those that readers do not know among them.
async fn width<H: Harness>(harness: &H) -> usize {
    harness.query("SELECT * FROM contact LIMIT 1").await[0].len()
}

/// A column as readers see it, in order of the Ids.
async fn seen<H: Harness>(harness: &H, column: &str, kind: ColumnKind) -> Vec<String> {
    let text = H::text_of(column, kind);
    let rows = harness
        .query(&format!("SELECT {text} FROM contact ORDER BY salesforce_id"))
        .await;
    rows.into_iter()
        .map(|mut row| row.remove(0).unwrap_or("-".into()))
        .collect()
}

/// Old and new type with a value of each, both as they come and as they are shown.
struct Change {
    field: &'static str,
    column: &'static str,
    from: ColumnKind,
    old: (&'static str, &'static str),
    to: ColumnKind,
    new: (&'static str, &'static str),
}

const CHANGES: [Change; 6] = [
    Change {
        field: "Visits__c",
        column: "visits",
        from: ColumnKind::Int,
        old: ("3", "3"),
        to: TEXT,
        new: ("007", "007"),
    },
    Change {
        field: "Amount__c",
        column: "amount",
        from: DECIMAL,
        old: ("12.50", "12.5"),
        to: TEXT,
        new: ("+49 8151 12.50", "+49 8151 12.50"),
    },
    Change {
        field: "Amount__c",
        column: "amount",
        from: DECIMAL,
        old: ("12.50", "12.5"),
        to: TEXT,
        new: ("1e3", "1e3"),
    },
    Change {
        field: "Account.Name",
        column: "account_name",
        from: TEXT,
        old: ("0012", "0012"),
        to: DECIMAL,
        new: ("0012.50", "12.5"),
    },
    Change {
        field: "Account.Name",
        column: "account_name",
        from: TEXT,
        old: ("yes", "yes"),
        to: ColumnKind::Boolean,
        new: ("true", "true"),
    },
    Change {
        field: "Serial__c",
        column: "serial",
        from: ColumnKind::Long,
        old: ("9007199254740993", "9007199254740993"),
        to: DECIMAL,
        new: ("0.25", "0.25"),
    },
];

/// From the change of a type to the exchange.
pub(crate) async fn a_column_of_another_type_is_exchanged<H: Harness>() {
    for Change {
        field,
        column,
        from,
        old,
        to,
        new,
    } in CHANGES
    {
        let harness = H::start().await;
        let before = contact(Deletes::Remove);
        let mut table = created(&harness, &before).await;
        let rows = [1, 2, 3].map(|n| Row::new(n, 5).with(field, old.0));
        MERGE.write(&mut table, &rows).await.unwrap();
        let columns = width(&harness).await;

        let after = changed(&before, column, to);
        let mut table = adapted(&harness, &after).await;
        let row = |n: u32, second| Row::new(n, second).with(field, new.0);
        let written = MERGE.write(&mut table, &[row(1, 6), row(4, 6)]).await.unwrap();
        assert_eq!(written, counts(1, 1, 0), "{column}");
        assert_eq!(
            seen(&harness, column, from).await,
            [old.1, old.1, old.1, "-"],
            "it stays until then"
        );
        let unchanged = MERGE.write(&mut table, &[row(1, 6), row(4, 6)]).await.unwrap();
        assert_eq!(unchanged, counts(0, 0, 0), "the guard looks at the column beside it");

        // A resumed process finds it as it is.
        let mut table = adapted(&harness, &after).await;
        MERGE.write(&mut table, &[row(2, 5), row(3, 5)]).await.unwrap();
        assert!(table.settle_columns().await.unwrap().is_empty());
        assert_eq!(seen(&harness, column, to).await, [new.1; 4], "{column}");
        assert_eq!(width(&harness).await, columns);

        let mut table = open(&harness.destination(), &after).await;
        let print = harness.fingerprint().await;
        let unchanged = MERGE.write(&mut table, &[row(1, 6), row(2, 5)]).await.unwrap();
        assert_eq!(unchanged, counts(0, 0, 0));
        assert!(table.settle_columns().await.unwrap().is_empty());
        assert_eq!(harness.fingerprint().await, print, "there is nothing left to settle");
        MERGE.write(&mut table, &[Row::new(1, 7)]).await.unwrap();
        assert_eq!(seen(&harness, column, to).await, ["-", new.1, new.1, new.1]);
    }
}

/// `existing_columns`: "Names of the columns that each of the tables has at this moment, in the table's order".
pub(crate) async fn existing_columns_are_named<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Mark);
    drop(created(&harness, &plan).await);
    let destination = harness.destination();
    let before = harness.fingerprint().await;
    let tables = [Identifier::new("contact"), Identifier::new("nowhere")];
    let existing = destination.existing_columns(&tables).await.unwrap();
    let names: Vec<_> = plan
        .columns
        .iter()
        .map(|column| column.name.as_str().to_owned())
        .collect();
    assert_eq!(existing.len(), 1, "tables that are not there are not in the answer");
    assert_eq!(existing[&tables[0]], names);
    assert!(destination.existing_columns(&[]).await.unwrap().is_empty());
    assert_eq!(harness.fingerprint().await, before);
    harness.query("ALTER TABLE contact ADD COLUMN note varchar(80)").await;
    let existing = destination.existing_columns(&tables).await.unwrap();
    assert_eq!(existing[&tables[0]].last().map(String::as_str), Some("note"));
}

/// The same in a database that was never prepared.
/// "How the table's columns differ from the plan's, the plan's first".
pub(crate) async fn differences_of_columns_are_told_and_nothing_is_written<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = open(&harness.destination(), &plan).await;
    assert_eq!(table.column_differences().await.unwrap(), [], "there is no table");
    drop(table);
    drop(created(&harness, &plan).await);
    harness.query("ALTER TABLE contact ADD COLUMN note varchar(80)").await;
    let mut other = changed(&plan, "amount", ColumnKind::Text { length: None });
    let added = other.columns[2].clone();
    other.columns.push(replication::plan::Column {
        name: Identifier::new("added"),
        ..added
    });
    let mut table = open(&harness.destination(), &other).await;
    let before = harness.fingerprint().await;
    let differences = table.column_differences().await.unwrap();
    assert_eq!(harness.fingerprint().await, before);
    let names: Vec<&str> = differences
        .iter()
        .map(|difference| difference.column.as_str())
        .collect();
    assert_eq!(names, ["amount", "added", "note"]);
    assert!(
        matches!(differences[0].fate, ColumnFate::Exchanged { .. }),
        "{differences:?}"
    );
    assert_eq!(differences[1].fate, ColumnFate::Added);
    assert_eq!(differences[2].fate, ColumnFate::Kept);
    drop(table);
    // SQLite adds no such column to a table that is there.
    if H::VIEWS_HOLD_COLUMNS {
        harness.query("ALTER TABLE contact ADD COLUMN zone text NOT NULL").await;
        let mut table = open(&harness.destination(), &plan).await;
        let differences = table.column_differences().await.unwrap();
        assert_eq!(differences.last().unwrap().fate, ColumnFate::Demanding);
    }
}

pub(crate) async fn an_empty_database_has_no_columns<H: Harness>() {
    let harness = H::start().await;
    let tables = [Identifier::new("contact")];
    assert!(
        harness
            .destination()
            .existing_columns(&tables)
            .await
            .unwrap()
            .is_empty()
    );
}

/// "A column that the plan does not have, or has as `ColumnSource::Empty`, keeps its type and its values."
pub(crate) async fn a_column_without_a_source_keeps_all<H: Harness>() {
    let harness = H::start().await;
    let before = contact(Deletes::Remove);
    let mut table = created(&harness, &before).await;
    let row = Row::new(1, 5).with("Visits__c", "3").with("Serial__c", "4");
    MERGE.write(&mut table, &[row]).await.unwrap();
    let columns = width(&harness).await;
    let mut after = changed(&before, "visits", TEXT);
    for column in &mut after.columns {
        if column.name.as_str() == "visits" {
            column.source = ColumnSource::Empty;
        }
    }
    after.columns.retain(|column| column.name.as_str() != "serial");
    let mut table = adapted(&harness, &after).await;
    MERGE.write(&mut table, &[Row::new(1, 6).name("Meyer")]).await.unwrap();
    assert!(table.settle_columns().await.unwrap().is_empty());
    assert_eq!(
        lines(&harness, &before, &["last_name", "visits", "serial"]).await,
        ["Meyer 3 4"]
    );
    assert_eq!(width(&harness).await, columns);
}

/// An index of the plan over the column is there again afterwards.
pub(crate) async fn indexes_follow_the_exchange<H: Harness>() {
    let harness = H::start().await;
    let mut before = contact(Deletes::Remove);
    before.indexes.push(IndexPlan {
        name: Identifier::new("contact_visits_idx"),
        columns: vec![Identifier::new("visits"), Identifier::new("last_name")],
        rows: IndexedRows::All,
    });
    let mut table = created(&harness, &before).await;
    MERGE
        .write(&mut table, &[Row::new(1, 5).with("Visits__c", "3")])
        .await
        .unwrap();
    table.build_indexes().await.unwrap();
    let indexes = harness.indexes("contact").await;
    assert_eq!(indexes.len(), 3);
    let after = changed(&before, "visits", TEXT);
    let mut table = adapted(&harness, &after).await;
    MERGE
        .write(&mut table, &[Row::new(1, 5).with("Visits__c", "many")])
        .await
        .unwrap();
    assert!(table.settle_columns().await.unwrap().is_empty());
    let mut table = open(&harness.destination(), &after).await;
    table.build_indexes().await.unwrap();
    assert_eq!(harness.indexes("contact").await, indexes);
    assert_eq!(seen(&harness, "visits", TEXT).await, ["many"]);
}

/// A type that changes twice, and one that changes back, before the rows are written: nothing is left of the first change.
pub(crate) async fn a_change_that_is_overtaken_leaves_nothing<H: Harness>() {
    let harness = H::start().await;
    let before = contact(Deletes::Remove);
    let mut table = created(&harness, &before).await;
    MERGE
        .write(&mut table, &[Row::new(1, 5).with("Visits__c", "3")])
        .await
        .unwrap();
    let columns = width(&harness).await;
    let second = |name: &str, value: &str| Row::new(1, 5).name(name).with("Visits__c", value);
    let mut table = adapted(&harness, &changed(&before, "visits", TEXT)).await;
    MERGE.write(&mut table, &[second("Text", "many")]).await.unwrap();

    let decimal = changed(&before, "visits", DECIMAL);
    let mut table = adapted(&harness, &decimal).await;
    MERGE.write(&mut table, &[second("Decimal", "0.5")]).await.unwrap();
    assert_eq!(seen(&harness, "visits", ColumnKind::Int).await, ["3"]);

    let mut table = adapted(&harness, &before).await;
    MERGE.write(&mut table, &[second("Back", "4")]).await.unwrap();
    assert!(table.settle_columns().await.unwrap().is_empty());
    assert_eq!(seen(&harness, "visits", ColumnKind::Int).await, ["4"]);
    assert_eq!(width(&harness).await, columns);
}

/// Rejected rows name the column of the plan, not the one beside it.
pub(crate) async fn a_rejected_row_names_the_planned_column<H: Harness>() {
    let harness = H::start().await;
    let before = contact(Deletes::Remove);
    let mut table = created(&harness, &before).await;
    MERGE
        .write(&mut table, &[Row::new(1, 5).with("Account.Name", "Acme")])
        .await
        .unwrap();
    let mut table = adapted(&harness, &changed(&before, "account_name", ColumnKind::Int)).await;
    let unfit = Row::new(1, 5).with("Account.Name", "Acme");
    assert_eq!(MERGE.at(9).write(&mut table, &[unfit]).await.unwrap().rejected, 1);
    assert_eq!(rejected(&harness).await, ["1 account_name 10:00:09"]);
}

/// `settle_columns`: "Gives those that could not be exchanged; their values stay as they were, and the column beside them is
/// dropped." A database in which a view finds the new column under the old name need not be stopped by it.
pub(crate) async fn a_column_that_a_view_reads_stays_or_is_exchanged_with_it<H: Harness>() {
    let harness = H::start().await;
    let before = contact(Deletes::Remove);
    let mut table = created(&harness, &before).await;
    MERGE
        .write(&mut table, &[Row::new(1, 5).with("Visits__c", "3")])
        .await
        .unwrap();
    let columns = width(&harness).await;
    let after = changed(&before, "visits", TEXT);
    let mut table = adapted(&harness, &after).await;
    harness
        .query("CREATE VIEW mine AS SELECT salesforce_id, visits FROM contact WHERE visits IS NOT NULL")
        .await;
    let row = Row::new(1, 5).name("Meyer").with("Visits__c", "many");
    MERGE.write(&mut table, &[row]).await.unwrap();
    let in_use = table.settle_columns().await.unwrap();
    assert_eq!(width(&harness).await, columns);
    let shown = harness.query("SELECT visits FROM mine").await;
    if !H::VIEWS_HOLD_COLUMNS {
        assert!(in_use.is_empty(), "{in_use:?}");
        assert_eq!(shown, [[Some("many".to_owned())]]);
        return;
    }
    let [column] = in_use.as_slice() else {
        panic!("{in_use:?}")
    };
    assert_eq!(column.column.as_str(), "visits");
    assert!(
        column.used_by.iter().any(|used_by| used_by.contains("mine")),
        "{column:?}"
    );
    assert_eq!(shown, [[Some("3".to_owned())]]);

    // Design 6.8: what does not fit the old type rejects its row from then on.
    let mut table = open(&harness.destination(), &after).await;
    let rows = [
        Row::new(1, 6).with("Visits__c", "many"),
        Row::new(2, 6).with("Visits__c", "12"),
    ];
    let written = MERGE.write(&mut table, &rows).await.unwrap();
    assert_eq!((written.inserted, written.updated, written.rejected), (1, 0, 1));
    assert_eq!(seen(&harness, "visits", ColumnKind::Int).await, ["3", "12"]);
    let again = table.settle_columns().await.unwrap();
    assert_eq!(again, in_use, "it is told for as long as it is so");
}

/// Whoever finds another epoch changes no table.
pub(crate) async fn to_settle_columns_is_fenced<H: Harness>() {
    let harness = H::start().await;
    let before = contact(Deletes::Remove);
    let mut table = created(&harness, &before).await;
    MERGE
        .write(&mut table, &[Row::new(1, 5).with("Visits__c", "3")])
        .await
        .unwrap();
    let after = changed(&before, "visits", TEXT);
    let mut stalled = adapted(&harness, &after).await;
    let mut other = adapted(&harness, &after).await;
    let print = harness.fingerprint().await;
    let settled = stalled.settle_columns().await;
    assert!(matches!(settled, Err(Error::Fenced { .. })), "{settled:?}");
    assert_eq!(harness.fingerprint().await, print);
    MERGE
        .write(&mut other, &[Row::new(1, 6).with("Visits__c", "many")])
        .await
        .unwrap();
    assert!(other.settle_columns().await.unwrap().is_empty());
    assert_eq!(seen(&harness, "visits", TEXT).await, ["many"]);
}

/// A table that is as planned has nothing to settle.
pub(crate) async fn where_all_is_as_planned_nothing_is_settled<H: Harness>() {
    let harness = H::start().await;
    let mut table = created(&harness, &contact(Deletes::Mark)).await;
    MERGE.write(&mut table, &[Row::new(1, 5)]).await.unwrap();
    let print = harness.fingerprint().await;
    assert!(table.settle_columns().await.unwrap().is_empty());
    assert_eq!(harness.fingerprint().await, print);
    table.create(&checkpoint(1), moment(9)).await.unwrap();
    assert!(table.settle_columns().await.unwrap().is_empty());
}

/// "Rows that were not (marked ones, those whose delete is pending, rejected ones ..) keep their value where it fits the new
/// type"; a NULL that the plan has written is none of them.
pub(crate) async fn rows_that_were_not_written_keep_their_values<H: Harness>() {
    let harness = H::start().await;
    let before = contact(Deletes::Mark);
    let mut table = created(&harness, &before).await;
    let rows: Vec<_> = (1..=5)
        .map(|n| Row::new(n, 5).with("Visits__c", &n.to_string()))
        .collect();
    MERGE.write(&mut table, &rows).await.unwrap();
    assert_eq!(LAST.write(&mut table, &[Row::deleted(1, 6)]).await.unwrap().deleted, 1);
    let mut table = adapted(&harness, &changed(&before, "visits", TEXT)).await;
    let rows = [
        Row::deleted(2, 6),
        Row::new(3, 6).with("Visits__c", "many").with("Serial__c", "none"),
        Row::new(4, 6).with("Visits__c", "many"),
        Row::new(5, 6),
    ];
    assert_eq!(MERGE.write(&mut table, &rows).await.unwrap().rejected, 1);
    assert!(table.settle_columns().await.unwrap().is_empty());
    assert_eq!(seen(&harness, "visits", TEXT).await, ["1", "2", "3", "many", "-"]);
}

/// "And under `Ignore` those of `_surplus_row`."
pub(crate) async fn surplus_that_is_ignored_keeps_its_values<H: Harness>() {
    let harness = H::start().await;
    let before = contact(Deletes::Ignore);
    let mut table = created(&harness, &before).await;
    let rows = [1, 2].map(|n| Row::new(n, 5).with("Visits__c", "3"));
    MERGE.write(&mut table, &rows).await.unwrap();
    let mut table = adapted(&harness, &changed(&before, "visits", TEXT)).await;
    let row = Row::new(1, 5).with("Visits__c", "many");
    MERGE.write(&mut table, &[row]).await.unwrap();
    let listed = [Listed {
        id: id(1),
        stamp: moment(5),
    }];
    let stretch = Stretch {
        after: None,
        until: None,
        listed: &listed,
    };
    assert_eq!(table.compare(stretch).await.unwrap().surplus, 1);
    assert!(table.settle_columns().await.unwrap().is_empty());
    assert_eq!(seen(&harness, "visits", TEXT).await, ["many", "3"]);
}

/// "Columns whose field is excluded are NULL afterwards in every row", also in those that no run writes any more.
pub(crate) async fn excluded_columns_are_emptied<H: Harness>() {
    let harness = H::start().await;
    let before = contact(Deletes::Mark);
    let mut table = created(&harness, &before).await;
    let rows = [1, 2].map(|n| Row::new(n, 5).with("Visits__c", "3").with("Serial__c", "4"));
    MERGE.write(&mut table, &rows).await.unwrap();
    assert_eq!(LAST.write(&mut table, &[Row::deleted(1, 6)]).await.unwrap().deleted, 1);
    let mut after = changed(&before, "visits", ColumnKind::Int);
    for column in &mut after.columns {
        if column.name.as_str() == "visits" {
            column.source = ColumnSource::Null;
        }
    }
    let mut table = adapted(&harness, &after).await;
    assert!(table.settle_columns().await.unwrap().is_empty());
    assert_eq!(lines(&harness, &after, &["visits", "serial"]).await, ["- 4", "- 4"]);
    let mut table = open(&harness.destination(), &after).await;
    let print = harness.fingerprint().await;
    assert!(table.settle_columns().await.unwrap().is_empty());
    assert_eq!(harness.fingerprint().await, print);
}
