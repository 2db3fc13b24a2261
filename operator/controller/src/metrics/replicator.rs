//! Metrics of one replicator.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use crds::{ConditionType, Reason, SalesforceReplicatorSpec, SalesforceReplicatorStatus, Schedule};
use jiff::Timestamp;
use prometheus::{GaugeVec, HistogramVec, IntCounterVec, IntGaugeVec, Registry, Result};
use replication::{
    destination::observed::{ConnectionState, SegmentOutcome},
    progress::{Drift, Event, RunKind, RunReport},
};
use salesforce::{Call, CallObserver};

use super::family;
use crate::{
    conditions,
    standing::{API, ObjectStanding, Standing},
};

/// Seconds of a run: from a call that finds nothing to a first load of hours.
const RUN_BUCKETS: [f64; 12] = [
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 28_800.0,
];

/// Seconds of a request: Salesforce lets a query run for two minutes.
const REQUEST_BUCKETS: [f64; 8] = [0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0];

/// Seconds of a segment in the database: from one row to a full segment under load.
const SEGMENT_BUCKETS: [f64; 10] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0];

const READ: &str = "read";
const UPSERTED: &str = "upserted";
const DELETED: &str = "deleted";
const SKIPPED: &str = "skipped";
const OPERATIONS: [&str; 4] = [READ, UPSERTED, DELETED, SKIPPED];
const RESULTS: [&str; 2] = ["success", "error"];
const COMMITTED: &str = "committed";
const FAILED: &str = "failed";
const IN_USE: &str = "in_use";
const IDLE: &str = "idle";
const STATUSES: [&str; 3] = ["True", "False", "Unknown"];
const NO_LABELS: &[&str] = &[];

/// Metrics of one replicator.
#[derive(Debug)]
pub(crate) struct ReplicatorMetrics {
    registry: Registry,
    per_object: bool,
    active: AtomicI64,
    /// Objects that have series.
    objects: Mutex<BTreeSet<String>>,
    /// The reason of each condition that has a series.
    reasons: Mutex<BTreeMap<&'static str, String>>,
    condition: IntGaugeVec,
    condition_reason: IntGaugeVec,
    suspended: IntGaugeVec,
    last_success: GaugeVec,
    stale: GaugeVec,
    next_run: GaugeVec,
    expected_interval: GaugeVec,
    missed_runs: IntCounterVec,
    run_duration: HistogramVec,
    run_panics: IntCounterVec,
    credential_rotations: IntCounterVec,
    status_patches: IntCounterVec,
    api_calls: IntCounterVec,
    api_requests: IntCounterVec,
    api_request_duration: HistogramVec,
    api_calls_remaining: IntGaugeVec,
    api_calls_limit: IntGaugeVec,
    segments: IntCounterVec,
    segment_duration: HistogramVec,
    connections: IntGaugeVec,
    object: ObjectMetrics,
}

/// Families with the label `object`.
#[derive(Debug)]
struct ObjectMetrics {
    rows: IntCounterVec,
    watermark: GaugeVec,
    last_success: GaugeVec,
    errors: IntCounterVec,
    drift: IntGaugeVec,
    failures: IntGaugeVec,
    held: IntGaugeVec,
    rejected: IntGaugeVec,
    table_rows: IntGaugeVec,
}

impl ReplicatorMetrics {
    pub(super) fn new(namespace: &str, name: &str, per_object: bool) -> Result<Self> {
        let labels = HashMap::from([
            ("replicator_namespace".to_owned(), namespace.to_owned()),
            ("replicator".to_owned(), name.to_owned()),
        ]);
        let registry = Registry::new_custom(None, Some(labels))?;
        let metrics = Self {
            condition: family::CONDITION.gauges(&registry)?,
            condition_reason: family::CONDITION_REASON.gauges(&registry)?,
            suspended: family::SUSPENDED.gauges(&registry)?,
            last_success: family::LAST_SUCCESS.times(&registry)?,
            stale: family::STALE.times(&registry)?,
            next_run: family::NEXT_RUN.times(&registry)?,
            expected_interval: family::EXPECTED_INTERVAL.times(&registry)?,
            missed_runs: family::MISSED_RUNS.counters(&registry)?,
            run_duration: family::RUN_DURATION.histograms(&registry, &RUN_BUCKETS)?,
            run_panics: family::RUN_PANICS.counters(&registry)?,
            credential_rotations: family::CREDENTIAL_ROTATIONS.counters(&registry)?,
            status_patches: family::STATUS_PATCHES.counters(&registry)?,
            api_calls: family::API_CALLS.counters(&registry)?,
            api_requests: family::API_REQUESTS.counters(&registry)?,
            api_request_duration: family::API_REQUEST_DURATION.histograms(&registry, &REQUEST_BUCKETS)?,
            api_calls_remaining: family::API_CALLS_REMAINING.gauges(&registry)?,
            api_calls_limit: family::API_CALLS_LIMIT.gauges(&registry)?,
            segments: family::SEGMENTS.counters(&registry)?,
            segment_duration: family::SEGMENT_DURATION.histograms(&registry, &SEGMENT_BUCKETS)?,
            connections: family::CONNECTIONS.gauges(&registry)?,
            object: ObjectMetrics {
                rows: family::OBJECT_ROWS.counters(&registry)?,
                watermark: family::OBJECT_WATERMARK.times(&registry)?,
                last_success: family::OBJECT_LAST_SUCCESS.times(&registry)?,
                errors: family::OBJECT_ERRORS.counters(&registry)?,
                drift: family::OBJECT_DRIFT.gauges(&registry)?,
                failures: family::OBJECT_FAILURES.gauges(&registry)?,
                held: family::OBJECT_HELD.gauges(&registry)?,
                rejected: family::OBJECT_REJECTED.gauges(&registry)?,
                table_rows: family::OBJECT_TABLE_ROWS.gauges(&registry)?,
            },
            registry,
            per_object,
            active: AtomicI64::new(0),
            objects: Mutex::default(),
            reasons: Mutex::default(),
        };
        // Not missed_runs: it goes on from what the status says, and a scrape that saw it at zero before would take all of
        // that for new.
        for counters in [&metrics.run_panics, &metrics.credential_rotations, &metrics.api_calls] {
            counters.with_label_values(NO_LABELS);
        }
        metrics.api_requests.with_label_values(&[API, "ok"]);
        for result in RESULTS {
            metrics.status_patches.with_label_values(&[result]);
        }
        for result in [COMMITTED, FAILED] {
            metrics.segments.with_label_values(&[result]);
        }
        metrics.segment_duration.with_label_values(NO_LABELS);
        for state in [IN_USE, IDLE] {
            metrics.connections.with_label_values(&[state]);
        }
        Ok(metrics)
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Runs in progress.
    pub(super) fn active(&self) -> i64 {
        self.active.load(Ordering::Relaxed).max(0)
    }

    /// What a run says.
    pub(crate) fn observe(&self, object: &str, event: &Event) {
        match event {
            Event::Started | Event::Size(_) | Event::Read(_) | Event::Committed(_) => {}
            Event::Ended(report) => self.ended(object, report),
        }
    }

    fn ended(&self, object: &str, report: &RunReport) {
        let error = report
            .error
            .as_ref()
            .filter(|error| error.reason != Reason::Cancelled.as_str());
        let result = if error.is_some() { "error" } else { "success" };
        let took = report.end_time.duration_since(report.start_time).as_secs_f64().max(0.0);
        let kind = report.kind.to_string();
        self.run_duration
            .with_label_values(&[kind.as_str(), result])
            .observe(took);
        self.api_calls.with_label_values(NO_LABELS).inc_by(report.api_calls);
        if !self.per_object {
            return;
        }
        self.know(object);
        for (operation, rows) in [
            (READ, report.rows_read),
            (UPSERTED, report.rows_written),
            (DELETED, report.rows_deleted),
        ] {
            self.object.rows.with_label_values(&[object, operation]).inc_by(rows);
        }
        if let Some(error) = error {
            self.object.errors.with_label_values(&[object, error.reason]).inc();
        }
        if let Some(drift) = report
            .drift
            .filter(|_| report.kind == RunKind::Reconcile && error.is_none())
        {
            let Drift {
                missing,
                differing,
                surplus,
            } = drift;
            let drift = gauge(missing + differing + surplus);
            self.object.drift.with_label_values(&[object]).set(drift);
        }
    }

    /// A connection to the database is in another state.
    pub(crate) fn connection(&self, from: Option<ConnectionState>, to: Option<ConnectionState>) {
        let gauge = |state| {
            self.connections.with_label_values(&[match state {
                ConnectionState::InUse => IN_USE,
                ConnectionState::Idle => IDLE,
            }])
        };
        if let Some(from) = from {
            gauge(from).dec();
        }
        if let Some(to) = to {
            gauge(to).inc();
        }
    }

    /// A segment ended.
    pub(crate) fn segment(&self, outcome: SegmentOutcome, took: Duration) {
        match outcome {
            SegmentOutcome::Committed => {
                self.segments.with_label_values(&[COMMITTED]).inc();
                let duration = self.segment_duration.with_label_values(NO_LABELS);
                duration.observe(took.as_secs_f64());
            }
            SegmentOutcome::Failed => self.segments.with_label_values(&[FAILED]).inc(),
        }
    }

    /// Rows that were read and needed no write.
    pub(crate) fn unchanged(&self, object: &str, rows: u64) {
        if self.per_object {
            self.know(object);
            self.object.rows.with_label_values(&[object, SKIPPED]).inc_by(rows);
        }
    }

    /// An object gets its series, with counters at zero.
    fn know(&self, object: &str) {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        if objects.insert(object.to_owned()) {
            for operation in OPERATIONS {
                self.object.rows.with_label_values(&[object, operation]);
            }
            self.object.failures.with_label_values(&[object]);
        }
    }

    /// Follows how the replicator stands.
    pub(crate) fn follow(
        &self,
        spec: &SalesforceReplicatorSpec,
        schedule: Option<&Schedule>,
        standing: &Standing,
        status: &SalesforceReplicatorStatus,
        now: Timestamp,
    ) {
        for of in ConditionType::ALL {
            let stands = status
                .conditions
                .iter()
                .find(|condition| condition.type_ == of.as_str());
            for value in STATUSES {
                let is = stands.is_some_and(|condition| condition.status == value);
                self.condition
                    .with_label_values(&[of.as_str(), value])
                    .set(i64::from(is));
            }
            self.reason(of, stands.map(|condition| condition.reason.as_str()));
        }
        self.suspended.with_label_values(NO_LABELS).set(i64::from(spec.suspend));
        set(&self.last_success, NO_LABELS, standing.last_success.map(seconds));
        let stale = schedule
            .zip(standing.last_success)
            .and_then(|(schedule, last)| conditions::stale_at(schedule, last));
        set(&self.stale, NO_LABELS, stale.map(seconds));
        set(&self.next_run, NO_LABELS, standing.next_run.map(seconds));
        set(
            &self.expected_interval,
            NO_LABELS,
            schedule.and_then(|schedule| expected_interval(schedule, now)),
        );
        raise(&self.missed_runs, standing.missed);
        raise(&self.run_panics, standing.panics);
        raise(&self.credential_rotations, standing.rotations);
        if let Some(usage) = standing.usage {
            self.api_calls_limit.with_label_values(NO_LABELS).set(usage.limit);
            self.api_calls_remaining
                .with_label_values(NO_LABELS)
                .set(usage.limit.saturating_sub(usage.used).max(0));
        }
        let running = standing
            .objects
            .iter()
            .filter(|object| object.progress.is_some())
            .count();
        self.active
            .store(i64::try_from(running).unwrap_or(i64::MAX), Ordering::Relaxed);
        if self.per_object {
            self.follow_objects(&standing.objects);
        }
    }

    /// The one series of a condition's reason.
    fn reason(&self, of: ConditionType, reason: Option<&str>) {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let former = match reason {
            Some(reason) => {
                // Before the former one goes: a scrape never finds none.
                self.condition_reason.with_label_values(&[of.as_str(), reason]).set(1);
                reasons.insert(of.as_str(), reason.to_owned())
            }
            None => reasons.remove(of.as_str()),
        };
        if let Some(former) = former.filter(|former| Some(former.as_str()) != reason) {
            self.condition_reason.remove_label_values(&[of.as_str(), &former]).ok();
        }
    }

    fn follow_objects(&self, objects: &[ObjectStanding]) {
        let listed: BTreeSet<&str> = objects.iter().map(|object| object.name.as_str()).collect();
        let known = self.objects.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for gone in known.iter().filter(|known| !listed.contains(known.as_str())) {
            self.forget(gone);
        }
        for object in objects {
            let labels = [object.name.as_str()];
            self.know(&object.name);
            set(&self.object.watermark, &labels, object.watermark.map(seconds));
            set(&self.object.last_success, &labels, object.last_success.map(seconds));
            let failures = object.current_failure().map_or(0, |failure| failure.count);
            self.object.failures.with_label_values(&labels).set(gauge(failures));
            let held = object.held.as_ref().map_or(0, |held| held.count);
            self.object.held.with_label_values(&labels).set(gauge(held));
            self.object
                .rejected
                .with_label_values(&labels)
                .set(gauge(object.rejected));
            if let Some(rows) = object.rows {
                self.object.table_rows.with_label_values(&labels).set(rows);
            }
        }
    }

    /// The series of an object go. Where one of them is not there, nothing is to be done.
    fn forget(&self, object: &str) {
        self.objects
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(object);
        let ObjectMetrics {
            rows,
            watermark,
            last_success,
            errors,
            drift,
            failures,
            held,
            rejected,
            table_rows,
        } = &self.object;
        for operation in OPERATIONS {
            rows.remove_label_values(&[object, operation]).ok();
        }
        for reason in Reason::ALL {
            errors.remove_label_values(&[object, reason.as_str()]).ok();
        }
        for times in [watermark, last_success] {
            times.remove_label_values(&[object]).ok();
        }
        for gauges in [drift, failures, held, rejected, table_rows] {
            gauges.remove_label_values(&[object]).ok();
        }
    }

    /// A status was written, or was not taken.
    pub(crate) fn patched(&self, is_written: bool) {
        let result = if is_written { "success" } else { "error" };
        self.status_patches.with_label_values(&[result]).inc();
    }
}

impl CallObserver for ReplicatorMetrics {
    fn called(&self, _call: Call, outcome: std::result::Result<(), &salesforce::Error>, took: Duration) {
        let code = outcome.err().map_or("ok", salesforce::Error::reason);
        self.api_requests.with_label_values(&[API, code]).inc();
        self.api_request_duration
            .with_label_values(&[API])
            .observe(took.as_secs_f64());
    }
}

/// Sets a gauge, or takes it away where there is no value: a zero would be a time in 1970.
fn set(gauges: &GaugeVec, labels: &[&str], value: Option<f64>) {
    match value {
        Some(value) => gauges.with_label_values(labels).set(value),
        None => {
            gauges.remove_label_values(labels).ok();
        }
    }
}

/// Brings a counter up to a sum that is counted elsewhere.
fn raise(counters: &IntCounterVec, sum: u64) {
    let counter = counters.with_label_values(NO_LABELS);
    counter.inc_by(sum.saturating_sub(counter.get()));
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Time from one run to the next; with a cron line between the two that come next.
fn expected_interval(schedule: &Schedule, now: Timestamp) -> Option<f64> {
    match schedule {
        Schedule::Interval(interval) => Some(interval.as_secs_f64()),
        Schedule::Cron(_) => {
            let next = schedule.next_after(now)?;
            let after = schedule.next_after(next)?;
            Some(after.duration_since(next).as_secs_f64())
        }
        Schedule::Manual => None,
    }
}
