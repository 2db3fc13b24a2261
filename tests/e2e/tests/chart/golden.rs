//! Each way to install the chart renders what was reviewed.

use std::{collections::BTreeSet, path::Path};

use e2e::helm::Helm;

use super::{HERE, cases, files};

/// Templates whose content is a file of the chart: other tests compare it with where it comes from.
const COPIES: [&str; 3] = ["crd.yaml", "dashboards.yaml", "prometheusrule.yaml"];

/// A render without what lies in files of the chart, and without empty lines, which each version of helm puts elsewhere.
fn reviewed(rendered: &str) -> String {
    let rendered: String = rendered
        .split_inclusive('\n')
        .filter(|line| !line.trim().is_empty())
        .collect();
    let mut kept = String::new();
    for document in rendered.split_inclusive("\n---\n") {
        let copy = COPIES
            .iter()
            .any(|file| document.contains(&format!("# Source: salesforce-replicator/templates/{file}\n")));
        let content = ["\nspec:", "\ndata:"]
            .into_iter()
            .find_map(|key| Some((document.split_once(key)?.0, key)))
            .filter(|_| copy);
        match content {
            Some((head, key)) => kept.extend([head, key, " ...\n---\n"]),
            None => kept.push_str(document),
        }
    }
    kept
}

#[tokio::test]
async fn each_way_renders_what_was_reviewed() {
    let helm = Helm::offline().await;
    let folder = Path::new(HERE).join("golden");
    let mut expected = BTreeSet::new();
    let mut differing = Vec::new();
    for case in cases() {
        let found = reviewed(&case.render(&helm, "replication").await.stdout);
        let file = folder.join(format!("{}.yaml", case.name));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&file, &found).unwrap();
        }
        if std::fs::read_to_string(&file).unwrap_or_default() != found {
            differing.push(format!("{}:\n{found}", case.name));
        }
        expected.insert(file);
    }
    assert!(
        differing.is_empty(),
        "UPDATE_GOLDEN=1 make test-rust ARGS='--package e2e chart::golden' writes what is found:\n{}",
        differing.join("\n")
    );
    let there: BTreeSet<_> = files(&folder).into_iter().collect();
    assert_eq!(there, expected, "a file without values");
}
