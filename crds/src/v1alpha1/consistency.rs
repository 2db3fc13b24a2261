//! `spec.consistency` and `spec.phoneNumbers`: how often which comparison is made, and how numbers are read.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::Period;

/// How often what is compared, and when deletes are held. 0s switches a kind of run off.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Consistency {
    /// How far each incremental run looks back before the last one, for changes that were committed late. At most 24h.
    /// Default 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Period")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('24h')").message("overlap must be at most 24h"))]
    pub overlap: Option<Period>,
    /// How often late commits and hard deletes are looked for (getUpdated, getDeleted; where Salesforce keeps no log of an
    /// object, by comparing all Ids); 0s never, else 1m to 360h, beyond which Salesforce has forgotten deletes. Default 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Period")]
    #[x_kube(validation = Rule::new("duration(self) == duration('0s') || (duration(self) >= duration('1m') && duration(self) <= duration('360h'))")
        .message("verifyEvery must be 0s (never) or between 1m and 360h"))]
    pub verify_every: Option<Period>,
    /// How often all Ids and stamps are compared with the table; 0s never, else at least 1m. Default 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Period")]
    #[x_kube(validation = Rule::new("duration(self) == duration('0s') || duration(self) >= duration('1m')")
        .message("reconcileEvery must be 0s (never) or at least 1m"))]
    pub reconcile_every: Option<Period>,
    /// How often every row is read again, for formulas and linked fields that change without a stamp; 0s never, else at
    /// least 1m. Default 24h for objects with such columns, else 168h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Period")]
    #[x_kube(validation = Rule::new("duration(self) == duration('0s') || duration(self) >= duration('1m')")
        .message("refreshEvery must be 0s (never) or at least 1m"))]
    pub refresh_every: Option<Period>,
    /// Part of the rows, in percent, that may be deleted within 24 hours; more, from 100 rows or half of the table on, are
    /// held until somebody confirms them. 100 switches the guard off. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0, max = 100))]
    pub max_delete_percent: Option<i32>,
}

impl Consistency {
    /// `overlap` where none is given.
    pub const DEFAULT_OVERLAP: Period = Period::constant("10m", 600);
    /// `verifyEvery` where none is given.
    pub const DEFAULT_VERIFY_EVERY: Period = Period::constant("1h", 3600);
    /// `reconcileEvery` where none is given.
    pub const DEFAULT_RECONCILE_EVERY: Period = Period::constant("24h", 86_400);
    /// `refreshEvery` where none is given, for objects with calculated or linked columns.
    pub const DEFAULT_REFRESH_EVERY: Period = Period::constant("24h", 86_400);
    /// `refreshEvery` where none is given, for all other objects.
    pub const DEFAULT_REFRESH_EVERY_PLAIN: Period = Period::constant("168h", 604_800);
    /// `maxDeletePercent` where none is given.
    pub const DEFAULT_MAX_DELETE_PERCENT: i32 = 10;
}

/// How telephone numbers without a country code are read.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.areaCode) || has(self.defaultRegion)").message("areaCode needs defaultRegion"))]
pub struct PhoneNumbers {
    /// Country of numbers without a country code, two letters. Default: none, such numbers stay as they are. Example: DE
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 2, max = 2), regex(pattern = r"^[A-Z]{2}$"))]
    pub default_region: Option<String>,
    /// Area code of numbers without one, digits without the leading zero. Default: none. Example: "8151"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 8), regex(pattern = r"^[1-9][0-9]*$"))]
    pub area_code: Option<String>,
}
