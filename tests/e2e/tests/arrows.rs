//! The arrows of dependency, which decide what can be changed alone, and what every package has in common.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use serde_json::Value;

/// Packages of this workspace that each may use, at run time.
const ARROWS: [(&str, &[&str]); 8] = [
    ("crds", &[]),
    ("salesforce", &[]),
    ("replication", &["crds", "salesforce"]),
    ("controller", &["crds", "replication", "salesforce"]),
    ("cli", &["controller", "crds", "replication", "salesforce"]),
    ("dashboards", &[]),
    ("simulator", &[]),
    ("e2e", &["crds", "simulator"]),
];

/// More of them in tests. The simulator is nobody's but a test's.
const ARROWS_OF_TESTS: [(&str, &[&str]); 5] = [
    ("salesforce", &["simulator"]),
    ("replication", &["simulator"]),
    ("controller", &["simulator"]),
    ("cli", &["simulator"]),
    ("e2e", &["replication", "salesforce"]),
];

fn packages() -> Vec<Value> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn name(value: &Value) -> &str {
    value["name"].as_str().expect("a name")
}

/// What a package names of ours, apart by whether it is for tests only.
fn used<'a>(package: &'a Value, ours: &BTreeSet<&str>, tests: bool) -> BTreeSet<&'a str> {
    let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
    dependencies
        .filter(|dependency| ours.contains(name(dependency)) && (dependency["kind"] == "dev") == tests)
        .map(name)
        .collect()
}

#[test]
fn packages_use_only_what_the_layout_allows() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(name).collect();
    let (allowed, in_tests) = (BTreeMap::from(ARROWS), BTreeMap::from(ARROWS_OF_TESTS));
    for package in &packages {
        let own = name(package);
        let allowed = allowed
            .get(own)
            .unwrap_or_else(|| panic!("{own} is new: say here what it may use"));
        let turned: Vec<_> = used(package, &ours, false)
            .into_iter()
            .filter(|other| !allowed.contains(other))
            .collect();
        assert!(turned.is_empty(), "{own} uses {turned:?}");
        let more = in_tests.get(own).copied().unwrap_or_default();
        let tests = used(package, &ours, true);
        let turned: Vec<_> = tests
            .into_iter()
            .filter(|other| !allowed.contains(other) && !more.contains(other))
            .collect();
        assert!(turned.is_empty(), "tests of {own} use {turned:?}");
    }
}

#[test]
fn packages_are_named_as_their_folders_and_share_lints_and_are_not_published() {
    for package in packages() {
        let own = name(&package).to_owned();
        assert_eq!(package["publish"], serde_json::json!([]), "{own} can be published");
        let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
        let folder = manifest
            .parent()
            .and_then(Path::file_name)
            .expect("a folder")
            .to_string_lossy();
        assert_eq!(own, folder, "a package is named as its folder");
        let text = std::fs::read_to_string(manifest).expect("a manifest");
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{own} has no lints of the workspace"
        );
    }
}
