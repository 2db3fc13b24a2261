//! What is written by hand.

use serde::Deserialize;
use serde_json::Value;

/// A dashboard.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dashboard {
    pub(crate) uid: String,
    pub(crate) title: String,
    pub(crate) description: String,
    /// Beside that of the data source.
    pub(crate) variables: Vec<Variable>,
    /// Where the time that is shown begins: `now-6h`.
    pub(crate) from: String,
    /// From left to right, and from top to bottom.
    pub(crate) panels: Vec<Entry>,
}

/// What a person may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Variable {
    /// The namespaces of resources.
    Namespace,
    /// The resources of the chosen namespaces.
    Replicator,
}

/// A heading or a panel.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) enum Entry {
    /// Those that follow stand below it.
    Heading(Heading),
    /// One panel.
    Panel(Box<Panel>),
}

impl TryFrom<Value> for Entry {
    type Error = serde_json::Error;

    /// By what it has, so that an error names the key that is wrong, which an untagged enum would not.
    fn try_from(value: Value) -> Result<Self, Self::Error> {
        if value.get("row").is_some() {
            serde_json::from_value(value).map(Self::Heading)
        } else {
            serde_json::from_value(value).map(|panel| Self::Panel(Box::new(panel)))
        }
    }
}

/// A heading.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Heading {
    pub(crate) row: String,
}

/// A panel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Panel {
    pub(crate) title: String,
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    /// Width, of 24, and height.
    pub(crate) size: [u8; 2],
    pub(crate) description: String,
    /// Grafana's name of it.
    pub(crate) unit: String,
    /// The colour, and from which value on another one: `[green, 1 red]`.
    #[serde(default)]
    pub(crate) thresholds: Vec<String>,
    /// What values mean: `0 Not ready red`.
    #[serde(default)]
    pub(crate) values: Vec<String>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    /// The shortest step of queries, where less would often find nothing: runs come every few minutes.
    pub(crate) interval: Option<String>,
    #[serde(default)]
    pub(crate) stacked: bool,
    /// What a stat shows.
    #[serde(default)]
    pub(crate) text: Text,
    /// Those of a table, in their order.
    #[serde(default)]
    pub(crate) columns: Vec<Column>,
    pub(crate) queries: Vec<Query>,
}

/// How a panel shows its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Stat,
    #[serde(rename = "bargauge")]
    BarGauge,
    Table,
    #[serde(rename = "timeseries")]
    TimeSeries,
    StateTimeline,
    Heatmap,
}

/// What a stat shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Text {
    /// The value, and where there are several series their names.
    #[default]
    Auto,
    /// The name of the series alone.
    Name,
}

/// A column of a table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Column {
    /// A label; `Value`, or with several queries `Value #A` and so on.
    pub(crate) field: String,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) hide: bool,
    pub(crate) unit: Option<String>,
    #[serde(default)]
    pub(crate) thresholds: Vec<String>,
    #[serde(default)]
    pub(crate) values: Vec<String>,
}

/// A query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// `PromQL`. `$selected` is the matchers of the chosen replicators, `$each` the labels that name one.
    pub(crate) expr: String,
    #[serde(default)]
    pub(crate) legend: String,
}
