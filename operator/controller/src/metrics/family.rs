//! Every family of metrics: name, type, labels, meaning.

use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, Result};

/// Before each name.
pub const PREFIX: &str = "salesforce_replicator_";

/// A family of metrics.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Without [`PREFIX`].
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// Whether it is of one replicator, and so has the labels `replicator_namespace` and `replicator`.
    pub of_replicator: bool,
    /// The others.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// Prometheus' types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// A value of this moment.
    Gauge,
    /// Durations by buckets.
    Histogram,
}

impl Kind {
    /// As it stands in a scrape.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! families {
    ($($scope:ident $name:ident = $kind:ident $text:literal [$($label:literal),*] $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $name: Family = Family {
                name: $text,
                kind: Kind::$kind,
                of_replicator: families!(@ $scope),
                labels: &[$($label),*],
                help: $help,
            };
        )+
        /// All of them.
        pub const ALL: &[Family] = &[$($name,)+];
    };
    (@ operator) => { false };
    (@ replicator) => { true };
}

families! {
    operator BUILD_INFO = Gauge "build_info" ["version", "revision"] "1; the labels say which build runs.";
    operator LEADER = Gauge "leader" [] "1 where this process leads, else 0.";
    operator CRD_MISSING = Gauge "crd_missing" [] "1 while the operator waits for the definition of its resource, else 0.";
    operator RECONCILIATIONS = Counter "reconciliations_total" ["outcome"] "Passes of the reconciler over a resource.";
    operator RECONCILIATION_DURATION = Histogram "reconciliation_duration_seconds" [] "How long a pass of the reconciler took.";
    operator RECONCILIATION_ERRORS = Counter "reconciliation_errors_total" ["reason"] "Passes that failed, by reason.";
    operator EVENT_PUBLISH_FAILURES = Counter "event_publish_failures_total" [] "Events that the API server did not take.";
    operator WATCH_RESTARTS = Counter "watch_restarts_total" ["kind"] "Watches that broke and began anew.";
    operator KUBE_REQUESTS = Counter "kube_requests_total" ["verb", "code"] "Requests to the Kubernetes API server by HTTP method and status; code is error where no answer came.";
    operator ACTIVE_RUNS = Gauge "active_runs" [] "Runs of objects in progress, those that wait for their turn included.";
    replicator CONDITION = Gauge "condition" ["type", "status"] "1 for the status that each condition has, 0 for the others.";
    replicator CONDITION_REASON = Gauge "condition_reason" ["type", "reason"] "1 for the reason that each condition has; another reason has no series.";
    replicator SUSPENDED = Gauge "suspended" [] "1 where spec.suspend is true, else 0.";
    replicator LAST_SUCCESS = Gauge "last_success_timestamp_seconds" [] "When every object was last replicated.";
    replicator STALE = Gauge "stale_timestamp_seconds" [] "When the data counts as stale, unless a run succeeds before; not there where only a person starts runs.";
    replicator NEXT_RUN = Gauge "next_run_timestamp_seconds" [] "When the next run starts by the trigger; not there where only a person starts runs.";
    replicator EXPECTED_INTERVAL = Gauge "expected_interval_seconds" [] "Time from one run to the next by the trigger; not there where only a person starts runs.";
    replicator MISSED_RUNS = Counter "missed_runs_total" [] "Due times that passed without a run of their own.";
    replicator RUN_DURATION = Histogram "run_duration_seconds" ["kind", "result"] "How long runs of an object took; result is success or error.";
    replicator RUN_PANICS = Counter "run_panics_total" [] "Runs that ended by a defect of this program.";
    replicator CREDENTIAL_ROTATIONS = Counter "credential_rotations_total" [] "Changes of a Secret that were taken up.";
    replicator STATUS_PATCHES = Counter "status_patches_total" ["result"] "Writes of the resource's status; result is success or error.";
    replicator API_CALLS = Counter "api_calls_total" [] "Calls of runs that Salesforce counted.";
    replicator API_REQUESTS = Counter "api_requests_total" ["api", "code"] "Requests to Salesforce, logins included; code is ok, or the reason of the error.";
    replicator API_REQUEST_DURATION = Histogram "api_request_duration_seconds" ["api"] "How long requests to Salesforce took, until the whole answer was there.";
    replicator API_CALLS_REMAINING = Gauge "api_calls_remaining" [] "API calls that the org has left within 24 hours, as Salesforce last told.";
    replicator API_CALLS_LIMIT = Gauge "api_calls_limit" [] "API calls that the org may make within 24 hours.";
    replicator SEGMENTS = Counter "destination_segments_total" ["result"] "Segments by what came of them: committed, or failed in the database.";
    replicator SEGMENT_DURATION = Histogram "destination_segment_duration_seconds" [] "How long the database needed for a segment that was committed; the waiting for rows is not counted.";
    replicator CONNECTIONS = Gauge "destination_connections" ["state"] "Connections of runs to the database: in use while a statement is under way or a segment is open, else idle.";
    replicator OBJECT_ROWS = Counter "object_rows_total" ["object", "operation"] "Rows by what happened to them: read, upserted, deleted, or skipped where the table had them already as they are.";
    replicator OBJECT_WATERMARK = Gauge "object_watermark_timestamp_seconds" ["object"] "Up to here, on Salesforce's clock, every visible change has been read.";
    replicator OBJECT_LAST_SUCCESS = Gauge "object_last_success_timestamp_seconds" ["object"] "When the object was last replicated.";
    replicator OBJECT_ERRORS = Counter "object_errors_total" ["object", "reason"] "Runs that failed, by reason.";
    replicator OBJECT_DRIFT = Gauge "object_drift_rows" ["object"] "Rows that differed from Salesforce when the last Reconcile compared everything.";
    replicator OBJECT_FAILURES = Gauge "object_consecutive_failures" ["object"] "Failed runs in a row.";
    replicator OBJECT_HELD = Gauge "object_held_deletes" ["object"] "Deletes that the guard holds until somebody confirms them.";
    replicator OBJECT_REJECTED = Gauge "object_rejected_rows" ["object"] "Rows whose values do not fit their columns.";
    replicator OBJECT_TABLE_ROWS = Gauge "object_table_rows" ["object"] "Rows in the table.";
}

impl Family {
    /// The whole name.
    pub fn full_name(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// All its labels.
    pub fn all_labels(&self) -> Vec<&'static str> {
        let own: &[&str] = if self.of_replicator {
            &["replicator_namespace", "replicator"]
        } else {
            &[]
        };
        own.iter().chain(self.labels).copied().collect()
    }

    fn opts(&self) -> Opts {
        Opts::new(self.full_name(), self.help)
    }

    pub(crate) fn counters(&self, registry: &Registry) -> Result<IntCounterVec> {
        let made = IntCounterVec::new(self.opts(), self.labels)?;
        registry.register(Box::new(made.clone()))?;
        Ok(made)
    }

    pub(crate) fn gauge(&self, registry: &Registry) -> Result<IntGauge> {
        let made = IntGauge::with_opts(self.opts())?;
        registry.register(Box::new(made.clone()))?;
        Ok(made)
    }

    pub(crate) fn gauges(&self, registry: &Registry) -> Result<IntGaugeVec> {
        let made = IntGaugeVec::new(self.opts(), self.labels)?;
        registry.register(Box::new(made.clone()))?;
        Ok(made)
    }

    /// For times: seconds with their fraction.
    pub(crate) fn times(&self, registry: &Registry) -> Result<GaugeVec> {
        let made = GaugeVec::new(self.opts(), self.labels)?;
        registry.register(Box::new(made.clone()))?;
        Ok(made)
    }

    pub(crate) fn histograms(&self, registry: &Registry, buckets: &[f64]) -> Result<HistogramVec> {
        let opts = HistogramOpts::new(self.full_name(), self.help).buckets(buckets.to_vec());
        let made = HistogramVec::new(opts, self.labels)?;
        registry.register(Box::new(made.clone()))?;
        Ok(made)
    }
}
