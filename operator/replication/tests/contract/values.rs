//! Types come from describe: each kind keeps its values, and a value that does not fit is named and not told.

use replication::{
    Error,
    destination::{Load, ObjectTable},
    plan::Deletes,
};

use super::{
    Harness,
    fixture::{DIRECT, LAST, MERGE, OVERWRITE, Row, batch, contact, contents, counts, created, id, lines},
};

/// A column of each kind with its field.
const KINDS: [(&str, &str); 9] = [
    ("LastName", "last_name"),
    ("Active__c", "active"),
    ("Visits__c", "visits"),
    ("Serial__c", "serial"),
    ("Amount__c", "amount"),
    ("Birthdate", "birthdate"),
    ("OpensAt__c", "opens_at"),
    ("LastSeen__c", "last_seen"),
    ("Account.Name", "account_name"),
];

fn column_of(field: &str) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == field).unwrap().1
}

/// Values as Salesforce writes them, and as the suite spells what must be in the table.
const EDGES: [(&str, &str, &str); 36] = [
    ("Active__c", "true", "true"),
    ("Active__c", "false", "false"),
    ("Visits__c", "0", "0"),
    ("Visits__c", "2147483647", "2147483647"),
    ("Visits__c", "-2147483648", "-2147483648"),
    ("Serial__c", "9223372036854775807", "9223372036854775807"),
    ("Serial__c", "-9223372036854775808", "-9223372036854775808"),
    ("Amount__c", "0", "0"),
    ("Amount__c", "0.0", "0"),
    ("Amount__c", "-0.01", "-0.01"),
    ("Amount__c", "12.50", "12.5"),
    ("Amount__c", "100", "100"),
    ("Amount__c", "0.1", "0.1"),
    ("Amount__c", "1.0E7", "10000000"),
    ("Amount__c", "1.5E-3", "0.0015"),
    ("Amount__c", "-2.5e2", "-250"),
    ("Amount__c", "123456789012.345", "123456789012.345"),
    ("Amount__c", "0.123456789012345", "0.123456789012345"),
    ("Amount__c", "999999999999999", "999999999999999"),
    ("Amount__c", "123456789012345678", "123456789012345678"),
    ("Amount__c", "-99999999999999.9", "-99999999999999.9"),
    ("Birthdate", "2015-02-10", "2015-02-10"),
    ("Birthdate", "1700-01-01", "1700-01-01"),
    ("Birthdate", "4000-12-31", "4000-12-31"),
    ("Birthdate", "2024-02-29", "2024-02-29"),
    ("OpensAt__c", "00:00:00.000Z", "00:00:00.000"),
    ("OpensAt__c", "23:59:59.999Z", "23:59:59.999"),
    ("LastSeen__c", "2015-02-10T01:56:14.000Z", "2015-02-10T01:56:14.000Z"),
    (
        "LastSeen__c",
        "2015-02-10T01:56:14.000+0000",
        "2015-02-10T01:56:14.000Z",
    ),
    ("LastSeen__c", "2015-02-10T01:56:14.123Z", "2015-02-10T01:56:14.123Z"),
    ("LastSeen__c", "1700-01-01T00:00:00.000Z", "1700-01-01T00:00:00.000Z"),
    ("LastSeen__c", "4000-12-31T23:59:59.999Z", "4000-12-31T23:59:59.999Z"),
    ("LastSeen__c", "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
    ("Account.Name", "0123", "0123"),
    ("Account.Name", "1e5", "1e5"),
    ("Account.Name", "NULL", "NULL"),
];

/// Every kind, at its ends.
pub(crate) async fn every_kind_keeps_its_edge_values<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    let rows: Vec<_> = (1..)
        .zip(EDGES)
        .map(|(n, (field, value, _))| Row::new(n, 1).with(field, value))
        .collect();
    assert_eq!(LAST.write(&mut table, &rows).await.unwrap(), counts(36, 0, 0));

    let found = contents(&harness, &plan).await;
    for (row, (field, value, expected)) in found.iter().zip(EDGES) {
        let column = plan
            .columns
            .iter()
            .position(|column| column.name.as_str() == column_of(field))
            .unwrap();
        assert_eq!(row[column].as_deref(), Some(expected), "{field} {value}");
    }
    assert_eq!(
        LAST.write(&mut table, &rows).await.unwrap(),
        counts(0, 0, 0),
        "what was read is what is there"
    );
}

/// "Null and empty are NULL" (design 7).
pub(crate) async fn null_is_null_in_every_kind<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Mark);
    let mut table = created(&harness, &plan).await;
    let row = KINDS.iter().fold(Row::new(1, 1), |row, (field, _)| row.with(field, ""));
    LAST.write(&mut table, &[row]).await.unwrap();
    let columns: Vec<_> = KINDS
        .iter()
        .map(|(_, column)| *column)
        .chain(["url", "fax", "deleted_at"])
        .collect();
    assert_eq!(lines(&harness, &plan, &columns).await, ["- - - - - - - - - - - -"]);
    assert_eq!(
        LAST.write(&mut table, &[Row::new(1, 1)]).await.unwrap(),
        counts(0, 0, 0),
        "NULL does not differ"
    );
}

/// Text arrives byte by byte.
pub(crate) async fn text_keeps_every_character<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    let texts = [
        "Müller-Lüdenscheidt",
        "名前 😀 👩‍👩‍👧 e\u{301}",
        "Straße 1\nHinterhaus\n\n81541 München",
        "O'Hara \"Bob\" `x` \\ \\N \\n",
        "'; DROP TABLE contact; --",
        "  spaces at both ends\t",
        "%s {0} $1 ?1 :a @b %_",
        "\u{a0}\u{200b}\u{feff}\u{202e}",
        "\u{7f}\u{85}\u{2028}",
    ];
    let rows: Vec<_> = (1..)
        .zip(texts)
        .map(|(n, text)| Row::new(n, 1).with("Account.Name", text))
        .collect();
    LAST.write(&mut table, &rows).await.unwrap();
    assert_eq!(lines(&harness, &plan, &["account_name"]).await, texts);
    assert_eq!(LAST.write(&mut table, &rows).await.unwrap(), counts(0, 0, 0));
}

/// A long text area holds 131 072 characters.
pub(crate) async fn long_text_is_not_cut<H: Harness>() {
    let harness = H::start().await;
    let mut plan = contact(Deletes::Remove);
    // An index of PostgreSQL takes no such value.
    plan.indexes.clear();
    let mut table = created(&harness, &plan).await;
    let text = "ü€😀x".repeat(131_072 / 4);
    LAST.write(&mut table, &[Row::new(1, 1).with("Account.Name", &text)])
        .await
        .unwrap();
    assert!(
        lines(&harness, &plan, &["account_name"]).await == [text],
        "the text differs"
    );
}

/// "`_rejected_row` has one entry for each column that does not fit, with the reason and since when, never the value."
pub(crate) async fn values_that_do_not_fit_are_named_and_not_told<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    for (field, value) in [
        ("Active__c", "perhaps"),
        ("Visits__c", "12x34"),
        ("Visits__c", "2147483648"),
        ("Visits__c", "-2147483649"),
        ("Serial__c", "9223372036854775808"),
        ("Serial__c", "12.75"),
        ("Amount__c", "12,75"),
        ("Amount__c", "0x1f75"),
        ("Amount__c", "1e"),
        ("Birthdate", "2023-02-30"),
        ("Birthdate", "10.02.2015"),
        ("OpensAt__c", "25:17:00.000Z"),
        ("LastSeen__c", "yesterday"),
        ("LastSeen__c", "2015-02-10T01:61:14.000Z"),
    ] {
        for load in [MERGE, DIRECT, OVERWRITE] {
            let written = load
                .write(&mut table, &[Row::new(8, 1).with(field, value)])
                .await
                .unwrap();
            assert_eq!((written.rejected, written.is_empty()), (1, true), "{field}");
            let entries = harness
                .query("SELECT object, salesforce_id, column_name, reason FROM _rejected_row")
                .await;
            let [entry] = entries.as_slice() else {
                panic!("{field}: {entries:?}")
            };
            let [Some(object), Some(named), Some(column), Some(reason)] = entry.as_slice() else {
                panic!("{field}: {entry:?}")
            };
            assert_eq!(
                (object.as_str(), named.as_str(), column.as_str()),
                ("Contact", id(8).as_str(), column_of(field))
            );
            assert!(!reason.is_empty() && !reason.contains(value), "{reason}");
        }
    }
    assert!(contents(&harness, &plan).await.is_empty());
}

/// A number is the same number whether SOAP or Bulk wrote it: "both sources give the same bytes" is about text only.
pub(crate) async fn decimals_are_equal_however_they_are_written<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    let row = |value| {
        [
            Row::new(1, 1).with("Amount__c", value),
            Row::new(2, 1).with("Amount__c", "0.5"),
        ]
    };
    assert_eq!(LAST.write(&mut table, &row("1.0E7")).await.unwrap(), counts(2, 0, 0));
    for same in ["10000000", "10000000.0", "10000000.00", "1E7", "1.0e+7", "0010000000"] {
        assert_eq!(
            LAST.write(&mut table, &row(same)).await.unwrap(),
            counts(0, 0, 0),
            "{same}"
        );
    }
    assert_eq!(
        LAST.write(&mut table, &row("10000000.01")).await.unwrap(),
        counts(0, 1, 0)
    );
}

/// `ColumnSource`: a template needs all its fields, `Empty` is NULL, and a column of the mode `Mark` says "live".
pub(crate) async fn templates_and_empty_columns_are_computed<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Mark);
    let mut table = created(&harness, &plan).await;
    let rows = [Row::new(1, 1).name("Meyer"), Row::new(2, 1)];
    MERGE.write(&mut table, &rows).await.unwrap();
    let url = format!("https://acme.my.salesforce.com/{}?name=Meyer", id(1));
    assert_eq!(
        lines(&harness, &plan, &["url", "fax", "is_deleted", "deleted_at"]).await,
        [format!("{url} - false -"), "- - false -".into()]
    );
    let renamed = [Row::new(2, 1).name("Müller & Söhne")];
    MERGE.write(&mut table, &renamed).await.unwrap();
    let found = lines(&harness, &plan, &["url"]).await;
    assert!(
        found[1].ends_with("?name=M%C3%BCller%20%26%20S%C3%B6hne"),
        "{}",
        found[1]
    );
}

/// A row without its key or its stamp could never be guarded.
pub(crate) async fn a_record_without_id_or_stamp_is_refused<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    for (field, expected) in [("Id", "salesforce_id"), ("SystemModstamp", "system_modstamp")] {
        for row in [Row::new(1, 1), Row::deleted(1, 1)] {
            for load in [Load::Merge, Load::Direct] {
                table.begin(load).await.unwrap();
                let error = table.write(batch(&[row.clone().without(field)])).await.unwrap_err();
                table.rollback().await.unwrap();
                assert!(
                    matches!(&error, Error::Value { column, .. } if column.as_str() == expected),
                    "{field}: {error:?}"
                );
            }
        }
    }
    assert!(contents(&harness, &plan).await.is_empty());
}
