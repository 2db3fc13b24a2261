//! Grafana's JSON. Keys come in the order of the alphabet, as Grafana exports them.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value, json};

use crate::source::{Column, Dashboard, Entry, Kind, Panel, Query, Text, Variable};

/// Of Grafana 11.0.
pub(crate) const SCHEMA_VERSION: u8 = 39;

/// All dashboards have it, and link to those that have it.
const TAG: &str = "salesforce-replicator";

/// Columns of the grid.
const WIDTH: u8 = 24;

/// What `$selected` stands for.
const SELECTED: &str = r#"replicator_namespace=~"$namespace", replicator=~"$replicator""#;

/// What `$each` stands for.
const EACH: &str = "replicator_namespace, replicator";

/// The dashboard of one replicator.
const REPLICATOR: &str = "/d/salesforce-replicator-replicator?${datasource:queryparam}&${__url_time_range}\
                          &var-namespace=${__data.fields.Namespace}&var-replicator=${__data.fields.Replicator}";

/// The whole.
pub(crate) fn dashboard(source: &Dashboard) -> Result<Value> {
    let variables: Vec<Value> = std::iter::once(data_source_variable())
        .chain(source.variables.iter().map(|variable| query_variable(*variable)))
        .collect();
    Ok(json!({
        "annotations": {"list": []},
        "description": source.description.as_str(),
        "editable": true,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "id": null,
        "links": [{
            "asDropdown": false,
            "icon": "external link",
            "includeVars": true,
            "keepTime": true,
            "tags": [TAG],
            "targetBlank": false,
            "title": "",
            "tooltip": "",
            "type": "dashboards",
            "url": "",
        }],
        "panels": panels(&source.panels)?,
        "refresh": "1m",
        "schemaVersion": SCHEMA_VERSION,
        "tags": [TAG],
        "templating": {"list": variables},
        "time": {"from": source.from.as_str(), "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "title": source.title.as_str(),
        "uid": source.uid.as_str(),
        "version": 1,
        "weekStart": "",
    }))
}

/// Every query goes to the data source that was chosen.
fn data_source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

fn data_source_variable() -> Value {
    json!({
        "current": {"selected": true, "text": "default", "value": "default"},
        "hide": 0,
        "includeAll": false,
        "label": "Data source",
        "multi": false,
        "name": "datasource",
        "options": [],
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "skipUrlSync": false,
        "type": "datasource",
    })
}

fn query_variable(variable: Variable) -> Value {
    let (name, label, query) = match variable {
        Variable::Namespace => (
            "namespace",
            "Namespace",
            "label_values(salesforce_replicator_suspended, replicator_namespace)",
        ),
        Variable::Replicator => (
            "replicator",
            "Replicator",
            r#"label_values(salesforce_replicator_suspended{replicator_namespace=~"$namespace"}, replicator)"#,
        ),
    };
    json!({
        "allValue": ".*",
        "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
        "datasource": data_source(),
        "definition": query,
        "hide": 0,
        "includeAll": true,
        "label": label,
        "multi": true,
        "name": name,
        "options": [],
        "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "refresh": 2,
        "regex": "",
        "skipUrlSync": false,
        "sort": 1,
        "type": "query",
    })
}

/// Lays panels out as a text is: from left to right, and the next line below the highest of the one before.
fn panels(entries: &[Entry]) -> Result<Vec<Value>> {
    let (mut x, mut y, mut height) = (0, 0_u16, 0);
    let mut made = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let [wide, high] = match entry {
            Entry::Heading(_) => [WIDTH, 1],
            Entry::Panel(panel) => panel.size,
        };
        ensure!((1..=WIDTH).contains(&wide), "a panel is 1 to {WIDTH} wide, not {wide}");
        if x + wide > WIDTH {
            (x, y, height) = (0, y + u16::from(height), 0);
        }
        let place = json!({"h": high, "w": wide, "x": x, "y": y});
        let id = number + 1;
        made.push(match entry {
            Entry::Heading(heading) => json!({
                "collapsed": false,
                "gridPos": place,
                "id": id,
                "panels": [],
                "title": heading.row.as_str(),
                "type": "row",
            }),
            Entry::Panel(source) => panel(source, id, &place).with_context(|| source.title.clone())?,
        });
        (x, height) = (x + wide, height.max(high));
    }
    Ok(made)
}

fn panel(source: &Panel, id: usize, place: &Value) -> Result<Value> {
    ensure!(
        source.columns.is_empty() != (source.kind == Kind::Table),
        "columns are those of a table"
    );
    let name = match source.kind {
        Kind::Stat => "stat",
        Kind::BarGauge => "bargauge",
        Kind::Table => "table",
        Kind::TimeSeries => "timeseries",
        Kind::StateTimeline => "state-timeline",
        Kind::Heatmap => "heatmap",
    };
    let targets: Result<Vec<Value>> = (b'A'..=b'Z')
        .zip(&source.queries)
        .map(|(letter, query)| target(source, char::from(letter), query))
        .collect();
    let mut panel = json!({
        "datasource": data_source(),
        "description": source.description.as_str(),
        "fieldConfig": {"defaults": defaults(source)?, "overrides": overrides(&source.columns)?},
        "gridPos": place,
        "id": id,
        "options": options(source),
        "targets": targets?,
        "title": source.title.as_str(),
        "transformations": transformations(source),
        "type": name,
    });
    if let (Some(interval), Some(panel)) = (&source.interval, panel.as_object_mut()) {
        panel.insert("interval".to_owned(), json!(interval));
    }
    Ok(panel)
}

fn target(source: &Panel, letter: char, query: &Query) -> Result<Value> {
    let expr = query.expr.trim().replace("$selected", SELECTED).replace("$each", EACH);
    ensure!(!expr.is_empty(), "a query is empty");
    let instant = matches!(source.kind, Kind::Stat | Kind::BarGauge | Kind::Table);
    let format = match source.kind {
        Kind::Table => "table",
        Kind::Heatmap => "heatmap",
        Kind::Stat | Kind::BarGauge | Kind::TimeSeries | Kind::StateTimeline => "time_series",
    };
    Ok(json!({
        "datasource": data_source(),
        "editorMode": "code",
        "expr": expr,
        "format": format,
        "instant": instant,
        "legendFormat": if query.legend.is_empty() { "__auto" } else { query.legend.as_str() },
        "range": !instant,
        "refId": letter.to_string(),
    }))
}

fn defaults(source: &Panel) -> Result<Value> {
    let custom = match source.kind {
        Kind::Stat | Kind::BarGauge => json!({}),
        Kind::Table => json!({"align": "auto", "cellOptions": {"type": "auto"}, "inspect": false}),
        Kind::TimeSeries => json!({
            "drawStyle": "line",
            "fillOpacity": if source.stacked { 30 } else { 10 },
            "lineInterpolation": "linear",
            "lineWidth": 1,
            "showPoints": "auto",
            "spanNulls": false,
            "stacking": {"group": "A", "mode": if source.stacked { "normal" } else { "none" }},
            "thresholdsStyle": {"mode": if source.thresholds.len() > 1 { "dashed" } else { "off" }},
        }),
        Kind::StateTimeline => json!({"fillOpacity": 70, "lineWidth": 0}),
        Kind::Heatmap => json!({"scaleDistribution": {"type": "linear"}}),
    };
    let color = match source.kind {
        Kind::TimeSeries => "palette-classic",
        Kind::Stat | Kind::BarGauge | Kind::Table | Kind::StateTimeline | Kind::Heatmap => "thresholds",
    };
    let mut defaults = json!({
        "color": {"mode": color},
        "custom": custom,
        "mappings": mappings(&source.values)?,
        "thresholds": thresholds(&source.thresholds)?,
        "unit": source.unit.as_str(),
    });
    for (key, value) in [("min", source.min), ("max", source.max)] {
        if let (Some(value), Some(defaults)) = (value, defaults.as_object_mut()) {
            defaults.insert(key.to_owned(), json!(value));
        }
    }
    Ok(defaults)
}

/// `[green, 1 red]`. Where none is given, nothing is coloured.
fn thresholds(steps: &[String]) -> Result<Value> {
    let base = steps.first().map_or("text", String::as_str);
    let mut made = vec![json!({"color": base, "value": null})];
    for step in steps.iter().skip(1) {
        let (value, color) = step
            .split_once(' ')
            .with_context(|| format!("{step:?} is not a value and a colour"))?;
        let value: f64 = value
            .parse()
            .with_context(|| format!("{step:?} begins with no number"))?;
        made.push(json!({"color": color, "value": value}));
    }
    Ok(json!({"mode": "absolute", "steps": made}))
}

/// `0 Not ready red`.
fn mappings(values: &[String]) -> Result<Value> {
    let mut options = Map::new();
    for (index, text) in values.iter().enumerate() {
        let parts = text.split_once(' ').and_then(|(value, rest)| {
            let (text, color) = rest.rsplit_once(' ')?;
            Some((value, text, color))
        });
        let Some((value, text, color)) = parts else {
            bail!("{text:?} is not a value, a text and a colour");
        };
        options.insert(value.to_owned(), json!({"color": color, "index": index, "text": text}));
    }
    if options.is_empty() {
        return Ok(json!([]));
    }
    Ok(json!([{"options": options, "type": "value"}]))
}

/// How a column differs from the others; the name of a replicator leads to its dashboard.
fn overrides(columns: &[Column]) -> Result<Vec<Value>> {
    let mut made = Vec::new();
    for column in columns.iter().filter(|column| !column.hide) {
        let mut properties = Vec::new();
        let mut set = |id: &str, value: Value| properties.push(json!({"id": id, "value": value}));
        if let Some(unit) = &column.unit {
            set("unit", json!(unit));
        }
        if !column.values.is_empty() {
            set("mappings", mappings(&column.values)?);
        }
        if !column.thresholds.is_empty() {
            set("thresholds", thresholds(&column.thresholds)?);
        }
        if !column.values.is_empty() || !column.thresholds.is_empty() {
            set("custom.cellOptions", json!({"type": "color-text"}));
        }
        if column.field == "replicator" {
            set("links", json!([{"title": "Open the replicator", "url": REPLICATOR}]));
        }
        if !properties.is_empty() {
            made.push(json!({
                "matcher": {"id": "byName", "options": column.name.as_str()},
                "properties": properties,
            }));
        }
    }
    Ok(made)
}

fn options(source: &Panel) -> Value {
    let last = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
    let legend = json!({"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": true});
    match source.kind {
        Kind::Stat => json!({
            // What is no matter of good or bad has no background.
            "colorMode": if source.thresholds.len() > 1 { "background" } else { "value" },
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "reduceOptions": last,
            "showPercentChange": false,
            "textMode": match source.text {
                Text::Auto => "auto",
                Text::Name => "name",
            },
            "wideLayout": true,
        }),
        Kind::BarGauge => json!({
            "displayMode": "basic",
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": false},
            "maxVizHeight": 300,
            "minVizHeight": 16,
            "minVizWidth": 8,
            "namePlacement": "auto",
            "orientation": "horizontal",
            "reduceOptions": last,
            "showUnfilled": true,
            "sizing": "auto",
            "valueMode": "color",
        }),
        Kind::Table => json!({"cellHeight": "sm", "frameIndex": 0, "showHeader": true}),
        Kind::TimeSeries => json!({"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}),
        Kind::StateTimeline => json!({
            "alignValue": "left",
            "legend": legend,
            "mergeValues": true,
            "rowHeight": 0.9,
            "showValue": "auto",
            "tooltip": {"mode": "single", "sort": "none"},
        }),
        Kind::Heatmap => json!({
            "calculate": false,
            "cellGap": 1,
            "color": {
                "exponent": 0.5,
                "fill": "dark-orange",
                "mode": "scheme",
                "reverse": false,
                "scheme": "Oranges",
                "steps": 64,
            },
            "exemplars": {"color": "rgba(255,0,255,0.7)"},
            "legend": {"show": true},
            "rowsFrame": {"layout": "auto"},
            "showValue": "auto",
            "tooltip": {"mode": "single", "yHistogram": false},
            "yAxis": {"axisPlacement": "left", "unit": source.unit.as_str()},
        }),
    }
}

/// A table has one row for all that queries say of one thing, and the columns that are listed.
fn transformations(source: &Panel) -> Vec<Value> {
    if source.kind != Kind::Table {
        return Vec::new();
    }
    let (mut hidden, mut order, mut names) = (Map::new(), Map::new(), Map::new());
    hidden.insert("Time".to_owned(), json!(true));
    for (index, column) in source.columns.iter().enumerate() {
        if column.hide {
            hidden.insert(column.field.clone(), json!(true));
        } else {
            order.insert(column.field.clone(), json!(index));
            names.insert(column.field.clone(), json!(column.name.as_str()));
        }
    }
    let organize = json!({
        "id": "organize",
        "options": {"excludeByName": hidden, "indexByName": order, "renameByName": names},
    });
    match source.queries.len() {
        1 => vec![organize],
        _ => vec![json!({"id": "merge", "options": {}}), organize],
    }
}
