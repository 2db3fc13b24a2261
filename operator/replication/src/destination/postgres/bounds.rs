//! Rows that the server cannot store, though each of their values fits its column.
//!
//! A page of 8 KiB gives two bounds: an entry of an index has 2704 bytes at most, and a row 8160, after its long values were
//! moved out of it. One row beyond them ends the COPY or the MERGE of a whole segment, and the object would never get past
//! it. What a row needs cannot be told from here alone, since the server compresses values first. So its size is bounded
//! from both sides: most rows surely fit, some surely do not, and those in between are tried on the server (`trial`).
//!
//! Both bounds are looked at only where a plan can reach them: an index with a text that may be long, a table of hundreds
//! of columns.

use super::{layout::Layout, statement::written};
use crate::{
    plan::{ColumnKind, ObjectPlan},
    value::Problem,
};

/// What is told of a value that an index of the plan cannot take.
pub(super) const TOO_LONG_FOR_INDEX: Problem = "is too long for its index: PostgreSQL takes 2704 bytes, compressed; shorten the value, or take \
     the column out of indexes and drop the index";

/// What is told of a row that no page can take.
pub(super) const TOO_LONG_FOR_PAGE: Problem = "are too long together: a row of PostgreSQL has at most 8160 bytes, without what is moved out of it; \
     exclude fields";

/// What is told of a row that the table does not take, for what it has beside the plan: kept columns, or other indexes.
pub(super) const TOO_LONG_FOR_TABLE: Problem = "are too long for this table, with the columns and indexes that it has beside those of the resource: \
     shorten values, or drop what is not needed";

/// The column of what is wrong with a row as a whole.
pub(super) const ALL_COLUMNS: &str = "*";

/// Longest values of an index of so many columns: its entries have 2704 bytes at most, less their header with a map of NULLs
/// and what aligns each value and the whole.
fn longest_entry(columns: usize) -> usize {
    2704_usize.saturating_sub(16 + 8 * (columns + 1))
}

/// Longest row.
const ROW: usize = 8160;

/// Header of a row with the alignment behind it and behind the row, without its map of NULLs.
const ROW_HEADER: usize = 23 + 2 * 7;

/// Longest value that is never moved out of its row.
const KEPT: usize = 24;

/// What may be left of a longer one in the row at least (compressed) and at most (with its alignment).
const LEFT: (usize, usize) = (12, KEPT + 3);

/// Longest value of a fixed length.
const FIXED: usize = 16;

/// The bounds that rows of a plan can reach.
#[derive(Debug)]
pub(super) struct Bounds {
    /// Of indexes with texts that may be long: positions among the written columns.
    indexes: Vec<Vec<usize>>,
    /// Which of the written columns are texts or numerics, where a row may be too long.
    wide: Option<Vec<Width>>,
}

/// How a value stands in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    /// With a length before it; a long one is moved out.
    Text,
    /// The same, with less before it than on the wire.
    Number,
    /// So many bytes, and aligned to as many.
    Fixed,
}

/// How a row stands to the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    /// The longest value of an index that may be too long for it: its position among the written columns.
    pub(super) indexed: Option<usize>,
    /// Whether a page takes the row.
    pub(super) page: Page,
}

/// Whether a page takes a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Fits,
    /// Only the server can tell.
    Doubtful,
    TooLong,
}

impl Bounds {
    pub(super) fn new(plan: &ObjectPlan, layout: &Layout) -> Self {
        let kinds: Vec<ColumnKind> = written(plan)
            .filter_map(|(position, _)| layout.place(position))
            .map(|place| place.kind)
            .collect();
        let positions = |index: &crate::plan::IndexPlan| -> Vec<usize> {
            let is_indexed = |name| index.columns.contains(name);
            written(plan)
                .enumerate()
                .filter(|(_, (_, column))| is_indexed(&column.name))
                .map(|(place, _)| place)
                .collect()
        };
        let longest = |place: &usize| kinds.get(*place).copied().map_or(Some(0), longest);
        let may_be_long = |places: &Vec<usize>| {
            let sum = places
                .iter()
                .try_fold(0_usize, |sum, place| Some(sum.saturating_add(longest(place)?)));
            sum.is_none_or(|sum| sum > longest_entry(places.len()))
        };
        let widths: Vec<Width> = kinds.iter().map(|kind| width(*kind)).collect();
        // The two columns of the staging table, which is where most rows go first, count too.
        let widest = header(widths.len()) + FIXED + widths.len() * LEFT.1;
        Self {
            indexes: plan.indexes.iter().map(positions).filter(may_be_long).collect(),
            wide: (widest > ROW).then_some(widths),
        }
    }

    /// Measures the values of an encoded row, key first.
    pub(super) fn measure(&self, values: &[u8]) -> Measured {
        let mut measured = Measured {
            indexed: None,
            page: Page::Fits,
        };
        if self.indexes.is_empty() && self.wide.is_none() {
            return measured;
        }
        let lengths: Vec<Option<usize>> = lengths(values).collect();
        let length = |place: &usize| lengths.get(*place).copied().flatten().unwrap_or_default();
        let beyond = self
            .indexes
            .iter()
            .filter(|index| index.iter().map(length).sum::<usize>() > longest_entry(index.len()));
        measured.indexed = beyond.flatten().max_by_key(|place| length(place)).copied();
        if let Some(widths) = &self.wide {
            measured.page = page(widths, &lengths);
        }
        measured
    }
}

/// Bytes that a value of a kind has at most in an index; `None` where describe does not bound it.
fn longest(kind: ColumnKind) -> Option<usize> {
    match kind {
        ColumnKind::Text { length } => Some(usize::try_from(length?).ok()?.saturating_mul(4)),
        // Two digits in a byte.
        ColumnKind::Decimal { precision, scale: _ } => Some(usize::from(precision).max(1000) / 2 + FIXED),
        ColumnKind::Id
        | ColumnKind::Boolean
        | ColumnKind::Int
        | ColumnKind::Long
        | ColumnKind::Date
        | ColumnKind::Time
        | ColumnKind::Timestamp => Some(2 * FIXED),
    }
}

fn width(kind: ColumnKind) -> Width {
    match kind {
        ColumnKind::Id | ColumnKind::Text { length: _ } => Width::Text,
        ColumnKind::Decimal { precision: _, scale: _ } => Width::Number,
        ColumnKind::Boolean
        | ColumnKind::Int
        | ColumnKind::Long
        | ColumnKind::Date
        | ColumnKind::Time
        | ColumnKind::Timestamp => Width::Fixed,
    }
}

fn header(columns: usize) -> usize {
    ROW_HEADER + columns.div_ceil(8)
}

fn page(widths: &[Width], lengths: &[Option<usize>]) -> Page {
    let (mut least, mut most) = (0, header(widths.len()) + FIXED);
    for (width, length) in widths.iter().zip(lengths) {
        // NULL has a bit in the header.
        let Some(length) = *length else { continue };
        let (shortest, longest) = match width {
            Width::Fixed => (length, 2 * length),
            Width::Text if length < KEPT => (length + 1, length + 1),
            Width::Number if length < KEPT => (length.saturating_sub(5), length),
            Width::Text | Width::Number => LEFT,
        };
        least += shortest;
        most += longest;
    }
    if most <= ROW {
        Page::Fits
    } else if least > ROW {
        Page::TooLong
    } else {
        Page::Doubtful
    }
}

/// Lengths of encoded values; `None` for NULL.
fn lengths(values: &[u8]) -> impl Iterator<Item = Option<usize>> {
    let mut rest = values;
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(i32::from_be_bytes(*length)).ok();
        rest = behind.get(length.unwrap_or_default()..).unwrap_or_default();
        Some(length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_on_the_wire() {
        let mut bytes = Vec::new();
        for value in [Some("abc"), None, Some("")] {
            let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap());
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
        }
        assert_eq!(lengths(&bytes).collect::<Vec<_>>(), [Some(3), None, Some(0)]);
    }

    #[test]
    fn a_row_is_bounded_from_both_sides() {
        let page = |columns: usize, length: usize| page(&vec![Width::Text; columns], &vec![Some(length); columns]);
        // 22 bytes and one for their length stay in the row.
        assert_eq!(page(300, 22), Page::Fits);
        assert_eq!(page(360, 22), Page::TooLong);
        // What is moved out leaves 18 bytes, or fewer where it can be compressed.
        assert_eq!(page(300, 24), Page::Doubtful);
        assert_eq!(page(300, 4000), Page::Doubtful);
        assert_eq!(page(700, 24), Page::TooLong);
        assert_eq!(page(250, 4000), Page::Fits);
    }

    #[test]
    fn nulls_take_a_bit() {
        let mut lengths = vec![None; 1500];
        lengths[3] = Some(20);
        assert_eq!(page(&vec![Width::Text; 1500], &lengths), Page::Fits);
    }
}
