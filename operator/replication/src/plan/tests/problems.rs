//! What is refused, and in which words.

#![expect(clippy::needless_pass_by_value, reason = "json!(..) is written where it is passed")]

use salesforce::describe::FieldType;
use serde_json::{Value, json};

use crate::{
    Problems,
    destination::Capabilities,
    plan::{fixture, fixture::problems},
};

/// One object with one thing wrong, and the sentence that tells it.
#[track_caller]
fn refused(object: Value, expected: &str) {
    assert_eq!(problems(json!([object])), [expected], "{object}");
}

fn contact(more: &Value) -> Value {
    let mut object = json!({"name": "Contact"});
    for (key, value) in more.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

#[test]
fn objects_that_are_not_there() {
    refused(
        json!({"name": "Contcat"}),
        "Contcat: the object does not exist, or the Salesforce user may not see it; did you mean Contact?",
    );
    refused(
        json!({"name": "Sample"}),
        "Sample: the object does not exist, or the Salesforce user may not see it; did you mean Sample__c?",
    );
    refused(
        json!({"name": "Invoice"}),
        "Invoice: the object does not exist, or the Salesforce user may not see it",
    );
    refused(
        json!({"name": "Opportunity"}),
        "Opportunity: its fields could not be read (describe)",
    );
    refused(json!({"name": "Name"}), "Name: the object cannot be queried");
}

#[test]
fn objects_that_cannot_be_replicated() {
    type Change = fn(&mut salesforce::describe::ObjectDescribe);
    let cases: [(&str, Change, &str); 8] = [
        (
            "A__c",
            |object| object.summary.deprecated_and_hidden = true,
            "is kept by Salesforce for itself",
        ),
        ("A__c", |object| object.summary.queryable = false, "cannot be queried"),
        (
            "A__c",
            |object| object.summary.custom_setting = true,
            "is a custom setting",
        ),
        ("A__mdt", |_| {}, "is a custom metadata type"),
        ("A__b", |_| {}, "is a big object"),
        ("A__x", |_| {}, "is external"),
        ("A__e", |_| {}, "is a platform event"),
        (
            "A__c",
            |object| object.fields.retain(|field| field.name != "Id"),
            "has no Id",
        ),
    ];
    for (name, change, expected) in cases {
        let mut object = fixture::object(name, Vec::new());
        change(&mut object);
        let spec = fixture::spec(json!([{"name": name}]));
        let Problems(problems) =
            fixture::make_with(&spec, &fixture::schema_with([object]), fixture::POSTGRES).unwrap_err();
        let [problem] = problems.as_slice() else {
            panic!("{name}: {problems:?}")
        };
        assert!(
            problem.starts_with(&format!("{name}: the object {expected}")),
            "{problem}"
        );
    }
}

#[test]
fn fields_that_are_not_there() {
    for (source, expected) in [
        (
            "Regoin__c",
            "field Regoin__c does not exist, or the Salesforce user may not read it; did you mean Region__c? (for column x)",
        ),
        (
            "sales region",
            "field sales region does not exist, or the Salesforce user may not read it; did you mean Region__c? (for column x)",
        ),
        (
            "Favourite",
            "field Favourite does not exist, or the Salesforce user may not read it (for column x)",
        ),
        (
            "Account.Industri",
            "field Account.Industri does not exist on Account, or the Salesforce user may not read it; did you mean \
             Account.Industry? (for column x)",
        ),
        (
            "AccountId.Name",
            "field AccountId.Name does not exist: Contact has no parent AccountId; did you mean Account.Name? (for column x)",
        ),
        (
            "Partner__c.Name",
            "field Partner__c.Name does not exist: Contact has no parent Partner__c; did you mean Partner__r.Name? (for \
             column x)",
        ),
        (
            "Acount.Name",
            "field Acount.Name does not exist: Contact has no parent Acount; did you mean Account.Name? (for column x)",
        ),
        (
            "Nobody.Name",
            "field Nobody.Name does not exist: Contact has no parent Nobody (for column x)",
        ),
        (
            "Account.Owner.Name",
            "field Account.Owner.Name goes up more than one level; this version reads the fields of direct parents only, \
             such as Account.Name (for column x)",
        ),
        (
            "Broker__r.Name",
            "field Broker__r.Name cannot be read: the Salesforce user may not see the object Secret__c (for column x)",
        ),
        (
            "Account.",
            "field Account. is no field's name: write one such as Email or Account.Name (for column x)",
        ),
        (
            "MailingAddress",
            "field MailingAddress is a compound field (address or location): name its parts, such as MailingStreet",
        ),
        (
            "Account.BillingAddress",
            "field Account.BillingAddress is a compound field (address or location): name its parts, such as MailingStreet",
        ),
    ] {
        refused(
            contact(&json!({"fields": [{"source": source, "column": "x"}]})),
            &format!("Contact: {expected}"),
        );
    }
}

#[test]
fn polymorphic_parents_need_an_org_that_tells_what_they_have_in_common() {
    let objects = fixture::objects()
        .into_iter()
        .filter(|object| object.summary.name != "Name");
    let objects: Vec<_> = objects.collect();
    let mut schema = crate::plan::Schema::new(objects.iter().map(|object| object.summary.clone()));
    schema.extend(objects);
    let spec = fixture::spec(json!([{"name": "Lead", "fields": [{"source": "Owner.Name", "column": "owner"}]}]));
    let Problems(problems) = fixture::make_with(&spec, &schema, fixture::POSTGRES).unwrap_err();
    assert_eq!(
        problems,
        [
            "Lead: field Owner.Name belongs to a parent of several types (Group, User), and this org does not tell what they \
          have in common (for column owner)"
        ]
    );
}

#[test]
fn fields_of_types_that_no_column_holds() {
    for (field_type, ending) in [
        (FieldType::Base64, "holds binary data (base64), which is not replicated"),
        (
            FieldType::Unknown("vector".to_owned()),
            "has the type vector, which this version does not know",
        ),
        (
            FieldType::Location,
            "is a compound field (address or location): name its parts, such as MailingStreet",
        ),
    ] {
        let object = fixture::object("A__c", vec![fixture::field("X__c", field_type, 0)]);
        let spec = fixture::spec(json!([
            {"name": "A__c", "mapping": "None", "fields": [{"source": "X__c", "column": "x"}]}
        ]));
        let Problems(problems) =
            fixture::make_with(&spec, &fixture::schema_with([object]), fixture::POSTGRES).unwrap_err();
        assert_eq!(problems, [format!("A__c: field X__c {ending}")]);
    }
    // A mirror leaves nothing out without a word.
    let object = fixture::object(
        "A__c",
        vec![fixture::field("X__c", FieldType::Unknown("vector".to_owned()), 0)],
    );
    let schema = fixture::schema_with([object]);
    let Problems(problems) =
        fixture::make_with(&fixture::spec(json!([{"name": "A__c"}])), &schema, fixture::POSTGRES).unwrap_err();
    assert_eq!(
        problems,
        ["A__c: field X__c has the type vector, which this version does not know: exclude it"]
    );
    let excluded = fixture::spec(json!([{"name": "A__c", "exclude": ["x__c"]}]));
    assert!(fixture::make_with(&excluded, &schema, fixture::POSTGRES).is_ok());
}

#[test]
fn columns_that_collide() {
    for (more, expected) in [
        (
            json!({"fields": [{"source": "Email", "column": "x"}, {"source": "Phone", "column": "x"}]}),
            "field Email and field Phone are both for column x: choose another name",
        ),
        (
            json!({"fields": [{"source": "Email", "column": "x"}, {"source": "Phone", "column": "X"}]}),
            "field Email and field Phone are both for column X (names that differ by case only are the same): choose \
             another name",
        ),
        (
            json!({"fields": [{"source": "Email", "column": "x"}],
                   "urls": [{"column": "x", "template": "https://example.com/{Id}"}]}),
            "field Email and a URL are both for column x: choose another name",
        ),
        (
            json!({"fields": [{"source": "Email", "column": "email"}, {"source": "Phone", "column": "email"}]}),
            "field Email and field Phone are both for column email: choose another name",
        ),
        (
            json!({"fields": [{"source": "Email", "column": "Salesforce_Id"}]}),
            "column Salesforce_Id (field Email) is in every table already: choose another name",
        ),
        (
            json!({"fields": [{"source": "Email", "column": "system_modstamp"}]}),
            "column system_modstamp (field Email) is in every table already: choose another name",
        ),
        (
            json!({"deletes": "Mark", "fields": [{"source": "Email", "column": "deleted_at"}]}),
            "column deleted_at (field Email) has the name of one that deletes: Mark adds: choose another name",
        ),
        (
            json!({"fields": [{"source": "Email", "column": "xmin"}]}),
            "column xmin has the name of a column that the database has in every table: choose another name",
        ),
        (
            json!({"fields": [{"source": "Email", "column": "RowId"}]}),
            "column RowId has the name of a column that the database has in every table: choose another name",
        ),
        (
            json!({"fields": [{"source": "Email", "column": "e mail"}]}),
            "column e mail has the character ' ' in its name: use letters, digits and _",
        ),
    ] {
        refused(contact(&more), &format!("Contact: {expected}"));
    }
    assert!(
        fixture::plan(json!([contact(
            &json!({"fields": [{"source": "Email", "column": "deleted_at"}]})
        )]))
        .is_ok()
    );
}

#[test]
fn fields_whose_snake_case_is_the_same() {
    let text = |name: &str| fixture::field(name, FieldType::String, 10);
    let object = fixture::object("A__c", vec![text("FooBar__c"), text("Foo_Bar__c")]);
    let schema = fixture::schema_with([object]);
    let Problems(problems) =
        fixture::make_with(&fixture::spec(json!([{"name": "A__c"}])), &schema, fixture::POSTGRES).unwrap_err();
    assert_eq!(
        problems,
        [
            "A__c: field FooBar__c and field Foo_Bar__c are both for column foo_bar__c: give the field another column in \
          fields, or exclude it"
        ]
    );
    for remedy in [
        json!({"name": "A__c", "fields": [{"source": "FooBar__c", "column": "other"}]}),
        json!({"name": "A__c", "exclude": ["Foo_Bar__c"]}),
    ] {
        let spec = fixture::spec(json!([remedy]));
        assert!(
            fixture::make_with(&spec, &schema, fixture::POSTGRES).is_ok(),
            "{remedy}"
        );
    }
}

#[test]
fn tables() {
    assert_eq!(
        problems(json!([{"name": "Contact", "table": "people"}, {"name": "Lead", "table": "People"}])),
        ["Lead: table People is that of Contact already: give one of them another name"]
    );
    assert_eq!(
        problems(json!([{"name": "Contact"}, {"name": "contact", "table": "people"}])),
        ["contact: the object is listed twice"]
    );
    refused(
        json!({"name": "Contact", "table": "_contact"}),
        "Contact: table _contact begins with _, as the replicator's own tables do: choose another name",
    );
    assert_eq!(problems(json!([])), ["objects: at least one is needed"]);
}

#[test]
fn mapping_and_exclude() {
    refused(
        json!({"name": "Sample__c", "mapping": "Directory"}),
        "Sample__c: the Directory mapping knows Contact, Account, Lead and User only: take Mirror, or None and fields",
    );
    for (more, expected) in [
        (
            json!({"exclude": ["HomePone"]}),
            "exclude: the Directory mapping takes no field HomePone; did you mean HomePhone?",
        ),
        (
            json!({"exclude": ["phone_home"]}),
            "exclude: the Directory mapping takes no field phone_home; did you mean HomePhone?",
        ),
        (
            json!({"exclude": ["Birthdate"]}),
            "exclude: the Directory mapping takes no field Birthdate",
        ),
        (
            json!({"mapping": "Mirror", "exclude": ["HomePone"]}),
            "exclude: field HomePone does not exist, or the Salesforce user may not read it; did you mean HomePhone?",
        ),
        (
            json!({"mapping": "Mirror", "exclude": ["Account.Name"]}),
            "exclude: the Mirror mapping takes no field of a parent, so there is no Account.Name",
        ),
        (
            json!({"mapping": "Mirror", "exclude": ["id"]}),
            "exclude: id is in every table and cannot be left out",
        ),
        (
            json!({"mapping": "None", "exclude": ["Email"]}),
            "exclude has nothing to leave out: the mapping None has no columns of its own",
        ),
    ] {
        refused(contact(&more), &format!("Contact: {expected}"));
    }
}

#[test]
fn templates() {
    for (template, expected) in [
        (
            "http://example.com/{Id}",
            "does not begin with https:// or {instanceUrl}",
        ),
        (
            "javascript:alert('{Name}')",
            "does not begin with https:// or {instanceUrl}",
        ),
        ("https://example.com/{Id", "has a { without its }"),
        (
            "https://example.com/{Emial}",
            "names Emial, which is no field, column or label; did you mean Email?",
        ),
        (
            "https://example.com/{Surname1}",
            "names Surname1, which is no field, column or label; did you mean surname?",
        ),
        (
            "https://example.com/{Favourite}",
            "names Favourite, which does not exist, or the Salesforce user may not read it",
        ),
        (
            "https://example.com/{Level}",
            "names Level, a label that several fields have: write one of Level_A__c, Level_B__c",
        ),
        (
            "https://example.com/{phone_internal}",
            "names column phone_internal, which has no value",
        ),
        (
            "https://example.com/{contact_url_1}",
            "names column contact_url_1, which is a URL itself",
        ),
        (
            "https://example.com/{MailingAddress}",
            "names MailingAddress, which is a compound field (address or location): name its parts, such as MailingStreet",
        ),
        (
            "https://example.com/{Account.Nam}",
            "names Account.Nam, which does not exist on Account, or the Salesforce user may not read it; did you mean \
             Account.Name?",
        ),
        (
            "https://example.com/{Nix1}/{Nix2}",
            "names Nix1, which does not exist, or the Salesforce user may not read it, and names Nix2, which does not \
             exist, or the Salesforce user may not read it",
        ),
    ] {
        refused(
            contact(&json!({"urls": [{"column": "u", "template": template}]})),
            &format!("Contact: the template of column u {expected}"),
        );
    }
}

#[test]
fn indexes() {
    for (indexes, expected) in [
        (
            json!([["emial"]]),
            "index (emial): the table has no column emial; did you mean email?",
        ),
        (
            json!([["surname", "nothing_like_it"]]),
            "index (surname, nothing_like_it): the table has no column nothing_like_it",
        ),
        (
            json!([["email", "Email"]]),
            "index (email, Email) has column Email twice",
        ),
        (json!([["email"], ["EMAIL"]]), "index (EMAIL) is listed twice"),
        (
            json!([["salesforce_id"]]),
            "index (salesforce_id) is the primary key, which every table has",
        ),
        (json!([[]]), "an index without columns: name at least one"),
    ] {
        refused(contact(&json!({"indexes": indexes})), &format!("Contact: {expected}"));
    }
}

#[test]
fn more_columns_than_the_destination_holds() {
    let small = Capabilities {
        name: "SQLite",
        max_columns: 26,
        ..fixture::POSTGRES
    };
    let spec = fixture::spec(json!([{"name": "Sample__c"}]));
    let Problems(problems) = fixture::make_with(&spec, &fixture::schema(), small).unwrap_err();
    assert_eq!(
        problems,
        [
            "Sample__c: its table would have 27 columns, and SQLite takes 26: exclude fields, or take the mapping None and \
          name them"
        ]
    );
    let enough = Capabilities {
        max_columns: 27,
        ..small
    };
    assert!(fixture::make_with(&spec, &fixture::schema(), enough).is_ok());
}

#[test]
fn a_statement_longer_than_salesforce_takes() {
    let fields = (0..1400).map(|n| fixture::field(&format!("F{n}{}__c", "x".repeat(70)), FieldType::String, 10));
    let object = fixture::object("A__c", fields.collect());
    let spec = fixture::spec(json!([{"name": "A__c"}]));
    let Problems(problems) = fixture::make_with(&spec, &fixture::schema_with([object]), fixture::POSTGRES).unwrap_err();
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}")
    };
    assert!(
        problem.starts_with("A__c: its query would have more than 100000 characters"),
        "{problem}"
    );
}

/// A resource with one setting wrong, and how the sentence that tells it begins.
#[track_caller]
fn refused_setting(more: Value, expected: &str) {
    let spec = fixture::spec_with(json!([{"name": "Contact"}]), more.clone());
    match fixture::make_with(&spec, &fixture::schema(), fixture::POSTGRES) {
        Err(Problems(problems)) => {
            let [problem] = problems.as_slice() else {
                panic!("{more}: {problems:?}")
            };
            assert!(problem.starts_with(expected), "{problem}");
        }
        Ok(_) => panic!("{more} was taken"),
    }
}

#[test]
fn connections_that_are_not_served() {
    let connection = |more: Value| {
        let mut connection = json!({"auth": {"password": {"secretRef": {"name": "crm"}}}});
        for (key, value) in more.as_object().unwrap() {
            connection[key] = value.clone();
        }
        json!({"connection": connection})
    };
    for (more, expected) in [
        (
            connection(json!({"api": "Bulk"})),
            "connection.api: Bulk: reading by the Bulk API is not served",
        ),
        (
            connection(json!({"apiBudgetPercent": 96})),
            "connection.apiBudgetPercent: 96 is no budget in percent of the org's daily calls: write 1 to 95",
        ),
        (
            connection(json!({"auth": {"clientCredentials": {"secretRef": {"name": "a"}}}})),
            "connection.auth.clientCredentials is not served",
        ),
        (
            connection(json!({"auth": {"jwtBearer": {"secretRef": {"name": "a"}}}})),
            "connection.auth.jwtBearer is not served",
        ),
        (
            connection(json!({"auth": {}})),
            "connection.auth: exactly one way to log in must be set, and none is",
        ),
        (
            connection(
                json!({"auth": {"password": {"secretRef": {"name": "a"}}, "jwtBearer": {"secretRef": {"name": "a"}}}}),
            ),
            "connection.auth: exactly one way to log in must be set, and several are",
        ),
    ] {
        refused_setting(more, expected);
    }
}

#[test]
fn settings_that_are_not_served() {
    for (more, expected) in [
        (
            json!({"destination": {"mysql": {"secretRef": {"name": "db"}}}}),
            "destination.mysql: MySQL and MariaDB are not served",
        ),
        (
            json!({"destination": {}}),
            "destination: exactly one of postgres, mysql and sqlite must be set, and none is",
        ),
        (
            json!({"destination": {"postgres": {"secretRef": {"name": "db"}}, "sqlite": {"file": "crm.db"}}}),
            "destination: exactly one of postgres, mysql and sqlite must be set, and postgres and sqlite are",
        ),
        (
            json!({"phoneNumbers": {"defaultRegion": "DE"}}),
            "phoneNumbers: the table of numbers in E.164 is not served",
        ),
        (
            json!({"consistency": {"maxDeletePercent": 101}}),
            "consistency.maxDeletePercent: 101 is no part of the rows in percent: write 0 to 100",
        ),
        (
            json!({"consistency": {"maxDeletePercent": -1}}),
            "consistency.maxDeletePercent: -1 is no part of the rows",
        ),
        (
            json!({"execution": {"jobs": "LongRuns"}}),
            "execution.jobs: runs in pods of their own",
        ),
        (
            json!({"execution": {"jobs": "Always"}}),
            "execution.jobs: runs in pods of their own",
        ),
        (
            json!({"trigger": {"schedule": "* * *"}}),
            "trigger: \"* * *\" is not a cron line",
        ),
        (json!({"parallelism": 0}), "parallelism: at least 1 is needed"),
    ] {
        refused_setting(more, expected);
    }
}

#[test]
fn settings_are_checked_before_the_login() {
    let spec = fixture::spec_with(
        json!([{"name": "Nowhere", "where": "x = 1"}]),
        json!({"destination": {"mysql": {"secretRef": {"name": "db"}}}, "trigger": {"schedule": "never"}}),
    );
    let Problems(problems) = crate::plan::check_settings(&spec).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(
        crate::plan::check_settings(&fixture::spec(json!([{"name": "Nowhere"}]))),
        Ok(())
    );
}

#[test]
fn a_default_that_is_written_out_is_taken() {
    let spec = fixture::spec_with(
        json!([{"name": "Contact"}]),
        json!({
            "connection": {"auth": {"password": {"secretRef": {"name": "crm"}}}, "api": "Auto", "apiBudgetPercent": 80,
                           "apiVersion": "66.0"},
            "consistency": {"overlap": "10m", "verifyEvery": "60m", "reconcileEvery": "24h", "refreshEvery": "168h",
                            "maxDeletePercent": 10},
            "execution": {"jobs": "Never"},
            "deletionPolicy": "Retain",
            "parallelism": 2,
            "suspend": false,
            "trigger": {"schedule": "*/15 * * * *", "timeZone": "Europe/Berlin", "manual": "a"},
        }),
    );
    let plan = fixture::make_with(&spec, &fixture::schema(), fixture::POSTGRES).unwrap();
    assert_eq!(plan.api_calls.runs_per_day, 96);
    assert_eq!((plan.max_delete_percent, plan.api_budget_percent), (10, 80));
}

#[test]
fn all_problems_come_at_once_and_name_their_object() {
    let spec = fixture::spec_with(
        json!([
            {"name": "Contact", "fields": [{"source": "Emial", "column": "a"}, {"source": "Regoin__c", "column": "b"}],
             "exclude": ["Nothing"], "where": "x = 1", "indexes": [["emial"]],
             "urls": [{"column": "u", "template": "ftp://x"}]},
            {"name": "Leed"},
            {"name": "Account", "table": "contact"},
        ]),
        json!({"execution": {"jobs": "Always"}, "phoneNumbers": {"defaultRegion": "DE"}}),
    );
    let Problems(problems) = fixture::make_with(&spec, &fixture::schema(), fixture::POSTGRES).unwrap_err();
    let of = |object: &str| problems.iter().filter(|problem| problem.starts_with(object)).count();
    assert_eq!(
        (
            of("Contact: "),
            of("Leed: "),
            of("Account: "),
            of("execution.jobs"),
            of("phoneNumbers"),
            problems.len()
        ),
        (6, 1, 1, 1, 1, 10),
        "{problems:#?}"
    );
}

#[test]
fn more_parents_than_a_query_takes() {
    let references = (0..56).map(|n| fixture::reference(&format!("R{n}__c"), &format!("R{n}__r"), &["Account"]));
    let schema = fixture::schema_with([fixture::object("A__c", references.collect())]);
    let fields = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|n| json!({"source": format!("R{n}__r.Name"), "column": format!("r{n}")}))
            .collect()
    };
    let spec = |count| fixture::spec(json!([{"name": "A__c", "mapping": "None", "fields": fields(count)}]));
    assert!(fixture::make_with(&spec(55), &schema, fixture::POSTGRES).is_ok());
    let Problems(problems) = fixture::make_with(&spec(56), &schema, fixture::POSTGRES).unwrap_err();
    assert_eq!(
        problems,
        ["A__c: its query would read 56 parents, and Salesforce takes 55: take fields of fewer parents"]
    );
}
