//! From tokens to the tree, by recursive descent.
//!
//! Written by hand and not with a combinator library: Salesforce's error texts name the first token that does not fit, with
//! row and column, and that is what a hand-written descent knows at every point. The grammar is small, and keywords are
//! names wherever a name fits (`SELECT Group FROM Order`).

use super::ast::{Condition, ListOperator, Literal, Name, Operator, OrderBy, Path, Query, Select, SelectItem, Value};
use super::error::QueryError;
use super::lexer::{self, Kind, Token};
use super::relative;

/// Most rows that OFFSET may pass over (salesforce-api.md section 7).
const MOST_OFFSET: u64 = 2000;

/// Conditions and subqueries within one another: enough for any query, and not for a stack overflow.
const MOST_DEPTH: u32 = 100;

/// Reads a statement.
///
/// # Errors
/// `MALFORMED_QUERY` with the place of the first token that does not fit, or where the statement or a literal is too long;
/// `NUMBER_OUTSIDE_VALID_RANGE` for OFFSET above 2000.
pub fn parse(text: &str) -> Result<Query, QueryError> {
    let tokens = lexer::tokens(text)?;
    let mut parser = Parser {
        text,
        tokens,
        place: 0,
        depth: 0,
    };
    let query = parser.query(Level::Top)?;
    if parser.kind() != &Kind::End {
        return Err(parser.unexpected());
    }
    Ok(query)
}

/// Where a query stands: what it may contain depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Top,
    Children,
    SemiJoin,
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    place: usize,
    depth: u32,
}

/// What is read beyond the end; the lexer ends every list of tokens with one.
const END: &Token = &Token {
    kind: Kind::End,
    offset: usize::MAX,
    end: usize::MAX,
};

impl Parser<'_> {
    fn token(&self) -> &Token {
        self.tokens.get(self.place).unwrap_or(END)
    }

    fn kind(&self) -> &Kind {
        &self.token().kind
    }

    fn ahead(&self, steps: usize) -> &Kind {
        self.tokens
            .get(self.place + steps)
            .map_or(&END.kind, |token| &token.kind)
    }

    fn malformed(&self, offset: usize, reason: &str) -> QueryError {
        QueryError::at("MALFORMED_QUERY", self.text, offset, reason)
    }

    /// The error of a token that fits nowhere.
    fn unexpected(&self) -> QueryError {
        let token = self.token();
        let written = match &token.kind {
            Kind::End => "<EOF>",
            Kind::Name(_) | Kind::Literal(_) | Kind::Sign(_) => self.text.get(token.offset..token.end).unwrap_or(""),
        };
        self.malformed(token.offset, &format!("unexpected token: '{written}'"))
    }

    fn is_word(&self, steps: usize, word: &str) -> bool {
        matches!(self.ahead(steps), Kind::Name(name) if name.eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(0, word);
        self.place += usize::from(found);
        found
    }

    fn want_word(&mut self, word: &str) -> Result<(), QueryError> {
        if self.take_word(word) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn is_sign(&self, steps: usize, sign: &str) -> bool {
        matches!(self.ahead(steps), Kind::Sign(own) if *own == sign)
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(0, sign);
        self.place += usize::from(found);
        found
    }

    fn want_sign(&mut self, sign: &str) -> Result<(), QueryError> {
        if self.take_sign(sign) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn name(&mut self) -> Result<Name, QueryError> {
        let offset = self.token().offset;
        match self.kind() {
            Kind::Name(text) => {
                let name = Name {
                    text: text.clone(),
                    offset,
                };
                self.place += 1;
                Ok(name)
            }
            Kind::Literal(_) | Kind::Sign(_) | Kind::End => Err(self.unexpected()),
        }
    }

    fn path(&mut self) -> Result<Path, QueryError> {
        // The one word that is never a field: `SELECT Id, FROM Contact` shall name the comma's fault and not the object.
        if self.is_word(0, "FROM") {
            return Err(self.unexpected());
        }
        let mut parts = vec![self.name()?];
        while self.take_sign(".") {
            parts.push(self.name()?);
        }
        Ok(Path { parts })
    }

    fn deeper(&mut self) -> Result<(), QueryError> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(QueryError::new(
                "QUERY_TOO_COMPLICATED",
                "Query is either selecting too many fields or the filter conditions are too complicated.",
            ));
        }
        Ok(())
    }

    fn query(&mut self, level: Level) -> Result<Query, QueryError> {
        self.deeper()?;
        self.want_word("SELECT")?;
        let select = self.select(level)?;
        self.want_word("FROM")?;
        let from = self.name()?;
        let alias = self.alias()?;
        let condition = if self.take_word("WHERE") {
            Some(self.condition()?)
        } else {
            None
        };
        let order = if level != Level::SemiJoin && self.is_word(0, "ORDER") {
            self.order()?
        } else {
            Vec::new()
        };
        let limit = if level != Level::SemiJoin && self.take_word("LIMIT") {
            Some(self.count()?.0)
        } else {
            None
        };
        let mut offset = None;
        if level == Level::Top && self.take_word("OFFSET") {
            let (rows, _place) = self.count()?;
            if rows > MOST_OFFSET {
                return Err(QueryError::new(
                    "NUMBER_OUTSIDE_VALID_RANGE",
                    format!("Maximum SOQL offset allowed is {MOST_OFFSET}"),
                ));
            }
            offset = Some(rows);
        }
        let mut all_rows = false;
        if level == Level::Top && self.is_word(0, "ALL") && self.is_word(1, "ROWS") {
            self.place += 2;
            all_rows = true;
        }
        self.depth -= 1;
        Ok(Query {
            select,
            from,
            alias,
            condition,
            order,
            limit,
            offset,
            all_rows,
        })
    }

    /// `FROM Contact c` or `FROM Contact AS c`.
    fn alias(&mut self) -> Result<Option<String>, QueryError> {
        const CLAUSES: [&str; 11] = [
            "WHERE", "WITH", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "ALL", "UPDATE", "USING",
        ];
        if self.take_word("AS") {
            return self.name().map(|name| Some(name.text));
        }
        match self.kind() {
            Kind::Name(word) if !CLAUSES.iter().any(|clause| word.eq_ignore_ascii_case(clause)) => {
                self.name().map(|name| Some(name.text))
            }
            Kind::Name(_) | Kind::Literal(_) | Kind::Sign(_) | Kind::End => Ok(None),
        }
    }

    fn select(&mut self, level: Level) -> Result<Select, QueryError> {
        if self.is_word(0, "COUNT") && self.is_sign(1, "(") && self.is_sign(2, ")") {
            if level != Level::Top {
                return Err(self.unexpected());
            }
            self.place += 3;
            return Ok(Select::Count);
        }
        let mut items = Vec::new();
        loop {
            if self.is_sign(0, "(") {
                if level != Level::Top {
                    return Err(self.unexpected());
                }
                self.place += 1;
                items.push(SelectItem::Children(Box::new(self.query(Level::Children)?)));
                self.want_sign(")")?;
            } else {
                self.refuse_function()?;
                items.push(SelectItem::Path(self.path()?));
            }
            if !self.take_sign(",") {
                return Ok(Select::Items(items));
            }
        }
    }

    /// `FIELDS()` and aggregates are SOQL, but nothing that this org serves: the first is of no use to replication
    /// (salesforce-api.md section 7), aggregates cannot be paged.
    fn refuse_function(&self) -> Result<(), QueryError> {
        if !self.is_sign(1, "(") {
            return Ok(());
        }
        if self.is_word(0, "FIELDS") {
            return Err(QueryError::new(
                "MALFORMED_QUERY",
                "The SOQL FIELDS function is not supported by this org: name the fields.",
            ));
        }
        Err(self.unexpected())
    }

    fn condition(&mut self) -> Result<Condition, QueryError> {
        self.deeper()?;
        let mut parts = vec![self.term()?];
        let mut junction = None;
        loop {
            let found = if self.is_word(0, "AND") {
                "AND"
            } else if self.is_word(0, "OR") {
                "OR"
            } else {
                break;
            };
            if *junction.get_or_insert(found) != found {
                // AND and OR side by side need parentheses: Salesforce calls the second an unexpected token.
                return Err(self.unexpected());
            }
            self.place += 1;
            parts.push(self.term()?);
        }
        self.depth -= 1;
        match (junction, parts.pop()) {
            (None, Some(only)) => Ok(only),
            (Some("AND"), Some(last)) => {
                parts.push(last);
                Ok(Condition::And(parts))
            }
            (Some(_), Some(last)) => {
                parts.push(last);
                Ok(Condition::Or(parts))
            }
            (_, None) => Err(self.unexpected()),
        }
    }

    fn term(&mut self) -> Result<Condition, QueryError> {
        // "NOT" is an operator unless it stands where a field does: NOT = 1 is nothing that exists, so it never is one.
        if self.take_word("NOT") {
            self.deeper()?;
            let inner = self.term()?;
            self.depth -= 1;
            return Ok(Condition::Not(Box::new(inner)));
        }
        if self.take_sign("(") {
            let inner = self.condition()?;
            self.want_sign(")")?;
            return Ok(inner);
        }
        let path = self.path()?;
        self.comparison(path)
    }

    fn comparison(&mut self, path: Path) -> Result<Condition, QueryError> {
        let negated = self.is_word(0, "NOT") && self.is_word(1, "IN");
        if negated || self.is_word(0, "IN") {
            self.place += 1 + usize::from(negated);
            if self.is_sign(0, "(") && self.is_word(1, "SELECT") {
                self.place += 1;
                let query = Box::new(self.query(Level::SemiJoin)?);
                self.want_sign(")")?;
                return Ok(Condition::SemiJoin { path, negated, query });
            }
            let operator = if negated { ListOperator::NotIn } else { ListOperator::In };
            return Ok(Condition::List {
                path,
                operator,
                values: self.values()?,
            });
        }
        for (word, operator) in [
            ("INCLUDES", ListOperator::Includes),
            ("EXCLUDES", ListOperator::Excludes),
        ] {
            if self.take_word(word) {
                return Ok(Condition::List {
                    path,
                    operator,
                    values: self.values()?,
                });
            }
        }
        if self.take_word("LIKE") {
            return Ok(Condition::Compare {
                path,
                operator: Operator::Like,
                value: self.value()?,
            });
        }
        let operator = match self.kind() {
            Kind::Sign("=") => Operator::Equal,
            Kind::Sign("!=") => Operator::NotEqual,
            Kind::Sign("<") => Operator::Less,
            Kind::Sign("<=") => Operator::LessOrEqual,
            Kind::Sign(">") => Operator::Greater,
            Kind::Sign(">=") => Operator::GreaterOrEqual,
            Kind::Name(_) | Kind::Literal(_) | Kind::Sign(_) | Kind::End => return Err(self.unexpected()),
        };
        self.place += 1;
        Ok(Condition::Compare {
            path,
            operator,
            value: self.value()?,
        })
    }

    fn values(&mut self) -> Result<Vec<Value>, QueryError> {
        self.want_sign("(")?;
        let mut values = vec![self.value()?];
        while self.take_sign(",") {
            values.push(self.value()?);
        }
        self.want_sign(")")?;
        Ok(values)
    }

    fn value(&mut self) -> Result<Value, QueryError> {
        let offset = self.token().offset;
        let literal = match self.kind() {
            Kind::Literal(literal) => literal.clone(),
            Kind::Name(word) if word.eq_ignore_ascii_case("null") => Literal::Null,
            Kind::Name(word) if word.eq_ignore_ascii_case("true") => Literal::Boolean(true),
            Kind::Name(word) if word.eq_ignore_ascii_case("false") => Literal::Boolean(false),
            Kind::Name(word) if self.is_sign(1, ":") => {
                let n = match self.ahead(2) {
                    Kind::Literal(Literal::Number(digits)) => digits.parse().ok().filter(|n: &i32| *n > 0),
                    Kind::Literal(_) | Kind::Name(_) | Kind::Sign(_) | Kind::End => None,
                };
                let literal = n
                    .and_then(|n| relative::parse(word, Some(n)))
                    .ok_or_else(|| self.unexpected())?;
                self.place += 2;
                Literal::Relative(literal)
            }
            Kind::Name(word) => Literal::Relative(relative::parse(word, None).ok_or_else(|| self.unexpected())?),
            Kind::Sign(":") => {
                return Err(self.malformed(offset, "Bind variables only allowed in Apex code"));
            }
            Kind::Sign(_) | Kind::End => return Err(self.unexpected()),
        };
        self.place += 1;
        Ok(Value { literal, offset })
    }

    fn order(&mut self) -> Result<Vec<OrderBy>, QueryError> {
        self.want_word("ORDER")?;
        self.want_word("BY")?;
        let mut order = Vec::new();
        loop {
            self.refuse_function()?;
            let path = self.path()?;
            let descending = if self.take_word("DESC") {
                true
            } else {
                self.take_word("ASC");
                false
            };
            let mut nulls_last = false;
            if self.take_word("NULLS") {
                nulls_last = self.take_word("LAST");
                if !nulls_last {
                    self.want_word("FIRST")?;
                }
            }
            order.push(OrderBy {
                path,
                descending,
                nulls_last,
            });
            if !self.take_sign(",") {
                return Ok(order);
            }
        }
    }

    /// A whole number of rows and where it stands.
    fn count(&mut self) -> Result<(u64, usize), QueryError> {
        let offset = self.token().offset;
        match self.kind() {
            Kind::Literal(Literal::Number(digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let rows = digits.parse().unwrap_or(u64::MAX);
                self.place += 1;
                Ok((rows, offset))
            }
            Kind::Literal(_) | Kind::Name(_) | Kind::Sign(_) | Kind::End => Err(self.unexpected()),
        }
    }
}

#[cfg(test)]
mod tests;
