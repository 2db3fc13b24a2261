//! The words of a SOQL condition, and where each of them stands.
//!
//! Only as much of SOQL as it takes to know where a text ends and which parentheses belong together: without that no
//! later step can tell a field from the inside of a text. What a token means depends on its place, and is decided by
//! who reads the condition.

/// A piece of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// As it was written, quotes included.
    pub(super) text: &'a str,
    /// Its first character, counted from 1.
    pub(super) at: usize,
    /// Whether blanks stand before it.
    pub(super) apart: bool,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A field, a parent's field, a keyword, a literal such as `null` or `TODAY`, a function.
    Word,
    /// `'text'`
    Quoted,
    /// A number, a date, a moment.
    Number,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
    /// `:`
    Colon,
    /// `= != <> < <= > >=`
    Operator,
}

impl Token<'_> {
    /// Whether it is this keyword, in any case.
    pub(super) fn is_word(self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }
}

/// Operators of one or two characters; longer ones first.
const OPERATORS: [&str; 7] = ["!=", "<>", "<=", ">=", "=", "<", ">"];

/// What may follow a backslash (salesforce-api.md 7).
const ESCAPES: &str = "nrtbfu\"'\\_%";

/// Takes a condition apart. The error is a sentence without its beginning, `where: `.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut at = 1;
    loop {
        let trimmed = rest.trim_start();
        let blanks = rest.chars().count() - trimmed.chars().count();
        at += blanks;
        rest = trimmed;
        let Some(first) = rest.chars().next() else {
            return Ok(tokens);
        };
        let (kind, bytes) = measure(first, rest, at)?;
        let (token, behind) = rest.split_at_checked(bytes).unwrap_or((rest, ""));
        tokens.push(Token {
            kind,
            text: token,
            at,
            apart: blanks > 0,
        });
        at += token.chars().count();
        rest = behind;
    }
}

/// The kind of the token that `rest` begins with, and its length in bytes.
fn measure(first: char, rest: &str, at: usize) -> Result<(Kind, usize), String> {
    let run = |belongs: fn(char) -> bool| rest.find(|character| !belongs(character)).unwrap_or(rest.len());
    // -5, .5
    let unsigned = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    let digits = unsigned.strip_prefix('.').unwrap_or(unsigned);
    let is_number = digits.starts_with(|digit: char| digit.is_ascii_digit());
    Ok(match first {
        '\'' => (Kind::Quoted, quoted(rest, at)?),
        '(' => (Kind::Open, 1),
        ')' => (Kind::Close, 1),
        ',' => (Kind::Comma, 1),
        ':' => (Kind::Colon, 1),
        _ if first.is_ascii_alphabetic() || first == '_' => (
            Kind::Word,
            run(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '.')),
        ),
        // Dates and moments have signs and colons inside: 2026-01-31T08:00:00+01:00.
        _ if is_number => (
            Kind::Number,
            run(|character| character.is_ascii_alphanumeric() || matches!(character, '.' | ':' | '-' | '+')),
        ),
        _ => match OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
            Some(operator) => (Kind::Operator, operator.len()),
            None => {
                return Err(format!(
                    "the character {first:?} at character {at} has no meaning in a condition"
                ));
            }
        },
    })
}

/// The length of the text that `rest` begins with, in bytes.
fn quoted(rest: &str, at: usize) -> Result<usize, String> {
    let mut letters = rest.char_indices().enumerate().skip(1);
    while let Some((place, (offset, letter))) = letters.next() {
        match letter {
            '\'' => return Ok(offset + 1),
            '\\' => match letters.next() {
                Some((_, (_, escaped))) if ESCAPES.contains(escaped.to_ascii_lowercase()) => {}
                Some(_) => {
                    return Err(format!(
                        "the backslash at character {} begins no escape that SOQL knows: write \\\\ for a backslash itself",
                        at + place
                    ));
                }
                None => break,
            },
            _ => {}
        }
    }
    Err(format!(
        "the text that begins at character {at} has no closing quote; a quote within a text is written \\'"
    ))
}

/// Each parenthesis has its other one.
pub(super) fn check_parentheses(tokens: &[Token<'_>]) -> Result<(), String> {
    let mut open = Vec::new();
    for token in tokens {
        match token.kind {
            Kind::Open => open.push(token.at),
            Kind::Close if open.pop().is_none() => {
                return Err(format!("the ) at character {} has no ( before it", token.at));
            }
            Kind::Close | Kind::Word | Kind::Quoted | Kind::Number | Kind::Comma | Kind::Colon | Kind::Operator => {}
        }
    }
    match open.pop() {
        Some(at) => Err(format!("the ( at character {at} has no ) behind it")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds(text: &str) -> Vec<(Kind, &str, usize)> {
        tokens(text)
            .unwrap()
            .into_iter()
            .map(|token| (token.kind, token.text, token.at))
            .collect()
    }

    #[test]
    fn a_condition_is_words_values_and_signs() {
        assert_eq!(
            kinds(r"(Account.Name='Mü\'ller' AND  X__c >= -1.5)"),
            [
                (Kind::Open, "(", 1),
                (Kind::Word, "Account.Name", 2),
                (Kind::Operator, "=", 14),
                (Kind::Quoted, r"'Mü\'ller'", 15),
                (Kind::Word, "AND", 26),
                (Kind::Word, "X__c", 31),
                (Kind::Operator, ">=", 36),
                (Kind::Number, "-1.5", 39),
                (Kind::Close, ")", 43),
            ]
        );
        assert_eq!(
            kinds("D<2026-01-31T08:00:00+01:00,LAST_N_DAYS:30"),
            [
                (Kind::Word, "D", 1),
                (Kind::Operator, "<", 2),
                (Kind::Number, "2026-01-31T08:00:00+01:00", 3),
                (Kind::Comma, ",", 28),
                (Kind::Word, "LAST_N_DAYS", 29),
                (Kind::Colon, ":", 40),
                (Kind::Number, "30", 41),
            ]
        );
    }

    #[test]
    fn what_is_no_token_is_named_with_its_place() {
        for (text, expected) in [
            ("a = 'x", "the text that begins at character 5 has no closing quote"),
            (r"a = 'x\'", "the text that begins at character 5 has no closing quote"),
            (r"a = 'x\", "the text that begins at character 5 has no closing quote"),
            (r"ä = 'x'", "the character 'ä' at character 1"),
            (r"a = 'ä\x'", "the backslash at character 7 begins no escape"),
            ("a = \"x\"", "the character '\"' at character 5"),
            ("a = 1;", "the character ';' at character 6"),
            ("a = --1", "the character '-' at character 5"),
        ] {
            let error = tokens(text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn parentheses_belong_together() {
        let check = |text| check_parentheses(&tokens(text).unwrap());
        assert_eq!(check("((a = ')') AND (b = '('))"), Ok(()));
        assert_eq!(check("((a)"), Err("the ( at character 1 has no ) behind it".to_owned()));
        assert_eq!(
            check("a = 1) OR (b = 2"),
            Err("the ) at character 6 has no ( before it".to_owned())
        );
    }

    proptest! {
        #[test]
        fn nothing_is_lost_but_blanks(text in "[A-Za-z_. ()',:=<>!0-9\\\\üa\n-]{0,40}") {
            if let Ok(tokens) = tokens(&text) {
                let all: String = tokens.iter().map(|token| token.text).collect();
                let outside = |text: &str| text.chars().filter(|character| !character.is_whitespace()).collect::<String>();
                prop_assert_eq!(outside(&all), outside(&text));
                for token in &tokens {
                    let there: String = text.chars().skip(token.at - 1).take(token.text.chars().count()).collect();
                    prop_assert_eq!(there, token.text);
                }
            }
        }
    }
}
