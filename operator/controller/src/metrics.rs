//! What Prometheus scrapes.
//!
//! Each replicator has a registry of its own whose labels say which one it is; a scrape puts all registries together. So
//! all series of a resource go with it, also those that nobody thought of, and an operator that does not lead, and so has no
//! replicators, exports none of theirs (kubernetes.md 9.2). Labels `namespace` and `name` would collide with those that
//! Prometheus adds, so ours are `replicator_namespace` and `replicator`.
//!
//! Every family is declared once, in [`family`], with the help text that a scrape and the list of all metrics show. Counters
//! start at zero for every value of a label that is known before. Timestamps are gauges; ages are the business of queries. No label
//! holds a text of an error, an Id, a user, a number or a token.

pub mod family;
mod replicator;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus::{HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder, proto::MetricFamily};

pub(crate) use self::replicator::ReplicatorMetrics;
use crate::error::Error;

/// Seconds of a reconcile: most take the time of one request.
const RECONCILE_BUCKETS: [f64; 9] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// How a reconcile ended.
pub(crate) const OUTCOMES: [&str; 2] = ["success", "error"];

/// What is watched.
pub(crate) const WATCHED: [&str; 2] = ["SalesforceReplicator", "Secret"];

/// All metrics of the process.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    per_object: bool,
    replicators: Mutex<BTreeMap<(String, String), Arc<ReplicatorMetrics>>>,
    pub(crate) leader: IntGauge,
    pub(crate) crd_missing: IntGauge,
    pub(crate) reconciliations: IntCounterVec,
    pub(crate) reconciliation_duration: HistogramVec,
    pub(crate) reconciliation_errors: IntCounterVec,
    pub(crate) event_failures: IntCounterVec,
    pub(crate) watch_restarts: IntCounterVec,
    pub(crate) kube_requests: IntCounterVec,
    pub(crate) active_runs: IntGauge,
}

impl Metrics {
    /// All at zero. `revision` is the commit of the build, where it is known.
    pub(crate) fn new(version: &str, revision: &str, per_object: bool) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let build: IntGaugeVec = family::BUILD_INFO.gauges(&registry)?;
        build.with_label_values(&[version, revision]).set(1);
        let metrics = Self {
            leader: family::LEADER.gauge(&registry)?,
            crd_missing: family::CRD_MISSING.gauge(&registry)?,
            reconciliations: family::RECONCILIATIONS.counters(&registry)?,
            reconciliation_duration: family::RECONCILIATION_DURATION.histograms(&registry, &RECONCILE_BUCKETS)?,
            reconciliation_errors: family::RECONCILIATION_ERRORS.counters(&registry)?,
            event_failures: family::EVENT_PUBLISH_FAILURES.counters(&registry)?,
            watch_restarts: family::WATCH_RESTARTS.counters(&registry)?,
            kube_requests: family::KUBE_REQUESTS.counters(&registry)?,
            active_runs: family::ACTIVE_RUNS.gauge(&registry)?,
            registry,
            per_object,
            replicators: Mutex::default(),
        };
        for outcome in OUTCOMES {
            metrics.reconciliations.with_label_values(&[outcome]);
        }
        for reason in Error::REASONS {
            metrics.reconciliation_errors.with_label_values(&[reason]);
        }
        for kind in WATCHED {
            metrics.watch_restarts.with_label_values(&[kind]);
        }
        metrics.event_failures.with_label_values::<&str>(&[]);
        metrics.reconciliation_duration.with_label_values::<&str>(&[]);
        Ok(metrics)
    }

    /// Those of one replicator, made where they are not there yet.
    pub(crate) fn replicator(&self, namespace: &str, name: &str) -> prometheus::Result<Arc<ReplicatorMetrics>> {
        let mut replicators = self.replicators.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(known) = replicators.get(&key) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(ReplicatorMetrics::new(namespace, name, self.per_object)?);
        replicators.insert(key, Arc::clone(&made));
        Ok(made)
    }

    /// All series of a replicator go.
    pub(crate) fn forget(&self, namespace: &str, name: &str) {
        let mut replicators = self.replicators.lock().unwrap_or_else(PoisonError::into_inner);
        replicators.remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// Everything, in the text format.
    pub(crate) fn text(&self) -> String {
        let replicators: Vec<Arc<ReplicatorMetrics>> = self
            .replicators
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect();
        let mut active = 0;
        let mut families: BTreeMap<String, MetricFamily> = BTreeMap::new();
        let mut gather = |registry: &Registry| {
            for mut family in registry.gather() {
                for metric in family.mut_metric() {
                    // Those of a registry come in any order.
                    metric.mut_label().sort();
                }
                match families.get_mut(family.name()) {
                    Some(whole) => whole.mut_metric().extend(family.take_metric()),
                    None => {
                        families.insert(family.name().to_owned(), family);
                    }
                }
            }
        };
        for replicator in &replicators {
            active += replicator.active();
            gather(replicator.registry());
        }
        self.active_runs.set(active);
        gather(&self.registry);
        let families: Vec<MetricFamily> = families.into_values().collect();
        TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
