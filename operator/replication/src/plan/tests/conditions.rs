//! Which records a table holds: what `where` may say, and what the Directory mapping implies.

use salesforce::describe::{FieldDescribe, FieldType};
use serde_json::json;

use crate::{
    Problems,
    plan::{Plan, fixture, fixture::plan, parents_needed},
};

/// The condition of Contact under the mapping None, which implies nothing.
fn contact(condition: &str) -> Result<Plan, Problems> {
    plan(json!([{"name": "Contact", "mapping": "None", "where": condition}]))
}

fn soql(plan: &Plan, object: usize) -> Option<&str> {
    plan.objects[object]
        .condition
        .as_ref()
        .map(|condition| condition.soql.as_str())
}

#[test]
fn a_condition_stands_in_parentheses_as_it_was_written() {
    for (written, expected) in [
        ("MailingCountry = 'Germany'", "(MailingCountry = 'Germany')"),
        (
            "  Email != null\n  OR (Phone!=null)\n",
            "(Email != null OR (Phone!=null))",
        ),
        ("Name LIKE 'Mü\\'ller  %'", "(Name LIKE 'Mü\\'ller  %')"),
        ("contact.EMAIL IN ('a', 'b')", "(contact.EMAIL IN ('a', 'b'))"),
    ] {
        let plan = contact(written).unwrap();
        assert_eq!(soql(&plan, 0), Some(expected));
        assert_eq!(plan.warnings, Vec::<String>::new(), "{written}");
    }
    assert_eq!(soql(&plan(json!([{"name": "Contact"}])).unwrap(), 0), None);
}

#[test]
fn what_is_no_condition_is_refused_with_its_object_and_place() {
    for (written, expected) in [
        ("  ", "the condition is empty: write one, or leave it out"),
        (
            "Email != null ORDER BY Email",
            "ORDER BY at character 15 is no part of a condition: write only what would stand behind WHERE, without it",
        ),
        (
            "Email != null LIMIT 5",
            "LIMIT at character 15 is no part of a condition: write only what would stand behind WHERE, without it",
        ),
        ("(Email != null", "the ( at character 1 has no ) behind it"),
        ("Email = 1) OR (Phone = 2", "the ) at character 10 has no ( before it"),
        (
            "Email = 'secret",
            "the text that begins at character 9 has no closing quote; a quote within a text is written \\'",
        ),
        (
            "MailingCountry = Germany",
            "Germany at character 18 is no value: a text stands in quotes, 'like this', and a field cannot be compared with \
             another one",
        ),
    ] {
        let Problems(problems) = contact(written).unwrap_err();
        assert_eq!(problems, [format!("Contact: where: {expected}")], "{written}");
    }
}

#[test]
fn fields_of_a_condition_are_those_of_describe() {
    for (written, expected) in [
        (
            "Emial = 'x' AND emial != null",
            "field Emial (character 1) does not exist, or the Salesforce user may not read it; did you mean Email?",
        ),
        (
            "Account.Industri = 'x'",
            "field Account.Industri (character 1) does not exist on Account, or the Salesforce user may not read it; did you \
             mean Account.Industry?",
        ),
        (
            "Email != null AND AccountId.Name = 'x'",
            "field AccountId.Name (character 19) does not exist: Contact has no parent AccountId; did you mean Account.Name?",
        ),
        (
            "Account.Owner.Name = 'x'",
            "field Account.Owner.Name (character 1) goes up more than one level; this version reads the fields of direct \
             parents only, such as Account.Name",
        ),
        (
            "Account.Description LIKE 'x%'",
            "Salesforce does not filter by field Account.Description (character 1): take another one",
        ),
        (
            "CALENDAR_YEAR(Brithdate) = 2000",
            "field Brithdate (character 15) does not exist, or the Salesforce user may not read it; did you mean Birthdate?",
        ),
    ] {
        let Problems(problems) = contact(written).unwrap_err();
        assert_eq!(problems, [format!("Contact: where: {expected}")], "{written}");
    }
    // All at once: fields and shape.
    let Problems(problems) = contact("Emial = 'x' AND Fone = 1 LIMIT 3").unwrap_err();
    assert_eq!(problems.len(), 3, "{problems:?}");
}

/// Without the field nobody can say which records belong in the table.
#[test]
fn a_missing_field_of_a_condition_is_an_error_also_where_its_column_exists() {
    let mut contact = fixture::objects().remove(0);
    contact.fields.retain(|field| field.name != "Region__c");
    let spec = fixture::spec(json!([{"name": "Contact", "where": "Region__c = 'South'",
        "fields": [{"source": "Region__c", "column": "region"}]}]));
    let Problems(problems) = fixture::make_over(
        &spec,
        &fixture::schema_with([contact]),
        fixture::POSTGRES,
        &[("contact", &["salesforce_id", "region"])],
    )
    .unwrap_err();
    assert_eq!(
        problems,
        ["Contact: where: field Region__c (character 1) does not exist, or the Salesforce user may not read it"]
    );
}

#[test]
fn what_changes_without_a_stamp_is_told() {
    let warning = |written: &str| {
        let plan = contact(written).unwrap();
        let [warning] = plan.warnings.as_slice() else {
            panic!("{written}: {:?}", plan.warnings)
        };
        warning.clone()
    };
    for (written, expected) in [
        ("Birthdate > LAST_N_YEARS:30", "LAST_N_YEARS:30 (relative date)"),
        ("Score__c > 3", "Score__c (formula or roll-up)"),
        ("account.industry = 'x'", "Account.Industry (field of a parent)"),
        (
            "AccountId IN (SELECT AccountId FROM Opportunity WHERE Amount > 5)",
            "records of Opportunity (IN (SELECT ..))",
        ),
        (
            "Account.Industry = 'x' AND Birthdate < TODAY AND Account.Industry != 'y'",
            "Account.Industry (field of a parent), TODAY (relative date)",
        ),
    ] {
        assert_eq!(
            warning(written),
            format!(
                "Contact: where: records that begin or cease to meet it without a change of their own are found by \
                 Reconcile only (consistency.reconcileEvery): {expected}"
            )
        );
    }
    let spec = fixture::spec_with(
        json!([{"name": "Account", "where": "Owner.Name = 'x'", "mapping": "None"}]),
        json!({"consistency": {"reconcileEvery": "0s"}}),
    );
    let plan = fixture::make_with(&spec, &fixture::schema(), fixture::POSTGRES).unwrap();
    assert!(
        plan.warnings[0].contains("are not found, since consistency.reconcileEvery is 0s: Owner.Name"),
        "{:?}",
        plan.warnings
    );
}

#[test]
fn the_directory_leaves_out_who_does_not_belong_in_it() {
    let schema = fixture::schema_with([fixture::person_account()]);
    let of = |objects: serde_json::Value, object: usize| {
        let plan = fixture::make_with(&fixture::spec(objects), &schema, fixture::POSTGRES).unwrap();
        assert_eq!(plan.warnings, Vec::<String>::new());
        soql(&plan, object).map(str::to_owned)
    };
    assert_eq!(of(json!([{"name": "lead"}]), 0).as_deref(), Some("IsConverted = false"));
    assert_eq!(
        of(json!([{"name": "User"}]), 0).as_deref(),
        Some("IsActive = true AND UserType = 'Standard'")
    );
    assert_eq!(of(json!([{"name": "Contact"}]), 0), None);
    assert_eq!(
        of(json!([{"name": "Account"}]), 0),
        None,
        "nobody else has the Person Accounts"
    );
    assert_eq!(
        of(json!([{"name": "Account"}, {"name": "contact"}]), 0).as_deref(),
        Some("IsPersonAccount = false")
    );
    assert_eq!(
        of(
            json!([{"name": "Lead", "where": "Country = 'DE' OR Country = 'AT'"}]),
            0
        )
        .as_deref(),
        Some("IsConverted = false AND (Country = 'DE' OR Country = 'AT')")
    );
    for mapping in ["Mirror", "None"] {
        assert_eq!(of(json!([{"name": "Lead", "mapping": mapping}]), 0), None, "{mapping}");
    }
    // Without Person Accounts there is no such field, and nothing to tell.
    let plain = plan(json!([{"name": "Account"}, {"name": "Contact"}])).unwrap();
    assert_eq!((soql(&plain, 0), plain.warnings.len()), (None, 0));
}

#[test]
fn an_implied_condition_that_cannot_be_is_told() {
    let mut objects = fixture::objects();
    let user = objects.iter_mut().find(|object| object.summary.name == "User").unwrap();
    user.fields.retain(|field| field.name != "UserType");
    let schema = fixture::schema_with([user.clone()]);
    let plan = fixture::make_with(&fixture::spec(json!([{"name": "User"}])), &schema, fixture::POSTGRES).unwrap();
    assert_eq!(soql(&plan, 0), Some("IsActive = true"));
    assert_eq!(
        plan.warnings,
        [
            "User: users that are no people are not left out of the table: UserType does not exist, or the Salesforce user \
             may not read it"
        ]
    );
}

#[test]
fn parents_that_only_a_condition_names_are_described() {
    let objects = json!([{"name": "Sample__c", "where": "sample__c.Parent__r.Name = 'x' OR (Name = 'y')"}]);
    let spec = fixture::spec(objects.clone());
    let all = fixture::objects();
    let mut schema = crate::plan::Schema::new(all.iter().map(|object| object.summary.clone()));
    schema.extend(all.iter().filter(|object| object.summary.name == "Sample__c").cloned());
    let needed: Vec<String> = parents_needed(&spec, &schema).iter().map(ToString::to_string).collect();
    assert_eq!(needed, ["Account"]);
    let plan = plan(objects).unwrap();
    assert!(
        !plan.objects[0].select.iter().any(|path| path.relationship.is_some()),
        "a condition is not read"
    );
    assert!(plan.objects[0].links.is_empty());
}

#[test]
fn another_condition_is_another_hash_and_other_blanks_are_not() {
    let hash = |condition: Option<&str>| {
        let mut object = json!({"name": "Contact"});
        if let Some(condition) = condition {
            object["where"] = json!(condition);
        }
        plan(json!([object])).unwrap().objects.remove(0).hash
    };
    let (none, germany) = (hash(None), hash(Some("MailingCountry = 'DE'")));
    assert_eq!(none.condition(), None);
    assert_eq!(germany.rows(), none.rows());
    assert_eq!(hash(Some(" MailingCountry\n= 'DE'\n")), germany);
    assert_ne!(hash(Some("MailingCountry = 'AT'")), germany);
    assert_ne!(hash(Some("MailingCountry = ' DE'")), germany);
}

#[test]
fn a_condition_counts_for_the_length_and_the_parents_of_a_statement() {
    let text = |n: usize| fixture::field(&format!("F{n}{}__c", "x".repeat(70)), FieldType::String, 10);
    let object = fixture::object("A__c", (0..1199).map(text).collect());
    let schema = fixture::schema_with([object]);
    let make = |condition: &str| {
        let spec = fixture::spec(json!([{"name": "A__c", "where": condition}]));
        fixture::make_with(&spec, &schema, fixture::POSTGRES)
    };
    assert!(make("Id != null").is_ok());
    let Problems(problems) = make(&format!("F0{}__c != '{}'", "x".repeat(70), "x".repeat(3900))).unwrap_err();
    assert_eq!(
        problems,
        [
            "A__c: its query would have more than 100000 characters, the most that Salesforce takes: exclude fields, or \
             shorten where"
        ]
    );

    let references = (0..56).map(|n| fixture::reference(&format!("R{n}__c"), &format!("R{n}__r"), &["Account"]));
    let schema = fixture::schema_with([fixture::object("A__c", references.collect())]);
    let fields: Vec<_> = (0..55)
        .map(|n| json!({"source": format!("R{n}__r.Name"), "column": format!("r{n}")}))
        .collect();
    let make = |condition: &str| {
        let object = json!({"name": "A__c", "mapping": "None", "fields": fields, "where": condition});
        fixture::make_with(&fixture::spec(json!([object])), &schema, fixture::POSTGRES)
    };
    assert!(make("R54__r.Name = 'x'").is_ok());
    let Problems(problems) = make("R55__r.Name = 'x'").unwrap_err();
    assert!(problems[0].contains("would read 56 parents"), "{problems:?}");
}

#[test]
fn a_formula_that_can_be_filtered_by_is_taken() {
    let formula = FieldDescribe {
        calculated: true,
        ..fixture::field("Active__c", FieldType::Boolean, 0)
    };
    let schema = fixture::schema_with([fixture::object("A__c", vec![formula])]);
    let spec = fixture::spec(json!([{"name": "A__c", "exclude": ["Active__c"], "where": "Active__c = true"}]));
    let plan = fixture::make_with(&spec, &schema, fixture::POSTGRES).unwrap();
    assert_eq!(soql(&plan, 0), Some("(Active__c = true)"));
    assert_eq!(plan.warnings.len(), 1, "{:?}", plan.warnings);
}
