//! `plan` and `preview` against an org.

use crate::harness::{Bench, assert_golden, field, secret};

/// A resource with a mapping that is worth looking at.
const OBJECTS: &str = "    - name: Contact
      mapping: None
      fields:
        - {source: Name, column: full_name}
        - {source: Email, column: email}
        - {source: Account.Name, column: company}
        - {source: AccountId, column: company_id}
        - {source: ReportsTo.Email, column: boss}
      urls:
        - {column: page, template: \"{instanceUrl}/lightning/r/Contact/{Id}/view\"}
      where: \"Email != null\"
      indexes: [[email], [company, full_name]]
    - {name: Lead, table: prospect, deletes: Mark, mapping: None, fields: [{source: Company, column: company}]}
    - {name: ContactShare, mapping: None, fields: [{source: ContactAccessLevel, column: level}]}
";

async fn bench() -> Bench {
    let bench = Bench::new().await;
    bench.desk.write(
        "crm.yaml",
        &format!("{}{}", bench.resource(OBJECTS, ""), secret("correct horse")),
    );
    bench
}

#[tokio::test]
async fn plan_shows_tables_statements_calls_and_warnings() {
    let bench = bench().await;
    let finished = bench.run(&["plan", "-f", "crm.yaml"]).await.ended(0);
    assert_golden("plan.txt", &finished.stdout.replace(&bench.url, "http://ORG"));
    assert!(!bench.desk.path("crm.db").exists(), "plan writes nothing");
    let read = |object: &str| {
        let calls = bench.org.calls(usize::MAX);
        calls.iter().any(|call| {
            call.soql
                .as_ref()
                .is_some_and(|soql| soql.contains(&format!("FROM {object}")))
        })
    };
    assert!(!read("Contact") && !read("Lead"), "plan looks at no record of theirs");
}

#[tokio::test]
async fn plan_has_a_stable_shape_for_programs() {
    let bench = bench().await;
    let mut plan = bench
        .run(&["plan", "-f", "crm.yaml", "-o", "json"])
        .await
        .ended(0)
        .json();
    // The hash covers the org's address, whose port is another one each time.
    for (object, length) in plan["objects"].as_array_mut().unwrap().iter_mut().zip([129, 64, 64]) {
        let hash = object["hash"].take();
        assert_eq!(hash.as_str().map(str::len), Some(length), "{hash}");
    }
    let pretty = serde_json::to_string_pretty(&plan)
        .unwrap()
        .replace(&bench.url, "http://ORG");
    assert_golden("plan.json", &format!("{pretty}\n"));
}

#[tokio::test]
async fn plan_says_what_the_destination_has() {
    let bench = bench().await;
    bench
        .run(&["run", "-f", "crm.yaml", "--once", "--object", "Lead"])
        .await
        .ended(0);
    let plan = bench
        .run(&["plan", "-f", "crm.yaml", "-o", "json"])
        .await
        .ended(0)
        .json();
    assert_eq!(plan["states"][0]["phase"], "New");
    assert_eq!(
        (&plan["states"][1]["phase"], &plan["states"][1]["rows"]),
        (&"Live".into(), &20.into())
    );
    assert!(plan["states"][1]["watermark"].is_string(), "{plan}");
}

#[tokio::test]
async fn plan_shows_what_a_run_would_be_refused_for_and_ends_with_6() {
    let bench = bench().await;
    bench
        .database()
        .execute_batch("CREATE TABLE contact (mine TEXT)")
        .unwrap();
    let finished = bench.run(&["plan", "-f", "crm.yaml"]).await.ended(6);
    assert!(finished.stdout.contains("Contact -> contact"), "{finished:?}");
    assert!(finished.stdout.contains("a run would be refused"), "{finished:?}");
    assert!(
        finished.stderr.starts_with("error: ") && finished.stderr.contains("contact"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn plan_shows_what_can_be_planned_and_what_is_wrong_with_the_rest() {
    let bench = bench().await;
    let objects = "    - {name: Contcat}\n    - {name: Lead}\n    - {name: Account, where: \"Nmae != null\"}\n";
    bench.desk.write(
        "crm.yaml",
        &format!("{}{}", bench.resource(objects, ""), secret("correct horse")),
    );
    let finished = bench.run(&["plan", "-f", "crm.yaml"]).await.ended(3);
    for text in [
        "Lead -> lead, deletes: Remove",
        "next run: Initial",
        "Contcat -> contcat: InvalidObject",
        "Account -> account: InvalidField",
        "- Account: where: field Nmae (character 1)",
    ] {
        assert!(finished.stdout.contains(text), "{text}: {finished:?}");
    }
    assert!(
        finished.stderr.starts_with("error: 2 of 3 objects cannot be planned:")
            && finished.stderr.contains("did you mean Contact?")
            && finished.stderr.contains("did you mean Name?"),
        "{finished:?}"
    );
    let plan = bench
        .run(&["plan", "-f", "crm.yaml", "-o", "json"])
        .await
        .ended(3)
        .json();
    assert_eq!(plan["objects"][0]["object"], "Lead");
    assert_eq!(plan["states"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&plan["unplanned"][1]["object"], &plan["unplanned"][1]["reason"]),
        (&"Account".into(), &"InvalidField".into())
    );

    let shown = bench.run(&["preview", "-f", "crm.yaml", "--rows", "1"]).await.ended(3);
    assert!(shown.stdout.contains("Lead -> lead: 1 record"), "{shown:?}");
    assert!(
        shown.stderr.contains("error: Contcat: the object does not exist"),
        "{shown:?}"
    );

    let checked = bench.run(&["check", "-f", "crm.yaml"]).await.ended(3);
    for text in [
        "Lead         every field is there",
        "Contcat      the object does not exist",
        "Account      where: field Nmae",
    ] {
        assert!(checked.stdout.contains(text), "{text}: {checked:?}");
    }
}

#[tokio::test]
async fn plan_lists_all_problems_at_once() {
    let bench = bench().await;
    let objects = "    - {name: Contcat}\n    - {name: Lead, fields: [{source: Compny, column: company}]}\n    \
                   - {name: Account, where: \"Nmae != null ORDER BY Name\"}\n";
    bench.desk.write(
        "crm.yaml",
        &format!("{}{}", bench.resource(objects, ""), secret("correct horse")),
    );
    let finished = bench.run(&["plan", "-f", "crm.yaml"]).await.ended(3);
    assert!(
        finished.stderr.contains("Contcat") && finished.stderr.contains("Contact"),
        "{finished:?}"
    );
    assert!(
        finished.stderr.contains("Compny") && finished.stderr.contains("Company"),
        "{finished:?}"
    );
    assert!(
        finished.stderr.contains("Account: where: field Nmae (character 1)")
            && finished.stderr.contains("Account: where: ORDER BY at character 14"),
        "{finished:?}"
    );
    assert!(finished.stdout.is_empty(), "{finished:?}");
}

#[tokio::test]
async fn preview_shows_records_raw_and_mapped_with_their_urls() {
    let bench = bench().await;
    let text = bench
        .run(&["preview", "-f", "crm.yaml", "--object", "contact", "--rows", "2"])
        .await
        .ended(0)
        .stdout;
    assert!(
        text.starts_with("Contact -> contact: 2 records\n\n1 of 2\nCOLUMN"),
        "{text}"
    );
    let id = bench.org.id("Contact", 0).unwrap();
    assert!(
        text.contains(&format!("{}/lightning/r/Contact/{id}/view", bench.url)),
        "{text}"
    );
    assert!(!text.contains("Lead"), "{text}");

    let json = bench
        .run(&["preview", "-f", "crm.yaml", "--rows", "3", "-o", "json"])
        .await
        .ended(0)
        .json();
    assert_eq!(json["replicator"], "default/crm");
    assert_eq!(json["objects"].as_array().unwrap().len(), 3);
    let contact = &json["objects"][0];
    assert_eq!(contact["rows"].as_array().unwrap().len(), 3);
    let position = |list: &str, name: &str| {
        let list = contact[list].as_array().unwrap();
        list.iter()
            .position(|entry| entry == name)
            .unwrap_or_else(|| panic!("{name} in {list:?}"))
    };
    let row = &contact["rows"][0];
    assert_eq!(
        row["raw"][position("fields", "Name")],
        row["mapped"][position("columns", "full_name")]
    );
    let expected = bench.org.row("Contact", &id).unwrap().unwrap();
    assert_eq!(
        row["raw"][position("fields", "Name")].as_str(),
        field(&expected, "Name")
    );
    assert!(!bench.desk.path("crm.db").exists(), "preview writes nothing");
}

#[tokio::test]
async fn preview_of_an_object_that_the_resource_has_not_ends_with_3() {
    let bench = bench().await;
    let finished = bench
        .run(&["preview", "-f", "crm.yaml", "--object", "Leed"])
        .await
        .ended(3);
    assert!(finished.stderr.contains("did you mean Lead?"), "{finished:?}");
}

#[tokio::test]
async fn plan_says_what_the_next_run_does_and_why() {
    let bench = Bench::new().await;
    let write = |object: &str| {
        let resource = bench.resource(&format!("    - {object}\n"), "");
        bench
            .desk
            .write("crm.yaml", &format!("{resource}{}", secret("correct horse")));
    };
    let plan = ["plan", "-f", "crm.yaml"];
    write("{name: Contact}");
    let told = |finished: &crate::harness::Finished, parts: &[&str]| {
        for part in parts {
            assert!(finished.stdout.contains(part), "{part}\n{finished:?}");
        }
    };
    told(
        &bench.run(&plan).await.ended(0),
        &["next run: Initial", "are loaded into table contact"],
    );
    bench.run(&["run", "-f", "crm.yaml", "--once"]).await.ended(0);
    told(
        &bench.run(&plan).await.ended(0),
        &["next run: Incremental", "the table is as planned"],
    );

    write("{name: Contact, where: \"LastName = 'Nobody of this name'\"}");
    let counted = bench.org.calls(10_000).len();
    let finished = bench.run(&plan).await.ended(0);
    told(
        &finished,
        &[
            "next run: Reconcile",
            "0 records meet the condition, and the table has 300 rows: at least 300",
            "would be held",
        ],
    );
    assert!(!finished.stdout.contains("next run: Refresh"), "{finished:?}");
    let counts = bench.org.calls(10_000).split_off(counted);
    let counts = counts
        .iter()
        .filter(|call| call.call == "query" && call.object.as_deref() == Some("Contact"));
    assert_eq!(counts.count(), 1, "one call counts");

    write("{name: Contact, fields: [{source: Description, column: note}]}");
    bench
        .database()
        .execute_batch("ALTER TABLE contact ADD COLUMN mine TEXT")
        .unwrap();
    let json = bench
        .run(&["plan", "-f", "crm.yaml", "-o", "json"])
        .await
        .ended(0)
        .json();
    let next = &json["states"][0]["next"];
    assert_eq!(next["run"], "Refresh", "{next}");
    assert_eq!(next["columns"][0]["column"], "note");
    assert_eq!(next["columns"][0]["fate"], "added");
    assert_eq!(
        (&next["columns"][1]["column"], &next["columns"][1]["fate"]),
        (&"mine".into(), &"kept".into())
    );
    let finished = bench.run(&["check", "-f", "crm.yaml"]).await.ended(0);
    told(
        &finished,
        &["the next run is a Refresh", "columns that are added: note"],
    );

    write("{name: Contact, table: people}");
    told(
        &bench.run(&plan).await.ended(0),
        &["next run: Initial", "contact is retired, which keeps it"],
    );
    bench
        .database()
        .execute_batch("ALTER TABLE contact ADD COLUMN badge TEXT NOT NULL DEFAULT ''")
        .unwrap();
    write("{name: Contact}");
    told(&bench.run(&plan).await.ended(0), &["kept and not written: mine, badge"]);
}
