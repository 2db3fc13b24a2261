//! Text of a field to the bytes of a binary COPY.
//!
//! Binary COPY costs the server half of what CSV does (performance.md 1.1), so a value is parsed here, once, and straight
//! to what PostgreSQL stores: i64 of microseconds since 2000 for a moment, groups of four decimal digits for a numeric.
//! The wire forms are those of PostgreSQL's `*_recv` functions; the round trip of every type through a server is tested
//! in `tests/postgres`.
//!
//! A value that does not fit rejects its row: what was appended of it is cut off again. It is told with object, Id and column,
//! never with itself.

use jiff::Timestamp;
use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef, types::Oid},
};

use super::{
    bounds::{Bounds, Measured},
    layout::Layout,
    statement::written,
};
use crate::{
    Error, Result,
    batch::Batch,
    destination::Left,
    plan::{ColumnKind, ColumnSource, Identifier, ObjectName, ObjectPlan, UrlTemplate},
    value::{self, Decimal, MICROS_PER_DAY, Problem},
};

/// Signature, flags and length of the header's extension, before the first row.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// After the last row.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// Days from 1970-01-01, where ours begin, to 2000-01-01, where PostgreSQL's do.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 10_957 * MICROS_PER_DAY;

/// The first moment of PostgreSQL, 4714-11-24 BC, as it counts. jiff's are earlier.
const FIRST_MICROS: i64 = -211_813_488_000_000_000;

/// `-infinity`.
const BEFORE_ALL: i64 = i64::MIN;

/// A moment as PostgreSQL counts it; what is before its first one is before all.
fn wire_micros(moment: Timestamp) -> i64 {
    let micros = moment.as_microsecond() - EPOCH_MICROS;
    if micros < FIRST_MICROS { BEFORE_ALL } else { micros }
}

/// Columns of the staging table before the plan's: the order of reading, and the row's [`Kind`].
const STAGING_COLUMNS: usize = 2;

/// Bytes of them on the wire, with their lengths.
const STAGING_BYTES: usize = 4 + 8 + 4 + 2;

/// Bytes of the number of columns, before each row.
const COUNT: usize = 2;

/// A moment as PostgreSQL has it, for parameters and results. sqlx knows the types of `chrono` and `time`, not jiff's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(pub(super) Timestamp);

impl Type<Postgres> for Moment {
    fn type_info() -> PgTypeInfo {
        // timestamptz; its Oid is fixed in PostgreSQL's catalogue.
        PgTypeInfo::with_oid(Oid(1184))
    }
}

impl Encode<'_, Postgres> for Moment {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> std::result::Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode(wire_micros(self.0), buffer)
    }
}

impl Decode<'_, Postgres> for Moment {
    fn decode(value: PgValueRef<'_>) -> std::result::Result<Self, BoxDynError> {
        let micros = <i64 as Decode<Postgres>>::decode(value)?;
        if micros == BEFORE_ALL {
            return Ok(Self(Timestamp::MIN));
        }
        let micros = micros.checked_add(EPOCH_MICROS).ok_or("a moment beyond the calendar")?;
        Ok(Self(Timestamp::from_microsecond(micros)?))
    }
}

/// Makes the bytes of rows of one plan.
#[derive(Debug)]
pub(super) struct Encoder {
    object: ObjectName,
    id: usize,
    is_deleted: Option<usize>,
    columns: Vec<Target>,
    bounds: Bounds,
}

/// A column that is written, and where its value comes from.
#[derive(Debug)]
struct Target {
    name: Identifier,
    kind: ColumnKind,
    source: TargetSource,
    /// Key and stamp, which come first: nothing can be guarded without them.
    required: bool,
}

#[derive(Debug)]
enum TargetSource {
    Field(usize),
    Template(UrlTemplate),
    /// `is_deleted` of a live row.
    False,
    /// `deleted_at` of a live row.
    Null,
}

/// What a staged row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A record that is there.
    Live,
    /// A record that Salesforce calls deleted.
    Deleted,
    /// A record that is not among those that the table is to hold.
    Left,
    /// A record that is there, with a value that does not fit.
    Rejected,
}

impl Kind {
    /// As it stands in the staging table.
    pub(super) fn code(self) -> i16 {
        match self {
            Self::Live => 0,
            Self::Deleted => 1,
            Self::Left => 2,
            Self::Rejected => 3,
        }
    }
}

/// A value that does not fit its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfit {
    /// Position among the columns that are written.
    column: usize,
    pub(super) problem: Problem,
}

impl Encoder {
    pub(super) fn new(plan: &ObjectPlan, layout: &Layout) -> Self {
        let columns = written(plan)
            .filter_map(|(position, column)| {
                let source = match &column.source {
                    ColumnSource::Field(field) => TargetSource::Field(*field),
                    ColumnSource::Template(template) => TargetSource::Template(template.clone()),
                    ColumnSource::IsDeleted => TargetSource::False,
                    ColumnSource::DeletedAt | ColumnSource::Null => TargetSource::Null,
                    ColumnSource::Empty => return None,
                };
                Some(Target {
                    name: column.name.clone(),
                    kind: layout.place(position)?.kind,
                    source,
                    required: position < 2,
                })
            })
            .collect();
        Self {
            object: plan.object.clone(),
            id: plan.id,
            is_deleted: plan.is_deleted,
            columns,
            bounds: Bounds::new(plan, layout),
        }
    }

    /// What a row is, as far as Salesforce tells it.
    ///
    /// # Errors
    /// `IsDeleted` is neither true nor false.
    pub(super) fn kind(&self, batch: &Batch, row: usize) -> Result<Kind> {
        let Some(text) = self.is_deleted.and_then(|position| batch.get(row, position)) else {
            return Ok(Kind::Live);
        };
        let deleted =
            value::boolean(text).map_err(|problem| self.error(batch, row, &Identifier::new("IsDeleted"), problem))?;
        Ok(if deleted { Kind::Deleted } else { Kind::Live })
    }

    /// The Id of a row, for what needs it before the row is encoded; empty where it has none.
    pub(super) fn id<'a>(&self, batch: &'a Batch, row: usize) -> &'a str {
        batch.get(row, self.id).unwrap_or_default()
    }

    /// The name of the column of a value that does not fit.
    pub(super) fn column(&self, unfit: &Unfit) -> &str {
        self.name_of(unfit.column)
    }

    /// The name of one of the columns that are written.
    pub(super) fn name_of(&self, column: usize) -> &str {
        self.columns
            .get(column)
            .map(|column| column.name.as_str())
            .unwrap_or_default()
    }

    /// How a live row stands to what the server can store, by the bytes that [`Encoder::direct`] appended for it.
    pub(super) fn measure_direct(&self, row: &[u8]) -> Measured {
        self.bounds.measure(row.get(COUNT..).unwrap_or_default())
    }

    /// The same by the bytes that [`Encoder::staged`] appended.
    pub(super) fn measure_staged(&self, row: &[u8]) -> Measured {
        self.bounds
            .measure(row.get(COUNT + STAGING_BYTES..).unwrap_or_default())
    }

    /// Appends a live row as it stands in the table, or tells which values do not fit, and appends nothing.
    ///
    /// # Errors
    /// The record has no Id or no stamp. What was appended of the row stays in `into`.
    pub(super) fn direct(&self, batch: &Batch, row: usize, into: &mut Vec<u8>) -> Result<Vec<Unfit>> {
        let start = into.len();
        put_count(self.columns.len(), into);
        self.values(batch, row, into, start)
    }

    /// Appends a live row as it stands in the staging table, or tells which values do not fit, and appends nothing.
    ///
    /// # Errors
    /// As [`Encoder::direct`].
    pub(super) fn staged(&self, batch: &Batch, row: usize, order: i64, into: &mut Vec<u8>) -> Result<Vec<Unfit>> {
        let start = into.len();
        self.put_staging(order, Kind::Live, into);
        self.values(batch, row, into, start)
    }

    /// Appends key and stamp of a row as they stand in the staging table.
    ///
    /// # Errors
    /// As [`Encoder::direct`].
    pub(super) fn staged_key(
        &self,
        batch: &Batch,
        row: usize,
        (order, kind): (i64, Kind),
        into: &mut Vec<u8>,
    ) -> Result<()> {
        self.put_staging(order, kind, into);
        for column in &self.columns {
            if column.required {
                value(column, batch, row, into).map_err(|problem| self.error(batch, row, &column.name, problem))?;
            } else {
                put_null(into);
            }
        }
        Ok(())
    }

    /// Appends a record that left as it stands in the staging table.
    pub(super) fn left(&self, left: &Left, order: i64, into: &mut Vec<u8>) {
        self.put_staging(order, Kind::Left, into);
        put(left.id.as_bytes(), into);
        match left.stamp {
            Some(stamp) => put_moment(stamp, into),
            None => put_null(into),
        }
        for _ in self.columns.iter().skip(2) {
            put_null(into);
        }
    }

    fn put_staging(&self, order: i64, kind: Kind, into: &mut Vec<u8>) {
        put_count(self.columns.len() + STAGING_COLUMNS, into);
        put(&order.to_be_bytes(), into);
        put(&kind.code().to_be_bytes(), into);
    }

    /// Appends all values, or cuts the row off again.
    fn values(&self, batch: &Batch, row: usize, into: &mut Vec<u8>, start: usize) -> Result<Vec<Unfit>> {
        // Without an element it does not allocate.
        let mut unfit = Vec::new();
        for (position, column) in self.columns.iter().enumerate() {
            match value(column, batch, row, into) {
                Ok(()) => {}
                Err(problem) if column.required => {
                    return Err(self.error(batch, row, &column.name, problem));
                }
                Err(problem) => unfit.push(Unfit {
                    column: position,
                    problem,
                }),
            }
        }
        if !unfit.is_empty() {
            into.truncate(start);
        }
        Ok(unfit)
    }

    fn error(&self, batch: &Batch, row: usize, column: &Identifier, problem: Problem) -> Error {
        Error::Value {
            object: self.object.clone(),
            id: self.id(batch, row).to_owned(),
            column: column.clone(),
            problem,
        }
    }
}

fn value(column: &Target, batch: &Batch, row: usize, into: &mut Vec<u8>) -> value::Result<()> {
    match &column.source {
        TargetSource::Field(position) => match batch.get(row, *position) {
            Some(text) => put_value(column.kind, text, into),
            None if column.required => Err("is missing"),
            None => {
                put_null(into);
                Ok(())
            }
        },
        TargetSource::Template(template) => {
            if let Some(url) = template.render(|position| batch.get(row, position)) {
                return put_value(column.kind, &url, into);
            }
            put_null(into);
            Ok(())
        }
        TargetSource::False => put_value(column.kind, "false", into),
        TargetSource::Null => {
            put_null(into);
            Ok(())
        }
    }
}

/// Opens a stream of rows.
pub(super) fn put_header(into: &mut Vec<u8>) {
    into.extend_from_slice(HEADER);
}

/// Ends a stream of rows.
pub(super) fn put_trailer(into: &mut Vec<u8>) {
    into.extend_from_slice(&TRAILER);
}

/// A moment that was read already.
pub(super) fn put_moment(moment: Timestamp, into: &mut Vec<u8>) {
    put(&wire_micros(moment).to_be_bytes(), into);
}

fn put_count(columns: usize, into: &mut Vec<u8>) {
    // A table has at most 1600 columns.
    into.extend_from_slice(&i16::try_from(columns).unwrap_or(i16::MAX).to_be_bytes());
}

pub(super) fn put_null(into: &mut Vec<u8>) {
    into.extend_from_slice(&(-1_i32).to_be_bytes());
}

fn put(bytes: &[u8], into: &mut Vec<u8>) {
    // A page of Salesforce has at most 32 MiB, and so has a value.
    into.extend_from_slice(&i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_be_bytes());
    into.extend_from_slice(bytes);
}

pub(super) fn put_value(kind: ColumnKind, text: &str, into: &mut Vec<u8>) -> value::Result<()> {
    match kind {
        ColumnKind::Id | ColumnKind::Text { length: _ } => put(text.as_bytes(), into),
        ColumnKind::Boolean => put(&[u8::from(value::boolean(text)?)], into),
        ColumnKind::Int => put(&value::int(text)?.to_be_bytes(), into),
        ColumnKind::Long => put(&value::long(text)?.to_be_bytes(), into),
        ColumnKind::Decimal { precision: _, scale: _ } => put_numeric(&Decimal::parse(text)?, into)?,
        ColumnKind::Date => put(&(value::date(text)? - EPOCH_DAYS).to_be_bytes(), into),
        ColumnKind::Time => put(&value::time(text)?.to_be_bytes(), into),
        ColumnKind::Timestamp => put(&(value::datetime(text)? - EPOCH_MICROS).to_be_bytes(), into),
    }
    Ok(())
}

/// A numeric: number of groups, weight of the first one (in groups), sign, digits after the point, then groups of four
/// decimal digits. Groups lie on both sides of the point, so the first and the last one may be partly zeros.
fn put_numeric(decimal: &Decimal<'_>, into: &mut Vec<u8>) -> value::Result<()> {
    const NEGATIVE: i16 = 0x4000;
    // MAX_DIGITS of `value` keeps all of these far from the bounds of i16.
    let small = |number: i32| i16::try_from(number).map_err(|_too_large| "is a number with too many digits");
    let (groups, weight, first) = if decimal.is_zero() {
        (0, 0, 0)
    } else {
        let weight = (decimal.point() - 1).div_euclid(4);
        // Digits of the number in the first group: 1 to 4.
        let first = decimal.point() - 4 * weight;
        let rest = (decimal.digits() - first).max(0);
        (1 + (rest + 3) / 4, weight, first)
    };
    into.extend_from_slice(&(8 + 2 * groups).to_be_bytes());
    into.extend_from_slice(&small(groups)?.to_be_bytes());
    into.extend_from_slice(&small(weight)?.to_be_bytes());
    into.extend_from_slice(&(if decimal.is_negative() { NEGATIVE } else { 0 }).to_be_bytes());
    into.extend_from_slice(&small(decimal.scale())?.to_be_bytes());
    for group in 0..groups {
        let start = 4 * group - (4 - first);
        let digits = (start..start + 4).fold(0, |number, position| number * 10 + i16::from(decimal.digit(position)));
        into.extend_from_slice(&digits.to_be_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numeric(text: &str) -> Vec<i16> {
        let mut bytes = Vec::new();
        put_numeric(&Decimal::parse(text).unwrap(), &mut bytes).unwrap();
        let (length, rest) = bytes.split_at(4);
        assert_eq!(
            i32::from_be_bytes(length.try_into().unwrap()),
            i32::try_from(rest.len()).unwrap()
        );
        rest.chunks(2)
            .map(|pair| i16::from_be_bytes(pair.try_into().unwrap()))
            .collect()
    }

    #[test]
    fn numerics_as_the_server_itself_sends_them() {
        // groups, weight, sign, scale, then the groups; compared with numeric_send of PostgreSQL 15.
        assert_eq!(numeric("0"), [0, 0, 0, 0]);
        assert_eq!(numeric("1"), [1, 0, 0, 0, 1]);
        assert_eq!(numeric("-1"), [1, 0, 0x4000, 0, 1]);
        assert_eq!(numeric("10000"), [1, 1, 0, 0, 1]);
        assert_eq!(numeric("1.0E7"), [1, 1, 0, 0, 1000]);
        assert_eq!(numeric("12345.678"), [3, 1, 0, 3, 1, 2345, 6780]);
        assert_eq!(numeric("0.1"), [1, -1, 0, 1, 1000]);
        assert_eq!(numeric("0.00001"), [1, -2, 0, 5, 1000]);
        assert_eq!(numeric("99999999.9999"), [3, 1, 0, 4, 9999, 9999, 9999]);
    }

    /// Reads a numeric as the server does.
    fn decode(fields: &[i16]) -> String {
        let [_, weight, sign, scale, groups @ ..] = fields else {
            panic!("{fields:?}")
        };
        let group = |index: i16| {
            usize::try_from(index)
                .ok()
                .and_then(|index| groups.get(index))
                .copied()
                .unwrap_or(0)
        };
        let digits = |indexes: std::ops::RangeInclusive<i16>| {
            indexes
                .flat_map(|index| format!("{:04}", group(index)).into_bytes())
                .map(char::from)
                .collect::<String>()
        };
        let whole = digits(0..=*weight);
        let whole = whole.trim_start_matches('0');
        let mut text = format!(
            "{}{}",
            if *sign == 0 { "" } else { "-" },
            if whole.is_empty() { "0" } else { whole }
        );
        if *scale > 0 {
            text.push('.');
            text.extend(
                digits(weight + 1..=weight + (scale + 3) / 4)
                    .chars()
                    .take(usize::try_from(*scale).unwrap()),
            );
        }
        text
    }

    proptest! {
        #[test]
        fn numerics_come_back(text in "-?[0-9]{1,18}(\\.[0-9]{1,18})?(E-?[0-9]{1,2})?") {
            let fields = numeric(&text);
            prop_assert_eq!(decode(&fields), Decimal::parse(&text).unwrap().to_plain());
            // The server refuses digits outside of base 10000 and would strip empty groups at the ends.
            let groups = &fields[4..];
            prop_assert!(groups.iter().all(|group| (0..10_000).contains(group)));
            prop_assert!(groups.first() != Some(&0) && groups.last() != Some(&0));
        }
    }

    #[test]
    fn moments_count_from_2000() {
        let mut bytes = Vec::new();
        put_value(ColumnKind::Timestamp, "2000-01-01T00:00:00.001Z", &mut bytes).unwrap();
        assert_eq!(bytes, [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 3, 232]);
        bytes.clear();
        put_value(ColumnKind::Date, "1999-12-31", &mut bytes).unwrap();
        assert_eq!(bytes, [0, 0, 0, 4, 255, 255, 255, 255]);
    }
}
