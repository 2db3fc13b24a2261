//! Fields that describe lacks while their columns are there: a permission may have been withdrawn.

#![expect(clippy::needless_pass_by_value, reason = "json!(..) is written where it is passed")]

use salesforce::describe::ObjectDescribe;
use serde_json::{Value, json};

use crate::{
    Problems,
    plan::{ColumnSource, Identifier, ObjectPlan, Plan, Schema, fixture},
};

/// Contact without some fields.
fn without(fields: &[&str]) -> Schema {
    let mut contact: ObjectDescribe = fixture::objects().remove(0);
    contact.fields.retain(|field| !fields.contains(&field.name.as_str()));
    fixture::schema_with([contact])
}

fn over(object: Value, schema: &Schema, columns: &[&str]) -> Result<Plan, Problems> {
    fixture::make_over(
        &fixture::spec(json!([object])),
        schema,
        fixture::POSTGRES,
        &[("contact", columns)],
    )
}

fn source<'a>(plan: &'a ObjectPlan, column: &str) -> &'a ColumnSource {
    let found = plan.columns.iter().find(|planned| planned.name.as_str() == column);
    &found.unwrap_or_else(|| panic!("no column {column}")).source
}

fn region() -> Value {
    json!({"name": "Contact", "mapping": "None", "fields": [
        {"source": "Email", "column": "email"}, {"source": "Regoin__c", "column": "region"}]})
}

#[test]
fn a_missing_field_keeps_the_values_of_its_column() {
    let plan = over(
        region(),
        &fixture::schema(),
        &["salesforce_id", "system_modstamp", "Region"],
    )
    .unwrap();
    let contact = &plan.objects[0];
    assert_eq!(source(contact, "region"), &ColumnSource::Empty);
    assert_eq!(contact.missing_fields, ["Regoin__c"]);
    assert_eq!(
        plan.warnings,
        [
            "Contact: field Regoin__c does not exist, or the Salesforce user may not read it; did you mean Region__c? (its \
             column region keeps the values that it has)"
        ]
    );
    let select: Vec<String> = contact.select.iter().map(ToString::to_string).collect();
    assert_eq!(select, ["Id", "SystemModstamp", "IsDeleted", "Email"]);
}

#[test]
fn without_its_column_a_missing_field_is_an_error() {
    let expected = "Contact: field Regoin__c does not exist, or the Salesforce user may not read it; did you mean Region__c? \
                    (for column region)";
    for columns in [&[][..], &["salesforce_id", "email"]] {
        let Problems(problems) = over(region(), &fixture::schema(), columns).unwrap_err();
        assert_eq!(problems, [expected]);
    }
    // Another table's column is not its own.
    let Problems(problems) = fixture::make_over(
        &fixture::spec(json!([region()])),
        &fixture::schema(),
        fixture::POSTGRES,
        &[("lead", &["region"])],
    )
    .unwrap_err();
    assert_eq!(problems, [expected]);
}

#[test]
fn what_could_be_no_field_is_an_error_whatever_the_table_has() {
    for source in ["Account.Owner.Name", "Account.", "MailingAddress"] {
        let object = json!({"name": "Contact", "fields": [{"source": source, "column": "x"}]});
        let Problems(problems) = over(object, &fixture::schema(), &["x"]).unwrap_err();
        assert_eq!(problems.len(), 1, "{source}: {problems:?}");
    }
}

#[test]
fn a_linked_field_goes_with_its_reference() {
    let object =
        json!({"name": "Contact", "mapping": "None", "fields": [{"source": "Account.Name", "column": "company"}]});
    let plan = over(object, &without(&["AccountId"]), &["company"]).unwrap();
    let contact = &plan.objects[0];
    assert_eq!(contact.missing_fields, ["Account.Name"]);
    assert_eq!(
        (contact.links.len(), contact.periods.refresh.unwrap().as_secs()),
        (0, 168 * 3600)
    );
}

#[test]
fn a_template_that_lacks_a_field_keeps_the_values_of_its_column() {
    let object = |template: &str| {
        json!({"name": "Contact", "mapping": "None", "fields": [{"source": "Gone__c", "column": "gone"}],
               "urls": [{"column": "u", "template": template}]})
    };
    let columns = ["gone", "u"];
    for (template, because, missing) in [
        (
            "https://example.com/{Email}/{Lost__c}",
            "names Lost__c, which does not exist, or the Salesforce user may not read it",
            vec!["Gone__c", "Lost__c"],
        ),
        (
            "https://example.com/{gone}",
            "names column gone, whose field Gone__c does not exist, or the Salesforce user may not read it",
            vec!["Gone__c"],
        ),
    ] {
        let plan = over(object(template), &fixture::schema(), &columns).unwrap();
        let contact = &plan.objects[0];
        assert_eq!(source(contact, "u"), &ColumnSource::Empty);
        assert_eq!(contact.missing_fields, missing);
        assert_eq!(
            plan.warnings[1],
            format!("Contact: the template of column u {because}; the column keeps the values that it has")
        );
        assert!(
            !contact.select.iter().any(|path| path.to_string() == "Email"),
            "a template without a URL reads nothing"
        );
        let Problems(problems) = over(object(template), &fixture::schema(), &["gone"]).unwrap_err();
        assert_eq!(problems, [format!("Contact: the template of column u {because}")]);
    }
    // What is wrong for another reason stays wrong.
    for template in [
        "http://example.com/{Lost__c}",
        "https://example.com/{Lost__c}/{MailingAddress}",
        "https://example.com/{u}",
    ] {
        assert!(
            over(object(template), &fixture::schema(), &columns).is_err(),
            "{template}"
        );
    }
}

#[test]
fn a_default_of_the_directory_that_is_missing_keeps_its_values_where_the_column_is_there() {
    let schema = without(&["HomePhone", "AccountId"]);
    let object = json!({"name": "Contact"});
    let plan = over(
        object.clone(),
        &schema,
        &["salesforce_id", "phone_home", "contact_url_2"],
    )
    .unwrap();
    let contact = &plan.objects[0];
    assert_eq!(contact.missing_fields, ["HomePhone", "AccountId"]);
    assert_eq!(
        plan.warnings,
        [
            "Contact: the Directory mapping takes fields that do not exist, or that the Salesforce user may not read; their \
             columns keep the values that they have: HomePhone (column phone_home), AccountId (column contact_url_2)",
            "Contact: the Directory mapping takes fields that do not exist, or that the Salesforce user may not read; their \
             columns stay NULL: Account.Name (column company), AccountId (column company_id), Account.Phone (column \
             phone_company), Account.Website (column website)",
        ]
    );
    let fresh = over(object, &schema, &[]).unwrap();
    assert_eq!(fresh.objects[0].missing_fields, Vec::<String>::new());
    // What the resource leaves out or fills from elsewhere is not missed.
    let settled = json!({"name": "Contact", "exclude": ["HomePhone"], "fields": [
        {"source": "Partner__r.Name", "column": "company"}, {"source": "Partner__c", "column": "company_id"},
        {"source": "Partner__r.Phone", "column": "phone_company"}, {"source": "Partner__r.Website", "column": "website"}],
        "urls": [{"column": "contact_url_2", "template": "{instanceUrl}/{Partner__c}"}]});
    let plan = over(settled, &schema, &["phone_home", "company", "contact_url_2"]).unwrap();
    assert_eq!(plan.objects[0].missing_fields, Vec::<String>::new());
    assert_eq!(plan.warnings, Vec::<String>::new());
    // And does not stay, though the Salesforce user could not read it any more when it was left out.
    assert_eq!(source(&plan.objects[0], "phone_home"), &ColumnSource::Null);
}

#[test]
fn fields_of_people_are_missed_only_where_the_org_has_person_accounts() {
    let mut account = fixture::person_account();
    account.fields.retain(|field| field.name != "PersonEmail");
    let make = |schema: &Schema| {
        let spec = fixture::spec(json!([{"name": "Account"}]));
        let plan = fixture::make_over(&spec, schema, fixture::POSTGRES, &[("account", &["email"])]).unwrap();
        plan.objects.into_iter().next().unwrap().missing_fields
    };
    assert_eq!(make(&fixture::schema_with([account])), ["PersonEmail"]);
    assert_eq!(make(&fixture::schema()), Vec::<String>::new());
}

/// The rows are read again when the field is back: it must not look as if nothing had happened.
#[test]
fn a_field_that_comes_back_counts_as_new() {
    let object = json!({"name": "Contact", "mapping": "None", "fields": [{"source": "Region__c", "column": "region"}]});
    let hash = |schema: &Schema| {
        over(object.clone(), schema, &["region"])
            .unwrap()
            .objects
            .remove(0)
            .hash
    };
    assert_ne!(hash(&fixture::schema()), hash(&without(&["Region__c"])));
}

#[test]
fn columns_of_a_mirror_that_nothing_feeds_any_more_are_told() {
    let mirror = |columns: &[&str]| {
        over(
            json!({"name": "Contact", "mapping": "Mirror", "exclude": ["Score__c"]}),
            &without(&["HomePhone", "Region__c"]),
            columns,
        )
        .unwrap()
    };
    let plan = mirror(&[
        "salesforce_id",
        "system_modstamp",
        "email",
        "home_phone",
        "is_deleted",
        "deleted_at",
        "region__c",
    ]);
    assert_eq!(
        plan.warnings,
        [
            "Contact: these columns of the table belong to nothing that the resource asks for and the Salesforce user may \
             read any more; they keep the values that they have, which grow old: home_phone, region__c"
        ]
    );
    assert_eq!(plan.objects[0].missing_fields, Vec::<String>::new());
    assert_eq!(mirror(&["salesforce_id", "EMAIL"]).warnings, Vec::<String>::new());
    // So it is where the resource itself names columns, and does not any more.
    let none = over(
        json!({"name": "Contact", "mapping": "None"}),
        &fixture::schema(),
        &["old"],
    )
    .unwrap();
    assert_eq!(none.warnings.len(), 1, "{:?}", none.warnings);
    assert!(none.warnings[0].ends_with("which grow old: old"), "{:?}", none.warnings);
}

#[test]
fn what_a_mirror_leaves_out_later_is_null_where_its_column_is() {
    let excluding = |existing: &[&str]| {
        over(
            json!({"name": "Contact", "mapping": "Mirror", "exclude": ["Phone"]}),
            &fixture::schema(),
            existing,
        )
        .unwrap()
    };
    let of_phone = |plan: &Plan| {
        let columns = plan.objects[0].columns.iter();
        columns
            .filter(|column| column.name.as_str() == "phone")
            .map(|column| column.source.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of_phone(&excluding(&[])), []);
    let plan = excluding(&["salesforce_id", "phone"]);
    assert_eq!(of_phone(&plan), [ColumnSource::Null]);
    assert!(!plan.warnings.iter().any(|warning| warning.contains("grow old")));
}

/// The one reason to withdraw a permission may be that the values were never to leave Salesforce.
#[test]
fn what_is_left_out_of_a_mirror_is_null_whether_or_not_the_user_may_read_it() {
    let excluding = |schema: &Schema, existing: &[&str]| {
        let object = json!({"name": "Contact", "mapping": "Mirror", "exclude": ["Score__c"]});
        over(object, schema, existing)
    };
    let existing = ["salesforce_id", "score__c"];
    let hidden = excluding(&without(&["Score__c"]), &existing).unwrap();
    assert_eq!(source(&hidden.objects[0], "score__c"), &ColumnSource::Null);
    let told: Vec<&String> = hidden
        .warnings
        .iter()
        .filter(|warning| warning.contains("Score__c"))
        .collect();
    assert_eq!(
        told,
        ["Contact: exclude: field Score__c does not exist, or the Salesforce user may not read it"]
    );
    assert!(!hidden.warnings.iter().any(|warning| warning.contains("grow old")));
    // That the user may read it again is no reason to read every row again.
    let shown = excluding(&fixture::schema(), &existing).unwrap();
    assert_eq!(shown.objects[0].hash, hidden.objects[0].hash);
    // Where nothing is replicated yet it is a slip, which would bring the very values that are not wanted.
    let Problems(problems) = excluding(&without(&["Score__c"]), &[]).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn a_slip_in_exclude_is_told_with_the_nearest_name() {
    let object = json!({"name": "Contact", "mapping": "Mirror", "exclude": ["HomePhoen"]});
    let expected = "Contact: exclude: field HomePhoen does not exist, or the Salesforce user may not read it; did you mean HomePhone?";
    let plan = over(object.clone(), &fixture::schema(), &["salesforce_id", "home_phone"]).unwrap();
    assert!(
        plan.warnings.iter().any(|warning| warning == expected),
        "{:?}",
        plan.warnings
    );
    let Problems(problems) = over(object, &fixture::schema(), &[]).unwrap_err();
    assert_eq!(problems, [expected]);
}

#[test]
fn an_index_stays_with_the_column_of_a_field_that_is_gone() {
    let object = json!({"name": "Contact", "mapping": "Mirror", "indexes": [["Region__c", "email"]]});
    let plan = over(
        object.clone(),
        &without(&["Region__c"]),
        &["salesforce_id", "region__c"],
    )
    .unwrap();
    let contact = &plan.objects[0];
    let columns: Vec<&str> = contact.indexes[0].columns.iter().map(Identifier::as_str).collect();
    assert_eq!(columns, ["region__c", "email"]);
    assert_eq!(contact.missing_fields, ["region__c"]);
    assert!(
        plan.warnings.iter().any(|warning| warning
            == "Contact: index (Region__c, email): nothing feeds column region__c any more, since the field does not exist, or \
                the Salesforce user may not read it; the index stays"),
        "{:?}",
        plan.warnings
    );
    let there = over(object.clone(), &fixture::schema(), &["salesforce_id", "region__c"]).unwrap();
    assert_eq!(there.objects[0].indexes, contact.indexes);
    // Without the column there is nothing to index; and a mark of another delete mode was never fed by a field.
    for existing in [&["salesforce_id"][..], &["salesforce_id", "is_deleted"]] {
        let object = match existing {
            [_] => object.clone(),
            _ => json!({"name": "Contact", "mapping": "Mirror", "indexes": [["is_deleted"]]}),
        };
        assert!(
            over(object, &without(&["Region__c"]), existing).is_err(),
            "{existing:?}"
        );
    }
}

#[test]
fn an_index_over_a_column_that_only_the_table_has_is_a_slip_where_fields_are_named() {
    // The table may have been made by other objects' columns, or by hand.
    for object in [
        json!({"name": "Contact", "mapping": "Directory", "indexes": [["fax_old"]]}),
        json!({"name": "Contact", "mapping": "None", "fields": [{"source": "LastName", "column": "surname"}],
            "indexes": [["fax_old"]]}),
    ] {
        let Problems(problems) = over(object, &fixture::schema(), &["salesforce_id", "fax_old"]).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with("Contact: index (fax_old): the table has no column fax_old"),
            "{problems:?}"
        );
    }
}
