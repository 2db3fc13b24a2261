//! Commands of the documentation that no page's scene runs: they take minutes, build, or are what runs the tests. Each names a file
//! that runs it, and the line there that does.

/// A command, and who runs it.
pub(crate) struct Elsewhere {
    /// The command, as a page has it.
    pub(crate) command: &'static str,
    /// The file, from the repository.
    pub(crate) by: &'static str,
    /// A line of that file.
    pub(crate) line: &'static str,
}

const fn run(command: &'static str, by: &'static str, line: &'static str) -> Elsewhere {
    Elsewhere { command, by, line }
}

/// Runs what takes long, as the documentation has it. Whoever makes a release starts it.
const LONG: &str = "scripts/test-commands";

/// What `make test` has before the tests.
const CHECK: &str = "check: compiler fmt-check lint deny alerts drift ## the cheap checks alone";

const DEMONSTRATIONS: &str = "tests/e2e/tests/docs/demonstrations.rs";

/// All of them.
pub(crate) const ELSEWHERE: &[Elsewhere] = &[
    run("make test", ".ci/run", "make test"),
    run("make test-cluster", ".ci/run", "make test-cluster"),
    run("make image", "tests/cluster/run", "image=$(scripts/image)"),
    run(
        "make image IMAGE=registry.example.com/salesforce-replicator:0.1.0",
        LONG,
        "make image IMAGE=registry.example.com/salesforce-replicator:0.1.0",
    ),
    // There is no registry to copy it to.
    run(
        "skopeo copy oci-archive:target/image/salesforce-replicator-0.1.0-amd64.tar docker://registry.example.com/salesforce-replicator:0.1.0",
        LONG,
        "skopeo copy \"oci-archive:$(ls -t target/image/salesforce-replicator-*.tar | head -n 1)\" \"dir:$folder/image\"",
    ),
    run("make demo", DEMONSTRATIONS, "make(\"demo\").await;"),
    run(
        "make demo-kubernetes",
        DEMONSTRATIONS,
        "make(\"demo-kubernetes\").await;",
    ),
    run("make deny", "Makefile", CHECK),
    run("make drift", "Makefile", CHECK),
    run("make test-commands", "Makefile", "scripts/test-commands"),
    run("make test-image", "Makefile", "tests/cluster/same-image"),
    run("make install", LONG, "make install"),
    run("make sbom", LONG, "make sbom"),
    run("make licenses", LONG, "make licenses"),
    run("make advisories", LONG, "make advisories"),
    run("make generate", LONG, "make generate"),
    run("make measure", LONG, "make measure"),
    run("make measure-operator", LONG, "make measure-operator"),
    run("make test-long", LONG, "make test-long"),
    run(
        "make test-rust ARGS=\"--package replication guard\"",
        LONG,
        "make test-rust ARGS=\"--package replication guard\"",
    ),
];
