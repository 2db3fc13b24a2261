//! Rows as the source spelled them, in one arena.
//!
//! The form of a row in memory costs more than parsing it (performance.md, "Read this first", 3): one byte buffer
//! and one list of cells for some hundred rows, instead of a vector of values for each row. The text of a value stays
//! as Salesforce wrote it; the destination's encoder parses it once, straight to the target's bytes, where an error
//! can name object, Id and column.
//!
//! Both sources must give the same bytes for the same value, or each switch of the API would rewrite rows. So the
//! cleaning is here, where every value enters: control characters that XML forbids are removed and counted, CRLF and
//! CR become LF, and an empty value is NULL (design section 5).

use jiff::Timestamp;

use crate::{
    budget::{BATCH_BYTES, BytePermit},
    value,
};

/// Where a value lies in the arena.
#[derive(Debug, Clone, Copy)]
struct Cell {
    start: u32,
    len: u32,
}

/// No value.
const NULL: Cell = Cell {
    start: 0,
    len: u32::MAX,
};

/// Some hundred rows of one select list, row-major, bounded in bytes.
#[derive(Debug)]
pub struct Batch {
    bytes: String,
    cells: Vec<Cell>,
    width: usize,
    removed_characters: u64,
    _permit: BytePermit,
}

impl Batch {
    /// An empty batch for rows of `width` values.
    pub fn new(width: usize, permit: BytePermit) -> Self {
        Self {
            bytes: String::new(),
            cells: Vec::new(),
            width,
            removed_characters: 0,
            _permit: permit,
        }
    }

    /// Opens a row whose values are all NULL until they are set.
    pub fn begin_row(&mut self) {
        self.cells.resize(self.cells.len() + self.width, NULL);
    }

    /// Sets one value of the row opened last. Values may come in any order; an empty one is NULL.
    pub fn set(&mut self, column: usize, text: &str) {
        debug_assert!(column < self.width, "column {column} of {}", self.width);
        let start = self.bytes.len();
        self.removed_characters += push_clean(&mut self.bytes, text);
        let len = self.bytes.len() - start;
        let row = self.cells.len().saturating_sub(self.width);
        // A batch is handed on at 256 KiB and a page is bounded at 32 MiB, so positions always fit 32 bits.
        if let (Some(cell), Ok(start), Ok(len)) = (
            self.cells.get_mut(row + column),
            u32::try_from(start),
            u32::try_from(len),
        ) {
            *cell = if len == 0 { NULL } else { Cell { start, len } };
        }
    }

    /// The value of a row and a column; `None` is NULL, also outside the batch.
    pub fn get(&self, row: usize, column: usize) -> Option<&str> {
        if column >= self.width {
            return None;
        }
        let cell = self.cells.get(row * self.width + column)?;
        if cell.len == u32::MAX {
            return None;
        }
        let start = usize::try_from(cell.start).ok()?;
        self.bytes.get(start..start + usize::try_from(cell.len).ok()?)
    }

    /// The moment that a row has in a column; `None` where it has none, or what it has is no moment.
    pub fn moment(&self, row: usize, column: usize) -> Option<Timestamp> {
        let micros = value::datetime(self.get(row, column)?).ok()?;
        Timestamp::from_microsecond(micros).ok()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.cells.len().checked_div(self.width).unwrap_or(0)
    }

    /// Values in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Bytes of values held.
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.cells.len() * size_of::<Cell>()
    }

    /// Whether it is time to hand the batch on.
    pub fn is_full(&self) -> bool {
        self.bytes() >= BATCH_BYTES
    }

    /// Characters that were removed because XML forbids them.
    pub fn removed_characters(&self) -> u64 {
        self.removed_characters
    }
}

/// Whether a character has to be looked at: below space, or one of the two non-characters that XML forbids.
fn needs_cleaning(text: &str) -> bool {
    text.bytes().any(|byte| byte < 0x20 && byte != b'\n' && byte != b'\t') || text.contains(['\u{fffe}', '\u{ffff}'])
}

/// Appends `text` with line ends as LF and without the characters that XML forbids; returns how many were removed.
fn push_clean(into: &mut String, text: &str) -> u64 {
    if !needs_cleaning(text) {
        into.push_str(text);
        return 0;
    }
    let mut removed = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\r' => {
                if characters.peek() != Some(&'\n') {
                    into.push('\n');
                }
            }
            '\n' | '\t' => into.push(character),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => removed += 1,
            _ => into.push(character),
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[&str]) -> Batch {
        let mut batch = Batch::new(values.len(), BytePermit::unbounded());
        batch.begin_row();
        for (column, value) in values.iter().enumerate() {
            batch.set(column, value);
        }
        batch
    }

    #[test]
    fn values_come_back_in_any_order_of_setting() {
        let mut batch = Batch::new(3, BytePermit::unbounded());
        batch.begin_row();
        batch.set(2, "c");
        batch.set(0, "a");
        batch.begin_row();
        batch.set(1, "ü");
        assert_eq!(batch.rows(), 2);
        assert_eq!(
            (batch.get(0, 0), batch.get(0, 1), batch.get(0, 2)),
            (Some("a"), None, Some("c"))
        );
        assert_eq!(
            (batch.get(1, 0), batch.get(1, 1), batch.get(1, 2)),
            (None, Some("ü"), None)
        );
        assert_eq!(batch.get(2, 0), None);
        assert_eq!(batch.get(0, 3), None);
    }

    #[test]
    fn a_moment_is_read_whatever_its_spelling() {
        let batch = row(&["2015-02-10T01:56:14.000Z", "2015-02-10T01:56:14.000+0000", "soon"]);
        let moment = "2015-02-10T01:56:14Z".parse().ok();
        assert!(moment.is_some());
        assert_eq!(
            (batch.moment(0, 0), batch.moment(0, 1), batch.moment(0, 2)),
            (moment, moment, None)
        );
    }

    #[test]
    fn both_line_ends_become_one() {
        let batch = row(&["a\r\nb\rc\nd\r"]);
        assert_eq!(batch.get(0, 0), Some("a\nb\nc\nd\n"));
        assert_eq!(batch.removed_characters(), 0);
    }

    #[test]
    fn forbidden_characters_are_removed_and_counted_and_nothing_left_is_null() {
        let batch = row(&["a\u{0}b\u{1f}\tc\u{ffff}", "\u{0}", ""]);
        assert_eq!(batch.get(0, 0), Some("ab\tc"));
        assert_eq!(batch.get(0, 1), None);
        assert_eq!(batch.get(0, 2), None);
        assert_eq!(batch.removed_characters(), 4);
    }

    #[test]
    fn a_batch_is_full_at_its_bytes() {
        let mut batch = Batch::new(1, BytePermit::unbounded());
        while !batch.is_full() {
            batch.begin_row();
            batch.set(0, &"x".repeat(1000));
        }
        assert!((250..=270).contains(&batch.rows()), "{} rows", batch.rows());
    }
}
