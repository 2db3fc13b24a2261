//! What PostgreSQL cannot store, though each value fits its column: an entry of an index has 2704 bytes at most, a row 8160.
//! SQLite has neither bound.

use e2e::{
    database::Cell,
    stage::{Kind, empty_org},
};
use replication::progress::{RunKind, RunReport};
use serde_json::{Value, json};
use simulator::{
    Config,
    schema::{Field, FieldType},
};

use super::{
    for_both,
    play::{MINUTE, Play, good, good_kind, kinds},
};

for_both!(
    a_value_too_long_for_an_index_rejects_its_row,
    many_values_too_long_for_an_index_reject_their_rows,
    a_row_too_long_for_a_page_is_rejected,
    an_index_that_cannot_be_built_keeps_nothing_waiting,
    what_the_table_has_beside_the_plan_rejects_rows_too,
    three_texts_at_the_bound_of_an_index_reject_their_row,
);

/// Text that cannot be compressed, another for each seed.
fn noise(length: usize, seed: usize) -> String {
    let mut state = u64::try_from(seed).unwrap().wrapping_mul(2) + 1;
    let letter = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        char::from(letters[usize::try_from(state >> 58).unwrap()])
    };
    (0..length).map(letter).collect()
}

fn indexed() -> Value {
    let fields = json!([
        {"source": "LastName", "column": "surname"},
        {"source": "Description", "column": "description"},
        {"source": "Email", "column": "email"},
    ]);
    json!([{"name": "Contact", "mapping": "None", "fields": fields, "indexes": [["description"], ["email", "description"]]}])
}

async fn ten(kind: Kind, name: &str, objects: Value) -> (Play, Vec<String>) {
    let config = Config {
        contacts: 10,
        ..empty_org()
    };
    let play = Play::new(kind, name, config, objects).await;
    let ids = play.ids("Contact");
    (play, ids)
}

/// The entries, as Id, column and reason.
async fn entries(play: &Play) -> Vec<Vec<Cell>> {
    let table = play.database().table("_rejected_row");
    let statement = format!("SELECT salesforce_id, column_name, reason FROM {table} ORDER BY 1, 2");
    play.database().query(&statement).await
}

/// Rows that are rejected where the database has the bound.
fn of(kind: Kind, rejected: u64) -> u64 {
    match kind {
        Kind::Postgres => rejected,
        Kind::Sqlite => 0,
    }
}

#[track_caller]
fn rejected(runs: &[RunReport], expected: u64) {
    let last = runs.last().unwrap();
    assert_eq!((last.rejected, last.degraded.len()), (expected, 0), "{last:#?}");
}

async fn a_value_too_long_for_an_index_rejects_its_row(kind: Kind, name: &str) {
    let (play, ids) = ten(kind, name, indexed()).await;
    play.update("Contact", &ids[3], &[("Description", &noise(3000, 3))]);
    // As long, and the server makes it short.
    play.update("Contact", &ids[4], &[("Description", &"fits ".repeat(2000))]);
    play.advance(30 * MINUTE);
    let mut session = play.session().await;
    rejected(&good(&mut session).await, of(kind, 1));
    assert_eq!(play.state("Contact", "phase").await.as_deref(), Some("Live"));
    assert_eq!(play.rows("contact").await, 10 - i64::try_from(of(kind, 1)).unwrap());
    if kind == Kind::Postgres {
        let told = entries(&play).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0][..2], [Some(ids[3].clone()), Some("description".to_owned())]);
        assert!(
            told[0][2].as_deref().unwrap().starts_with("is too long for its index"),
            "{told:?}"
        );
    }

    // A row that is there keeps its former version; what is shorter again arrives.
    play.update("Contact", &ids[3], &[("Description", "short")]);
    play.update(
        "Contact",
        &ids[5],
        &[("Description", &noise(3000, 5)), ("LastName", "Fifth")],
    );
    play.update("Contact", &ids[6], &[("LastName", "Sixth")]);
    rejected(&good(&mut session).await, of(kind, 1));
    assert_eq!(play.column("contact", "description", &ids[3]).await, "short");
    assert_eq!(play.column("contact", "surname", &ids[6]).await, "Sixth");
    if kind == Kind::Postgres {
        assert_ne!(play.column("contact", "surname", &ids[5]).await, "Fifth");
        assert_eq!(entries(&play).await[0][0].as_ref(), Some(&ids[5]));
    }
    // So it is in a run that reads everything again, and one that overwrites.
    play.update("Contact", &ids[7], &[("Description", &noise(4000, 7))]);
    rejected(&good_kind(&mut session, RunKind::Refresh).await, of(kind, 2));
    play.update("Contact", &ids[5], &[("Description", "short")]);
    play.delete("Contact", &ids[7..8]);
    rejected(&good(&mut session).await, 0);
    play.assert_equal(&session).await;
}

/// More of them than of others, among rows that go straight into the table.
async fn many_values_too_long_for_an_index_reject_their_rows(kind: Kind, name: &str) {
    let config = Config {
        contacts: 450,
        ..empty_org()
    };
    let play = Play::new(kind, name, config, indexed()).await;
    let ids = play.ids("Contact");
    for (seed, id) in ids.iter().enumerate().filter(|(seed, _)| seed % 5 < 3) {
        play.update("Contact", id, &[("Description", &noise(2700 + seed, seed))]);
    }
    play.advance(30 * MINUTE);
    let mut session = play.session().await;
    rejected(&good(&mut session).await, of(kind, 270));
    assert_eq!(play.rows("contact").await, 450 - i64::try_from(of(kind, 270)).unwrap());
    play.advance(MINUTE);
    assert_eq!(kinds(&good(&mut session).await), [RunKind::Incremental]);
    for id in &ids {
        play.update("Contact", id, &[("Description", "short")]);
    }
    rejected(&good(&mut session).await, 0);
    play.assert_equal(&session).await;
}

async fn a_row_too_long_for_a_page_is_rejected(kind: Kind, name: &str) {
    const FIELDS: usize = 400;
    let (play, ids) = ten(kind, name, json!([{"name": "Contact", "mapping": "Mirror"}])).await;
    let fields: Vec<String> = (0..FIELDS).map(|field| format!("Extra{field}__c")).collect();
    for field in &fields {
        play.org()
            .add_field("Contact", Field::new(field, FieldType::String).length(80))
            .unwrap();
    }
    let fill = |id: &str, length: usize| {
        let texts: Vec<String> = (0..FIELDS).map(|seed| noise(length, seed)).collect();
        let values: Vec<(&str, &str)> = fields
            .iter()
            .map(String::as_str)
            .zip(texts.iter().map(String::as_str))
            .collect();
        play.update("Contact", id, &values);
    };
    // Too long to be in a row, too short to be moved out of it.
    fill(&ids[3], 22);
    // Longer, and moved out.
    fill(&ids[4], 60);
    fill(&ids[5], 8);
    play.advance(30 * MINUTE);
    let mut session = play.session().await;
    rejected(&good(&mut session).await, of(kind, 1));
    assert_eq!(play.state("Contact", "phase").await.as_deref(), Some("Live"));
    assert_eq!(play.rows("contact").await, 10 - i64::try_from(of(kind, 1)).unwrap());
    assert_eq!(play.column("contact", "extra7__c", &ids[4]).await, noise(60, 7));
    if kind == Kind::Postgres {
        let told = entries(&play).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0][..2], [Some(ids[3].clone()), Some("*".to_owned())]);
        assert!(told[0][2].as_deref().unwrap().contains("8160 bytes"), "{told:?}");
    }
    // The same in rows that are merged.
    fill(&ids[3], 60);
    fill(&ids[5], 22);
    play.update("Contact", &ids[6], &[("LastName", "Sixth")]);
    rejected(&good(&mut session).await, of(kind, 1));
    assert_eq!(play.column("contact", "extra7__c", &ids[3]).await, noise(60, 7));
    assert_eq!(play.column("contact", "last_name", &ids[6]).await, "Sixth");
    if kind == Kind::Postgres {
        assert_eq!(play.column("contact", "extra7__c", &ids[5]).await, noise(8, 7));
    }
    fill(&ids[5], 8);
    rejected(&good(&mut session).await, 0);
    play.assert_equal(&session).await;
}

async fn an_index_that_cannot_be_built_keeps_nothing_waiting(kind: Kind, name: &str) {
    let mut objects = indexed();
    let indexes = objects[0]["indexes"].take();
    objects[0].as_object_mut().unwrap().remove("indexes");
    let (mut play, ids) = ten(kind, name, objects).await;
    play.update("Contact", &ids[3], &[("Description", &noise(3000, 3))]);
    play.advance(30 * MINUTE);
    let mut session = play.session().await;
    rejected(&good(&mut session).await, 0);

    play.objects[0]["indexes"] = indexes;
    session = play.session().await;
    play.update("Contact", &ids[6], &[("LastName", "Sixth")]);
    let unbuilt = |runs: &[RunReport]| -> Vec<String> {
        let degraded = &runs.last().unwrap().degraded;
        let unbuilt = degraded.iter().filter(|degraded| degraded.reason == "IndexNotBuilt");
        unbuilt.map(|degraded| degraded.message.clone()).collect()
    };
    for _ in 0..2 {
        let told = unbuilt(&good(&mut session).await);
        assert_eq!(told.len(), usize::try_from(of(kind, 2)).unwrap(), "{told:?}");
        assert!(
            told.iter()
                .all(|message| message.contains("index contact_") && !message.contains("3000")),
            "{told:?}"
        );
        assert_eq!(play.column("contact", "surname", &ids[6]).await, "Sixth");
    }
    let built = async || {
        let statement = match kind {
            Kind::Postgres => {
                "SELECT count(*) FROM pg_indexes WHERE tablename = 'contact' AND indexdef LIKE '%description%'"
            }
            Kind::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND sql LIKE '%description%'",
        };
        play.database().number(statement).await
    };
    assert_eq!(
        built().await,
        2 - i64::try_from(of(kind, 2)).unwrap(),
        "nothing is left half done"
    );

    play.update("Contact", &ids[3], &[("Description", "short")]);
    good(&mut session).await;
    let runs = good_kind(&mut session, RunKind::Refresh).await;
    assert_eq!(unbuilt(&runs), Vec::<String>::new());
    assert_eq!(built().await, 2);
    play.assert_equal(&session).await;
}

/// An index that has left the resource stays, as one of somebody else does, and a column whose field was withdrawn keeps its
/// values: none of them is in the plan, and a row that is too long for one is rejected as any other.
async fn what_the_table_has_beside_the_plan_rejects_rows_too(kind: Kind, name: &str) {
    let config = Config {
        contacts: 300,
        ..empty_org()
    };
    let mut play = Play::new(kind, name, config, indexed()).await;
    let ids = play.ids("Contact");
    play.advance(30 * MINUTE);
    let mut session = play.session().await;
    rejected(&good(&mut session).await, 0);

    play.objects[0].as_object_mut().unwrap().remove("indexes");
    session = play.session().await;
    for (number, id) in ids.iter().enumerate() {
        let text = format!("Changed {number}");
        play.update("Contact", id, &[("LastName", &text)]);
    }
    for place in [7, 8, 150, 299] {
        play.update("Contact", &ids[place], &[("Description", &noise(3000, place))]);
    }
    rejected(&good(&mut session).await, of(kind, 4));
    for (number, id) in ids.iter().enumerate() {
        let is_refused = kind == Kind::Postgres && [7, 8, 150, 299].contains(&number);
        let is_here = play.column("contact", "surname", id).await == format!("Changed {number}");
        assert_eq!(is_here, !is_refused, "{number}");
    }
    if kind == Kind::Postgres {
        let told = entries(&play).await;
        assert_eq!(told[0][..2], [Some(ids[7].clone()), Some("*".to_owned())]);
        assert!(
            told[0][2].as_deref().unwrap().contains("too long for this table"),
            "{told:?}"
        );
    }
    // So it is in a run that reads everything again, and one that overwrites; what is shorter again arrives.
    rejected(&good_kind(&mut session, RunKind::Refresh).await, of(kind, 4));
    for place in [7, 8, 150, 299] {
        play.update("Contact", &ids[place], &[("Description", "short")]);
    }
    rejected(&good(&mut session).await, 0);
    play.assert_equal(&session).await;
}

/// The entry of several texts has a map of NULLs, and each text is aligned: at these lengths it is longer than their sum by as
/// much as it can be.
async fn three_texts_at_the_bound_of_an_index_reject_their_row(kind: Kind, name: &str) {
    let names = ["First__c", "Second__c", "Third__c"];
    let fields: Vec<Value> = names
        .iter()
        .map(|name| json!({"source": name, "column": name.to_lowercase()}))
        .collect();
    let columns: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let objects = json!([{"name": "Contact", "mapping": "None", "fields": fields, "indexes": [columns]}]);
    let (play, ids) = ten(kind, name, objects).await;
    for name in names {
        let field = Field::new(name, FieldType::TextArea).length(32_000);
        play.org().add_field("Contact", field).unwrap();
    }
    let fill = |id: &str, lengths: [usize; 3]| {
        let texts = [0, 1, 2].map(|seed| noise(lengths[seed], seed));
        let values: Vec<(&str, &str)> = names.into_iter().zip(texts.iter().map(String::as_str)).collect();
        play.update("Contact", id, &values);
    };
    fill(&ids[3], [894, 893, 893]);
    fill(&ids[4], [880, 880, 880]);
    play.advance(30 * MINUTE);
    let mut session = play.session().await;
    rejected(&good(&mut session).await, of(kind, 1));
    assert_eq!(play.state("Contact", "phase").await.as_deref(), Some("Live"));
    assert_eq!(play.column("contact", "first__c", &ids[4]).await, noise(880, 0));
    // The same in rows that are merged.
    fill(&ids[5], [894, 893, 893]);
    fill(&ids[3], [880, 880, 880]);
    rejected(&good(&mut session).await, of(kind, 1));
    fill(&ids[5], [1, 1, 1]);
    rejected(&good(&mut session).await, 0);
    play.assert_equal(&session).await;
}
