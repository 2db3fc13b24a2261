//! One query's rows over SOAP, as a stream of batches.
//!
//! Two tasks and a blocking thread, so that network, parser and database work at the same time (design section 5):
//!
//! ```text
//! fetch task --page--> parse task: blocking thread fills batches --Batch, depth 4--> the run writes
//! ```
//!
//! *The next page is requested as soon as its locator is known*, before its predecessor is parsed: a real org is bound
//! by latency, half a second a page against four microseconds of writing a row (performance.md 2.7). Two pages at most
//! are in memory: the one that is parsed and the one that is fetched; the request for a third waits.
//!
//! *The parser takes a permit before it fills a batch*, and waits for it on the blocking thread. The batch carries the
//! permit until its rows were handed to the database's driver. A slow database thus stops the parser, the parser stops
//! the fetching, and memory does not grow. At the end of a page the batch is handed on even if it is not full, since a
//! permit must not be held while waiting for the network.
//!
//! *Cancelling is dropping.* The tasks are in a [`JoinSet`] that aborts them. The blocking thread cannot be aborted, so
//! each of its waits also ends when nobody listens any more.
//!
//! A row whose page turns out to be broken further on is not given: its batch is dropped with the page's error, and the
//! reader goes on behind the last row that it really got.

use std::{ops::ControlFlow, sync::Arc};

use salesforce::{Client, Page, QueryScope, RecordSink};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};

use crate::{batch::Batch, budget::ByteBudget, retry::Retries, soql::Shape};

/// Batches between the parser and the database (design section 5).
const BATCHES_AHEAD: usize = 4;

/// Pages in memory: one parsed, one fetched.
const PAGES: usize = 2;

/// What every query of a run needs.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    client: Client,
    budget: ByteBudget,
    pub(crate) retries: Retries,
}

/// One query under way.
#[derive(Debug)]
pub(crate) struct Source {
    items: mpsc::Receiver<Result<Item, Failure>>,
    /// Aborted with the source.
    _tasks: JoinSet<()>,
}

/// What a query gives, in order.
#[derive(Debug)]
pub(crate) enum Item {
    /// Rows of the whole query; comes first where Salesforce tells it.
    Size(u64),
    /// Rows.
    Batch {
        batch: Batch,
        /// They came with the query's own answer, so they are as they were when it was made. Nobody promises that of
        /// later pages: queryMore may show a row as it is at that moment (salesforce-api.md 6.1).
        first_page: bool,
    },
    /// All pages that were asked for are read, or one in the middle was empty. A stream that ends without this was
    /// broken off.
    End {
        /// There are pages that were not read.
        more: bool,
    },
}

/// What ended a query early. The rows before it were given.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    pub(crate) error: salesforce::Error,
}

/// How many pages of a query are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pages {
    /// All of them.
    All,
    /// The one that comes with the query's own answer.
    First,
}

/// Where a query failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A call failed, and failed again if it was worth a try.
    Fetch,
    /// A page came and could not be read.
    Parse,
}

/// A page that holds its place among the pages in memory.
struct Held {
    page: Page,
    _place: OwnedSemaphorePermit,
}

impl Feed {
    pub(crate) fn new(client: Client, budget: &ByteBudget, retries: Retries) -> Self {
        Self {
            client,
            budget: budget.with_reserve(),
            retries,
        }
    }

    /// The same with a reserve of its own: for a query that is read while another one waits half read.
    pub(crate) fn beside(&self) -> Self {
        Self {
            budget: self.budget.with_reserve(),
            ..self.clone()
        }
    }

    /// The client whose calls this run counts.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

impl Source {
    /// Starts a query.
    pub(crate) fn start(feed: &Feed, shape: &Arc<Shape>, soql: String, wanted: Pages) -> Self {
        let (pages, fetched) = mpsc::channel(1);
        let (items, received) = mpsc::channel(BATCHES_AHEAD);
        let mut tasks = JoinSet::new();
        tasks.spawn(fetch(feed.clone(), soql, wanted, pages));
        tasks.spawn(parse(feed.clone(), Arc::clone(shape), wanted, fetched, items));
        Self {
            items: received,
            _tasks: tasks,
        }
    }

    /// The next item; `None` after the end, after a failure, and where a task broke off. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Result<Item, Failure>> {
        self.items.recv().await
    }
}

/// Requests page after page.
async fn fetch(feed: Feed, soql: String, wanted: Pages, pages: mpsc::Sender<salesforce::Result<Held>>) {
    let places = Arc::new(Semaphore::new(PAGES));
    let mut locator = None;
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let answer = match &locator {
            None => feed.retries.call(|| feed.client.query(QueryScope::All, &soql)).await,
            Some(locator) => feed.retries.call(|| feed.client.query_more(locator)).await,
        };
        match answer {
            Ok(page) => {
                locator = page.locator().cloned();
                let finished = page.done() || locator.is_none() || wanted == Pages::First;
                // The receiver is gone when the run has ended: then nobody wants the next page either.
                if pages.send(Ok(Held { page, _place: place })).await.is_err() || finished {
                    return;
                }
            }
            Err(error) => {
                // As above.
                pages.send(Err(error)).await.ok();
                return;
            }
        }
    }
}

/// Parses page after page, each on a blocking thread.
async fn parse(
    feed: Feed,
    shape: Arc<Shape>,
    wanted: Pages,
    mut pages: mpsc::Receiver<salesforce::Result<Held>>,
    items: mpsc::Sender<Result<Item, Failure>>,
) {
    let mut first_page = true;
    while let Some(fetched) = pages.recv().await {
        let held = match fetched {
            Ok(held) => held,
            Err(error) => {
                // Nobody listens: the run has ended.
                items
                    .send(Err(Failure {
                        stage: Stage::Fetch,
                        error,
                    }))
                    .await
                    .ok();
                return;
            }
        };
        if first_page
            && let Some(size) = held.page.size()
            && items.send(Ok(Item::Size(size))).await.is_err()
        {
            return;
        }
        let done = held.page.done();
        let mut filler = Filler::new(&feed, shape.select.len(), first_page, items.clone());
        let shape = Arc::clone(&shape);
        let read = tokio::task::spawn_blocking(move || {
            let read = held.page.read_records(&shape.list, &mut filler);
            drop(held);
            if read.is_ok() {
                filler.hand_on();
            }
            read
        });
        let records = match read.await {
            Ok(Ok(records)) => records,
            Ok(Err(error)) => {
                // Nobody listens: the run has ended.
                items
                    .send(Err(Failure {
                        stage: Stage::Parse,
                        error,
                    }))
                    .await
                    .ok();
                return;
            }
            // The parser panicked, or the runtime goes down. The stream ends without its end, which the reader reports.
            Err(_broken) => return,
        };
        // Nothing says where the rows went that an empty page in the middle should have had: the reader asks for them.
        if done || records == 0 || wanted == Pages::First {
            // Nobody listens: the run has ended.
            items.send(Ok(Item::End { more: !done })).await.ok();
            return;
        }
        first_page = false;
    }
}

/// Takes the records of one page into batches, on a blocking thread.
struct Filler {
    batch: Option<Batch>,
    width: usize,
    first_page: bool,
    budget: ByteBudget,
    items: mpsc::Sender<Result<Item, Failure>>,
    runtime: Handle,
}

impl Filler {
    fn new(feed: &Feed, width: usize, first_page: bool, items: mpsc::Sender<Result<Item, Failure>>) -> Self {
        let budget = feed.budget.clone();
        Self {
            batch: None,
            width,
            first_page,
            budget,
            items,
            runtime: Handle::current(),
        }
    }

    /// Waits for the right to fill a batch, or for the end of the run.
    fn open(&mut self) {
        let permit = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.items.closed() => None,
                permit = self.budget.acquire() => Some(permit),
            }
        });
        self.batch = permit.map(|permit| Batch::new(self.width, permit));
    }

    /// Hands the batch on; `false` where nobody listens any more.
    fn hand_on(&mut self) -> bool {
        match self.batch.take() {
            Some(batch) => {
                let first_page = self.first_page;
                self.items.blocking_send(Ok(Item::Batch { batch, first_page })).is_ok()
            }
            // No permit came: nobody listens any more.
            None => !self.items.is_closed(),
        }
    }
}

impl RecordSink for Filler {
    fn begin_record(&mut self) {
        if self.batch.is_none() {
            self.open();
        }
        if let Some(batch) = &mut self.batch {
            batch.begin_row();
        }
    }

    fn value(&mut self, column: usize, text: &str) {
        if let Some(batch) = &mut self.batch {
            batch.set(column, text);
        }
    }

    fn end_record(&mut self) -> ControlFlow<()> {
        let full = self.batch.as_ref().is_none_or(Batch::is_full);
        if !full || self.hand_on() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}
