//! Arrays as parameters, in the wire form that a COPY has.
//!
//! Thousands of values go to the server as one array for each column and are unfolded there; `unnest` tells the planner how
//! many there are. The elements of an array have the very form of a COPY's fields, so the encoder of those makes these too,
//! and what it reads as equal is equal here.

use jiff::Timestamp;
use sqlx::{
    Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, types::Oid},
};

use super::encode::{put_moment, put_null, put_value};
use crate::{plan::ColumnKind, value};

/// Values of one kind.
#[derive(Debug)]
pub(super) struct Array {
    kind: ColumnKind,
    elements: Vec<u8>,
    length: i32,
    has_null: bool,
}

/// The types of an element and of its array; fixed in PostgreSQL's catalogue (`pg_type.dat`).
fn oids(kind: ColumnKind) -> (u32, u32) {
    match kind {
        ColumnKind::Id | ColumnKind::Text { length: _ } => (25, 1009),
        ColumnKind::Boolean => (16, 1000),
        ColumnKind::Int => (23, 1007),
        ColumnKind::Long => (20, 1016),
        ColumnKind::Decimal { precision: _, scale: _ } => (1700, 1231),
        ColumnKind::Date => (1082, 1182),
        ColumnKind::Time => (1083, 1183),
        ColumnKind::Timestamp => (1184, 1185),
    }
}

impl Array {
    pub(super) fn new(kind: ColumnKind) -> Self {
        Self {
            kind,
            elements: Vec::new(),
            length: 0,
            has_null: false,
        }
    }

    /// Appends a value as Salesforce wrote it. One that does not fit is NULL here, and told.
    pub(super) fn push(&mut self, text: Option<&str>) -> value::Result<()> {
        self.length = self.length.saturating_add(1);
        let start = self.elements.len();
        let Some(text) = text else {
            self.has_null = true;
            put_null(&mut self.elements);
            return Ok(());
        };
        let put = put_value(self.kind, text, &mut self.elements);
        if put.is_err() {
            self.elements.truncate(start);
            self.has_null = true;
            put_null(&mut self.elements);
        }
        put
    }

    /// Appends a moment; the kind is [`ColumnKind::Timestamp`].
    pub(super) fn push_moment(&mut self, moment: Timestamp) {
        self.length = self.length.saturating_add(1);
        put_moment(moment, &mut self.elements);
    }
}

impl Type<Postgres> for Array {
    fn type_info() -> PgTypeInfo {
        let (_, array) = oids(ColumnKind::Text { length: None });
        PgTypeInfo::with_oid(Oid(array))
    }
}

impl Encode<'_, Postgres> for Array {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let (element, _) = oids(self.kind);
        // An empty array has no dimension.
        let dimensions = i32::from(self.length > 0);
        buffer.extend_from_slice(&dimensions.to_be_bytes());
        buffer.extend_from_slice(&i32::from(self.has_null).to_be_bytes());
        buffer.extend_from_slice(&element.to_be_bytes());
        if self.length > 0 {
            buffer.extend_from_slice(&self.length.to_be_bytes());
            buffer.extend_from_slice(&1_i32.to_be_bytes());
            buffer.extend_from_slice(&self.elements);
        }
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        let (_, array) = oids(self.kind);
        Some(PgTypeInfo::with_oid(Oid(array)))
    }
}
