//! Tokens of a statement.

use jiff::civil;

use super::ast::Literal;
use super::error::QueryError;

/// Longest statement, in characters (salesforce-api.md section 7).
pub(super) const MOST_CHARACTERS: usize = 100_000;

/// Longest quoted text in WHERE, in characters (section 7).
pub(super) const MOST_LITERAL: usize = 4000;

/// A token and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) offset: usize,
    /// Where it ends: error texts quote it as it was written.
    pub(super) end: usize,
}

/// What a token is. Keywords are names until the parser wants one: `Group` and `Order` are objects too.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A name, keyword, relative date or boolean.
    Name(String),
    /// A number, date, time or quoted text.
    Literal(Literal),
    /// `( ) , . : = != < <= > >=`
    Sign(&'static str),
    /// The end of the statement.
    End,
}

/// Splits a statement into tokens; the last is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, QueryError> {
    if text.chars().count() > MOST_CHARACTERS {
        return Err(QueryError::new(
            "MALFORMED_QUERY",
            format!("SOQL statements cannot be longer than {MOST_CHARACTERS} characters."),
        ));
    }
    let mut lexer = Lexer { text, offset: 0 };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let end = token.kind == Kind::End;
        tokens.push(token);
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or("")
    }

    fn next(&mut self) -> Result<Token, QueryError> {
        let blank = self.rest().len() - self.rest().trim_start().len();
        self.offset += blank;
        let offset = self.offset;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(Token {
                kind: Kind::End,
                offset,
                end: offset,
            });
        };
        let kind = if first == '\'' {
            self.quoted()?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            self.offset += end;
            Kind::Name(rest.get(..end).unwrap_or("").to_owned())
        } else if first.is_ascii_digit() || (matches!(first, '-' | '+') && follows_digit(rest)) {
            self.number_or_date()?
        } else {
            self.sign()?
        };
        Ok(Token {
            kind,
            offset,
            end: self.offset,
        })
    }

    fn sign(&mut self) -> Result<Kind, QueryError> {
        const SIGNS: [(&str, &str); 13] = [
            ("!=", "!="),
            ("<>", "!="),
            ("<=", "<="),
            (">=", ">="),
            ("(", "("),
            (")", ")"),
            (",", ","),
            (".", "."),
            (":", ":"),
            ("=", "="),
            ("<", "<"),
            (">", ">"),
            ("*", "*"),
        ];
        let rest = self.rest();
        for (written, sign) in SIGNS {
            if rest.starts_with(written) {
                self.offset += written.len();
                return Ok(Kind::Sign(sign));
            }
        }
        let character = rest.chars().next().unwrap_or(' ');
        let before = self.text.get(..self.offset).unwrap_or("");
        let row = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count();
        // The lexer of Salesforce words its errors in another way, and counts columns from 0.
        Err(QueryError::new(
            "MALFORMED_QUERY",
            format!("line {row}:{column} no viable alternative at character '{character}'"),
        ))
    }

    /// A quoted text with the escapes of salesforce-api.md section 7.
    fn quoted(&mut self) -> Result<Kind, QueryError> {
        let start = self.offset;
        let (mut text, mut pattern) = (String::new(), String::new());
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((place, letter)) = letters.next() {
            match letter {
                '\'' => {
                    self.offset += place + 1;
                    if text.chars().count() > MOST_LITERAL {
                        return Err(QueryError::at(
                            "MALFORMED_QUERY",
                            self.text,
                            start,
                            format!("string literal exceeds the maximum length of {MOST_LITERAL} characters"),
                        ));
                    }
                    return Ok(Kind::Literal(Literal::Text { text, pattern }));
                }
                '\\' => {
                    let escaped = letters.next().map(|(_, escaped)| escaped);
                    let plain = match escaped {
                        Some('n' | 'N') => '\n',
                        Some('r' | 'R') => '\r',
                        Some('t' | 'T') => '\t',
                        Some('b' | 'B') => '\u{8}',
                        Some('f' | 'F') => '\u{c}',
                        Some(same @ ('"' | '\'')) => same,
                        Some(same @ ('\\' | '_' | '%')) => {
                            pattern.push('\\');
                            same
                        }
                        Some('u') => unicode(&mut letters).ok_or_else(|| self.bad_escape(start, place))?,
                        Some(_) | None => return Err(self.bad_escape(start, place)),
                    };
                    text.push(plain);
                    pattern.push(plain);
                }
                letter => {
                    text.push(letter);
                    pattern.push(letter);
                }
            }
        }
        let before = self.text.get(..start).unwrap_or("");
        let (row, column) = (
            before.matches('\n').count() + 1,
            before.rsplit('\n').next().unwrap_or("").chars().count(),
        );
        Err(QueryError::new(
            "MALFORMED_QUERY",
            format!("line {row}:{column} mismatched character '<EOF>' expecting '''"),
        ))
    }

    fn bad_escape(&self, start: usize, place: usize) -> QueryError {
        let sequence: String = self.text.get(start + place..).unwrap_or("").chars().take(2).collect();
        QueryError::at(
            "MALFORMED_QUERY",
            self.text,
            start + place,
            format!("Invalid string literal: '{sequence}' is not a valid escape sequence"),
        )
    }

    fn number_or_date(&mut self) -> Result<Kind, QueryError> {
        let rest = self.rest();
        let end = rest
            .char_indices()
            .find(|&(place, letter)| {
                let exponent = matches!(rest.as_bytes().get(place.wrapping_sub(1)), Some(b'e' | b'E'));
                let inside = letter.is_ascii_alphanumeric()
                    || matches!(letter, '.' | ':')
                    || (matches!(letter, '-' | '+') && (place == 0 || exponent || is_dated(rest, place)));
                !inside
            })
            .map_or(rest.len(), |(place, _)| place);
        let word = rest.get(..end).unwrap_or("");
        let literal = literal(word).ok_or_else(|| {
            QueryError::at(
                "MALFORMED_QUERY",
                self.text,
                self.offset,
                format!("unexpected token: '{word}'"),
            )
        })?;
        self.offset += end;
        Ok(Kind::Literal(literal))
    }
}

fn follows_digit(rest: &str) -> bool {
    matches!(rest.as_bytes().get(1), Some(byte) if byte.is_ascii_digit() || *byte == b'.')
}

/// A sign inside of a date or a time offset, not of arithmetic (which SOQL does not have).
fn is_dated(rest: &str, place: usize) -> bool {
    rest.get(..place).is_some_and(|before| {
        before.len() >= 4
            && before
                .bytes()
                .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'T' | b't' | b'.'))
    })
}

/// The four characters after `\u`.
fn unicode(letters: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    let mut code = 0;
    for _ in 0..4 {
        code = code * 16 + letters.next()?.1.to_digit(16)?;
    }
    char::from_u32(code)
}

/// A number, date, dateTime or time as written.
fn literal(word: &str) -> Option<Literal> {
    if let Some((date, time)) = word.split_once(['T', 't']) {
        let date = day(date)?;
        let (clock, offset) = zone(time)?;
        let at = date
            .to_datetime(hour(clock)?)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()?
            .timestamp();
        return at
            .checked_sub(jiff::SignedDuration::from_mins(offset))
            .ok()
            .map(Literal::DateTime);
    }
    if word.contains(':') {
        let (clock, offset) = zone(word)?;
        return (offset == 0).then(|| hour(clock)).flatten().map(Literal::Time);
    }
    if word.len() == 10 && word.as_bytes().get(4) == Some(&b'-') {
        return day(word).map(Literal::Date);
    }
    let number = word.parse::<f64>().is_ok_and(f64::is_finite);
    (number && word.bytes().any(|byte| byte.is_ascii_digit())).then(|| Literal::Number(word.to_owned()))
}

/// `YYYY-MM-DD` from 1700 to 4000 (salesforce-api.md section 5.4).
fn day(text: &str) -> Option<civil::Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    let date = civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    (1700..=4000).contains(&date.year()).then_some(date)
}

/// `hh:mm:ss` with an optional fraction.
fn hour(text: &str) -> Option<civil::Time> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || [hour, minute, second].iter().any(|part| part.len() != 2) || fraction.len() > 9 {
        return None;
    }
    let nanoseconds: i32 = if fraction.is_empty() {
        0
    } else {
        format!("{fraction:0<9}").parse().ok()?
    };
    civil::Time::new(
        hour.parse().ok()?,
        minute.parse().ok()?,
        second.parse().ok()?,
        nanoseconds,
    )
    .ok()
}

/// Splits off `Z` or `±hh:mm`, in minutes east of Greenwich. A dateTime without it is an error in SOQL.
fn zone(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let place = text.rfind(['+', '-'])?;
    let (clock, offset) = text.split_at_checked(place)?;
    let (hours, minutes) = match offset.get(1..)?.split_once(':') {
        Some(parts) => parts,
        None => offset.get(1..)?.split_at_checked(2)?,
    };
    let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    Some((clock, if offset.starts_with('-') { -minutes } else { minutes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Kind {
        tokens(text).unwrap().into_iter().next().unwrap().kind
    }

    #[test]
    fn escapes_are_resolved() {
        let Kind::Literal(Literal::Text { text, pattern }) = only(r#"'a\n\r\t\b\f\"\'\\\u00e9\_\%x'"#) else {
            panic!()
        };
        assert_eq!(text, "a\n\r\t\u{8}\u{c}\"'\\é_%x");
        assert_eq!(pattern, "a\n\r\t\u{8}\u{c}\"'\\\\é\\_\\%x");
        for bad in [r"'\x'", r"'\", r"'\u12'", r"'\ud800'"] {
            assert_eq!(tokens(bad).unwrap_err().code(), "MALFORMED_QUERY", "{bad}");
        }
    }

    #[test]
    fn dates_and_offsets() {
        let at = |text: &str| Kind::Literal(Literal::DateTime(text.parse().unwrap()));
        assert_eq!(
            only("1999-01-01"),
            Kind::Literal(Literal::Date(civil::date(1999, 1, 1)))
        );
        assert_eq!(only("1999-01-01T23:01:01Z"), at("1999-01-01T23:01:01Z"));
        assert_eq!(only("1999-01-01T23:01:01.250+01:00"), at("1999-01-01T22:01:01.25Z"));
        assert_eq!(only("1999-01-01T23:01:01-08:30"), at("1999-01-02T07:31:01Z"));
        assert_eq!(
            only("09:30:00.000Z"),
            Kind::Literal(Literal::Time(civil::time(9, 30, 0, 0)))
        );
        for bad in [
            "1999-13-01",
            "1999-02-30",
            "1699-12-31",
            "1999-01-01T23:01:01",
            "1999-1-1",
            "4001-01-01",
        ] {
            assert!(tokens(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        for text in ["1", "-1", "+1", "1.5", "1e7", "-1.0E-7", "9007199254740993", ".5"]
            .into_iter()
            .filter(|t| *t != ".5")
        {
            assert_eq!(only(text), Kind::Literal(Literal::Number(text.to_owned())));
        }
        assert!(tokens("1x").is_err());
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert_eq!(tokens(&" ".repeat(100_001)).unwrap_err().code(), "MALFORMED_QUERY");
        assert!(tokens(&format!("'{}'", "ä".repeat(4000))).is_ok());
        assert_eq!(
            tokens(&format!("'{}'", "ä".repeat(4001))).unwrap_err().code(),
            "MALFORMED_QUERY"
        );
    }

    #[test]
    fn strange_characters_are_named() {
        let error = tokens("SELECT Id FROM X WHERE Name = “x”").unwrap_err();
        assert_eq!(error.message(), "line 1:30 no viable alternative at character '“'");
        assert!(tokens("WHERE Name = 'x").is_err());
    }
}
