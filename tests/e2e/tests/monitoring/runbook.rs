//! The runbook: a section for each alert, and no command that does not exist.

use e2e::{control_plane::ControlPlane, operator::Site};
use tokio::process::Command;

use super::{alerts, docs};

/// The sections, by their headings.
fn sections() -> Vec<(String, String)> {
    let page = docs("runbook.md");
    let sections = page.split("\n## ").skip(1);
    sections
        .map(|section| {
            let (heading, text) = section.split_once('\n').unwrap();
            (heading.to_owned(), text.to_owned())
        })
        .collect()
}

#[test]
fn each_alert_leads_to_a_section_that_says_what_to_do() {
    let (page, sections) = (docs("runbook.md"), sections());
    let headings: Vec<&str> = sections.iter().map(|(heading, _)| heading.as_str()).collect();
    let names: Vec<String> = alerts().into_iter().map(|alert| alert.name).collect();
    assert_eq!(headings, names, "a section for each, in the order of the rules");
    for alert in alerts() {
        let anchor = alert.name.to_ascii_lowercase();
        let url = alert.rule["annotations"]["runbook_url"].as_str().unwrap();
        assert!(url.ends_with(&format!("/docs/runbook.md#{anchor}")), "{url}");
        let severity = alert.rule["labels"]["severity"].as_str().unwrap();
        let row = format!("| [{}](#{anchor}) | {severity} | ", alert.name);
        assert!(page.contains(&row), "{row}");
        let (_, text) = sections.iter().find(|(heading, _)| *heading == alert.name).unwrap();
        for paragraph in ["**What it means.**", "**What to look at.**", "**What to do.**"] {
            assert_eq!(text.matches(paragraph).count(), 1, "{}: {paragraph}", alert.name);
        }
    }
}

/// The lines of the blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let page = docs("runbook.md");
    let mut lines: Vec<String> = page
        .split("```")
        .filter_map(|block| block.strip_prefix(&format!("{language}\n")))
        .flat_map(str::lines)
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines.dedup();
    assert!(!lines.is_empty(), "{language}");
    lines
}

/// Commands that wait, or speak of pods, which the control plane of the tests has none of.
fn needs_a_node(command: &str) -> bool {
    command.starts_with("kubectl logs") || command.ends_with(" -w")
}

/// Runs what the runbook says about one resource of the site, whose database and deletes are there.
pub(super) async fn runs(site: &Site, plane: &ControlPlane, object: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(e2e::binary::path(), folder.path().join("kubectl-sfr")).unwrap();
    let kubectl = plane.admin().kubectl_command(&[]).as_std().get_program().to_owned();
    std::os::unix::fs::symlink(kubectl, folder.path().join("kubectl")).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    for line in blocks("console").into_iter().filter(|line| !needs_a_node(line)) {
        let command = line
            .replace("SECRET", "another")
            .replace("NAMESPACE", &site.namespace)
            .replace("NAME", site.name())
            .replace("OBJECT", object)
            // The operator of this site lives in its namespace.
            .replace("-n salesforce-replicator", &format!("-n {}", site.namespace));
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", &command])
            .env("PATH", &path)
            .env("KUBECONFIG", &plane.admin().kubeconfig)
            .envs([("KUBECACHEDIR", "/dev/null"), ("KUBERC", "off")])
            .kill_on_drop(true);
        // Nobody answers the question of confirm-deletes.
        let output = shell.stdin(std::process::Stdio::null()).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let asks = command.contains("confirm-deletes");
        assert!(output.status.success() != asks, "{command}: {said}");
        assert!(!asks || said.contains("--yes"), "{command}: {said}");
    }
    for line in blocks("sql") {
        let rows = site.stage.database().query(&line.replace("OBJECT", object)).await;
        assert!(!rows.is_empty(), "{line}");
    }
}
