use super::*;
use crate::soql::ast::{DateUnit, RelativeDate};

fn error(text: &str) -> QueryError {
    parse(text).unwrap_err()
}

/// The part of an error's text after the place.
fn reason(text: &str) -> String {
    error(text).message().lines().last().unwrap().to_owned()
}

fn condition(text: &str) -> Condition {
    parse(&format!("SELECT Id FROM Contact WHERE {text}"))
        .unwrap()
        .condition
        .unwrap()
}

#[test]
fn every_clause_is_read() {
    let query = parse(
        "select Id, Account.Owner.Name, (SELECT Id FROM Cases WHERE IsClosed = false ORDER BY Id LIMIT 5) FROM Contact c \
         WHERE c.LastName != null ORDER BY LastName DESC NULLS LAST, Id asc limit 10 offset 20 all rows",
    )
    .unwrap();
    let Select::Items(items) = &query.select else {
        panic!("{query:?}")
    };
    assert_eq!(items.len(), 3);
    assert!(matches!(&items[1], SelectItem::Path(path) if path.text() == "Account.Owner.Name" && path.offset() == 11));
    assert!(
        matches!(&items[2], SelectItem::Children(children) if children.from.text == "Cases" && children.limit == Some(5))
    );
    assert_eq!(
        (query.from.text.as_str(), query.alias.as_deref()),
        ("Contact", Some("c"))
    );
    assert!(
        query.order[0].descending
            && query.order[0].nulls_last
            && !query.order[1].descending
            && !query.order[1].nulls_last
    );
    assert_eq!((query.limit, query.offset, query.all_rows), (Some(10), Some(20), true));
}

#[test]
fn count_has_no_items() {
    assert_eq!(parse("SELECT count() FROM Contact").unwrap().select, Select::Count);
    assert_eq!(
        parse("SELECT COUNT( ) FROM Contact WHERE Id != null").unwrap().select,
        Select::Count
    );
}

#[test]
fn keywords_are_names_where_a_name_fits() {
    let query = parse("SELECT Group, Order FROM Select").unwrap();
    assert_eq!(query.from.text, "Select");
}

#[test]
fn conditions_nest() {
    assert!(matches!(condition("Name = 'a' AND Name = 'b' AND Name = 'c'"), Condition::And(parts) if parts.len() == 3));
    let Condition::Or(parts) =
        condition("(SystemModstamp = 2026-01-01T00:00:00Z AND Id > '003') OR NOT Name LIKE 'a%'")
    else {
        panic!()
    };
    assert!(matches!(&parts[0], Condition::And(_)));
    assert!(matches!(&parts[1], Condition::Not(_)));
    assert!(
        matches!(condition("Id IN ('a','b')"), Condition::List { operator: ListOperator::In, values, .. } if values.len() == 2)
    );
    assert!(matches!(
        condition("Id not in ('a')"),
        Condition::List {
            operator: ListOperator::NotIn,
            ..
        }
    ));
    assert!(matches!(
        condition("L INCLUDES ('a;b')"),
        Condition::List {
            operator: ListOperator::Includes,
            ..
        }
    ));
    assert!(matches!(
        condition("AccountId NOT IN (SELECT Id FROM Account)"),
        Condition::SemiJoin { negated: true, .. }
    ));
    for (sign, operator) in [
        ("=", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<>", Operator::NotEqual),
        ("<", Operator::Less),
        ("<=", Operator::LessOrEqual),
        (">", Operator::Greater),
        (">=", Operator::GreaterOrEqual),
    ] {
        assert!(
            matches!(condition(&format!("Amount{sign}1")), Condition::Compare { operator: own, .. } if own == operator)
        );
    }
}

#[test]
fn literals_keep_their_kind() {
    let literal = |text: &str| {
        let Condition::Compare { value, .. } = condition(&format!("X = {text}")) else {
            panic!("{text}")
        };
        value.literal
    };
    assert_eq!(literal("NULL"), Literal::Null);
    assert_eq!(literal("True"), Literal::Boolean(true));
    assert_eq!(literal("-1.5"), Literal::Number("-1.5".to_owned()));
    assert_eq!(literal("today"), Literal::Relative(RelativeDate::Today));
    assert_eq!(
        literal("LAST_N_DAYS:30"),
        Literal::Relative(RelativeDate::LastN {
            unit: DateUnit::Day,
            n: 30
        })
    );
    assert!(matches!(literal("2026-01-01T00:00:00+01:00"), Literal::DateTime(_)));
}

#[test]
fn and_with_or_needs_parentheses() {
    let error = error("SELECT Id FROM Contact WHERE a = 1 AND b = 2 OR c = 3");
    assert_eq!(error.code(), "MALFORMED_QUERY");
    assert_eq!(error.position(), Some((1, 46)));
    assert!(error.message().ends_with("unexpected token: 'OR'"));
    assert_eq!(
        reason("SELECT Id FROM Contact WHERE a = 1 OR b = 2 AND c = 3"),
        "unexpected token: 'AND'"
    );
    assert!(parse("SELECT Id FROM Contact WHERE (a = 1 AND b = 2) OR c = 3").is_ok());
}

#[test]
fn the_first_token_that_does_not_fit_is_named() {
    for (text, expected) in [
        ("", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM", "unexpected token: '<EOF>'"),
        ("SELECT FROM Contact", "unexpected token: 'FROM'"),
        ("SELECT Id, FROM Contact", "unexpected token: 'FROM'"),
        ("SELECT * FROM Contact", "unexpected token: '*'"),
        ("SELECT Id FROM Contact WHERE", "unexpected token: '<EOF>'"),
        (
            "SELECT Id FROM Contact WHERE Name = OBrien",
            "unexpected token: 'OBrien'",
        ),
        (
            "SELECT Id FROM Contact WHERE Name = O'Brien",
            "line 1:37 mismatched character '<EOF>' expecting '''",
        ),
        (
            "SELECT Id FROM Contact WHERE Name = 'O'Brien'",
            "line 1:44 mismatched character '<EOF>' expecting '''",
        ),
        ("SELECT Id FROM Contact LIMIT 'x'", "unexpected token: ''x''"),
        ("SELECT Id FROM Contact LIMIT -1", "unexpected token: '-1'"),
        ("SELECT Id FROM Contact WHERE (Name = 'a'", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Contact WHERE Name = 'a')", "unexpected token: ')'"),
        ("SELECT Id FROM Contact WHERE Id IN ()", "unexpected token: ')'"),
        ("SELECT Id FROM Contact WHERE Name = Name", "unexpected token: 'Name'"),
        (
            "SELECT Id FROM Contact WHERE Name = :x",
            "Bind variables only allowed in Apex code",
        ),
        ("SELECT MAX(Id) FROM Contact", "unexpected token: 'MAX'"),
        ("SELECT Id FROM Contact GROUP BY Id", "unexpected token: 'GROUP'"),
        (
            "SELECT Id FROM Contact LIMIT 1 WHERE Id = null",
            "unexpected token: 'WHERE'",
        ),
        (
            "SELECT Id FROM Contact WHERE CreatedDate = LAST_N_DAYS:x",
            "unexpected token: 'LAST_N_DAYS'",
        ),
        ("UPDATE Contact", "unexpected token: 'UPDATE'"),
    ] {
        assert_eq!(reason(text), expected, "{text}");
        assert_eq!(error(text).code(), "MALFORMED_QUERY");
    }
}

#[test]
fn limits_are_salesforces() {
    assert_eq!(
        error("SELECT FIELDS(ALL) FROM Contact LIMIT 200").code(),
        "MALFORMED_QUERY"
    );
    let offset = error("SELECT Id FROM Contact OFFSET 2001");
    assert_eq!(
        (offset.code(), offset.message()),
        ("NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
    );
    assert!(parse("SELECT Id FROM Contact OFFSET 2000").is_ok());
    let deep = format!(
        "SELECT Id FROM Contact WHERE {}Id = null{}",
        "(".repeat(5000),
        ")".repeat(5000)
    );
    assert_eq!(error(&deep).code(), "QUERY_TOO_COMPLICATED");
    let long = format!(
        "SELECT Id FROM Contact WHERE Id IN ('{}')",
        "003000000000000','".repeat(6000)
    );
    assert_eq!(
        error(&long).message(),
        "SOQL statements cannot be longer than 100000 characters."
    );
}
