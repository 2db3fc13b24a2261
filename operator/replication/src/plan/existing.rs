//! The columns that an object's table has at this moment.

use super::identifier::folded;

/// The columns of one table; none where there is no table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Existing<'a>(pub(super) &'a [String]);

impl<'a> Existing<'a> {
    /// Whether the table has a column of this name.
    pub(super) fn has(self, column: &str) -> bool {
        let wanted = folded(column);
        self.0.iter().any(|name| folded(name) == wanted)
    }

    /// The columns in the table's order.
    pub(super) fn names(self) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(String::as_str)
    }
}
