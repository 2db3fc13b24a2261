//! Reads a run's rows, whatever happens to the query in between.
//!
//! To the run, rows come in one stream and in one order. Behind it a query may end before its rows do, and another
//! one goes on behind the last row that was got:
//!
//! * **A dead locator**: a cursor lives two days, a locator serves once, a server may forget both (salesforce-api.md 12,
//!   14). The next query begins with `Id > last`, or the same of stamp and Id.
//! * **A page that cannot be read** for a passing reason, such as a body that was cut off: the same.
//! * **`QUERY_TIMEOUT`**: Salesforce gives a query two minutes. A smaller one may fit in: the reading goes on in queries with
//!   a LIMIT, of which only the first page is read, each behind the last row of the one before it.
//! * **An answer that is too large** to be held: the same, with queries of fewer rows at once, down to a single one: records with
//!   long texts take more room than two hundred of them may have. When some have fitted, larger ones are tried again. A record
//!   that is too large alone is named.
//! * **Fewer rows than the query told of** (`size`), or a page in the middle without any: the rest is asked for behind the
//!   last row. A row may vanish between two pages, so this alone is no error; but the reading is complete only when a
//!   query has given all that it told of.
//!
//! *Behind the last row* needs care where rows are ordered by their stamps: a later page may show a row with a stamp that
//! it got after the query was made, and behind that stamp rows would be missing. So the place to go on moves with every
//! row of a query's own answer, and from later pages only with rows that are settled (see
//! [`watermark`](super::watermark)). What is read twice because of it does no harm.
//!
//! A query is restarted only a few times without getting further, so that a page which is broken for good ends the
//! run with its own error. Each bit of progress makes the count start again: nobody knows how often a load of two days is
//! disturbed.

use std::sync::Arc;

use jiff::Timestamp;
use salesforce::{Error as Salesforce, ErrorKind};

use super::Context;
use crate::{
    Error, Result,
    batch::Batch,
    progress::Event,
    soql::{self, Position, Rows, Shape},
    source::{Failure, Feed, Item, Pages, Source, Stage},
};

/// Restarts without progress.
const RESTARTS: u32 = 5;

/// Rows of a query after those before it asked for too much. 2000 is one page.
const SMALLER: [u32; 5] = [2000, 200, 50, 10, 1];

/// Index into [`SMALLER`] after the second `QUERY_TIMEOUT`, and the last one that is tried: where each row is dear (formulas over
/// formulas), fewer of them hardly take less time.
const DEAR: usize = 1;

/// Index into [`SMALLER`] after an answer that was too large: a page of 2000 rows is what was too large.
const LARGE: usize = 1;

/// So many queries in a row have to fit before a larger one is tried again, below [`LARGE`]: one that does not costs as much time as
/// many.
const FITTED: u32 = 10;

/// The rows of one query, in order.
#[derive(Debug)]
pub(crate) struct Reader<'run> {
    context: &'run Context<'run>,
    feed: Feed,
    shape: Arc<Shape>,
    rows: Rows,
    /// Rows of later pages count for `position` only with an older stamp.
    settled: Timestamp,
    position: Option<Position>,
    source: Option<Source>,
    /// Index into [`SMALLER`].
    smaller: Option<usize>,
    /// Queries of this size that fitted.
    fitted: u32,
    /// Rows that the query under way has given.
    given: u64,
    /// Rows that it told of.
    size: Option<u64>,
    restarts: u32,
    /// Whether the size of the first query is news for the observer, and was not told yet.
    tells_size: bool,
}

impl<'run> Reader<'run> {
    /// Will read all live rows of a shape by Id, behind `last_id`. The first query starts with the first call of
    /// [`Reader::next`].
    pub(crate) fn of_live_rows(context: &'run Context<'run>, shape: Arc<Shape>, last_id: Option<String>) -> Self {
        let position = last_id.map(|id| Position { stamp: None, id });
        let mut reader = Self::new(context, shape, Rows::Live, Timestamp::MIN);
        reader.position = position;
        reader.tells_size = true;
        reader
    }

    /// Will read changed rows by stamp and Id.
    pub(crate) fn of_changes(
        context: &'run Context<'run>,
        shape: Arc<Shape>,
        since: Timestamp,
        settled: Timestamp,
    ) -> Self {
        let mut reader = Self::new(context, shape, Rows::ChangedSince(since), settled);
        reader.tells_size = true;
        reader
    }

    /// Will read rows that have one of the Ids in a field, by Id; not more Ids than [`Shape::ids_at_once`].
    pub(crate) fn among(context: &'run Context<'run>, shape: Arc<Shape>, field: &str, ids: &[String]) -> Self {
        let rows = Rows::Among {
            field: Arc::from(field),
            ids: Arc::from(ids),
        };
        Self::new(context, shape, rows, Timestamp::MIN)
    }

    fn new(context: &'run Context<'run>, shape: Arc<Shape>, rows: Rows, settled: Timestamp) -> Self {
        Self {
            context,
            feed: context.feed.beside(),
            shape,
            rows,
            settled,
            position: None,
            source: None,
            smaller: None,
            fitted: 0,
            given: 0,
            size: None,
            restarts: 0,
            tells_size: false,
        }
    }

    /// The next rows; `None` when all were given. Cancel safe: a cancelled call loses no row.
    ///
    /// # Errors
    /// What Salesforce said, after everything that could help was tried. All rows before were given.
    pub(crate) async fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            let limit = self.smaller.and_then(|index| SMALLER.get(index).copied());
            let source = self.source.get_or_insert_with(|| {
                let soql = soql::statement(&self.shape, &self.rows, self.position.as_ref(), limit);
                let pages = if limit.is_some() { Pages::First } else { Pages::All };
                Source::start(&self.feed, &self.shape, soql, pages)
            });
            match source.next().await {
                Some(Ok(Item::Size(size))) => {
                    self.size = Some(size);
                    if std::mem::take(&mut self.tells_size) {
                        self.context.tell(&Event::Size(size));
                    }
                }
                Some(Ok(Item::Batch { batch, first_page })) => {
                    self.advance(&batch, first_page)?;
                    return Ok(Some(batch));
                }
                Some(Ok(Item::End { more })) => {
                    let full = limit.is_some_and(|limit| self.given >= u64::from(limit));
                    let missing = self.size.is_some_and(|size| self.given < size);
                    if !more && !full && !missing {
                        self.close();
                        return Ok(None);
                    }
                    if full {
                        self.grow();
                    }
                    self.go_on().await?;
                }
                Some(Err(failure)) => {
                    self.close();
                    self.recover(failure).await?;
                }
                None => {
                    self.close();
                    let object = self.context.object();
                    return Err(Error::Internal(format!("{object}: the reading of its rows broke off")));
                }
            }
        }
    }

    fn close(&mut self) {
        self.source = None;
        self.given = 0;
        self.size = None;
    }

    /// Asks for more rows again where the last few queries fitted.
    fn grow(&mut self) {
        self.fitted += 1;
        if let Some(smaller) = self.smaller.filter(|smaller| *smaller > LARGE && self.fitted >= FITTED) {
            self.smaller = Some(smaller - 1);
            self.fitted = 0;
        }
    }

    /// Makes ready for another query after one that ended before its rows did.
    async fn go_on(&mut self) -> Result<()> {
        let (given, size) = (self.given, self.size);
        self.close();
        let object = self.context.object();
        if self.restarts >= RESTARTS {
            return Err(Error::RowsMissing {
                object: object.clone(),
                given,
                size: size.map_or_else(|| "more".to_owned(), |size| size.to_string()),
            });
        }
        self.restarts += 1;
        let restart = self.restarts;
        tracing::debug!(%object, given, size, restart, "a query ended before its rows did, another one goes on");
        if given == 0 {
            self.context.feed.retries.pause(restart).await;
        }
        Ok(())
    }

    /// Moves the place where another query would go on.
    fn advance(&mut self, batch: &Batch, first_page: bool) -> Result<()> {
        self.given = self
            .given
            .saturating_add(u64::try_from(batch.rows()).unwrap_or(u64::MAX));
        for row in (0..batch.rows()).rev() {
            let position = self.position_of(batch, row)?;
            let holds = match position.stamp {
                Some(stamp) => first_page || stamp < self.settled,
                None => true,
            };
            if holds {
                // Rows that a restart reads again do not lead back.
                if self.position.as_ref().is_none_or(|reached| position > *reached) {
                    self.position = Some(position);
                    self.restarts = 0;
                }
                break;
            }
        }
        Ok(())
    }

    fn position_of(&self, batch: &Batch, row: usize) -> Result<Position> {
        let missing = |field: &str| {
            let object = self.context.object();
            Error::Internal(format!(
                "{object}: Salesforce sent a record without {field}, the reading cannot go on"
            ))
        };
        let id = batch.get(row, self.shape.id).ok_or_else(|| missing("Id"))?.to_owned();
        let stamp = match self.rows {
            Rows::Live | Rows::Among { .. } => None,
            Rows::ChangedSince(_) => Some(
                self.shape
                    .stamp
                    .and_then(|stamp| batch.moment(row, stamp))
                    .ok_or_else(|| missing("a readable SystemModstamp"))?,
            ),
        };
        Ok(Position { stamp, id })
    }

    /// The Id of the record that would be read next.
    async fn next_id(&self) -> Option<String> {
        let shape = self.shape.without_values();
        let soql = soql::statement(&shape, &self.rows, self.position.as_ref(), Some(1));
        let mut source = Source::start(&self.feed, &shape, soql, Pages::First);
        while let Some(Ok(item)) = source.next().await {
            if let Item::Batch { batch, first_page: _ } = item {
                return batch.get(0, shape.id).map(str::to_owned);
            }
        }
        None
    }

    /// Makes ready for another query, or gives the error back.
    async fn recover(&mut self, Failure { stage, error }: Failure) -> Result<()> {
        let object = self.context.object();
        if error.is_query_timeout() || error.is_too_large() {
            let (first, last) = if error.is_too_large() {
                (LARGE, SMALLER.len() - 1)
            } else {
                (0, DEAR)
            };
            let smaller = self.smaller.map_or(first, |index| (index + 1).max(first));
            if smaller <= last
                && let Some(rows) = SMALLER.get(smaller)
            {
                tracing::warn!(%object, %error, rows, "a query asked for too much, smaller ones follow");
                self.smaller = Some(smaller);
                self.fitted = 0;
                return Ok(());
            }
            if error.is_too_large()
                && let Some(id) = self.next_id().await
            {
                return Err(Error::RecordTooLarge {
                    object: self.shape.object.clone(),
                    id,
                    source: error,
                });
            }
        } else if self.restarts < RESTARTS && (error.is_dead_locator() || is_passing(stage, &error)) {
            self.restarts += 1;
            let restart = self.restarts;
            tracing::warn!(%object, %error, restart, "a query broke off, another one goes on behind its last row");
            if stage == Stage::Parse {
                self.context.feed.retries.pause(restart).await;
            }
            return Ok(());
        }
        Err(self.context.explain(error))
    }
}

/// Whether another query may get further. A call that failed was made again already where that could help.
fn is_passing(stage: Stage, error: &Salesforce) -> bool {
    match stage {
        Stage::Fetch => false,
        Stage::Parse => error.kind() == ErrorKind::Transient,
    }
}
