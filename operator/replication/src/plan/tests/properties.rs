//! What holds for any org.

use std::collections::BTreeSet;

use proptest::prelude::*;
use salesforce::describe::FieldType;
use serde_json::json;

use crate::{
    Problems,
    destination::Capabilities,
    plan::{ColumnSource, fixture},
};

/// API names as Salesforce allows them, some with the same snake case, some longer than a database's names; none of those
/// that every table has.
fn api_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "F[a-z]{0,8}([A-Z][a-z]{0,8}){0,3}",
        "[A-C]{1,2}_?[a-c]{1,2}__c",
        "[A-Za-z][A-Za-z0-9]{0,75}__c",
        "ns__[A-Za-z][A-Za-z0-9]{40,70}__c",
    ]
}

fn field_type() -> impl Strategy<Value = FieldType> {
    prop_oneof![
        Just(FieldType::String),
        Just(FieldType::Boolean),
        Just(FieldType::Double),
        Just(FieldType::DateTime),
        Just(FieldType::Address),
        Just(FieldType::Base64),
        Just(FieldType::Json),
    ]
}

fn capabilities(max_identifier_bytes: usize) -> Capabilities {
    Capabilities {
        max_identifier_bytes,
        ..fixture::POSTGRES
    }
}

proptest! {
    #[test]
    fn a_mirror_has_a_column_of_its_own_for_each_field_or_tells_why_not(
        fields in proptest::collection::btree_map(api_name(), field_type(), 0..30), bytes in 30_usize..128,
    ) {
        let described = fields.iter().map(|(name, kind)| fixture::field(name, kind.clone(), 10)).collect();
        let schema = fixture::schema_with([fixture::object("A__c", described)]);
        match fixture::make_with(&fixture::spec(json!([{"name": "A__c"}])), &schema, capabilities(bytes)) {
            Ok(plan) => {
                let object = &plan.objects[0];
                let names: BTreeSet<String> =
                    object.columns.iter().map(|column| column.name.as_str().to_lowercase()).collect();
                prop_assert_eq!(names.len(), object.columns.len());
                prop_assert!(names.iter().all(|name| name.len() <= bytes));
                let replicable =
                    fields.values().filter(|kind| !matches!(kind, FieldType::Address | FieldType::Base64)).count();
                prop_assert_eq!(object.columns.len(), replicable + 2);
                prop_assert_eq!(object.select.len(), replicable + 3);
                for column in &object.columns {
                    prop_assert!(
                        matches!(column.source, ColumnSource::Field(position) if position < object.select.len())
                    );
                }
            }
            Err(Problems(problems)) => {
                prop_assert!(!problems.is_empty());
                prop_assert!(problems.iter().all(|problem| problem.starts_with("A__c: ")), "{problems:?}");
            }
        }
    }

    #[test]
    fn the_order_of_describe_moves_no_hash(
        names in proptest::collection::btree_set("[A-Z][a-z]{3,9}[0-9]{2}__c", 2..20), turn in 0_usize..20,
    ) {
        let describe = |turn: usize| {
            let mut fields: Vec<_> = names.iter().map(|name| fixture::field(name, FieldType::String, 10)).collect();
            let turn = turn % fields.len();
            fields.rotate_left(turn);
            fixture::schema_with([fixture::object("A__c", fields)])
        };
        let spec = fixture::spec(json!([{"name": "A__c"}]));
        let hash = |turn| fixture::make_with(&spec, &describe(turn), fixture::POSTGRES).unwrap().objects.remove(0).hash;
        prop_assert_eq!(hash(0), hash(turn));
    }

    #[test]
    fn whatever_is_written_a_plan_or_problems_come_of_it(
        source in "[A-Za-z_. {}]{0,20}", column in "[A-Za-z_ \"]{0,12}", template in "\\PC{0,30}", exclude in "[A-Za-z.]{0,10}",
        table in proptest::option::of("[A-Za-z_ ]{0,10}"),
        condition in proptest::option::of("(Email|Account\\.Name|\\PC{0,8})( = 'x'|\\PC{0,12})( (AND|ORDER BY) \\PC{0,8})?"),
    ) {
        let mut object = json!({
            "name": "Contact",
            "fields": [{"source": source, "column": column}],
            "urls": [{"column": "u", "template": template}],
            "exclude": [exclude],
            "indexes": [[column]],
        });
        if let Some(table) = table {
            object["table"] = json!(table);
        }
        if let Some(condition) = condition {
            object["where"] = json!(condition);
        }
        match fixture::plan(json!([object])) {
            Ok(plan) => prop_assert_eq!(plan.objects.len(), 1),
            Err(Problems(problems)) => prop_assert!(problems.iter().all(|problem| problem.starts_with("Contact: "))),
        }
    }
}
