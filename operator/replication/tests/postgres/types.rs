//! Every type, as the server itself reads the text that Salesforce wrote.
//!
//! The column `spelled` keeps the text; SQL casts it and compares. So the encoder is held against the server's own
//! input functions and not against a decoder of ours.

use proptest::{
    collection::vec,
    prelude::{Strategy, any},
    strategy::ValueTree,
    test_runner::TestRunner,
};
use replication::{
    destination::{Deletions, Load, ObjectTable, StateWrite},
    plan::ColumnKind,
};

use super::fixture::{Place, batch, checkpoint, merge, now, plan};

const DECIMAL: ColumnKind = ColumnKind::Decimal {
    precision: 18,
    scale: 2,
};

/// Writes each text into `spelled` and into a column of the kind; returns the rows where the server reads another value.
async fn misread(kind: ColumnKind, type_name: &str, texts: &[String]) -> Vec<Vec<Option<String>>> {
    let place = Place::new().await;
    let plan = plan(&[("value", kind)]);
    let mut table = place.created(&plan).await;
    let rows: Vec<[&str; 2]> = texts.iter().map(|text| [text.as_str(), text.as_str()]).collect();
    let rows: Vec<&[&str]> = rows.iter().map(<[&str; 2]>::as_slice).collect();
    let counts = merge(&mut table, batch(&plan, &rows)).await.unwrap();
    assert_eq!(counts.inserted, u64::try_from(texts.len()).unwrap());
    place
        .server
        .query(&format!(
            "SELECT spelled, value FROM contact WHERE value IS DISTINCT FROM spelled::{type_name}"
        ))
        .await
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn sample(strategy: &impl Strategy<Value = String>, number: usize) -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    vec(strategy, number).new_tree(&mut runner).unwrap().current()
}

#[tokio::test]
async fn numbers_are_what_the_server_reads() {
    let mut texts = owned(&[
        "0",
        "-0",
        "0.00",
        "1",
        "-1",
        "9999",
        "10000",
        "9999.9999",
        "0.1",
        "0.0001",
        "0.00001",
        "1.0E7",
        "-1.5E-7",
        "1E-300",
        "1.7976931348623157E308",
        "123456789012345678.12",
        "99999999999999999999",
        "1000000.000001",
        "5E-5",
        "100000000",
    ]);
    texts.extend(sample(&"-?[0-9]{1,18}\\.[0-9]{0,18}".prop_map(|text| text), 2000));
    texts.extend(sample(
        &"-?[0-9]{1,3}\\.[0-9]{1,15}E-?[0-9]{1,2}".prop_map(|text| text),
        2000,
    ));
    assert_eq!(misread(DECIMAL, "numeric", &texts).await, Vec::<Vec<_>>::new());
}

/// Equal numbers may differ in the zeros that are shown, and in their bytes; ours are in the server's own form.
#[tokio::test]
async fn numbers_are_stored_in_the_servers_own_form() {
    let place = Place::new().await;
    let plan = plan(&[("value", DECIMAL)]);
    let mut table = place.created(&plan).await;
    let rows: [&[&str]; 5] = [
        &["a", "1.50"],
        &["b", "12000000"],
        &["c", "0.000012"],
        &["d", "-98765.4321"],
        &["e", "0"],
    ];
    merge(&mut table, batch(&plan, &rows)).await.unwrap();
    let rows = place.server.query("SELECT value FROM contact ORDER BY spelled").await;
    let shown: Vec<_> = rows.into_iter().flatten().flatten().collect();
    assert_eq!(shown, ["1.5", "12000000", "0.000012", "-98765.4321", "0"]);
    let differ = "SELECT value FROM contact WHERE numeric_send(value) <> numeric_send(value::text::numeric)";
    assert_eq!(place.server.query(differ).await.len(), 0);
}

#[tokio::test]
async fn whole_numbers_and_booleans_are_what_the_server_reads() {
    let mut ints = owned(&["0", "-2147483648", "2147483647"]);
    ints.extend(sample(&any::<i32>().prop_map(|number| number.to_string()), 200));
    assert_eq!(misread(ColumnKind::Int, "integer", &ints).await, Vec::<Vec<_>>::new());
    let mut longs = owned(&["0", "-9223372036854775808", "9223372036854775807"]);
    longs.extend(sample(&any::<i64>().prop_map(|number| number.to_string()), 200));
    assert_eq!(misread(ColumnKind::Long, "bigint", &longs).await, Vec::<Vec<_>>::new());
    assert_eq!(
        misread(ColumnKind::Boolean, "boolean", &owned(&["true", "false"])).await,
        Vec::<Vec<_>>::new()
    );
}

#[tokio::test]
async fn days_and_times_are_what_the_server_reads() {
    let days = owned(&[
        "1700-01-01",
        "1899-12-31",
        "1970-01-01",
        "1999-12-31",
        "2000-01-01",
        "2024-02-29",
        "4000-12-31",
    ]);
    assert_eq!(misread(ColumnKind::Date, "date", &days).await, Vec::<Vec<_>>::new());
    let times = owned(&["00:00:00.000Z", "09:30:00.000Z", "23:59:59.999Z"]);
    assert_eq!(misread(ColumnKind::Time, "time", &times).await, Vec::<Vec<_>>::new());
    let mut moments = owned(&[
        "1700-01-01T00:00:00.000Z",
        "1999-12-31T23:59:59.999Z",
        "2015-02-10T01:56:14.000+0000",
        "2015-02-10T01:56:14.123-07:00",
        "4000-12-31T23:59:59.999Z",
    ]);
    let moment = (1700_u32..4000, 1_u32..=12, 1_u32..=28, 0_u32..86_400_000).prop_map(|(year, month, day, millis)| {
        let (hour, minute, second) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
        format!(
            "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
            millis % 1000
        )
    });
    moments.extend(sample(&moment, 1000));
    assert_eq!(
        misread(ColumnKind::Timestamp, "timestamptz", &moments).await,
        Vec::<Vec<_>>::new()
    );
}

/// A COPY is cut into pieces of 64 KiB; values and rows may be longer than one.
#[tokio::test]
async fn long_values_cross_the_pieces_of_a_copy() {
    let place = Place::new().await;
    let mut plan = plan(&[]);
    // An index takes no such values.
    plan.indexes.clear();
    let mut table = place.created(&plan).await;
    let long: Vec<String> = [1, 65_535, 65_536, 131_072, 1_000_000]
        .iter()
        .map(|length| "ü".repeat(*length))
        .collect();
    let rows: Vec<[&str; 1]> = long.iter().map(|text| [text.as_str()]).collect();
    let rows: Vec<&[&str]> = rows.iter().map(<[&str; 1]>::as_slice).collect();
    table.begin(Load::Direct).await.unwrap();
    table.write(batch(&plan, &rows)).await.unwrap();
    table.rollback().await.unwrap();
    merge(&mut table, batch(&plan, &rows)).await.unwrap();
    let lengths = place
        .server
        .query("SELECT length(spelled) FROM contact ORDER BY salesforce_id")
        .await;
    let lengths: Vec<_> = lengths.into_iter().flatten().flatten().collect();
    assert_eq!(lengths, ["1", "65535", "65536", "131072", "1000000"]);
}

/// A load that goes straight into the table has no staged row to find the entry by.
#[tokio::test]
async fn a_direct_load_ends_the_rejection_of_the_rows_that_it_brings() {
    let place = Place::new().await;
    let plan = plan(&[("value", ColumnKind::Int)]);
    let mut table = place.created(&plan).await;
    // The second row has a former version; the first and the third have none.
    merge(&mut table, batch(&plan, &[&["c", "many"], &["a", "1"], &["b", "many"]]))
        .await
        .unwrap();
    merge(&mut table, batch(&plan, &[&["c", "many"], &["a", "several"]]))
        .await
        .unwrap();
    let entries = "SELECT string_agg(salesforce_id, ' ' ORDER BY salesforce_id) FROM _rejected_row";
    let id = |number: u32| format!("003{number:012}AAA");
    assert_eq!(place.server.value(entries).await, [id(0), id(1), id(2)].join(" "));

    table.begin(Load::Direct).await.unwrap();
    table.write(batch(&plan, &[&["c", "3"]])).await.unwrap();
    let counts = table
        .commit(&checkpoint(), Deletions::Keep, StateWrite::WithRows, now())
        .await
        .unwrap();
    assert_eq!((counts.inserted, counts.rejected), (1, 0));
    assert_eq!(place.server.value(entries).await, [id(1), id(2)].join(" "));
}
