//! The libraries give reasons as text, since they know no Kubernetes; here each of them is looked up in the closed list.

use std::{fs, path::Path};

use crds::Reason;

/// Every text in the bodies of functions named `reason`, and every `reason: ".."`.
fn reasons_in(source: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut inside = None;
    for line in source.lines() {
        let indent = line.len() - line.trim_start().len();
        if line.contains("fn reason(") {
            inside = Some(indent);
        } else if inside.is_some_and(|start| line.trim() == "}" && indent == start) {
            inside = None;
        }
        let attribute = line.trim_start().starts_with('#') || line.contains("expect(");
        let named = line.contains("reason: \"") && !attribute;
        if (inside.is_some() || named) && !attribute {
            let quoted = line.split('"').skip(1).step_by(2);
            words.extend(
                quoted
                    .filter(|text| text.starts_with(|first: char| first.is_ascii_uppercase()))
                    .map(str::to_owned),
            );
        }
    }
    // Codes of Salesforce are told apart by their capitals.
    words.retain(|word| {
        word.chars().all(char::is_alphanumeric) && word.chars().any(|letter| letter.is_ascii_lowercase())
    });
    words
}

fn walk(folder: &Path, into: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.extend(reasons_in(&fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn every_reason_of_the_libraries_is_in_the_closed_list() {
    let operator = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for library in ["salesforce", "replication"] {
        let mut words = Vec::new();
        walk(&operator.join(library).join("src"), &mut words);
        assert!(words.len() > 5, "{library}: {words:?}");
        for word in words {
            assert!(
                word.parse::<Reason>().is_ok(),
                "{library} gives the reason {word}, which crds::Reason does not have"
            );
        }
    }
}
