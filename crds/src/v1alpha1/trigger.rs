//! `spec.trigger`: when to run.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::Period;

/// When to run. Nothing given: every 5 minutes. Only manual given: only when its value changes.
// No pattern for cron: a regular expression that accepts exactly what a cron parser accepts does not exist (names,
// steps, alternatives); the length is bounded here and the line is parsed by `Schedule`.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.schedule) || !has(self.interval)")
    .message("schedule and interval are mutually exclusive"))]
#[x_kube(validation = Rule::new("!has(self.timeZone) || has(self.schedule)").message("timeZone needs schedule"))]
pub struct Trigger {
    /// Time from the start of one run to the start of the next, at least 30s. Default 5m, unless schedule or manual is
    /// given. Hours, minutes, seconds. Example: 5m
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Period")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('30s')").message("interval must be at least 30s"))]
    pub interval: Option<Period>,
    /// A cron line of five fields: minute, hour, day of month, month, day of week. A time that daylight saving skips runs
    /// at the next valid instant, a repeated one once. Missed times are one run. Example: "*/15 6-20 * * MON-FRI"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 9, max = 128))]
    pub schedule: Option<String>,
    /// The time zone of schedule, by its IANA name. Default UTC. Example: Europe/Berlin
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "String",
        length(min = 1, max = 64),
        regex(pattern = r"^[A-Za-z][A-Za-z0-9_+/-]*$")
    )]
    pub time_zone: Option<String>,
    /// Any text; a new value runs once and is echoed in status.lastManualRun. Works beside interval or schedule; alone it
    /// makes the replicator run only by hand. Example: "2026-11-23-a"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 128))]
    pub manual: Option<String>,
}

impl Trigger {
    /// `interval` where neither it nor `schedule` nor `manual` is given.
    pub const DEFAULT_INTERVAL: Period = Period::constant("5m", 300);
}
