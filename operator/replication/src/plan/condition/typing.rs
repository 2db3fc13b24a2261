//! Whether what a condition compares fits the field that it is compared with.
//!
//! Salesforce refuses a number for a text, a text for a number, a day for a moment, and operators that a type does not have
//! (SOQL's "WHERE", "Comparison Operators"; the answers are `INVALID_FIELD` and `INVALID_QUERY_FILTER_OPERATOR`). It says so when
//! the first query is sent, in words that quote the statement; a plan says it before, by the field's type in describe.
//!
//! Only what is refused for certain is told: a value whose form is not recognised, a type that this version does not know
//! and parents of several types are left to Salesforce. What stands in quotes may be anybody's data and is never shown.

use salesforce::describe::FieldType;

use super::{
    super::schema::Found,
    token::{Kind, Token},
};

/// A field, and what it is compared with.
#[derive(Debug)]
pub(super) struct Comparison<'a> {
    /// As it was written.
    pub(super) field: &'a str,
    /// Its first character, counted from 1.
    pub(super) at: usize,
    pub(super) operator: Operator<'a>,
    /// Of a sub-select none.
    pub(super) values: Vec<Literal<'a>>,
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator<'a> {
    /// `=`, `!=`, `<>`
    Equality,
    /// `<`, `<=`, `>`, `>=`
    Order(&'a str),
    Like,
    /// `IN`, `NOT IN`
    Listed,
    /// `INCLUDES`, `EXCLUDES`
    Includes(&'a str),
}

/// A value as it was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Literal<'a> {
    form: Form,
    token: Token<'a>,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Null,
    Boolean,
    Text,
    Number,
    Date,
    Moment,
    Time,
    /// `TODAY`, `LAST_N_DAYS:30`
    Relative,
    /// Left to Salesforce.
    Unknown,
}

/// What the types of fields have in common where they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparable {
    Text,
    /// Several values of a list in one text.
    Several,
    Id,
    Boolean,
    Number,
    Date,
    Moment,
    Time,
}

impl<'a> Operator<'a> {
    /// Of `= != <> < <= > >=`.
    pub(super) fn of_sign(sign: &'a str) -> Self {
        match sign {
            "=" | "!=" | "<>" => Self::Equality,
            order => Self::Order(order),
        }
    }

    fn shown(self) -> String {
        match self {
            Self::Equality => "=".to_owned(),
            Self::Order(sign) => sign.to_owned(),
            Self::Like => "LIKE".to_owned(),
            Self::Listed => "IN".to_owned(),
            Self::Includes(word) => word.to_ascii_uppercase(),
        }
    }
}

impl<'a> Literal<'a> {
    /// A text in quotes, a number, a day, a moment.
    pub(super) fn of(token: Token<'a>) -> Self {
        let form = match token.kind {
            Kind::Quoted => Form::Text,
            Kind::Number => form_of(token.text),
            Kind::Word | Kind::Open | Kind::Close | Kind::Comma | Kind::Colon | Kind::Operator => Form::Unknown,
        };
        Self { form, token }
    }

    /// A relative date.
    pub(super) fn relative(token: Token<'a>) -> Self {
        Self {
            form: Form::Relative,
            token,
        }
    }

    /// null, a boolean, an amount of a currency; `None` for a word that is no value.
    pub(super) fn of_word(word: Token<'a>) -> Option<Self> {
        let form = if word.is_word("null") {
            Form::Null
        } else if word.is_word("true") || word.is_word("false") {
            Form::Boolean
        } else if is_amount(word.text) {
            Form::Number
        } else {
            return None;
        };
        Some(Self { form, token: word })
    }

    fn shown(self) -> String {
        let text = self.token.text;
        match self.form {
            Form::Text => "a text in quotes".to_owned(),
            Form::Null | Form::Boolean | Form::Unknown => text.to_owned(),
            Form::Number => format!("the number {text}"),
            Form::Date => format!("the day {text}"),
            Form::Moment => format!("the moment {text}"),
            Form::Time => format!("the time {text}"),
            Form::Relative => format!("the relative date {text}"),
        }
    }
}

/// `USD5000`, `eur12.50`
fn is_amount(word: &str) -> bool {
    word.split_at_checked(3).is_some_and(|(currency, amount)| {
        currency.chars().all(|letter| letter.is_ascii_alphabetic())
            && amount.starts_with(|digit: char| digit.is_ascii_digit())
            && amount.chars().all(|digit| digit.is_ascii_digit() || digit == '.')
    })
}

/// What something that begins with a digit or a sign is.
fn form_of(text: &str) -> Form {
    let day = |text: &str| text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10;
    if text.parse::<f64>().is_ok() {
        return Form::Number;
    }
    match text.split_once(['T', 't']) {
        Some((date, _)) if day(date) => Form::Moment,
        None if day(text) => Form::Date,
        None if text.contains(':') => Form::Time,
        Some(_) | None => Form::Unknown,
    }
}

/// How a type is compared; `None` where that is left to Salesforce.
fn comparable(found: &Found<'_>) -> Option<Comparable> {
    if found.polymorphic {
        return None;
    }
    Some(match &found.field.field_type {
        FieldType::String
        | FieldType::Picklist
        | FieldType::Combobox
        | FieldType::TextArea
        | FieldType::Phone
        | FieldType::Url
        | FieldType::Email
        | FieldType::EncryptedString => Comparable::Text,
        FieldType::MultiPicklist => Comparable::Several,
        // Some system objects call references what are names of 255 characters.
        FieldType::Reference | FieldType::Id if found.field.length > 18 => return None,
        FieldType::Reference | FieldType::Id => Comparable::Id,
        FieldType::Boolean => Comparable::Boolean,
        FieldType::Int | FieldType::Long | FieldType::Double | FieldType::Currency | FieldType::Percent => {
            Comparable::Number
        }
        FieldType::Date => Comparable::Date,
        FieldType::DateTime => Comparable::Moment,
        FieldType::Time => Comparable::Time,
        FieldType::DataCategoryGroupReference
        | FieldType::AnyType
        | FieldType::Json
        | FieldType::ComplexValue
        | FieldType::Address
        | FieldType::Location
        | FieldType::Base64
        | FieldType::Unknown(_) => return None,
    })
}

impl Comparable {
    /// Its name, with its article.
    fn named(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Several => "a list of several choices",
            Self::Id => "an Id",
            Self::Boolean => "true or false",
            Self::Number => "a number",
            Self::Date => "a day",
            Self::Moment => "a moment",
            Self::Time => "a time of day",
        }
    }

    /// What to write.
    fn example(self) -> &'static str {
        match self {
            Self::Text | Self::Several => "write it in quotes, 'like this'",
            Self::Id => "write an Id of 15 or 18 characters, in quotes",
            Self::Boolean => "write true or false, without quotes",
            Self::Number => "write a number without quotes, such as 100",
            Self::Date => "write a day without quotes, such as 2026-01-31, or a relative one such as LAST_N_DAYS:30",
            Self::Moment => {
                "write a moment without quotes, such as 2026-01-31T08:00:00Z, or a relative date such as LAST_N_DAYS:30"
            }
            Self::Time => "write a time without quotes, such as 08:30:00Z",
        }
    }

    fn takes(self, form: Form) -> bool {
        match form {
            Form::Null | Form::Unknown => true,
            Form::Text => matches!(self, Self::Text | Self::Several | Self::Id),
            Form::Boolean => self == Self::Boolean,
            Form::Number => self == Self::Number,
            Form::Date => self == Self::Date,
            Form::Moment => self == Self::Moment,
            Form::Time => self == Self::Time,
            Form::Relative => matches!(self, Self::Date | Self::Moment),
        }
    }

    /// What to write instead of an operator that the type does not have.
    fn without(self, operator: Operator<'_>) -> Option<&'static str> {
        match operator {
            Operator::Equality | Operator::Listed => None,
            Operator::Order(_) => match self {
                Self::Boolean => Some("compare it by = or !="),
                Self::Several => Some("compare it by =, !=, INCLUDES or EXCLUDES"),
                Self::Text | Self::Id | Self::Number | Self::Date | Self::Moment | Self::Time => None,
            },
            Operator::Like => match self {
                Self::Text => None,
                Self::Several => Some("compare it by =, !=, INCLUDES or EXCLUDES"),
                Self::Boolean | Self::Id => Some("compare it by = or !="),
                Self::Number | Self::Date | Self::Moment | Self::Time => Some("compare it by =, <, > or IN"),
            },
            Operator::Includes(_) => match self {
                Self::Several => None,
                Self::Text | Self::Id | Self::Boolean | Self::Number | Self::Date | Self::Moment | Self::Time => {
                    Some("compare it by IN or NOT IN")
                }
            },
        }
    }
}

/// What Salesforce would refuse: a sentence without its beginning, `where: `.
pub(super) fn problem(found: &Found<'_>, comparison: &Comparison<'_>) -> Option<String> {
    let Comparison {
        field: _,
        at,
        operator,
        values,
    } = comparison;
    let kind = comparable(found)?;
    let field = &found.path;
    if let Some(instead) = kind.without(*operator) {
        return Some(format!(
            "field {field} (character {at}) is {}, for which there is no {}: {instead}",
            kind.named(),
            operator.shown()
        ));
    }
    let wrong = values.iter().find(|value| !kind.takes(value.form));
    if let Some(value) = wrong {
        return Some(format!(
            "field {field} (character {at}) is {}, and {} stands at character {}: {}",
            kind.named(),
            value.shown(),
            value.token.at,
            kind.example()
        ));
    }
    let no_id = values
        .iter()
        .find(|value| kind == Comparable::Id && !may_be_id(**value))?;
    Some(format!(
        "field {field} (character {at}) is an Id, and the text at character {} is none: {}; a name stands in a field of the \
         parent, such as Account.Name",
        no_id.token.at,
        kind.example()
    ))
}

/// Whether a value could be an Id; a text with escapes is left to Salesforce, and an empty one is null.
fn may_be_id(value: Literal<'_>) -> bool {
    let text = value.token.text.trim_matches('\'');
    value.form != Form::Text
        || text.contains('\\')
        || matches!(text.len(), 0 | 15 | 18) && text.chars().all(|letter| letter.is_ascii_alphanumeric())
}
