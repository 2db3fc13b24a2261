//! How a replicator stands, as its worker and its runs tell it.
//!
//! This is the memory that the status, the events and the metrics are made of. Runs tell what they do as it happens
//! ([`Standing::observe`]), the worker tells what it is about; nobody who reads it asks Salesforce or a database. A process that
//! starts takes over what the status of the resource says ([`Standing::recall`]), so that a restart does not make
//! a replica look unknown: but only for reporting. Where to go on is in the destination.

use std::{collections::BTreeMap, time::Duration};

use crds::{ApiUsage, BulkApi, Connection, ObjectPhase, Reason, SalesforceReplicatorSpec, SalesforceReplicatorStatus};
use jiff::Timestamp;
use replication::{
    guard::HeldDeletes,
    progress::{Degradation, Event, RunError, RunKind, RunReport},
};
use salesforce::ErrorKind;

/// The API of Salesforce that this version reads by, in status and metrics.
pub(crate) const API: &str = "Soap";

/// Two times that were computed for the same moment differ by less.
const A_LITTLE: Duration = Duration::from_secs(1);

/// What a worker is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Activity {
    /// Nothing was done in this process yet.
    #[default]
    Idle,
    /// Logs in, describes, plans, connects; or runs.
    Running,
    /// Waits for the next tick.
    Waiting,
    /// Failed as a whole, and waits before it tries again.
    BackingOff,
    /// Lets runs end, since the resource is suspended.
    Suspending,
    /// Suspended.
    Suspended,
}

/// Something that went wrong, as far as a person needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Who can mend it.
    pub(crate) kind: ErrorKind,
    /// From the closed list.
    pub(crate) reason: Reason,
    /// What happened, to which object, and what to do.
    pub(crate) message: String,
}

/// The org, as the login told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Org {
    pub(crate) instance_url: String,
    pub(crate) organization_id: String,
}

/// By which of Salesforce's APIs large reads are done, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reads {
    pub(crate) api: String,
    pub(crate) reason: String,
}

/// A tick, under way or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tick {
    pub(crate) id: String,
    pub(crate) kind: RunKind,
    pub(crate) start: Timestamp,
    pub(crate) end: Option<Timestamp>,
    pub(crate) rows_read: u64,
    pub(crate) rows_written: u64,
    pub(crate) rows_deleted: u64,
    pub(crate) api_calls: u64,
}

/// How a replicator stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Standing {
    /// The generation of the spec that is acted upon.
    pub(crate) generation: Option<i64>,
    /// One that a session follows whose first runs have not ended: until they have, nobody knows what it changes of the rows, and
    /// `Ready` would speak of the former one.
    pub(crate) next_generation: Option<i64>,
    pub(crate) activity: Activity,
    /// Known once a session was opened in this process.
    pub(crate) org: Option<Org>,
    pub(crate) usage: Option<ApiUsage>,
    /// Known with `org`.
    pub(crate) reads: Option<Reads>,
    /// What keeps every object from running.
    pub(crate) trouble: Option<Trouble>,
    /// In the order of the spec.
    pub(crate) objects: Vec<ObjectStanding>,
    pub(crate) tick: Option<Tick>,
    /// When the object that is furthest behind was last replicated.
    pub(crate) last_success: Option<Timestamp>,
    pub(crate) next_run: Option<Timestamp>,
    pub(crate) next_try: Option<Timestamp>,
    pub(crate) last_manual: Option<String>,
    pub(crate) missed: u64,
    pub(crate) panics: u64,
    pub(crate) rotations: u64,
    pub(crate) retired: Vec<String>,
}

/// How one object stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ObjectStanding {
    pub(crate) name: String,
    pub(crate) table: String,
    /// Whether each of its ticks is a Refresh, since nobody can ask for what changed of it.
    pub(crate) is_stampless: bool,
    /// How its last large read was done.
    pub(crate) reads: Option<Reads>,
    /// Whether no run of the present session has ended yet.
    pub(crate) is_unseen: bool,
    /// Whether a first load has ever been complete, as far as this process knows.
    pub(crate) is_live: bool,
    /// A run under way.
    pub(crate) progress: Option<Progress>,
    pub(crate) watermark: Option<Timestamp>,
    pub(crate) rows: Option<i64>,
    pub(crate) last: LastCounts,
    pub(crate) rejected: u64,
    pub(crate) held: Option<HeldDeletes>,
    pub(crate) changing: Option<RunKind>,
    pub(crate) degraded: Vec<Degradation>,
    pub(crate) last_success: Option<Timestamp>,
    /// Of the runs that a tick is made of: Initial, Incremental, and Refresh where nobody can ask for changes.
    pub(crate) failure: Option<Failure>,
    /// Of the other kinds, which an Incremental that succeeds does not mend.
    pub(crate) long_failure: Option<Failure>,
}

/// Counts of the last run that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LastCounts {
    pub(crate) read: u64,
    pub(crate) written: u64,
    pub(crate) deleted: u64,
}

/// A run under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) kind: RunKind,
    pub(crate) read: u64,
    pub(crate) written: u64,
    pub(crate) deleted: u64,
}

/// Runs that failed in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) trouble: Trouble,
    pub(crate) count: u64,
    /// The kind of run: one that compares less does not mend it.
    pub(crate) kind: RunKind,
}

impl Trouble {
    pub(crate) fn new(kind: ErrorKind, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            kind,
            reason,
            message: message.into(),
        }
    }
}

impl From<&RunError> for Trouble {
    fn from(error: &RunError) -> Self {
        let RunError { kind, reason, message } = error;
        // The libraries' words are in the list; a test of theirs says so.
        Self::new(*kind, reason.parse().unwrap_or(Reason::InternalError), message.clone())
    }
}

impl From<&replication::Error> for Trouble {
    fn from(error: &replication::Error) -> Self {
        Self::from(&RunError::from(error))
    }
}

impl Standing {
    /// What the status of a resource says, after a restart.
    pub(crate) fn recall(spec: &SalesforceReplicatorSpec, status: Option<&SalesforceReplicatorStatus>) -> Self {
        let mut standing = Self::default();
        if let Some(status) = status {
            standing.last_success = status.last_success_time.as_ref().map(|time| time.0);
            standing.last_manual.clone_from(&status.last_manual_run);
            standing.missed = unsigned(status.missed_runs);
            standing.retired.clone_from(&status.retired_tables);
            standing.usage = status.api_usage;
            standing.objects = status.objects.iter().map(ObjectStanding::recall).collect();
            standing.tick = status.last_run.as_ref().map(|run| Tick {
                id: run.id.clone(),
                kind: kind_of(run.kind),
                start: run.start_time.0,
                end: run.end_time.as_ref().map(|time| time.0),
                rows_read: unsigned(Some(run.rows_read)),
                rows_written: unsigned(Some(run.rows_written)),
                rows_deleted: unsigned(Some(run.rows_deleted)),
                api_calls: unsigned(Some(run.api_calls)),
            });
        }
        standing.lists(spec);
        standing
    }

    /// Follows the object list of a spec: what is known of an object stays with its name. Gives the objects that left.
    pub(crate) fn lists(&mut self, spec: &SalesforceReplicatorSpec) -> Vec<String> {
        let mut former: BTreeMap<String, ObjectStanding> = self
            .objects
            .drain(..)
            .map(|object| (object.name.clone(), object))
            .collect();
        self.objects = spec
            .objects
            .iter()
            .map(|object| {
                former
                    .remove(&object.name)
                    .unwrap_or_else(|| ObjectStanding::new(&object.name, object.table.as_deref().unwrap_or_default()))
            })
            .collect();
        former.into_keys().collect()
    }

    /// The objects' tables, as the plan has them, and whether the object has no stamp.
    pub(crate) fn plans<'plan>(&mut self, tables: impl Iterator<Item = (&'plan str, &'plan str, bool)>) {
        for (name, table, is_stampless) in tables {
            if let Some(object) = self.object(name) {
                table.clone_into(&mut object.table);
                object.is_stampless = is_stampless;
            }
        }
    }

    /// A session was opened for a generation. It is acted upon when a run of each object has told what it changes; at once
    /// where it is the one that was, or where nothing can look complete.
    pub(crate) fn follows(&mut self, generation: i64) {
        let looks_complete = self.trouble.is_none() && self.objects.iter().all(ObjectStanding::is_ready);
        if self.generation.is_some_and(|former| former != generation) && looks_complete {
            self.next_generation = Some(generation);
            for object in &mut self.objects {
                object.is_unseen = true;
            }
        } else {
            self.acts_upon(generation);
        }
    }

    /// The session that is there goes on with a generation that it serves.
    pub(crate) fn goes_on(&mut self, generation: i64) {
        if self.next_generation.is_some() {
            self.next_generation = Some(generation);
        } else {
            self.generation = Some(generation);
        }
    }

    /// What the status says is of this generation.
    pub(crate) fn acts_upon(&mut self, generation: i64) {
        self.generation = Some(generation);
        self.next_generation = None;
    }

    /// When the next tick starts and what failed is tried again. Times that are computed anew from two clocks differ by
    /// a little each time, which is no change.
    pub(crate) fn plans_next(&mut self, run: Option<Timestamp>, attempt: Option<Timestamp>) {
        for (former, new) in [(&mut self.next_run, run), (&mut self.next_try, attempt)] {
            let is_same = former
                .zip(new)
                .is_some_and(|(former, new)| former.duration_since(new).unsigned_abs() < A_LITTLE);
            if !is_same {
                *former = new;
            }
        }
    }

    /// It is suspended: the tick under way is over, and what was wrong with a spec or for want of a Secret is not so any more.
    pub(crate) fn suspended(&mut self, now: Timestamp) {
        if let Some(tick) = &mut self.tick {
            tick.end.get_or_insert(now);
        }
        let is_of_the_spec =
            |trouble: &Trouble| trouble.kind == ErrorKind::Invalid || trouble.reason == Reason::SecretNotFound;
        if self.trouble.as_ref().is_some_and(is_of_the_spec) {
            self.trouble = None;
        }
    }

    /// An object by its API name, in any case: Salesforce has its own spelling of it, the spec another.
    pub(crate) fn object(&mut self, name: &str) -> Option<&mut ObjectStanding> {
        self.objects
            .iter_mut()
            .find(|object| object.name.eq_ignore_ascii_case(name))
    }

    /// What a run of an object says.
    pub(crate) fn observe(&mut self, object: &str, kind: RunKind, event: &Event) {
        let reads = self.reads.clone();
        if let Some(object) = self.object(object) {
            if matches!(event, Event::Started) && is_large(kind) {
                object.reads = reads;
            }
            object.observe(kind, event);
        }
        if let Event::Ended(report) = event {
            if let Some(tick) = &mut self.tick {
                tick.kind = tick.kind.max_weight(report.kind);
                tick.rows_read += report.rows_read;
                tick.rows_written += report.rows_written;
                tick.rows_deleted += report.rows_deleted;
                tick.api_calls += report.api_calls;
            }
            self.panics += u64::from(
                report
                    .error
                    .as_ref()
                    .is_some_and(|error| error.reason == Reason::RunPanicked.as_str()),
            );
            self.last_success = self.all_succeeded().or(self.last_success);
            if let Some(next) = self.next_generation
                && self.objects.iter().all(|object| !object.is_unseen)
            {
                self.acts_upon(next);
            }
        }
    }

    /// When the object that is furthest behind was last replicated; `None` where one never was.
    fn all_succeeded(&self) -> Option<Timestamp> {
        let times: Option<Vec<Timestamp>> = self.objects.iter().map(|object| object.last_success).collect();
        times?.into_iter().min()
    }

    /// Whether runs are under way, those of earlier ticks included.
    pub(crate) fn is_running(&self) -> bool {
        self.activity == Activity::Running || self.objects.iter().any(|object| object.progress.is_some())
    }

    /// Runs that were under way are gone with their session.
    pub(crate) fn interrupted(&mut self) {
        for object in &mut self.objects {
            object.progress = None;
        }
    }
}

impl Reads {
    pub(crate) fn of(connection: &Connection) -> Self {
        let reason = match connection.api {
            BulkApi::Soap => "connection.api is Soap",
            BulkApi::Auto | BulkApi::Bulk => "this version does not serve the Bulk API yet",
        };
        Self {
            api: API.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

impl Tick {
    /// One that begins.
    pub(crate) fn begun(id: String, start: Timestamp) -> Self {
        Self {
            id,
            kind: RunKind::Incremental,
            start,
            end: None,
            rows_read: 0,
            rows_written: 0,
            rows_deleted: 0,
            api_calls: 0,
        }
    }
}

/// Whether a run of this kind reads all records of its object.
fn is_large(kind: RunKind) -> bool {
    match kind {
        RunKind::Initial | RunKind::Reconcile | RunKind::Refresh => true,
        RunKind::Incremental | RunKind::Verify => false,
    }
}

/// Which of two kinds says more of a tick.
trait Weight {
    fn max_weight(self, other: Self) -> Self;
}

impl Weight for RunKind {
    /// A first load is the heaviest; the others weigh as they are listed.
    fn max_weight(self, other: Self) -> Self {
        match (self, other) {
            (Self::Initial, _) | (_, Self::Initial) => Self::Initial,
            (one, other) => one.max(other),
        }
    }
}

impl ObjectStanding {
    pub(crate) fn new(name: &str, table: &str) -> Self {
        Self {
            name: name.to_owned(),
            table: table.to_owned(),
            is_stampless: false,
            reads: None,
            is_unseen: false,
            is_live: false,
            progress: None,
            watermark: None,
            rows: None,
            last: LastCounts::default(),
            rejected: 0,
            held: None,
            changing: None,
            degraded: Vec::new(),
            last_success: None,
            failure: None,
            long_failure: None,
        }
    }

    fn recall(status: &crds::ObjectStatus) -> Self {
        Self {
            reads: status.api.clone().map(|api| Reads {
                api,
                reason: status.api_reason.clone().unwrap_or_default(),
            }),
            is_live: status.last_success_time.is_some(),
            watermark: status.watermark.as_ref().map(|time| time.0),
            rows: status.rows,
            last: LastCounts {
                read: unsigned(status.rows_read),
                written: unsigned(status.rows_written),
                deleted: unsigned(status.rows_deleted),
            },
            rejected: unsigned(status.rejected),
            held: status.held_deletes.as_ref().map(|held| HeldDeletes {
                count: unsigned(Some(held.count)),
                token: held.token.clone(),
            }),
            last_success: status.last_success_time.as_ref().map(|time| time.0),
            failure: status.last_error.as_ref().map(|message| Failure {
                trouble: Trouble::new(ErrorKind::Transient, Reason::RunFailed, message.clone()),
                count: unsigned(status.consecutive_failures).max(1),
                kind: RunKind::Incremental,
            }),
            ..Self::new(&status.name, &status.table)
        }
    }

    fn observe(&mut self, kind: RunKind, event: &Event) {
        let progress = self.progress.get_or_insert(Progress {
            kind,
            read: 0,
            written: 0,
            deleted: 0,
        });
        match event {
            // An Incremental for which a listing makes room is told inside the listing.
            Event::Started => progress.kind = kind,
            Event::Size(_) => {}
            Event::Read(rows) => progress.read = *rows,
            Event::Committed(counts) => {
                progress.written += counts.inserted + counts.updated;
                progress.deleted += counts.deleted;
            }
            Event::Ended(report) => {
                self.progress = None;
                self.ended(report);
            }
        }
    }

    fn ended(&mut self, report: &RunReport) {
        self.table.clone_from(&report.table);
        self.last = LastCounts {
            read: report.rows_read,
            written: report.rows_written,
            deleted: report.rows_deleted,
        };
        let is_tick = match report.kind {
            RunKind::Initial | RunKind::Incremental => true,
            RunKind::Refresh => self.is_stampless,
            RunKind::Verify | RunKind::Reconcile => false,
        };
        let failure = if is_tick {
            &mut self.failure
        } else {
            &mut self.long_failure
        };
        let is_cancelled = |error: &RunError| error.reason == Reason::Cancelled.as_str();
        self.is_unseen &= report.error.as_ref().is_some_and(is_cancelled);
        match &report.error {
            Some(error) if is_cancelled(error) => {}
            // It waits for the budget of API calls while Incrementals go on: `Degraded/QuotaNear` says so.
            Some(error) if !is_tick && error.kind == ErrorKind::Quota => {}
            Some(error) => {
                // What failed by a run that compares more stays until such a run succeeds.
                let kind = failure
                    .as_ref()
                    .map_or(report.kind, |former| former.kind.max(report.kind));
                if is_tick || kind == report.kind {
                    *failure = Some(Failure {
                        trouble: Trouble::from(error),
                        count: failure.as_ref().map_or(0, |former| former.count) + 1,
                        kind,
                    });
                }
            }
            None => {
                if is_tick || failure.as_ref().is_some_and(|former| former.kind <= report.kind) {
                    *failure = None;
                }
                if report.kind == RunKind::Initial {
                    self.long_failure = None;
                }
                self.is_live = true;
                self.rows = Some(report.rows);
                self.watermark = report.watermark.or(self.watermark);
                self.rejected = report.rejected;
                self.held.clone_from(&report.held);
                self.changing = report.changing;
                self.degraded.clone_from(&report.degraded);
                if is_tick {
                    self.last_success = Some(report.end_time);
                }
            }
        }
    }

    /// What went wrong last and was not mended by a run since.
    pub(crate) fn current_failure(&self) -> Option<&Failure> {
        self.failure.as_ref().or(self.long_failure.as_ref())
    }

    /// For display.
    pub(crate) fn phase(&self) -> ObjectPhase {
        let is_first = self.progress.is_some_and(|progress| progress.kind == RunKind::Initial);
        match (self.current_failure(), self.is_live) {
            (Some(_), _) => ObjectPhase::Failing,
            (None, true) if self.held.is_some() => ObjectPhase::Held,
            (None, true) => ObjectPhase::Live,
            (None, false) if is_first => ObjectPhase::Initial,
            (None, false) => ObjectPhase::Pending,
        }
    }

    /// Whether nothing is to be said against it.
    pub(crate) fn is_ready(&self) -> bool {
        self.phase() == ObjectPhase::Live && self.rejected == 0 && self.changing.is_none()
    }
}

fn unsigned(number: Option<i64>) -> u64 {
    number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

/// The engine's word for the status' one.
fn kind_of(kind: crds::RunKind) -> RunKind {
    match kind {
        crds::RunKind::Initial => RunKind::Initial,
        crds::RunKind::Incremental => RunKind::Incremental,
        crds::RunKind::Verify => RunKind::Verify,
        crds::RunKind::Reconcile => RunKind::Reconcile,
        crds::RunKind::Refresh => RunKind::Refresh,
    }
}
