//! What a destination must offer to be tested.

use replication::{destination::Destination, plan::ColumnKind};

/// One fresh, empty database, gone when it is dropped.
pub(crate) trait Harness: Sized {
    /// What is tested.
    type Destination: Destination;

    /// Whether an open segment keeps every other writer of the database out (SQLite). Where it does, nobody can claim
    /// an object in the middle of another's segment, and the test of that has nothing to test.
    const SEGMENT_LOCKS_DATABASE: bool;

    /// Whether a view over a column keeps the column from being exchanged for one of another type. Where it does not, the
    /// view shows the new one afterwards.
    const VIEWS_HOLD_COLUMNS: bool;

    /// Statements that make the state tables as version 1 made them.
    const VERSION_1: &'static [&'static str];

    /// Makes the database. It fails, and names what is missing, where it cannot.
    async fn start() -> Self;

    /// A destination on the database that shares nothing with one made before, as another process would have it.
    fn destination(&self) -> Self::Destination;

    /// Runs statements that return rows, or none, and gives all values as text. Unqualified names are found where the
    /// destination puts its tables.
    async fn query(&self, sql: &str) -> Vec<Vec<Option<String>>>;

    /// A text that differs after any transaction of the destination that wrote something, and is the same after none.
    /// Only compared while no other test can write to the same database.
    async fn fingerprint(&self) -> String;

    /// An SQL expression that gives a column as the suite spells values: booleans `true` and `false`, decimals without
    /// exponent and without zeros at the end, `2015-02-10`, `01:56:14.000`, `2015-02-10T01:56:14.000Z`.
    fn text_of(column: &str, kind: ColumnKind) -> String;

    /// The names of all tables and views, in order of their names.
    async fn relations(&self) -> Vec<String>;

    /// The names of the indexes of a table without those of its key, in order of their names.
    async fn indexes(&self, table: &str) -> Vec<String>;
}
