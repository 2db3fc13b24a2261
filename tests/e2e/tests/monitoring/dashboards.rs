//! The dashboards, as far as they can be judged without Grafana.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{files, is_exported, metrics, named, text};

/// Columns of Grafana's grid.
const WIDTH: u64 = 24;

/// Lines of the grid that are on the screen without scrolling, on one of 1080 lines.
const SCREEN: u64 = 22;

/// A dashboard and the name of its file.
pub(super) fn all() -> BTreeMap<String, Value> {
    let read = |file: std::path::PathBuf| {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_str(&text(&file)).unwrap())
    };
    files("dashboards", "json").into_iter().map(read).collect()
}

/// The panels of a dashboard, without headings.
pub(super) fn panels(dashboard: &Value) -> Vec<&Value> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    panels.filter(|panel| panel["type"] != "row").collect()
}

fn place(panel: &Value) -> [u64; 4] {
    ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap())
}

#[test]
fn there_is_one_for_each_who_looks_and_each_has_its_source() {
    let sources: Vec<_> = files("dashboards", "yaml")
        .iter()
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let names: Vec<String> = all().into_keys().collect();
    assert_eq!(
        names,
        ["controller", "database", "fleet", "replicator", "salesforce-api"]
    );
    assert_eq!(names, sources);
}

#[test]
fn each_can_be_imported_and_links_to_the_others() {
    for (name, dashboard) in all() {
        assert_eq!(dashboard["uid"], format!("salesforce-replicator-{name}"));
        assert_eq!(dashboard["id"], Value::Null, "{name}: an id belongs to one Grafana");
        assert_eq!(dashboard["schemaVersion"], 39, "{name}");
        assert_eq!(dashboard["tags"], json!(["salesforce-replicator"]), "{name}");
        let link = &dashboard["links"][0];
        assert_eq!(
            (&link["type"], &link["tags"]),
            (&json!("dashboards"), &dashboard["tags"]),
            "{name}"
        );
        assert!(
            link["includeVars"].as_bool().unwrap() && link["keepTime"].as_bool().unwrap(),
            "{name}"
        );
        for key in ["title", "description"] {
            assert!(!dashboard[key].as_str().unwrap().is_empty(), "{name}: {key}");
        }
        let variables: Vec<&str> = dashboard["templating"]["list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|variable| variable["name"].as_str().unwrap())
            .collect();
        match name.as_str() {
            "controller" => assert_eq!(variables, ["datasource"]),
            _ => assert_eq!(variables, ["datasource", "namespace", "replicator"], "{name}"),
        }
    }
}

/// Every data source that is named anywhere.
fn data_sources<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                if key == "datasource" {
                    found.push(member);
                }
                data_sources(member, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| data_sources(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_data_source_comes_through_its_variable_only() {
    for (name, dashboard) in all() {
        let mut found = Vec::new();
        data_sources(&dashboard, &mut found);
        assert!(found.len() > panels(&dashboard).len(), "{name}");
        for source in found {
            assert_eq!(*source, json!({"type": "prometheus", "uid": "${datasource}"}), "{name}");
        }
    }
}

#[test]
fn each_panel_says_what_it_shows_in_which_unit_and_where_it_begins_to_matter() {
    for (name, dashboard) in all() {
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: an id comes twice");
        }
        let titles: BTreeSet<&str> = panels(&dashboard)
            .iter()
            .map(|panel| panel["title"].as_str().unwrap())
            .collect();
        assert_eq!(titles.len(), panels(&dashboard).len(), "{name}: a title comes twice");
        for panel in panels(&dashboard) {
            let title = format!("{name}: {}", panel["title"]);
            let description = panel["description"].as_str().unwrap();
            assert!(description.ends_with('.'), "{title}: {description}");
            let defaults = &panel["fieldConfig"]["defaults"];
            assert!(!defaults["unit"].as_str().unwrap().is_empty(), "{title}");
            let steps = defaults["thresholds"]["steps"].as_array().unwrap();
            assert_eq!(steps[0]["value"], Value::Null, "{title}: the first colour has no value");
            let values: Vec<f64> = steps.iter().filter_map(|step| step["value"].as_f64()).collect();
            assert!(
                values.is_sorted() && values.len() == steps.len() - 1,
                "{title}: {values:?}"
            );
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{title}");
            for target in targets {
                let is_range = target["range"].as_bool().unwrap();
                assert_ne!(is_range, target["instant"].as_bool().unwrap(), "{title}");
            }
        }
    }
}

#[test]
fn panels_lie_side_by_side() {
    for (name, dashboard) in all() {
        let mut taken = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            let [x, y, wide, high] = place(panel);
            assert!(x + wide <= WIDTH, "{name}: {}", panel["title"]);
            for cell in (x..x + wide).flat_map(|x| (y..y + high).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{name}: {} lies on another", panel["title"]);
            }
        }
    }
}

#[test]
fn the_first_screen_of_the_fleet_is_for_who_was_woken() {
    let fleet = &all()["fleet"];
    let first: Vec<&str> = panels(fleet)
        .into_iter()
        .filter(|panel| {
            let [_, y, _, high] = place(panel);
            y + high <= SCREEN
        })
        .map(|panel| panel["title"].as_str().unwrap())
        .collect();
    for wanted in [
        "Not ready, and why",
        "Stale, and for how long",
        "Held deletes, by object",
        "Rejected rows, by object",
        "API calls left",
    ] {
        assert!(first.contains(&wanted), "{wanted}: {first:?}");
    }
}

#[test]
fn queries_name_metrics_that_exist_and_every_metric_is_shown_somewhere() {
    let metrics = metrics();
    let mut shown = BTreeSet::new();
    for (name, dashboard) in all() {
        for panel in panels(&dashboard) {
            for target in panel["targets"].as_array().unwrap() {
                let found = named(target["expr"].as_str().unwrap());
                assert!(!found.is_empty(), "{name}: {}", panel["title"]);
                for series in found {
                    assert!(is_exported(&series, &metrics), "{name}: {}: {series}", panel["title"]);
                    let base = ["_bucket", "_sum", "_count"]
                        .into_iter()
                        .find_map(|end| series.strip_suffix(end));
                    shown.insert(base.unwrap_or(&series).to_owned());
                }
            }
        }
    }
    let hidden: Vec<&String> = metrics.keys().filter(|metric| !shown.contains(*metric)).collect();
    assert!(hidden.is_empty(), "no dashboard has {hidden:?}");
}
