//! The Helm chart: rendered by the real helm, and given to a real API server.
//!
//! Every way to install it that is tested is a file of values: the samples that are shipped, and those in `chart/values`,
//! which between them touch every value. Each is rendered and compared with what was reviewed (`golden`), taken by an API
//! server (`accepted`), and its arguments by the binary (`arguments`).

use std::path::{Path, PathBuf};

use e2e::{
    binary::Outcome,
    helm::{CHART, Documents, Helm},
};

mod accepted;
mod arguments;
mod golden;
mod life;
mod metadata;
mod monitoring;
mod names;
mod refused;
mod rights;
mod same;

/// The folder beside this file.
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart");

/// The release that the chart's own name needs nothing added to.
const RELEASE: &str = "salesforce-replicator";

/// A way to install the chart.
#[derive(Debug, Clone)]
struct Case {
    name: String,
    /// Values beside the default ones.
    values: Option<PathBuf>,
}

impl Case {
    async fn render(&self, helm: &Helm, namespace: &str) -> Outcome {
        let values = self.values.as_ref().map(|file| file.to_string_lossy().into_owned());
        let arguments: Vec<&str> = values.iter().flat_map(|file| ["--values", file]).collect();
        helm.template(RELEASE, namespace, &arguments).await.exits(0)
    }

    async fn documents(&self, helm: &Helm, namespace: &str) -> Documents {
        Documents::of(&self.render(helm, namespace).await.stdout)
    }
}

/// Files of a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    files.sort();
    files
}

/// All of them.
fn cases() -> Vec<Case> {
    let mut cases = vec![Case {
        name: "default".to_owned(),
        values: None,
    }];
    for folder in [Path::new(CHART).join("samples"), Path::new(HERE).join("values")] {
        cases.extend(files(&folder).into_iter().map(|file| Case {
            name: file.file_stem().expect("a name").to_string_lossy().into_owned(),
            values: Some(file),
        }));
    }
    cases
}

/// The container of the operator.
fn container(documents: &Documents) -> &serde_json::Value {
    let deployments = documents.of_kind("Deployment");
    let [deployment] = deployments[..] else {
        panic!("one deployment: {:?}", documents.names());
    };
    &deployment["spec"]["template"]["spec"]["containers"][0]
}
