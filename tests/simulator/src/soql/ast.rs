//! What a query says, before anybody knows whether its names exist.
//!
//! Names are as they were written. Offsets are bytes from the start of the statement: error texts show the place.

/// A whole query, or a subquery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What is selected.
    pub select: Select,
    /// The object, or in a child subquery the relationship.
    pub from: Name,
    /// `FROM Contact c`: the alias that paths may start with.
    pub alias: Option<String>,
    /// WHERE.
    pub condition: Option<Condition>,
    /// ORDER BY, most significant first.
    pub order: Vec<OrderBy>,
    /// LIMIT.
    pub limit: Option<u64>,
    /// OFFSET, at most 2000.
    pub offset: Option<u64>,
    /// ALL ROWS was written.
    pub all_rows: bool,
}

/// The select list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// `count()`: no records, only their number.
    Count,
    /// Fields and child subqueries in the order written.
    Items(Vec<SelectItem>),
}

/// One entry of the select list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectItem {
    /// A field, or one of a parent.
    Path(Path),
    /// `(SELECT .. FROM Contacts)`.
    Children(Box<Query>),
}

/// A name and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// As written.
    pub text: String,
    /// Where it begins.
    pub offset: usize,
}

/// `Account.Owner.Name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The parts, at least one; the last is the field.
    pub parts: Vec<Name>,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// All of these; two or more.
    And(Vec<Condition>),
    /// One of these; two or more.
    Or(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// Field, operator, value.
    Compare {
        /// The field.
        path: Path,
        /// The operator.
        operator: Operator,
        /// The value.
        value: Value,
    },
    /// IN or NOT IN a list, or INCLUDES or EXCLUDES of a multi-select picklist.
    List {
        /// The field.
        path: Path,
        /// Which of the four.
        operator: ListOperator,
        /// The values, at least one.
        values: Vec<Value>,
    },
    /// IN or NOT IN a subquery.
    SemiJoin {
        /// The field.
        path: Path,
        /// NOT IN.
        negated: bool,
        /// What it is compared with: one column.
        query: Box<Query>,
    },
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// =
    Equal,
    /// != or <>
    NotEqual,
    /// <
    Less,
    /// <=
    LessOrEqual,
    /// >
    Greater,
    /// >=
    GreaterOrEqual,
    /// LIKE
    Like,
}

/// Operators with a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListOperator {
    /// IN
    In,
    /// NOT IN
    NotIn,
    /// INCLUDES
    Includes,
    /// EXCLUDES
    Excludes,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// What it is.
    pub literal: Literal,
    /// Where it begins.
    pub offset: usize,
}

/// A literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// null
    Null,
    /// TRUE, FALSE
    Boolean(bool),
    /// Digits, with point and exponent, as written.
    Number(String),
    /// A quoted text with its escapes resolved, and as a pattern for LIKE, in which `\%`, `\_` and `\\` keep their
    /// backslash.
    Text {
        /// The text.
        text: String,
        /// The pattern.
        pattern: String,
    },
    /// `2015-02-10`
    Date(jiff::civil::Date),
    /// `2015-02-10T01:56:14Z`, with any offset
    DateTime(jiff::Timestamp),
    /// `09:30:00.000Z`
    Time(jiff::civil::Time),
    /// TODAY, `LAST_N_DAYS:30`
    Relative(RelativeDate),
}

/// Relative date literals: a span of whole days in the user's time zone. Weeks begin on Sunday, as in an org of locale
/// `en_US`; the fiscal year is the calendar year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelativeDate {
    /// TODAY
    Today,
    /// YESTERDAY
    Yesterday,
    /// TOMORROW
    Tomorrow,
    /// `LAST_90_DAYS`
    Last90Days,
    /// `NEXT_90_DAYS`
    Next90Days,
    /// `THIS_WEEK`, `LAST_MONTH`, `NEXT_FISCAL_YEAR`: the span so many units away.
    Shifted {
        /// The unit.
        unit: DateUnit,
        /// 0 this, -1 last, 1 next.
        shift: i32,
    },
    /// `LAST_N_DAYS:n`, `LAST_N_MONTHS:n` and so on.
    LastN {
        /// The unit.
        unit: DateUnit,
        /// How many.
        n: i32,
    },
    /// `NEXT_N_DAYS:n` and so on.
    NextN {
        /// The unit.
        unit: DateUnit,
        /// How many.
        n: i32,
    },
    /// `N_DAYS_AGO:n` and so on.
    NAgo {
        /// The unit.
        unit: DateUnit,
        /// How many.
        n: i32,
    },
}

/// Units of relative dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateUnit {
    /// Days.
    Day,
    /// Weeks from Sunday.
    Week,
    /// Calendar months.
    Month,
    /// Quarters, fiscal ones too.
    Quarter,
    /// Years, fiscal ones too.
    Year,
}

/// One key of ORDER BY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderBy {
    /// The field.
    pub path: Path,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST (the default, for DESC too) or, when true, NULLS LAST.
    pub nulls_last: bool,
}

impl Path {
    /// Where it begins.
    pub fn offset(&self) -> usize {
        self.parts.first().map_or(0, |name| name.offset)
    }

    /// With dots, as written.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(&part.text);
        }
        text
    }
}
