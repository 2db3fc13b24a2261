//! Parents whose changes reach the table.

use salesforce::describe::{FieldType, ObjectDescribe};
use serde_json::json;

use crate::plan::{Link, ObjectPlan, Plan, fixture, fixture::plan};

fn object(name: &str) -> ObjectDescribe {
    fixture::objects()
        .into_iter()
        .find(|object| object.summary.name == name)
        .unwrap()
}

fn only(objects: serde_json::Value) -> ObjectPlan {
    plan(objects).unwrap().objects.remove(0)
}

fn paths(link: &Link) -> Vec<String> {
    link.select.iter().map(ToString::to_string).collect()
}

/// `column=field` of each compared column.
fn compared(plan: &ObjectPlan, link: &Link) -> Vec<String> {
    let pair = |linked: &crate::plan::LinkedColumn| {
        format!("{}={}", plan.columns[linked.column].name, link.select[linked.field])
    };
    link.compared.iter().map(pair).collect()
}

fn reference_column(plan: &ObjectPlan, link: &Link) -> Option<String> {
    link.reference_column
        .map(|column| plan.columns[column].name.to_string())
}

#[test]
fn the_directory_follows_the_accounts_of_contacts() {
    let contact = only(json!([{"name": "Contact"}]));
    let [link] = contact.links.as_slice() else {
        panic!("{:?}", contact.links)
    };
    assert_eq!(
        (link.parent.as_str(), link.reference.to_string().as_str()),
        ("Account", "AccountId")
    );
    assert_eq!(
        paths(link),
        ["Id", "SystemModstamp", "IsDeleted", "Name", "Phone", "Website"]
    );
    assert_eq!(link.is_deleted, Some(2));
    assert!(link.replicateable);
    assert_eq!(reference_column(&contact, link).as_deref(), Some("company_id"));
    assert_eq!(
        compared(&contact, link),
        ["company=Name", "phone_company=Phone", "website=Website"]
    );
    for other in ["Account", "Lead", "User"] {
        assert_eq!(only(json!([{"name": other}])).links, []);
    }
}

#[test]
fn each_relationship_is_a_link_of_its_own() {
    let contact = only(json!([{"name": "Contact", "mapping": "None", "fields": [
        {"source": "Account.Industry", "column": "industry"},
        {"source": "ReportsTo.Email", "column": "boss"},
        {"source": "Partner__r.Industry", "column": "partner_industry"},
        {"source": "Partner__c", "column": "partner_id"},
        {"source": "Account.Industry", "column": "again"},
        {"source": "Account.Id", "column": "account"},
        {"source": "Account.SystemModstamp", "column": "account_stamp"},
    ]}]));
    let lines: Vec<String> = contact
        .links
        .iter()
        .map(|link| {
            format!(
                "{} by {} in {:?}: {} / {}",
                link.parent,
                link.reference,
                reference_column(&contact, link),
                paths(link).join(","),
                compared(&contact, link).join(",")
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "Account by AccountId in None: Id,SystemModstamp,IsDeleted,Industry / \
             industry=Industry,again=Industry,account=Id,account_stamp=SystemModstamp",
            "Contact by ReportsToId in None: Id,SystemModstamp,IsDeleted,Email / boss=Email",
            "Account by Partner__c in Some(\"partner_id\"): Id,SystemModstamp,IsDeleted,Industry / partner_industry=Industry",
        ]
    );
}

#[test]
fn a_template_that_needs_a_parent_leaves_nothing_to_compare() {
    let contact = only(json!([{"name": "Contact", "urls": [
        {"column": "u", "template": "https://example.com/{Account.Name}/{Account.Industry}"},
        {"column": "v", "template": "https://example.com/{ReportsTo.Email}"},
    ], "fields": [{"source": "Partner__r.Name", "column": "partner"}]}]));
    let lines: Vec<_> = contact
        .links
        .iter()
        .map(|link| (link.reference.to_string(), paths(link).len(), compared(&contact, link)))
        .collect();
    assert_eq!(
        lines,
        [
            ("AccountId".to_owned(), 7, vec![]),
            ("Partner__c".to_owned(), 4, vec!["partner=Name".to_owned()]),
            ("ReportsToId".to_owned(), 4, vec![]),
        ]
    );
    let account = &contact.links[0];
    assert!(
        paths(account).contains(&"Industry".to_owned()),
        "what a template needs is read too"
    );
    assert_eq!(reference_column(&contact, account).as_deref(), Some("company_id"));
}

fn with_account(change: impl Fn(&mut ObjectDescribe)) -> Plan {
    let mut account = object("Account");
    change(&mut account);
    let spec = fixture::spec(json!([{"name": "Contact", "mapping": "None", "fields": [
        {"source": "Account.Name", "column": "company"}]}]));
    fixture::make_with(&spec, &fixture::schema_with([account]), fixture::POSTGRES).unwrap()
}

#[test]
fn parents_that_cannot_be_followed_come_by_refresh_and_are_told() {
    type Change = fn(&mut ObjectDescribe);
    let cases: [(&str, Change, &str); 2] = [
        (
            "no stamp",
            |account| account.fields.retain(|field| field.name != "SystemModstamp"),
            "Contact: fields of Account (which has no SystemModstamp) arrive only with the record's next change or a \
             Refresh: Account.Name",
        ),
        (
            "not queryable",
            |account| account.summary.queryable = false,
            "Contact: fields of Account (which cannot be queried) arrive only with the record's next change or a Refresh: \
             Account.Name",
        ),
    ];
    for (name, change, expected) in cases {
        let plan = with_account(change);
        assert_eq!(plan.objects[0].links, [], "{name}");
        assert_eq!(plan.warnings, [expected], "{name}");
    }
    let mut objects = fixture::spec(json!([{"name": "Lead", "fields": [{"source": "Owner.Name", "column": "owner"}]}]));
    let plan = fixture::make_with(&objects, &fixture::schema(), fixture::POSTGRES).unwrap();
    assert_eq!(plan.objects[0].links, []);
    assert_eq!(
        plan.warnings,
        ["Lead: fields of parents of several types arrive only with the record's next change or a Refresh: Owner.Name"]
    );
    objects.consistency.refresh_every = Some("0s".parse().unwrap());
    let plan = fixture::make_with(&objects, &fixture::schema(), fixture::POSTGRES).unwrap();
    assert_eq!(
        plan.warnings,
        [
            "Lead: fields of parents of several types arrive only with the record's next change, since \
             consistency.refreshEvery is 0s: Owner.Name"
        ]
    );
}

#[test]
fn parents_that_are_not_listed_are_followed_and_told() {
    let plan = with_account(|account| account.summary.replicateable = false);
    assert!(!plan.objects[0].links[0].replicateable);
    assert_eq!(
        plan.warnings,
        [
            "Contact: Salesforce does not list the changes of Account (it is not replicateable): those that are committed \
             late arrive only with the record's next change or a Refresh: Account.Name"
        ]
    );
    let plan = with_account(|account| account.fields.retain(|field| field.name != "IsDeleted"));
    let link = &plan.objects[0].links[0];
    assert_eq!(
        (link.is_deleted, paths(link).join(",").as_str()),
        (None, "Id,SystemModstamp,Name")
    );
}

#[test]
fn a_formula_of_a_parent_is_told_like_one_of_the_record() {
    let plan = with_account(|account| {
        for field in &mut account.fields {
            field.calculated = field.name == "Name" && field.field_type == FieldType::String;
        }
    });
    assert_eq!(plan.objects[0].links.len(), 1);
    assert_eq!(
        plan.warnings,
        [
            "Contact: formulas and roll-ups change without a stamp, so their new values arrive only with the record's next \
             change or a Refresh: Account.Name"
        ]
    );
}
