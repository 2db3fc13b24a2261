//! The documentation is true: each command of it is run.
//!
//! A page is played from its first block to its last ([`scene`]): commands by bash, SQL by the database, files are
//! written, and what a page shows as output has to come. What follows the word behind a fence, which a reader does not see, says how:
//!
//! | fence | what happens |
//! | --- | --- |
//! | `console` | bash runs it, in the folder of the page |
//! | `console until=WORD` | it does not end by itself: it runs until it has printed the word |
//! | `console exit=8` | it has to end with this exit code |
//! | `console before=mass-delete` | something happens in the org before |
//! | `sql db=NAME as=ROLE` | psql runs it; without more in the database `crm` as its administrator |
//! | `sql sqlite=FILE` | sqlite3 runs it |
//! | `sql setup` | it is played before other pages too: it makes what they connect to |
//! | `yaml` | an API server takes it, in a dry run |
//! | `yaml file=NAME` | it is written to the file, which a command behind it uses |
//! | `text` or nothing | what the block before it prints, digits and blanks aside |
//!
//! A command that takes minutes, or needs more than a control plane, is in the table of [`elsewhere`] with the file that
//! runs it. Code within a line that is a command has to be one that some block runs. So a new command without a test fails one.

mod demonstrations;
mod elsewhere;
mod page;
mod scene;

use std::{collections::BTreeSet, path::Path};

use crds::Reason;
use e2e::control_plane::ControlPlane;

use self::{
    elsewhere::ELSEWHERE,
    page::{Block, Page, ROOT},
    scene::{Scene, Start},
};

/// Programs that a line of code is a call of.
const PROGRAMS: &[&str] = &[
    "salesforce-replicator",
    "kubectl",
    "helm",
    "make",
    "cargo",
    "psql",
    "pg_dump",
    "pg_restore",
    "sqlite3",
    "curl",
    "git",
    "docker",
    "podman",
    "jq",
    "promtool",
];

macro_rules! played {
    ($($name:ident: $page:literal, $start:ident;)+) => {
        /// Pages with commands.
        const PLAYED: &[&str] = &[$($page),+];

        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                Box::pin(play($page, Start::$start)).await;
            }
        )+
    };
}

played! {
    readme: "README.md", Cluster;
    install: "docs/install.md", Cluster;
    salesforce: "docs/salesforce.md", File;
    destinations: "docs/destinations.md", Server;
    replication: "docs/replication.md", File;
    sizing: "docs/sizing.md", File;
    operations: "docs/operations.md", Replicator;
    troubleshooting: "docs/troubleshooting.md", Replicator;
    security: "docs/security.md", Replicator;
}

/// Pages whose blocks another test runs, with its file. `kubectl logs` needs a pod that runs, which no control plane has.
const PLAYED_BY: &[(&str, &str)] = &[("docs/runbook.md", "tests/e2e/tests/monitoring/runbook.rs")];

/// Every page: those beside the README, and all of `docs`. The changelog tells what was.
fn pages() -> Vec<Page> {
    let mut names: Vec<String> = ["", "docs/"]
        .iter()
        .flat_map(|folder| {
            let files = std::fs::read_dir(Path::new(ROOT).join(folder)).expect("a folder");
            let paths = files.map(|file| file.expect("a file").path());
            let pages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
            pages.filter_map(move |path| Some(format!("{folder}{}", path.file_name()?.to_string_lossy())))
        })
        .filter(|name| name != "CHANGELOG.md")
        .collect();
    names.sort();
    names.iter().map(|name| Page::read(name)).collect()
}

async fn play(name: &str, start: Start) {
    let page = Page::read(name);
    let scene = Scene::new(start).await;
    let mut printed: Option<String> = None;
    for block in &page.blocks {
        let place = format!("{name}:{}", block.line);
        if let ("text" | "", Some(printed)) = (block.language.as_str(), &printed) {
            assert_shown(&place, &block.text, printed);
            continue;
        }
        // The place is told where the block fails, and only there.
        println!("{place}");
        let output = scene.play(block).await;
        printed = matches!(block.language.as_str(), "console" | "sql").then_some(output);
    }
    Box::pin(scene.end()).await;
}

/// That what a page shows came: each line of it, whatever the numbers and the blanks.
fn assert_shown(place: &str, shown: &str, printed: &str) {
    let came: BTreeSet<String> = printed.lines().map(shape).collect();
    for line in shown
        .lines()
        .filter(|line| !line.trim().is_empty() && line.trim() != "...")
    {
        assert!(
            came.contains(&shape(line)),
            "{place}: {line:?} did not come, but:\n{printed}"
        );
    }
}

/// A line without what differs from run to run: the number of blanks, numbers, and the units of times.
fn shape(line: &str) -> String {
    let is_time = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_digit())
            && word
                .chars()
                .all(|character| character.is_ascii_digit() || "smhd".contains(character))
    };
    let words = line.split_whitespace().map(|word| {
        if is_time(word) {
            return "0".to_owned();
        }
        let parts = word.split(|character: char| character.is_ascii_digit());
        // Runs of digits are split into empty parts.
        parts.enumerate().fold(String::new(), |shape, (number, part)| {
            let zero = if number > 0 && !shape.ends_with('0') { "0" } else { "" };
            shape + zero + part
        })
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The lines of a block that are run here, as they stand.
fn without_elsewhere(block: &Block) -> String {
    let here = block
        .lines()
        .into_iter()
        .filter(|line| !is_elsewhere(&page::command(line)));
    here.map(|line| line + "\n").collect()
}

fn is_elsewhere(command: &str) -> bool {
    ELSEWHERE.iter().any(|elsewhere| elsewhere.command == command)
}

/// Whether a line of code calls one of our programs with something behind it.
fn is_command(code: &str) -> bool {
    let mut words = code.split_whitespace();
    let program = words.next().unwrap_or_default();
    words.next().is_some() && (PROGRAMS.contains(&program) || program.starts_with("scripts/"))
}

#[test]
fn every_block_is_of_a_kind_that_is_run_and_every_page_with_commands_is_played() {
    for page in pages() {
        let played = PLAYED.contains(&page.name.as_str()) || PLAYED_BY.iter().any(|(name, _)| *name == page.name);
        for block in &page.blocks {
            let place = format!("{}:{}", page.name, block.line);
            let known: &[&str] = match block.language.as_str() {
                "console" => &["until", "exit", "before"],
                "sql" => &["db", "as", "sqlite", "setup"],
                "yaml" => &["file"],
                "text" | "" => &[],
                other => panic!("{place}: nothing here runs {other:?}"),
            };
            for word in block.word_names() {
                assert!(
                    known.contains(&word),
                    "{place}: {word} says nothing to {}",
                    block.language
                );
            }
            let needs_a_scene = matches!(block.language.as_str(), "console" | "sql") || block.word("file").is_some();
            let runs_here = !block.is_commands() || block.commands().iter().any(|command| !is_elsewhere(command));
            assert!(
                played || !needs_a_scene || !runs_here,
                "{place}: the page is not among those that are played"
            );
            if matches!(block.language.as_str(), "text" | "") {
                let command = block
                    .text
                    .lines()
                    .find(|line| is_command(line.trim_start_matches("$ ")));
                assert_eq!(command, None, "{place}: a command in a block that is not run");
            }
        }
    }
}

#[test]
fn commands_within_lines_are_those_that_are_run() {
    let pages = pages();
    let mut run: Vec<String> = ELSEWHERE.iter().map(|elsewhere| elsewhere.command.to_owned()).collect();
    let blocks = pages
        .iter()
        .flat_map(|page| &page.blocks)
        .filter(|block| block.is_commands());
    run.extend(blocks.flat_map(Block::commands));
    // Each part of a pipeline is a command of its own.
    let run: Vec<Vec<&str>> = run
        .iter()
        .flat_map(|command| command.split(['|', ';', '&']))
        .map(|command| command.split_whitespace().collect())
        .collect();
    let stands_for_anything = |word: &str| {
        word.chars()
            .all(|c| c.is_ascii_uppercase() || matches!(c, '_' | '<' | '>'))
    };
    let mut unknown = Vec::new();
    for page in &pages {
        for (line, code) in page.spans.iter().filter(|(_, code)| is_command(code)) {
            let is_run = code.split('|').all(|part| {
                let words: Vec<&str> = part.split_whitespace().collect();
                run.iter().any(|command| {
                    words.len() <= command.len()
                        && words
                            .iter()
                            .zip(command)
                            .all(|(word, other)| word == other || stands_for_anything(word))
                })
            });
            if !is_run {
                unknown.push(format!("{}:{line}: {code}", page.name));
            }
        }
    }
    assert!(
        unknown.is_empty(),
        "no block runs these, and the table of elsewhere has none of them:\n{}",
        unknown.join("\n")
    );
}

#[test]
fn what_is_run_elsewhere_is_run_there() {
    for (page, by) in PLAYED_BY {
        let file = std::fs::read_to_string(Path::new(ROOT).join(by)).expect(by);
        let name = page.rsplit('/').next().expect("a name");
        assert!(file.contains(name), "{by} does not read {page}");
    }
    let all: Vec<String> = pages()
        .iter()
        .flat_map(|page| &page.blocks)
        .flat_map(Block::commands)
        .collect();
    let spans: Vec<String> = pages()
        .iter()
        .flat_map(|page| &page.spans)
        .map(|(_, code)| code.clone())
        .collect();
    for elsewhere in ELSEWHERE {
        let command = elsewhere.command;
        let is_documented = all.iter().chain(&spans).any(|documented| documented == command);
        assert!(is_documented, "{command}: no page has it, so the table need not");
        let file = std::fs::read_to_string(Path::new(ROOT).join(elsewhere.by)).expect(elsewhere.by);
        let is_there = file.lines().any(|line| line.trim() == elsewhere.line);
        assert!(
            is_there,
            "{} does not run {command}: it has no line {:?}",
            elsewhere.by, elsewhere.line
        );
    }
}

#[tokio::test]
async fn every_resource_of_a_page_is_accepted() {
    let admin = ControlPlane::shared().await.admin();
    for page in pages() {
        for block in page.blocks.iter().filter(|block| block.language == "yaml") {
            let place = format!("{}:{}", page.name, block.line);
            let is_applied = block.text.contains("kind:") && !block.text.contains("kind: Kustomization");
            if !is_applied {
                let file = block
                    .word("file")
                    .unwrap_or_else(|| panic!("{place}: neither a resource nor a file"));
                let folder = file.rsplit_once('/').map_or(file, |(folder, _)| folder);
                let used = page
                    .blocks
                    .iter()
                    .filter(|other| other.line > block.line && other.is_commands());
                let is_used = used.flat_map(Block::commands).any(|command| {
                    command.contains(file)
                        || command
                            .split_whitespace()
                            .any(|word| word.trim_end_matches('/') == folder)
                });
                assert!(is_used, "{place}: no command behind it uses {file}");
                continue;
            }
            let folder = tempfile::tempdir().expect("there is room");
            let path = folder.path().join("page.yaml");
            std::fs::write(&path, &block.text).expect("a file");
            let apply = [
                "apply",
                "--dry-run=server",
                "--validate=strict",
                "-f",
                &path.to_string_lossy(),
            ];
            let outcome = admin.kubectl(&apply).await;
            assert_eq!(outcome.code, Some(0), "{place}: {}", outcome.stderr);
        }
    }
}

#[test]
fn links_lead_somewhere() {
    let pages = pages();
    for page in &pages {
        for (line, link) in &page.links {
            let place = format!("{}:{line}", page.name);
            if link.starts_with("https://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = Path::new(&page.name).parent().expect("a folder");
            let target = if file.is_empty() {
                Path::new(&page.name).to_owned()
            } else {
                folder.join(file)
            };
            let path = Path::new(ROOT).join(&target);
            assert!(path.exists(), "{place}: {link} leads nowhere");
            if !anchor.is_empty() {
                let there = Page::parse("", &std::fs::read_to_string(&path).expect("a page"));
                assert!(
                    there.anchors().contains(anchor),
                    "{place}: {file} has no heading #{anchor}"
                );
            }
        }
    }
}

#[test]
fn every_reason_has_an_entry_and_the_index_every_page() {
    let troubleshooting = Page::read("docs/troubleshooting.md");
    let text = std::fs::read_to_string(Path::new(ROOT).join("docs/troubleshooting.md")).expect("the page");
    for reason in Reason::ALL {
        let entries = text.matches(&format!("\n| `{reason}` |")).count()
            + troubleshooting
                .headings
                .iter()
                .filter(|heading| heading.as_str() == reason.as_str())
                .count();
        assert_eq!(entries, 1, "{reason}");
    }
    let index = Page::read("docs/README.md");
    for page in pages()
        .iter()
        .filter_map(|page| page.name.strip_prefix("docs/"))
        .filter(|page| *page != "README.md")
    {
        let lines = index.links.iter().filter(|(_, link)| link == page).count();
        assert_eq!(lines, 1, "docs/README.md has {lines} lines for {page}");
    }
}
