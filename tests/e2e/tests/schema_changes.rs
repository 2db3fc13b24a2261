//! The org's schema changes while it is replicated: what comes of columns, values and messages.
//!
//! A process that goes on describes the org anew every hour and whenever a run fails for what the resource asks for, and a
//! process that starts does so at once; [`Fresh`] stands for the two ways.

use std::collections::BTreeSet;

use e2e::{
    database::Database,
    stage::{Kind, empty_org},
};
use replication::{
    connect::Session,
    progress::{
        RunKind::{Incremental, Refresh},
        RunReport,
    },
};
use serde_json::json;
use simulator::{
    Config,
    schema::{Field, FieldType, Object},
};

use crate::scenarios::{
    for_both,
    play::{HOUR, MINUTE, Play, asked, good, kinds, tick},
};

for_both!(
    a_new_field_becomes_a_column,
    a_field_that_is_gone_leaves_its_values,
    a_permission_withdrawn_and_restored,
    a_field_left_out_after_it_was_withdrawn,
    a_mirror_whose_excluded_and_indexed_fields_are_withdrawn,
    a_number_becomes_one_with_decimals,
    a_text_becomes_a_long_one,
    a_number_becomes_a_text,
    a_number_becomes_a_text_under_a_view,
    a_label_is_renamed,
    a_length_is_changed,
    an_object_is_renamed,
    an_object_is_withdrawn_and_restored,
    a_mapped_column_follows_a_renamed_field,
);

/// How a fresh describe comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fresh {
    /// Hourly, or after a failure.
    Replanned,
    /// By another process.
    Started,
}

const BOTH: [Fresh; 2] = [Fresh::Replanned, Fresh::Started];

impl Fresh {
    async fn describe(self, play: &Play, session: &mut Session) {
        play.advance(HOUR);
        match self {
            Self::Replanned => session.replan(&play.spec()).await.unwrap(),
            Self::Started => *session = play.session().await,
        }
    }
}

/// A custom object with three fields and 250 records, under Mirror.
async fn things(kind: Kind, name: &str) -> Play {
    let config = Config { ..empty_org() };
    let mut play = Play::new(kind, name, config, json!([{"name": "Thing__c"}])).await;
    play.segment_rows = Some(100);
    let thing = Object::new("Thing__c", "a0T", "Thing", "Things")
        .with(system_fields(&play))
        .with([
            Field::new("Count__c", FieldType::Int),
            Field::new("Amount__c", FieldType::Double).number(12, 0),
            Field::new("Word__c", FieldType::String).length(80),
            Field::new("Colour__c", FieldType::String).length(40),
        ]);
    play.org().add_object(thing).unwrap();
    let values = |n: u64| {
        let values = [
            ("Count__c", n),
            ("Amount__c", n * 10),
            ("Word__c", n),
            ("Colour__c", n % 7),
        ];
        values
            .map(|(field, value)| (field.to_owned(), value.to_string()))
            .to_vec()
    };
    play.org().create_many("Thing__c", 250, values).unwrap();
    play.advance(30 * MINUTE);
    play
}

/// What every custom object has.
fn system_fields(play: &Play) -> Vec<Field> {
    let schema = play.org().schema();
    let specimen = schema.object("Specimen__c").unwrap();
    let names = BTreeSet::from([
        "Id",
        "OwnerId",
        "IsDeleted",
        "Name",
        "CreatedDate",
        "CreatedById",
        "LastModifiedDate",
        "LastModifiedById",
        "SystemModstamp",
    ]);
    let fields = specimen
        .fields
        .iter()
        .filter(|field| names.contains(field.name.as_str()));
    fields.cloned().collect()
}

async fn columns(play: &Play, table: &str) -> Vec<String> {
    let statement = match play.database() {
        Database::Postgres { .. } => format!(
            "SELECT column_name::text FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position"
        ),
        Database::Sqlite { .. } => format!("SELECT name FROM pragma_table_info('{table}')"),
    };
    let rows = play.database().query(&statement).await;
    rows.into_iter().map(|mut row| row.remove(0).unwrap()).collect()
}

async fn type_of(play: &Play, table: &str, column: &str) -> String {
    let statement = match play.database() {
        Database::Postgres { .. } => format!(
            "SELECT data_type::text FROM information_schema.columns WHERE table_name = '{table}' AND column_name = '{column}'"
        ),
        Database::Sqlite { .. } => format!("SELECT type FROM pragma_table_info('{table}') WHERE name = '{column}'"),
    };
    play.database().query(&statement).await.remove(0).remove(0).unwrap()
}

#[track_caller]
fn degraded<'a>(run: &'a RunReport, reason: &str) -> &'a str {
    let found = run.degraded.iter().find(|degraded| degraded.reason == reason);
    &found.unwrap_or_else(|| panic!("no {reason}: {run:#?}")).message
}

/// The runs of a tick, of which one is a Refresh, and at whose end all is as planned.
#[track_caller]
fn refreshed(runs: &[RunReport]) {
    assert!(kinds(runs).contains(&Refresh), "{runs:#?}");
    let last = runs.last().unwrap();
    assert_eq!(
        (last.changing, last.rejected, last.degraded.len()),
        (None, 0, 0),
        "{last:#?}"
    );
}

async fn a_new_field_becomes_a_column(kind: Kind, name: &str) {
    for fresh in BOTH {
        let play = things(kind, name).await;
        let mut session = play.session().await;
        good(&mut session).await;
        let ids = play.ids("Thing__c");
        play.org()
            .add_field("Thing__c", Field::new("Nickname__c", FieldType::String).length(40))
            .unwrap();
        play.org()
            .add_field("Thing__c", Field::new("Weight__c", FieldType::Double).number(8, 2))
            .unwrap();
        play.update("Thing__c", &ids[1], &[("Nickname__c", "Eins"), ("Weight__c", "1.25")]);
        // A value that no stamp tells of.
        let silent = [("Nickname__c", "Zwei")];
        play.org()
            .update_with("Thing__c", &ids[2], &silent, simulator::Stamps::Neither)
            .unwrap();
        assert_eq!(
            kinds(&good(&mut session).await),
            [Incremental],
            "the plan does not know it yet"
        );
        fresh.describe(&play, &mut session).await;
        let before = play.dump(&["_freshness"]).await;
        refreshed(&good(&mut session).await);
        assert_ne!(play.dump(&["_freshness"]).await, before);
        assert_eq!(
            play.column("thing__c", "nickname__c", &ids[1]).await,
            "Eins",
            "{fresh:?}"
        );
        assert_eq!(play.column("thing__c", "nickname__c", &ids[2]).await, "Zwei");
        play.assert_equal(&session).await;
        play.advance(MINUTE);
        assert_eq!(kinds(&good(&mut session).await), [Incremental]);
    }
}

async fn a_field_that_is_gone_leaves_its_values(kind: Kind, name: &str) {
    for fresh in BOTH {
        let mut play = things(kind, name).await;
        let mirror = fresh == Fresh::Started;
        if !mirror {
            let fields =
                json!([{"source": "Colour__c", "column": "colour__c"}, {"source": "Word__c", "column": "word"}]);
            play.objects = json!([{"name": "Thing__c", "mapping": "None", "fields": fields}]);
        }
        let mut session = play.session().await;
        good(&mut session).await;
        let ids = play.ids("Thing__c");
        let values = play.dump(&["thing__c"]).await;
        play.org().remove_field("Thing__c", "Colour__c").unwrap();
        // The run that finds it gone goes on by a new plan.
        let runs = good(&mut session).await;
        assert!(kinds(&runs).contains(&Refresh), "{runs:#?}");
        let last = runs.last().unwrap();
        assert_eq!(last.changing, None);
        if !mirror {
            degraded(last, "FieldMissing");
        }
        assert_eq!(play.dump(&["thing__c"]).await, values, "nothing is lost");

        fresh.describe(&play, &mut session).await;
        play.update("Thing__c", &ids[9], &[("Word__c", "Goes on")]);
        let made = play.create("Thing__c", &[("Word__c", "Goes on")]);
        let runs = good(&mut session).await;
        if !mirror {
            let message = degraded(runs.last().unwrap(), "FieldMissing");
            assert!(message.contains("Colour__c"), "{message}");
        }
        assert_eq!(
            play.column("thing__c", "colour__c", &ids[9]).await,
            "2",
            "it keeps its value"
        );
        assert_eq!(play.column("thing__c", "colour__c", &made).await, "∅");
        assert!(columns(&play, "thing__c").await.contains(&"colour__c".to_owned()));
        play.assert_equal(&session).await;
    }
}

/// A column of the Directory mapping, one of `fields`, and one that a condition needs.
async fn a_permission_withdrawn_and_restored(kind: Kind, name: &str) {
    let user = e2e::resource::USERNAME;
    for fresh in BOTH {
        let config = Config {
            contacts: 250,
            ..empty_org()
        };
        let objects = json!([{"name": "Contact", "fields": [{"source": "Region__c", "column": "region"}],
            "where": "LeadSource != 'Nobody'"}]);
        let play = Play::new(kind, name, config, objects).await;
        let mut session = play.session().await;
        good(&mut session).await;
        let ids = play.ids("Contact");
        let region = play.column("contact", "region", &ids[5]).await;
        let title = play.column("contact", "job_title", &ids[5]).await;
        for field in ["Region__c", "Title"] {
            play.org().withdraw(user, "Contact", Some(field)).unwrap();
        }
        fresh.describe(&play, &mut session).await;
        let runs = good(&mut session).await;
        let message = degraded(runs.last().unwrap(), "FieldMissing");
        assert!(message.contains("Region__c") && message.contains("Title"), "{message}");
        play.update(
            "Contact",
            &ids[5],
            &[
                ("LastName", "Meanwhile"),
                ("Title", "Direktorin"),
                ("Region__c", "West"),
            ],
        );
        good(&mut session).await;
        assert_eq!(play.column("contact", "surname", &ids[5]).await, "Meanwhile");
        assert_eq!(
            play.column("contact", "region", &ids[5]).await,
            region,
            "{fresh:?}: it keeps its value"
        );
        assert_eq!(play.column("contact", "job_title", &ids[5]).await, title);

        // Without a field of the condition nobody can say who belongs in the table: that is an error, and nothing moves.
        play.org().withdraw(user, "Contact", Some("LeadSource")).unwrap();
        let before = play.dump(&["contact"]).await;
        let report = asked(&mut session, Incremental).await;
        let error = report.runs[0].error.as_ref().unwrap();
        assert!(error.message.contains("LeadSource"), "{error:?}");
        let refused = play.refused().await.message();
        assert!(refused.contains("Contact: where: field LeadSource"), "{refused}");
        assert!(session.replan(&play.spec()).await.is_err());
        assert_eq!(play.dump(&["contact"]).await, before);

        for field in ["Region__c", "Title", "LeadSource"] {
            play.org().grant(user, "Contact", Some(field)).unwrap();
        }
        fresh.describe(&play, &mut session).await;
        refreshed(&good(&mut session).await);
        assert_eq!(play.column("contact", "job_title", &ids[5]).await, "Direktorin");
        play.assert_equal(&session).await;
    }
}

/// A number of contacts, so that not all that is left out is text.
fn add_score(play: &Play) {
    play.org()
        .add_field("Contact", Field::new("Score__c", FieldType::Double).number(8, 0))
        .unwrap();
}

/// Whoever leaves a field out does not want its values there, those of marked rows neither, though the user can read it no more.
async fn a_field_left_out_after_it_was_withdrawn(kind: Kind, name: &str) {
    for (object, field, column) in [
        (json!({"name": "Contact", "deletes": "Mark"}), "HomePhone", "phone_home"),
        (
            json!({"name": "Contact", "deletes": "Mark", "mapping": "Mirror"}),
            "Score__c",
            "score__c",
        ),
    ] {
        for fresh in BOTH {
            let config = Config {
                contacts: 250,
                ..empty_org()
            };
            let mut play = Play::new(kind, name, config, json!([object])).await;
            add_score(&play);
            let ids = play.ids("Contact");
            for id in &ids[..3] {
                play.update("Contact", id, &[(field, "49815155")]);
            }
            play.advance(30 * MINUTE);
            let mut session = play.session().await;
            good(&mut session).await;
            play.delete("Contact", &ids[..1]);
            good(&mut session).await;
            let table = play.database().table("contact");
            let values = async |play: &Play| {
                let statement = format!("SELECT count(*) FROM {table} WHERE {column} IS NOT NULL");
                play.database().number(&statement).await
            };
            assert!(values(&play).await >= 3);
            let type_before = type_of(&play, "contact", column).await;
            let user = e2e::resource::USERNAME;
            play.org().withdraw(user, "Contact", Some(field)).unwrap();
            fresh.describe(&play, &mut session).await;
            good(&mut session).await;
            assert!(values(&play).await >= 3, "what was withdrawn alone keeps its values");

            play.objects[0]["exclude"] = json!([field]);
            fresh.describe(&play, &mut session).await;
            refreshed(&good(&mut session).await);
            assert_eq!(values(&play).await, 0, "{fresh:?} {object}");
            assert_eq!(play.rows("contact").await, 250);
            assert_eq!(type_of(&play, "contact", column).await, type_before);
            let before = play.dump(&["contact"]).await;
            play.advance(MINUTE);
            assert_eq!(kinds(&good(&mut session).await), [Incremental]);
            assert_eq!(play.dump(&["contact"]).await, before);
        }
    }
}

async fn a_mirror_whose_excluded_and_indexed_fields_are_withdrawn(kind: Kind, name: &str) {
    for fresh in BOTH {
        let config = Config {
            contacts: 250,
            ..empty_org()
        };
        let objects =
            json!([{"name": "Contact", "mapping": "Mirror", "exclude": ["Score__c"], "indexes": [["region__c"]]}]);
        let play = Play::new(kind, name, config, objects).await;
        add_score(&play);
        let mut session = play.session().await;
        good(&mut session).await;
        let statement = match kind {
            Kind::Postgres => "SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%(region__c)'",
            Kind::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND sql LIKE '%(\"region__c\")'",
        };
        assert_eq!(play.database().number(statement).await, 1);
        for field in ["Score__c", "Region__c"] {
            play.org()
                .withdraw(e2e::resource::USERNAME, "Contact", Some(field))
                .unwrap();
        }
        fresh.describe(&play, &mut session).await;
        let ids = play.ids("Contact");
        play.update("Contact", &ids[5], &[("LastName", "Goes on")]);
        let runs = good(&mut session).await;
        let message = degraded(runs.last().unwrap(), "FieldMissing");
        assert!(
            message.contains("region__c") && !message.contains("Score__c"),
            "{message}"
        );
        assert_eq!(play.column("contact", "last_name", &ids[5]).await, "Goes on");
        assert_eq!(play.database().number(statement).await, 1, "the index stays");
        for field in ["Score__c", "Region__c"] {
            play.org()
                .grant(e2e::resource::USERNAME, "Contact", Some(field))
                .unwrap();
        }
        fresh.describe(&play, &mut session).await;
        refreshed(&good(&mut session).await);
        play.assert_equal(&session).await;
    }
}

/// Changes the type of a field while the process goes on with what it knew, then by a fresh describe.
async fn converted(play: &Play, session: &mut Session, fresh: Fresh, (field, to): (&str, FieldType)) -> Vec<RunReport> {
    play.org().convert_field("Thing__c", field, to).unwrap();
    fresh.describe(play, session).await;
    good(session).await
}

async fn a_number_becomes_one_with_decimals(kind: Kind, name: &str) {
    for fresh in BOTH {
        let play = things(kind, name).await;
        let mut session = play.session().await;
        good(&mut session).await;
        let ids = play.ids("Thing__c");
        // By the plan of before, its new values do not fit: the row waits, and no other does.
        play.org()
            .convert_field("Thing__c", "Count__c", FieldType::Double)
            .unwrap();
        play.org()
            .change_field("Thing__c", "Count__c", |field| (field.precision, field.scale) = (18, 3))
            .unwrap();
        play.update("Thing__c", &ids[3], &[("Count__c", "12345678901.125")]);
        play.update("Thing__c", &ids[4], &[("Word__c", "Proceeds")]);
        let runs = good(&mut session).await;
        assert_eq!((runs[0].rejected, runs[0].rows_written), (1, 1), "{runs:#?}");
        assert_eq!(play.column("thing__c", "count__c", &ids[3]).await, "3");
        fresh.describe(&play, &mut session).await;
        refreshed(&good(&mut session).await);
        assert_eq!(
            play.column("thing__c", "count__c", &ids[3]).await,
            "12345678901.125",
            "{fresh:?}"
        );
        play.assert_equal(&session).await;
    }
}

async fn a_text_becomes_a_long_one(kind: Kind, name: &str) {
    for fresh in BOTH {
        let play = things(kind, name).await;
        let mut session = play.session().await;
        good(&mut session).await;
        let ids = play.ids("Thing__c");
        let before = type_of(&play, "thing__c", "word__c").await;
        let runs = converted(&play, &mut session, fresh, ("Word__c", FieldType::TextArea)).await;
        assert_eq!(kinds(&runs), [Incremental], "{fresh:?}: every value is as it was");
        play.org()
            .change_field("Thing__c", "Word__c", |field| field.length = 30_000)
            .unwrap();
        let long = "Zeile\n".repeat(4_000);
        play.update("Thing__c", &ids[3], &[("Word__c", &long)]);
        let runs = good(&mut session).await;
        assert_eq!((runs[0].rejected, runs[0].rows_written), (0, 1));
        assert_eq!(type_of(&play, "thing__c", "word__c").await, before);
        play.assert_equal(&session).await;
    }
}

async fn a_number_becomes_a_text(kind: Kind, name: &str) {
    for fresh in BOTH {
        let play = things(kind, name).await;
        let mut session = play.session().await;
        good(&mut session).await;
        let ids = play.ids("Thing__c");
        let runs = converted(&play, &mut session, fresh, ("Amount__c", FieldType::String)).await;
        refreshed(&runs);
        play.update("Thing__c", &ids[3], &[("Amount__c", "a dozen")]);
        play.update("Thing__c", &ids[4], &[("Amount__c", "007")]);
        good(&mut session).await;
        assert_eq!(play.column("thing__c", "amount__c", &ids[3]).await, "a dozen");
        assert_eq!(play.column("thing__c", "amount__c", &ids[4]).await, "007", "{fresh:?}");
        assert_eq!(type_of(&play, "thing__c", "amount__c").await.to_lowercase(), "text");
        assert_eq!(
            columns(&play, "thing__c")
                .await
                .iter()
                .filter(|name| name.contains("amount"))
                .count(),
            1
        );
        play.assert_equal(&session).await;
        play.advance(MINUTE);
        assert_eq!(kinds(&good(&mut session).await), [Incremental]);
    }
}

async fn a_number_becomes_a_text_under_a_view(kind: Kind, name: &str) {
    for fresh in BOTH {
        let play = things(kind, name).await;
        let mut session = play.session().await;
        good(&mut session).await;
        let ids = play.ids("Thing__c");
        let table = play.database().table("thing__c");
        let view = match kind {
            Kind::Postgres => "public.amounts",
            Kind::Sqlite => "amounts",
        };
        play.database()
            .execute(&format!(
                "CREATE VIEW {view} AS SELECT salesforce_id, amount__c FROM {table}"
            ))
            .await;
        let shown = async |id: &str| {
            let statement = format!("SELECT amount__c FROM {view} WHERE salesforce_id = '{id}'");
            play.database().query(&statement).await.remove(0).remove(0)
        };
        let runs = converted(&play, &mut session, fresh, ("Amount__c", FieldType::String)).await;
        assert!(kinds(&runs).contains(&Refresh), "{runs:#?}");
        assert_eq!(runs.last().unwrap().changing, None);
        play.update("Thing__c", &ids[3], &[("Amount__c", "a dozen")]);
        play.update("Thing__c", &ids[4], &[("Amount__c", "44")]);
        let runs = good(&mut session).await;
        let last = runs.last().unwrap();
        if kind == Kind::Sqlite {
            // Views name their columns by text, and find the new one.
            assert_eq!((last.degraded.len(), last.rejected), (0, 0), "{last:#?}");
            assert_eq!(shown(&ids[3]).await.as_deref(), Some("a dozen"));
            play.assert_equal(&session).await;
            continue;
        }
        let message = degraded(last, "ColumnInUse");
        assert!(
            message.contains("public.amounts") && message.contains("amount__c"),
            "{message}"
        );
        assert_eq!(last.rejected, 1, "what does not fit waits");
        assert_eq!(shown(&ids[3]).await.as_deref(), Some("30"));
        assert_eq!(shown(&ids[4]).await.as_deref(), Some("44"));
        assert_eq!(play.column("thing__c", "word__c", &ids[4]).await, "4");
        // Another process finds the same.
        let mut another = play.session().await;
        degraded(good(&mut another).await.last().unwrap(), "ColumnInUse");

        // The view goes, and a Refresh makes the exchange.
        play.database().execute(&format!("DROP VIEW {view}")).await;
        session = play.session().await;
        asked(&mut session, Refresh).await;
        let runs = good(&mut session).await;
        let last = runs.last().unwrap();
        assert_eq!(
            (last.degraded.len(), last.rejected, last.changing),
            (0, 0, None),
            "{last:#?}"
        );
        assert_eq!(play.column("thing__c", "amount__c", &ids[3]).await, "a dozen");
        play.assert_equal(&session).await;
    }
}

async fn a_label_is_renamed(kind: Kind, name: &str) {
    let mut play = things(kind, name).await;
    play.objects = json!([{"name": "Thing__c", "urls": [
        {"column": "by_name", "template": "{instanceUrl}/{Word__c}"},
        {"column": "by_label", "template": "{instanceUrl}/{Colour}"}]}]);
    let mut session = play.session().await;
    good(&mut session).await;
    let (before, names) = (play.dump(&["thing__c"]).await, columns(&play, "thing__c").await);
    play.org()
        .change_field("Thing__c", "Word__c", |field| field.label = "Wort".into())
        .unwrap();
    play.org()
        .change_object("Thing__c", |object| object.label = "Ding".into())
        .unwrap();
    for fresh in BOTH {
        fresh.describe(&play, &mut session).await;
        assert_eq!(
            kinds(&good(&mut session).await),
            [Incremental],
            "{fresh:?}: no column hangs on it"
        );
    }
    assert_eq!(columns(&play, "thing__c").await, names);
    assert_eq!(play.dump(&["thing__c"]).await, before);

    // A template that names a label: its column keeps its values while nobody knows what is meant, and it is told.
    let ids = play.ids("Thing__c");
    let url = play.column("thing__c", "by_label", &ids[1]).await;
    play.org()
        .change_field("Thing__c", "Colour__c", |field| field.label = "Farbe".into())
        .unwrap();
    play.update("Thing__c", &ids[1], &[("Word__c", "Goes on"), ("Colour__c", "7")]);
    for fresh in BOTH {
        fresh.describe(&play, &mut session).await;
        let runs = good(&mut session).await;
        let message = degraded(runs.last().unwrap(), "FieldMissing");
        assert!(message.contains("Thing__c") && message.contains("Colour"), "{message}");
    }
    assert_eq!(play.column("thing__c", "word__c", &ids[1]).await, "Goes on");
    assert_eq!(play.column("thing__c", "by_label", &ids[1]).await, url);
    play.assert_equal(&session).await;
    play.objects[0]["urls"][1]["template"] = json!("{instanceUrl}/{Farbe}");
    Fresh::Started.describe(&play, &mut session).await;
    refreshed(&good(&mut session).await);
    assert!(play.column("thing__c", "by_label", &ids[1]).await.ends_with("/7"));
}

async fn a_length_is_changed(kind: Kind, name: &str) {
    let play = things(kind, name).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Thing__c");
    for (fresh, length) in BOTH.into_iter().zip([200_u32, 255]) {
        play.org()
            .change_field("Thing__c", "Word__c", |field| field.length = length)
            .unwrap();
        play.org()
            .change_field("Thing__c", "Amount__c", |field| field.precision = 18)
            .unwrap();
        let long = "ß".repeat(usize::try_from(length).unwrap());
        // Also by the plan that does not know it yet.
        play.update(
            "Thing__c",
            &ids[1],
            &[("Word__c", &long), ("Amount__c", "123456789012345")],
        );
        let runs = good(&mut session).await;
        assert_eq!((kinds(&runs), runs[0].rejected), (vec![Incremental], 0));
        assert_eq!(play.column("thing__c", "word__c", &ids[1]).await, long);
        fresh.describe(&play, &mut session).await;
        assert_eq!(
            kinds(&good(&mut session).await),
            [Incremental],
            "{fresh:?}: no row looks another way"
        );
    }
    play.assert_equal(&session).await;
}

async fn an_object_is_renamed(kind: Kind, name: &str) {
    let mut play = things(kind, name).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let before = play.dump(&["thing__c", "_replication_state", "_retired_table"]).await;
    play.org().rename_object("Thing__c", "Gadget__c").unwrap();
    play.advance(HOUR);
    let report = tick(&mut session).await;
    let error = report.runs[0].error.as_ref().unwrap();
    assert!(error.message.contains("Thing__c"), "{error:?}");
    assert_eq!(error.reason, "InvalidObject", "{error:?}");
    let refused = play.refused().await.message();
    assert!(
        refused.contains("Thing__c") && refused.contains("does not exist"),
        "{refused}"
    );
    assert!(session.replan(&play.spec()).await.is_err());
    let told = play.command(&["run", "--once"]).await.exits(3).all();
    assert!(told.contains("Thing__c"), "{told}");
    assert_eq!(
        play.dump(&["thing__c", "_replication_state", "_retired_table"]).await,
        before,
        "nothing is lost"
    );

    // The resource follows: another table, and the former one is kept.
    play.objects = json!([{"name": "Gadget__c"}]);
    session = play.session().await;
    good(&mut session).await;
    play.assert_equal(&session).await;
    assert_eq!(session.retired_tables()[0].table, "thing__c");
    assert_eq!(play.dump(&["thing__c"]).await["thing__c"], before["thing__c"]);
    // Or the name comes back, and it goes on.
    play.org().rename_object("Gadget__c", "Thing__c").unwrap();
    play.objects = json!([{"name": "Thing__c"}]);
    session = play.session().await;
    good(&mut session).await;
    play.assert_equal(&session).await;
}

async fn an_object_is_withdrawn_and_restored(kind: Kind, name: &str) {
    let user = e2e::resource::USERNAME;
    let play = things(kind, name).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let before = play.dump(&["thing__c"]).await;
    play.org().withdraw(user, "Thing__c", None).unwrap();
    play.advance(30 * MINUTE);
    let report = tick(&mut session).await;
    let error = report.runs[0].error.as_ref().unwrap();
    assert!(error.message.contains("Thing__c"), "{error:?}");
    assert!(session.replan(&play.spec()).await.is_err());
    assert_eq!(play.dump(&["thing__c"]).await, before, "a table is not emptied for it");
    play.org().grant(user, "Thing__c", None).unwrap();
    play.update("Thing__c", &play.ids("Thing__c")[1], &[("Word__c", "Back")]);
    session.replan(&play.spec()).await.unwrap();
    good(&mut session).await;
    play.assert_equal(&session).await;
}

/// Under Mirror a renamed field is one that is gone and one that is new; the resource can keep the column.
async fn a_mapped_column_follows_a_renamed_field(kind: Kind, name: &str) {
    let mut play = things(kind, name).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Thing__c");
    play.org().rename_field("Thing__c", "Colour__c", "Farbe__c").unwrap();
    play.update("Thing__c", &ids[1], &[("Farbe__c", "blau")]);
    Fresh::Replanned.describe(&play, &mut session).await;
    refreshed(&good(&mut session).await);
    assert_eq!(play.column("thing__c", "farbe__c", &ids[1]).await, "blau");
    assert_eq!(
        play.column("thing__c", "colour__c", &ids[1]).await,
        "1",
        "the former column keeps its values"
    );
    play.assert_equal(&session).await;

    play.objects = json!([{"name": "Thing__c", "fields": [{"source": "Farbe__c", "column": "colour__c"}]}]);
    Fresh::Started.describe(&play, &mut session).await;
    refreshed(&good(&mut session).await);
    assert_eq!(play.column("thing__c", "colour__c", &ids[1]).await, "blau");
    play.assert_equal(&session).await;
}
