//! The columns that an object's table has at this moment.

use super::identifier::folded;

/// The columns of one table; none where there is no table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Existing<'a>(pub(super) &'a [String]);

impl<'a> Existing<'a> {
    /// Whether the table has a column of this name.
    pub(super) fn has(self, column: &str) -> bool {
        self.find(column).is_some()
    }

    /// The table's own spelling of a column.
    pub(super) fn find(self, column: &str) -> Option<&'a str> {
        let wanted = folded(column);
        self.names().find(|name| folded(name) == wanted)
    }

    /// Whether there is a table.
    pub(super) fn is_there(self) -> bool {
        !self.0.is_empty()
    }

    /// The columns in the table's order.
    pub(super) fn names(self) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(String::as_str)
    }
}
