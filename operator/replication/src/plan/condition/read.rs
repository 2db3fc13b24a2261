//! What a condition names, found by walking it once.
//!
//! Salesforce has the last word about SOQL, so this is no whole grammar: it follows a condition from field to operator to
//! value to AND or OR, which is enough to tell fields from values and to name the place where something else begins
//! (`ORDER BY`, `LIMIT`, a second statement). It notes what each field is compared with, for who knows the fields' types
//! ([`typing`](super::typing)); the inside of a sub-select is left to Salesforce. It walks with a stack of its own and not by recursion, since whoever writes a
//! resource decides how deep its parentheses are.

use std::{collections::BTreeSet, iter::Peekable, slice::Iter};

use super::{
    relative::{self, Relative},
    token::{self, Kind, Token},
    typing::{Comparison, Literal, Operator},
};

/// Words that end a condition: with the word that has to follow, where it takes two to be one.
const CLAUSES: [(&str, Option<&str>); 11] = [
    ("SELECT", None),
    ("WHERE", None),
    ("ORDER", Some("BY")),
    ("GROUP", Some("BY")),
    ("HAVING", None),
    ("LIMIT", None),
    ("OFFSET", None),
    ("FOR", None),
    ("ALL", Some("ROWS")),
    ("WITH", None),
    ("USING", None),
];

/// Functions whose results depend on settings of the org or the user, which move no stamp.
const BY_SETTINGS: [&str; 5] = [
    "toLabel",
    "convertTimezone",
    "FISCAL_MONTH",
    "FISCAL_QUARTER",
    "FISCAL_YEAR",
];

/// A condition that has been walked, as far as it could be.
#[derive(Debug, Default)]
pub(super) struct Reading<'a> {
    /// Its text with single blanks, so that another way of breaking lines is no other condition.
    pub(super) soql: String,
    /// The fields it names, as written, and where.
    pub(super) fields: Vec<(&'a str, usize)>,
    /// What fields themselves are compared with; results of functions are left to Salesforce.
    pub(super) comparisons: Vec<Comparison<'a>>,
    /// What of it changes without a stamp, fields apart: as words for a list.
    pub(super) moving: BTreeSet<String>,
    /// What is wrong with it: a sentence without its beginning, `where: `.
    pub(super) problem: Option<String>,
}

/// Walks a condition.
pub(super) fn read(text: &str) -> Reading<'_> {
    let mut reading = Reading::default();
    match token::tokens(text) {
        Ok(tokens) => {
            reading.soql = written(&tokens);
            let walked = token::check_parentheses(&tokens).and_then(|()| {
                let mut walk = Walk {
                    tokens: tokens.iter().peekable(),
                    end: text.trim_end().chars().count() + 1,
                    reading: &mut reading,
                };
                walk.condition()
            });
            reading.problem = walked.err();
        }
        Err(problem) => reading.problem = Some(problem),
    }
    reading
}

fn written(tokens: &[Token<'_>]) -> String {
    let mut soql = String::new();
    for token in tokens {
        if token.apart && !soql.is_empty() {
            soql.push(' ');
        }
        soql.push_str(token.text);
    }
    soql
}

/// How the comparisons within one pair of parentheses are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connective {
    And,
    Or,
}

struct Walk<'t, 'a, 'r> {
    tokens: Peekable<Iter<'t, Token<'a>>>,
    /// The place behind the last character.
    end: usize,
    reading: &'r mut Reading<'a>,
}

impl<'a> Walk<'_, 'a, '_> {
    fn peek(&mut self) -> Option<Token<'a>> {
        self.tokens.peek().map(|token| **token)
    }

    fn next(&mut self) -> Option<Token<'a>> {
        self.tokens.next().copied()
    }

    fn take(&mut self, kind: Kind) -> Option<Token<'a>> {
        self.tokens.next_if(|token| token.kind == kind).copied()
    }

    fn take_word(&mut self, word: &str) -> bool {
        self.tokens.next_if(|token| token.is_word(word)).is_some()
    }

    /// Comparisons, connected and in parentheses that are known to be balanced.
    fn condition(&mut self) -> Result<(), String> {
        let mut groups: Vec<Option<Connective>> = Vec::new();
        let mut group = None;
        loop {
            while self.take_word("NOT") {}
            if self.take(Kind::Open).is_some() {
                groups.push(group.take());
                continue;
            }
            self.comparison()?;
            loop {
                let Some(token) = self.next() else { return Ok(()) };
                if token.kind == Kind::Close {
                    group = groups.pop().flatten();
                    continue;
                }
                let connective = if token.is_word("AND") {
                    Connective::And
                } else if token.is_word("OR") {
                    Connective::Or
                } else {
                    return Err(self.unexpected(Some(token), "AND or OR"));
                };
                if group.is_some_and(|group| group != connective) {
                    return Err(format!(
                        "AND and OR stand side by side at character {}: say by parentheses which belong together",
                        token.at
                    ));
                }
                group = Some(connective);
                break;
            }
        }
    }

    fn comparison(&mut self) -> Result<(), String> {
        let subject = self.next();
        let is_field = |token: &Token<'a>| {
            token.kind == Kind::Word && !token.is_word("AND") && !token.is_word("OR") && !self.is_clause(*token)
        };
        let Some(field) = subject.filter(is_field) else {
            return Err(self.unexpected(subject, "a field"));
        };
        let is_function = self.take(Kind::Open).is_some();
        if is_function {
            self.function(field);
        } else {
            self.reading.fields.push((field.text, field.at));
        }
        let (operator, values) = self.compared()?;
        if !is_function {
            self.reading.comparisons.push(Comparison {
                field: field.text,
                at: field.at,
                operator,
                values,
            });
        }
        Ok(())
    }

    /// The operator behind a field, and what it is compared with.
    fn compared(&mut self) -> Result<(Operator<'a>, Vec<Literal<'a>>), String> {
        let operator = self.next();
        let is_listing = |word: &str| {
            ["INCLUDES", "EXCLUDES"]
                .iter()
                .any(|known| word.eq_ignore_ascii_case(known))
        };
        let one = |value: Literal<'a>| vec![value];
        Ok(match operator {
            Some(Token {
                kind: Kind::Operator,
                text,
                ..
            }) => (Operator::of_sign(text), one(self.value()?)),
            Some(word) if word.is_word("LIKE") => (Operator::Like, one(self.value()?)),
            Some(word) if word.is_word("NOT") && self.take_word("IN") => (Operator::Listed, self.values()?),
            Some(word) if word.is_word("IN") => (Operator::Listed, self.values()?),
            Some(Token {
                kind: Kind::Word, text, ..
            }) if is_listing(text) => (Operator::Includes(text), self.values()?),
            Some(_) | None => return Err(self.unexpected(operator, "an operator such as = or IN")),
        })
    }

    /// The inside of a function's parentheses, which may be functions again: the fields it is about.
    fn function(&mut self, name: Token<'a>) {
        self.note(name);
        let mut depth = 1;
        while depth > 0 {
            let Some(token) = self.next() else { return };
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth -= 1,
                Kind::Word if self.take(Kind::Open).is_some() => {
                    self.note(token);
                    depth += 1;
                }
                Kind::Word => self.reading.fields.push((token.text, token.at)),
                Kind::Quoted | Kind::Number | Kind::Comma | Kind::Colon | Kind::Operator => {}
            }
        }
    }

    /// A function whose result moves without a stamp.
    fn note(&mut self, function: Token<'a>) {
        if BY_SETTINGS.iter().any(|known| function.is_word(known)) {
            self.reading
                .moving
                .insert(format!("{}() (depends on settings)", function.text));
        }
    }

    /// A list in parentheses, or a sub-select, whose values nobody knows here.
    fn values(&mut self) -> Result<Vec<Literal<'a>>, String> {
        let mut values = Vec::new();
        if self.take(Kind::Open).is_none() {
            let found = self.next();
            return Err(self.unexpected(found, "a list in parentheses"));
        }
        if self.peek().is_some_and(|token| token.is_word("SELECT")) {
            self.sub_select();
            return Ok(values);
        }
        loop {
            values.push(self.value()?);
            let behind = self.next();
            match behind.map(|token| token.kind) {
                Some(Kind::Comma) => {}
                Some(Kind::Close) => return Ok(values),
                Some(Kind::Word | Kind::Quoted | Kind::Number | Kind::Open | Kind::Colon | Kind::Operator) | None => {
                    return Err(self.unexpected(behind, "a comma or the end of the list"));
                }
            }
        }
    }

    /// Up to the parenthesis that ends it; names its object.
    fn sub_select(&mut self) {
        let mut depth = 1;
        while let Some(token) = self.next() {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth -= 1,
                Kind::Word if depth == 1 && token.is_word("FROM") => {
                    if let Some(object) = self.take(Kind::Word) {
                        self.reading
                            .moving
                            .insert(format!("records of {} (IN (SELECT ..))", object.text));
                    }
                }
                Kind::Word | Kind::Quoted | Kind::Number | Kind::Comma | Kind::Colon | Kind::Operator => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn value(&mut self) -> Result<Literal<'a>, String> {
        let value = self.next();
        match value {
            Some(token) if token.kind == Kind::Quoted || token.kind == Kind::Number => Ok(Literal::of(token)),
            Some(word) if word.kind == Kind::Word => self.word(word),
            Some(colon) if colon.kind == Kind::Colon => Err(format!(
                "the variable at character {} is for Apex only: write its value",
                colon.at
            )),
            Some(_) | None => Err(self.unexpected(value, "a value")),
        }
    }

    /// A value that is a word: null, a boolean, a relative date, an amount of a currency.
    fn word(&mut self, word: Token<'a>) -> Result<Literal<'a>, String> {
        match relative::parse(word.text) {
            Some(Relative::Alone) => {
                self.reading.moving.insert(format!("{} (relative date)", word.text));
                return Ok(Literal::relative(word));
            }
            Some(Relative::Numbered) => {
                let number = self.take(Kind::Colon).and_then(|_| self.take(Kind::Number));
                let Some(number) = number else {
                    return Err(format!(
                        "{} at character {} needs a number, such as {}:30",
                        word.text, word.at, word.text
                    ));
                };
                self.reading
                    .moving
                    .insert(format!("{}:{} (relative date)", word.text, number.text));
                return Ok(Literal::relative(word));
            }
            None => {}
        }
        if let Some(literal) = Literal::of_word(word) {
            return Ok(literal);
        }
        if self.is_clause(word) {
            return Err(self.unexpected(Some(word), "a value"));
        }
        Err(format!(
            "{} at character {} is no value: a text stands in quotes, 'like this', and a field cannot be compared with another one",
            word.text, word.at
        ))
    }

    /// Whether a word where none of its kind is expected begins another clause, and not a name that reads the same.
    fn is_clause(&mut self, word: Token<'a>) -> bool {
        let is_operator = self.peek().is_some_and(|token| {
            token.kind == Kind::Operator || ["IN", "LIKE", "NOT"].iter().any(|known| token.is_word(known))
        });
        clause(word, self.peek()).is_some() && !is_operator
    }

    /// What is wrong where `found` stands instead of `expected`.
    fn unexpected(&mut self, found: Option<Token<'a>>, expected: &str) -> String {
        let Some(found) = found else {
            return format!("{expected} is missing at its end, behind character {}", self.end - 1);
        };
        if let Some(clause) = clause(found, self.peek()) {
            return format!(
                "{clause} at character {} is no part of a condition: write only what would stand behind WHERE, without it",
                found.at
            );
        }
        match found.kind {
            // What stands in quotes may be anybody's data.
            Kind::Quoted => format!(
                "{expected} is expected at character {}, and a text stands there",
                found.at
            ),
            Kind::Word | Kind::Number | Kind::Open | Kind::Close | Kind::Comma | Kind::Colon | Kind::Operator => {
                format!(
                    "{expected} is expected at character {}, and {} stands there",
                    found.at, found.text
                )
            }
        }
    }
}

/// The clause that a word begins.
fn clause(word: Token<'_>, next: Option<Token<'_>>) -> Option<String> {
    CLAUSES.iter().find_map(|(first, second)| {
        let begins = word.is_word(first) && second.is_none_or(|second| next.is_some_and(|next| next.is_word(second)));
        begins.then(|| match second {
            Some(second) => format!("{first} {second}"),
            None => (*first).to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(text: &str) -> Vec<&str> {
        let reading = read(text);
        assert_eq!(reading.problem, None, "{text}");
        reading.fields.into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn fields_are_told_from_values() {
        for (text, expected) in [
            ("MailingCountry = 'Germany'", vec!["MailingCountry"]),
            (
                "Account.Industry!='A' and Email<>null",
                vec!["Account.Industry", "Email"],
            ),
            (
                "NOT (A = true OR (B >= 2026-01-31 AND C < 2026-01-31T00:00:00Z))",
                vec!["A", "B", "C"],
            ),
            ("NOT NOT A = 1", vec!["A"]),
            (
                "(A = 1 OR B = 2) AND ((C = 3) OR (D = 4 AND E = 5)) AND F = 6",
                vec!["A", "B", "C", "D", "E", "F"],
            ),
            ("A IN ('x', 'AND B = 1') AND B NOT IN (1,2.5)", vec!["A", "B"]),
            ("M INCLUDES ('a;b', 'c') AND M excludes ('d')", vec!["M", "M"]),
            ("Name LIKE 'A%'", vec!["Name"]),
            ("Amount > USD5000.50", vec!["Amount"]),
            ("CALENDAR_YEAR(CreatedDate) = 2026", vec!["CreatedDate"]),
            (
                "DISTANCE(Place__c, GEOLOCATION(37.7, -122), 'mi') < 20 AND HOUR_IN_DAY(convertTimezone(CreatedDate)) > 3",
                vec!["Place__c", "CreatedDate"],
            ),
            (
                "Order.Status = 'x' AND Limit = 1 AND Group IN (1)",
                vec!["Order.Status", "Limit", "Group"],
            ),
            (
                "AccountId NOT IN (SELECT AccountId FROM Case WHERE (Status = 'a'))",
                vec!["AccountId"],
            ),
        ] {
            assert_eq!(fields(text), expected, "{text}");
        }
    }

    #[test]
    fn what_moves_without_a_stamp_is_noted() {
        for (text, expected) in [
            ("A > TODAY", vec!["TODAY (relative date)"]),
            ("A > last_n_days:30", vec!["last_n_days:30 (relative date)"]),
            (
                "A IN (LAST_MONTH, N_YEARS_AGO:2)",
                vec!["LAST_MONTH (relative date)", "N_YEARS_AGO:2 (relative date)"],
            ),
            ("toLabel(Status) = 'x'", vec!["toLabel() (depends on settings)"]),
            (
                "DAY_ONLY(convertTimezone(A)) = 2026-01-01",
                vec!["convertTimezone() (depends on settings)"],
            ),
            (
                "Id IN (SELECT ContactId FROM Case)",
                vec!["records of Case (IN (SELECT ..))"],
            ),
            ("A = 'TODAY'", vec![]),
        ] {
            let reading = read(text);
            assert_eq!(reading.problem, None, "{text}");
            assert_eq!(reading.moving.into_iter().collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn blanks_are_one_blank_outside_of_texts() {
        assert_eq!(read("  A\n  =\t'x  y'\n AND B=1 ").soql, "A = 'x  y' AND B=1");
    }

    #[test]
    fn what_is_no_condition_is_named_with_its_place() {
        for (text, expected) in [
            ("A = 1 ORDER BY A", "ORDER BY at character 7 is no part of a condition"),
            ("A = 1 order  by A", "ORDER BY at character 7 is no part of a condition"),
            ("A = 1 LIMIT 10", "LIMIT at character 7 is no part"),
            ("A = 1 OFFSET 10", "OFFSET at character 7 is no part"),
            ("A = 1 GROUP BY A", "GROUP BY at character 7 is no part"),
            ("A = 1 HAVING COUNT(A) > 1", "HAVING at character 7 is no part"),
            ("A = 1 FOR VIEW", "FOR at character 7 is no part"),
            ("A = 1 ALL ROWS", "ALL ROWS at character 7 is no part"),
            ("A = 1 WITH SECURITY_ENFORCED", "WITH at character 7 is no part"),
            ("SELECT Id FROM Contact", "SELECT at character 1 is no part"),
            ("WHERE A = 1", "WHERE at character 1 is no part"),
            ("LIMIT 10", "LIMIT at character 1 is no part"),
            ("ORDER BY A", "ORDER BY at character 1 is no part"),
            ("A = 1 AND", "a field is missing at its end, behind character 9"),
            ("AND A = 1", "a field is expected at character 1, and AND stands there"),
            ("A = LIMIT 10", "LIMIT at character 5 is no part"),
            (
                "A",
                "an operator such as = or IN is missing at its end, behind character 1",
            ),
            ("A =", "a value is missing at its end, behind character 3"),
            (
                "A = 1 B = 2",
                "AND or OR is expected at character 7, and B stands there",
            ),
            (
                "A = 1 'secret'",
                "AND or OR is expected at character 7, and a text stands there",
            ),
            (
                "A = 1 AND B = 2 OR C = 3",
                "AND and OR stand side by side at character 17",
            ),
            (
                "A = 1 AND (B = 2 OR C = 3) OR D = 4",
                "AND and OR stand side by side at character 28",
            ),
            ("A == 1", "a value is expected at character 4, and = stands there"),
            ("'x' = A", "a field is expected at character 1, and a text stands there"),
            (
                "A = Germany",
                "Germany at character 5 is no value: a text stands in quotes",
            ),
            ("A = :country", "the variable at character 5 is for Apex only"),
            ("A IN 'x'", "a list in parentheses is expected at character 6"),
            ("A IN ()", "a value is expected at character 7, and ) stands there"),
            (
                "A IN ('x' 'y')",
                "a comma or the end of the list is expected at character 11, and a text",
            ),
            ("A = LAST_N_DAYS", "LAST_N_DAYS at character 5 needs a number"),
            ("A = 1)", "the ) at character 6 has no ("),
            ("(A = 1", "the ( at character 1 has no )"),
            ("()", "a field is expected at character 2, and ) stands there"),
            ("A = 'x", "the text that begins at character 5"),
            ("", "a field is missing at its end"),
        ] {
            let problem = read(text).problem.unwrap_or_else(|| panic!("{text} was taken"));
            assert!(problem.starts_with(expected), "{text}: {problem}");
            assert!(!problem.contains("secret"), "{problem}");
        }
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = format!("{}A = 1{}", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(fields(&deep), ["A"]);
        let functions = format!("{}A{} = 1", "f(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(fields(&functions), ["A"]);
    }

    /// Pieces of conditions, right and wrong ones.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            8 => "(A|Account\\.B|Limit) (=|!=|<|<=|>=) ('x''?|'a\\\\'b'|1|-2\\.5|null|TODAY|LAST_N_DAYS:3|2026-01-31)",
            3 => "A (NOT )?IN \\(('x'|1|TODAY)(, 'y')?\\)",
            1 => Just("M INCLUDES ('a;b')".to_owned()),
            1 => Just("Id IN (SELECT AccountId FROM Case WHERE (B = 1))".to_owned()),
            8 => "AND|OR",
            4 => "\\(|\\)|NOT",
            1 => "LIMIT 1|ORDER BY A|=|,|:|A|x = y|'x'|LIKE|IN|TODAY|LAST_N_DAYS",
        ];
        proptest::collection::vec(piece, 1..8).prop_map(|pieces| pieces.join(" "))
    }

    proptest! {
        /// The simulated org reads conditions by a grammar that nobody wrote for this planner.
        #[test]
        fn what_is_taken_is_what_an_org_takes(text in pieces()) {
            let org = simulator::soql::parse(&format!("SELECT Id FROM Contact WHERE ({text})"));
            let problem = read(&text).problem;
            if problem.is_none() {
                prop_assert!(org.is_ok(), "{text}: {org:?}");
            } else if org.is_ok() {
                // What closes the parentheses around it is a condition there and none here.
                let balanced = token::tokens(&text).is_ok_and(|tokens| token::check_parentheses(&tokens).is_ok());
                prop_assert!(!balanced, "{text}: {problem:?}");
            }
        }

        /// Whatever is taken stays one condition where it is put beside another one: the parentheses around it are its own.
        #[test]
        fn what_is_taken_cannot_leave_its_parentheses(
            text in "(([A-C]( = |=|<>| IN )('[a ()\\\\]{0,3}'|1|TODAY|\\(1\\)))|( AND | OR |\\(|\\)| NOT | LIMIT 1)){0,6}",
        ) {
            let reading = read(&text);
            if reading.problem.is_none() {
                let around = format!("({}) AND Z = 1", reading.soql);
                let whole = read(&around);
                prop_assert_eq!(whole.problem, None);
                let names: Vec<&str> = whole.fields.iter().map(|(field, _)| *field).collect();
                let mut expected: Vec<&str> = reading.fields.iter().map(|(field, _)| *field).collect();
                expected.push("Z");
                prop_assert_eq!(names, expected);
            }
        }
    }
}
