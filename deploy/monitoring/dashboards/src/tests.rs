use serde_json::{Value, json};

use crate::{grafana, source::Dashboard};

fn made(panels: &str) -> anyhow::Result<Value> {
    let head = "uid: u\ntitle: t\ndescription: d\nvariables: [namespace]\nfrom: now-1h\npanels:\n";
    let source: Dashboard = serde_saphyr::from_str(&format!("{head}{panels}"))?;
    grafana::dashboard(&source)
}

fn panel(more: &str) -> String {
    format!("  - {{title: T, type: stat, size: [8, 4], description: D, unit: s, queries: [{{expr: up}}]{more}}}\n")
}

#[test]
fn panels_fill_lines_and_a_heading_begins_one() {
    let text = panel("").repeat(4) + "  - row: More\n" + &panel("");
    let made = made(&text).unwrap();
    let places: Vec<[u64; 2]> = made["panels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|panel| ["x", "y"].map(|key| panel["gridPos"][key].as_u64().unwrap()))
        .collect();
    assert_eq!(places, [[0, 0], [8, 0], [16, 0], [0, 4], [0, 8], [0, 9]]);
}

#[test]
fn macros_are_replaced_and_the_data_source_is_a_variable() {
    let text = panel("").replace("expr: up", "expr: 'max by ($each) (up{$selected})'");
    let made = made(&text).unwrap();
    let target = &made["panels"][0]["targets"][0];
    assert_eq!(
        target["expr"],
        r#"max by (replicator_namespace, replicator) (up{replicator_namespace=~"$namespace", replicator=~"$replicator"})"#
    );
    assert_eq!(target["datasource"]["uid"], "${datasource}");
}

#[test]
fn thresholds_and_meanings_of_values_are_read() {
    let made = made(&panel(", thresholds: [green, 0.5 red], values: [0 Not ready red]")).unwrap();
    let defaults = &made["panels"][0]["fieldConfig"]["defaults"];
    assert_eq!(
        defaults["thresholds"]["steps"],
        json!([{"color": "green", "value": null}, {"color": "red", "value": 0.5}])
    );
    assert_eq!(defaults["mappings"][0]["options"]["0"]["text"], "Not ready");
}

#[test]
fn what_is_not_understood_is_refused() {
    for (wrong, words) in [
        (", thresholds: [green, red]", "\"red\" is not a value and a colour"),
        (", thresholds: [green, x red]", "begins with no number"),
        (", values: [none]", "is not a value, a text and a colour"),
        (", columns: [{field: a, name: A}]", "columns are those of a table"),
    ] {
        let error = format!("{:#}", made(&panel(wrong)).unwrap_err());
        assert!(error.contains(words), "{error}");
    }
    let error = format!("{:#}", made(&panel(", colour: red")).unwrap_err());
    assert!(error.contains("colour"), "{error}");
}
