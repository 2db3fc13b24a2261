//! Values that do not fit: one row stays behind, and it is told which and why.

use e2e::stage::{Kind, empty_org};
use serde_json::json;
use simulator::{Config, schema::FieldType};

use super::{for_both, play::Play};

for_both!(
    a_value_that_does_not_fit_rejects_its_row,
    rejected_rows_are_mended,
    rejected_records_that_vanished_are_forgotten,
);

/// The entries, as `[id, column]`.
async fn entries(play: &Play) -> Vec<[String; 2]> {
    let table = play.database().table("_rejected_row");
    let statement =
        format!("SELECT salesforce_id, column_name FROM {table} WHERE object = 'Specimen__c' ORDER BY 1, 2");
    let rows = play.database().query(&statement).await;
    rows.into_iter()
        .map(|mut row| {
            let column = row.pop().flatten().unwrap();
            [row.pop().flatten().unwrap(), column]
        })
        .collect()
}

/// Two fields of text, which describe calls a number and a day: what Salesforce sends is whatever was written.
fn call_them(play: &Play, number: FieldType, day: FieldType) {
    let org = play.org();
    org.change_field("Specimen__c", "Text20__c", |field| field.field_type = number)
        .unwrap();
    org.change_field("Specimen__c", "Text__c", |field| field.field_type = day)
        .unwrap();
}

/// Writes what does not fit.
fn write_unfit<R>(play: &Play, write: impl FnOnce() -> R) -> R {
    call_them(play, FieldType::String, FieldType::String);
    let written = write();
    call_them(play, FieldType::Int, FieldType::Date);
    written
}

/// Neither fits its column.
const NUMBER: &str = "99999999999";
const DAY: &str = "30000-01-01";

/// An org and a table that were equal but for one row, with five records that do not fit since; their Ids in the order of
/// [`unfit`], and that of one which does.
async fn with_unfit(kind: Kind, name: &str) -> (Play, Vec<String>, String) {
    let config = Config {
        specimens: 40,
        ..empty_org()
    };
    let fields = json!([
        {"source": "Name", "column": "name"},
        {"source": "Text20__c", "column": "number"},
        {"source": "Text__c", "column": "day"},
    ]);
    let objects = json!([{"name": "Specimen__c", "table": "specimen", "mapping": "None", "fields": fields}]);
    let mut play = Play::new(kind, name, config, objects).await;
    play.org().hold_clock(false);
    let ids = play.ids("Specimen__c");
    for (n, id) in ids.iter().enumerate() {
        let (number, day) = (n.to_string(), format!("2026-01-{:02}", n % 28 + 1));
        play.update("Specimen__c", id, &[("Text20__c", &number), ("Text__c", &day)]);
    }
    // The first load has one already.
    write_unfit(&play, || {
        play.update("Specimen__c", &ids[30], &[("Text20__c", NUMBER)]);
    });
    let outcome = play.command(&["run", "--once", "-ojson"]).await.exits(6);
    assert_eq!(outcome.json()["runs"][0]["rejected"], 1);
    assert_eq!(play.rows("specimen").await, 39, "others proceed");
    let made = write_unfit(&play, || {
        play.update("Specimen__c", &ids[3], &[("Text20__c", NUMBER), ("Name", "Third")]);
        play.update("Specimen__c", &ids[4], &[("Text__c", DAY), ("Name", "Fourth")]);
        play.update("Specimen__c", &ids[5], &[("Text20__c", NUMBER), ("Text__c", DAY)]);
        play.update("Specimen__c", &ids[6], &[("Name", "Sixth")]);
        play.create("Specimen__c", &[("Text20__c", NUMBER), ("Name", "Made")])
    });
    let of = |place: usize| ids[place].clone();
    (play, vec![of(3), of(4), of(5), of(30), made], of(6))
}

/// The entries of records that do not fit.
fn unfit(ids: &[String]) -> Vec<[String; 2]> {
    let entry = |place: usize, column: &str| [ids[place].clone(), column.to_owned()];
    vec![
        entry(0, "number"),
        entry(1, "day"),
        entry(2, "day"),
        entry(2, "number"),
        entry(3, "number"),
        entry(4, "number"),
    ]
}

async fn a_value_that_does_not_fit_rejects_its_row(kind: Kind, name: &str) {
    let (mut play, ids, fits) = with_unfit(kind, name).await;
    let outcome = play.command(&["run", "--once", "-ojson"]).await.exits(6);
    let report = outcome.json();
    let first = &report["runs"][0];
    assert_eq!(
        (&first["rejected"], &first["rowsWritten"]),
        (&json!(5), &json!(1)),
        "{report:#}"
    );
    let told = outcome.all();
    assert!(told.contains("_rejected_row") && told.contains("5 rows"), "{told}");
    assert!(!told.contains(NUMBER) && !told.contains(DAY), "a value is told: {told}");
    assert_eq!(entries(&play).await, unfit(&ids));
    assert_eq!(
        play.column("specimen", "number", &ids[0]).await,
        "3",
        "the former version stays"
    );
    assert_ne!(play.column("specimen", "name", &ids[0]).await, "Third");
    assert_eq!(play.column("specimen", "name", &fits).await, "Sixth");
    assert_eq!(play.column("specimen", "name", &ids[4]).await, "-");

    // They are no drift, are not told anew, and a Refresh tries them again.
    let before = play.dump(&["_rejected_row"]).await;
    for kind in ["reconcile", "refresh", "verify"] {
        let arguments = ["run", "--once", "--kind", kind, "-ojson"];
        let report = play.command(&arguments).await.exits(6).json();
        let first = &report["runs"][0];
        if kind == "reconcile" {
            let none = json!({"missing": 0, "differing": 0, "surplus": 0});
            assert_eq!(first["drift"], none, "{report:#}");
        }
        assert_eq!(first["rejected"], 5, "{report:#}");
        assert_eq!(play.dump(&["_rejected_row"]).await, before, "{kind}");
    }
}

async fn rejected_rows_are_mended(kind: Kind, name: &str) {
    let (mut play, ids, _) = with_unfit(kind, name).await;
    play.exits(&["run", "--once"], 6).await;
    let mut expected = unfit(&ids);
    assert_eq!(entries(&play).await, expected);
    // Mended in Salesforce, one of two columns, and gone.
    play.update("Specimen__c", &ids[0], &[("Text20__c", "7")]);
    play.update("Specimen__c", &ids[2], &[("Text__c", "2026-05-05")]);
    play.delete("Specimen__c", &ids[1..2]);
    play.exits(&["run", "--once"], 6).await;
    expected.retain(|[id, column]| *id != ids[0] && *id != ids[1] && !(*id == ids[2] && column == "day"));
    assert_eq!(entries(&play).await, expected);
    assert_eq!(play.column("specimen", "name", &ids[0]).await, "Third");
    assert_eq!(play.column("specimen", "name", &ids[1]).await, "-");

    // The column becomes one that takes them: what stayed behind arrives.
    call_them(&play, FieldType::Double, FieldType::Date);
    play.exits(&["run", "--once"], 0).await;
    assert!(entries(&play).await.is_empty());
    assert_eq!(play.column("specimen", "number", &ids[4]).await, NUMBER);
    assert_eq!(play.column("specimen", "number", &ids[2]).await, NUMBER);
    let session = play.session().await;
    play.assert_equal(&session).await;
}

/// Hard deleted, and the log is gone: only a listing can tell.
async fn rejected_records_that_vanished_are_forgotten(kind: Kind, name: &str) {
    let (mut play, ids, _) = with_unfit(kind, name).await;
    play.exits(&["run", "--once"], 6).await;
    let mut expected = unfit(&ids);
    assert_eq!(entries(&play).await, expected);
    for (long, gone) in [("reconcile", [&ids[0], &ids[4]]), ("refresh", [&ids[1], &ids[3]])] {
        for id in gone {
            play.org().hard_delete("Specimen__c", id).unwrap();
        }
        play.org().purge_delete_log("Specimen__c").unwrap();
        let arguments = ["run", "--once", "--kind", long, "-ojson"];
        let report = play.command(&arguments).await.exits(6).json();
        expected.retain(|[id, _]| !gone.contains(&id));
        assert_eq!(entries(&play).await, expected, "{long}");
        let rejected = if long == "reconcile" { 3 } else { 1 };
        assert_eq!(report["runs"][0]["rejected"], rejected, "{report:#}");
        assert_eq!(play.column("specimen", "name", gone[0]).await, "-");
    }
}
