//! What was typed.
//!
//! Help teaches: each command says what it is for, when to use it, and shows examples that can be copied. What the
//! arguments mean together (which resource of a file, which secret) is settled elsewhere.

#![expect(
    clippy::doc_markdown,
    reason = "comments on arguments are what --help prints: text, not Markdown"
)]

pub(crate) mod operator;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "salesforce-replicator",
    version,
    about = "Replicates Salesforce objects into a SQL database",
    long_about = "Replicates Salesforce objects into a SQL database: which org, which objects, which fields go to which \
                  columns, which database and how often stands in one resource of kind SalesforceReplicator. On a \
                  Kubernetes cluster the operator does what it says; here a file with the same resource is enough.",
    after_help = "Start here:\n  \
                  salesforce-replicator init > crm.yaml\n  \
                  salesforce-replicator check -f crm.yaml\n  \
                  salesforce-replicator fields Contact -f crm.yaml\n  \
                  salesforce-replicator plan -f crm.yaml\n  \
                  salesforce-replicator preview -f crm.yaml\n  \
                  salesforce-replicator run -f crm.yaml --once",
    after_long_help = LONG_HELP,
    disable_help_subcommand = true,
    propagate_version = true,
    arg_required_else_help = true,
    max_term_width = 120
)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What every command understands.
    #[command(flatten)]
    pub(crate) global: Global,
}

const LONG_HELP: &str = "\
Start here:
  salesforce-replicator init > crm.yaml
  salesforce-replicator check -f crm.yaml
  salesforce-replicator fields Contact -f crm.yaml
  salesforce-replicator plan -f crm.yaml
  salesforce-replicator preview -f crm.yaml
  salesforce-replicator run -f crm.yaml --once

The smallest file:
  apiVersion: salesforce-replicator.io/v1alpha1
  kind: SalesforceReplicator
  metadata: {name: crm}
  spec:
    connection: {auth: {password: {secretRef: {name: crm-salesforce}}}}
    destination: {sqlite: {file: crm.db}}
    objects: [{name: Contact}, {name: Account}]

Its secret, by the environment:
  export SFR_CRM_SALESFORCE_USERNAME=ann@acme.example
  export SFR_CRM_SALESFORCE_PASSWORD=...
  export SFR_CRM_SALESFORCE_SECURITYTOKEN=...

Exit codes:
  0 success                5 Salesforce does not answer, or a limit is reached
  1 a defect               6 the database
  2 wrong usage            7 some objects failed, others did not
  3 an invalid resource    8 deletes are held
  4 credentials            130, 143 stopped by Ctrl-C or SIGTERM";

/// What every command understands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "For every command")]
pub(crate) struct Global {
    /// Tell more on standard error: -v what happens, -vv every call. RUST_LOG, where it is set, decides instead.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// How to print results on standard output.
    #[arg(short, long, value_enum, default_value_t, global = true, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// How to write logs on standard error: auto is text on a terminal, else one JSON object a line.
    #[arg(long, value_enum, default_value_t, global = true, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
    /// Accept http for hosts that are not this machine. For tests and demonstrations: passwords travel in the clear.
    #[arg(long, global = true)]
    pub(crate) allow_http: bool,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs. The shape is stable: members are added, none is renamed.
    Json,
    /// The same members as json.
    Yaml,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a first file, from answers or flags
    Init(Init),
    /// Look at everything that a run needs: login, rights, each object and field, the database. Writes nothing
    Check(Check),
    /// Replicate what a file says, without Kubernetes
    Run(Run),
    /// Show what would be made: tables, columns, indexes, API calls a day; and what is wrong. Writes nothing
    Plan(Plan),
    /// Show some records as Salesforce has them and as the tables would: raw, mapped, URLs. Writes nothing
    Preview(Preview),
    /// List the objects that the user can see
    Objects(Objects),
    /// List the fields of an object that the user can see
    Fields(Fields),
    /// Run the operator: reconcile the SalesforceReplicator resources of a Kubernetes cluster
    Operator(operator::Operator),
    /// Print the CustomResourceDefinition, which also describes every field of the file: as YAML, or with -o json as JSON
    #[command(after_help = "Examples:\n  \
                            salesforce-replicator crd | kubectl apply --server-side -f -\n  \
                            salesforce-replicator crd -o json | jq '.spec.names'")]
    Crd,
    /// List every metric of the operator: name, type, labels, meaning
    #[command(after_help = "Examples:\n  \
                            salesforce-replicator metrics\n  \
                            salesforce-replicator metrics -o json | jq -r '.metrics[].name'")]
    Metrics,
    /// Print a page of the documentation that is made from the code, as Markdown
    #[command(
        hide = true,
        after_help = "Examples:\n  salesforce-replicator reference conditions > docs/conditions.md"
    )]
    Reference {
        /// The page.
        page: Page,
    },
    /// Print a completion script for a shell
    #[command(after_help = "Examples:\n  \
                            source <(salesforce-replicator completions bash)\n  \
                            salesforce-replicator completions zsh > ~/.zfunc/_salesforce-replicator")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Pages of the documentation that are made from the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Page {
    /// What is exported for Prometheus.
    Metrics,
    /// What the status says.
    Conditions,
    /// What may stand in a resource.
    Resource,
}

/// Which resource.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Source {
    /// File with the resource, `-` is standard input. It may hold several documents, Secrets among them; may be given
    /// several times.
    #[arg(short, long = "file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Which resource, where there are several: NAME, or NAMESPACE/NAME.
    #[arg(long, value_name = "NAME", requires = "files")]
    pub(crate) name: Option<String>,
    /// Folder with secrets: DIR/SECRET/KEY, as Kubernetes mounts them.
    #[arg(long, value_name = "DIR")]
    pub(crate) secrets: Option<PathBuf>,
}

/// Replicate what a file says.
#[derive(Debug, Args)]
#[command(after_help = RUN_HELP)]
pub(crate) struct Run {
    /// Which resource.
    #[command(flatten)]
    pub(crate) source: RequiredSource,
    /// Run once and end, whatever the trigger says.
    #[arg(long)]
    pub(crate) once: bool,
    /// With --once: only runs of this kind. An object that was never loaded starts with initial.
    #[arg(long, value_enum, requires = "once")]
    pub(crate) kind: Option<Kind>,
    /// Only this object, by API name; may be given several times.
    #[arg(long = "object", value_name = "OBJECT")]
    pub(crate) objects: Vec<String>,
    /// With --once: let go the deletes that are held, and no more than those; the token is what the run that held them
    /// told. May be given several times.
    #[arg(long, value_name = "OBJECT=TOKEN", requires = "once", value_parser = confirmation)]
    pub(crate) confirm_deletes: Vec<(String, String)>,
    /// Take over the tables of another replicator of the same org, by NAMESPACE/NAME (default/NAME for a file without a
    /// namespace). That one must not run any more.
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = replicator)]
    pub(crate) adopt: Option<String>,
    /// For tests and measurements: rows of a transaction at most, where the database's own number is too many.
    #[arg(long, hide = true, value_name = "ROWS")]
    pub(crate) segment_rows: Option<u64>,
    /// For tests and measurements: rows of a page, 200 to 2000.
    #[arg(long, hide = true, value_name = "ROWS", value_parser = clap::value_parser!(u16).range(200..=2000))]
    pub(crate) page_rows: Option<u16>,
}

/// `Contact=120-0123456789ab`.
fn confirmation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((object, token)) if !object.is_empty() && !token.is_empty() => Ok((object.to_owned(), token.to_owned())),
        _ => Err("write OBJECT=TOKEN, such as Contact=120-0123456789ab".to_owned()),
    }
}

/// `default/crm`.
fn replicator(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(text.to_owned())
        }
        _ => Err("write NAMESPACE/NAME, such as default/crm".to_owned()),
    }
}

const RUN_HELP: &str = "\
Without --once it goes on by the resource's trigger: by interval (5m where none is given) from start to start, or by \
schedule; times that pass during a run are one run. The first run is at once, with a schedule too: a time that passed \
while nothing ran cannot be told from none, and is one run as well. A resource with nothing but trigger.manual runs once. \
A resource that is suspended (spec.suspend) is not run, with --once neither: that is said, and the exit code is 0.

Files and secrets are read once, at the start; what changes in them later, a new password too, needs a new start. What \
the org has is read at the start, and again before an object is tried that failed for what the resource asks for.

Secrets come from documents of kind Secret in the files, else from --secrets DIR, else from the environment: \
SFR_<SECRET>_<KEY> in upper case, other characters as _. The file of a sqlite destination lies in the working folder.

A tick brings what changed, and then what is due of: verify (late commits and hard deletes, each hour), reconcile \
(all Ids compared, each day), refresh (every record read again, each day or week). --once --kind asks for one of them.

Deletes that are more than spec.consistency.maxDeletePercent of a table within 24 hours are held: the rows stay, the run \
says the token that lets them go, and ends with exit code 8.

Ctrl-C and SIGTERM roll back what is not committed and stop; the next run goes on from there.

Examples:
  salesforce-replicator run -f crm.yaml --once
  salesforce-replicator run -f crm.yaml -f secrets.yaml --object Contact --object Account
  salesforce-replicator run -f crm.yaml --once --kind reconcile
  salesforce-replicator run -f crm.yaml --once --confirm-deletes Contact=120-0123456789ab
  kubectl get sfr crm -o yaml | salesforce-replicator run -f - --secrets /run/secrets --once -o json";

/// Which resource, and one has to be there.
#[derive(Debug, Clone, Args)]
#[command(group = clap::ArgGroup::new("required-source").args(["files"]).required(true).multiple(true))]
pub(crate) struct RequiredSource {
    /// The same arguments.
    #[command(flatten)]
    pub(crate) source: Source,
}

/// Kinds of run that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// All records, where the first load is not complete.
    Initial,
    /// What changed since the last run.
    Incremental,
    /// Late commits and hard deletes, by Salesforce's log of changes.
    Verify,
    /// All Ids and stamps compared with the table.
    Reconcile,
    /// Every record read again.
    Refresh,
}

/// Write a first file.
#[derive(Debug, Args)]
#[command(after_help = "\
Asks on a terminal for what no flag says; the file goes to standard output and the questions to standard error. It holds \
no secret: it names Secrets, and its comments say which keys they need.

With a user and a password (SFR_PASSWORD and SFR_SECURITY_TOKEN in the environment, or typed when asked) the org is asked \
which objects it has. Without them nothing is looked up.

Examples:
  salesforce-replicator init > crm.yaml
  salesforce-replicator init --yes --object Contact --object Account --file crm.db > crm.yaml
  salesforce-replicator init --yes --name people --namespace telephony --database postgres > people.yaml")]
pub(crate) struct Init {
    /// Ask nothing: what no flag says has its default.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Name of the resource; the names of its Secrets begin with it. Default: crm.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Its namespace on a Kubernetes cluster. Default: that of kubectl.
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Where to log in. Default: https://login.salesforce.com.
    #[arg(long, value_name = "URL", env = "SFR_LOGIN_URL")]
    pub(crate) login_url: Option<String>,
    /// As whom. It stands in a comment only: the Secret has it.
    #[arg(long, value_name = "USER")]
    pub(crate) username: Option<String>,
    /// An object, by API name; may be given several times. Default: Contact and Account.
    #[arg(long = "object", value_name = "OBJECT")]
    pub(crate) objects: Vec<String>,
    /// The database. Default: sqlite, or postgres with --schema.
    #[arg(long, value_enum)]
    pub(crate) database: Option<Database>,
    /// The schema in PostgreSQL. Default: salesforce.
    #[arg(long, value_name = "SCHEMA", conflicts_with = "file")]
    pub(crate) schema: Option<String>,
    /// The file of SQLite. Default: the resource's name with .db.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<String>,
    /// How often, from start to start. Default: 5m.
    #[arg(long, value_name = "PERIOD")]
    pub(crate) interval: Option<String>,
}

/// Databases that a first file can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Database {
    /// PostgreSQL 13 or newer.
    Postgres,
    /// A file.
    Sqlite,
}

/// Look at everything that a run needs.
#[derive(Debug, Args)]
#[command(after_help = "\
Logs in, asks what the user may see, looks at each object and field, sends each `where` with a limit of one record, and \
reads the database's catalogue. Where something is wrong it goes on with the rest, and tells all of it at once: what is \
wrong, and how to mend it. The exit code is that of the worst finding; a warning is none.

Examples:
  salesforce-replicator check -f crm.yaml
  salesforce-replicator check -f crm.yaml --secrets /run/secrets
  salesforce-replicator check -f crm.yaml -o json | jq -r '.findings[] | select(.verdict == \"Problem\") | .message'")]
pub(crate) struct Check {
    /// Which resource.
    #[command(flatten)]
    pub(crate) source: RequiredSource,
}

/// Show what would be made.
#[derive(Debug, Args)]
#[command(after_help = "\
Logs in and reads describes, which costs a few API calls, and looks at no record. Everything that is wrong is listed \
at once.

Examples:
  salesforce-replicator plan -f crm.yaml
  salesforce-replicator plan -f crm.yaml -o json | jq -r '.objects[].ddl[]'")]
pub(crate) struct Plan {
    /// Which resource.
    #[command(flatten)]
    pub(crate) source: RequiredSource,
}

/// Show some records.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  salesforce-replicator preview -f crm.yaml
  salesforce-replicator preview -f crm.yaml --object Contact --rows 3
  salesforce-replicator preview -f crm.yaml --object Contact -o json | jq '.objects[0].rows[0]'")]
pub(crate) struct Preview {
    /// Which resource.
    #[command(flatten)]
    pub(crate) source: RequiredSource,
    /// Only this object, by API name; may be given several times.
    #[arg(long = "object", value_name = "OBJECT")]
    pub(crate) objects: Vec<String>,
    /// How many records of each object.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) rows: u16,
}

/// Whom to ask about objects and fields: the resource's org, or one that is named here.
#[derive(Debug, Clone, Args)]
#[command(group = clap::ArgGroup::new("org").args(["files", "username"]).required(true).multiple(false))]
pub(crate) struct Org {
    /// A resource's connection.
    #[command(flatten)]
    pub(crate) source: Source,
    /// Where to log in.
    #[arg(
        long,
        value_name = "URL",
        env = "SFR_LOGIN_URL",
        default_value = crds::Connection::DEFAULT_LOGIN_URL,
        help_heading = "Without a file"
    )]
    pub(crate) login_url: String,
    /// As whom. The password comes from the environment, SFR_PASSWORD, and the security token from SFR_SECURITY_TOKEN.
    #[arg(
        long,
        value_name = "USER",
        conflicts_with = "secrets",
        help_heading = "Without a file"
    )]
    pub(crate) username: Option<String>,
}

/// List objects.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  salesforce-replicator objects -f crm.yaml
  salesforce-replicator objects account -f crm.yaml
  SFR_PASSWORD=... salesforce-replicator objects --username ann@acme.example")]
pub(crate) struct Objects {
    /// Only objects with this text in name or label, in any case.
    #[arg(value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Whom to ask.
    #[command(flatten)]
    pub(crate) org: Org,
    /// Also objects that cannot be replicated.
    #[arg(long)]
    pub(crate) all: bool,
}

/// List fields.
#[derive(Debug, Args)]
#[command(after_help = "\
A field of a parent one level up is written with the relationship's name, such as Account.Name.

Examples:
  salesforce-replicator fields Contact -f crm.yaml
  salesforce-replicator fields Contact phone --username ann@acme.example
  salesforce-replicator fields Account -f crm.yaml -o json | jq -r '.fields[].name'")]
pub(crate) struct Fields {
    /// The object, by API name.
    pub(crate) object: String,
    /// Only fields with this text in name, label or type, in any case.
    #[arg(value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Whom to ask.
    #[command(flatten)]
    pub(crate) org: Org,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(std::iter::once("salesforce-replicator").chain(line.split_whitespace()))
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_that_takes_options_shows_examples() {
        for command in Arguments::command().get_subcommands() {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Examples:"), "{}", command.get_name());
        }
    }

    #[test]
    fn run_takes_files_objects_and_a_kind_of_once() {
        let arguments =
            parse("run -f a.yaml -f - --object Contact --object Lead --once --kind initial -o json -vv").unwrap();
        assert_eq!((arguments.global.output, arguments.global.verbose), (Format::Json, 2));
        let Command::Run(run) = arguments.command else {
            panic!("not run")
        };
        assert_eq!(run.source.source.files, [PathBuf::from("a.yaml"), PathBuf::from("-")]);
        assert_eq!(run.objects, ["Contact", "Lead"]);
        assert_eq!((run.once, run.kind), (true, Some(Kind::Initial)));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for line in [
            "",
            "run",
            "run -f a.yaml --kind initial",
            "run -f a.yaml --once --kind sometimes",
            "run -f a.yaml --confirm-deletes Contact=1-0123456789ab",
            "run -f a.yaml --once --confirm-deletes Contact",
            "run -f a.yaml --once --adopt crm",
            "plan --name crm",
            "check",
            "init --schema a --file b",
            "init --database mysql",
            "preview -f a.yaml --rows 0",
            "preview -f a.yaml --rows 201",
            "objects",
            "objects -f a.yaml --username ann",
            "objects --username ann --secrets dir",
            "fields Contact --username ann --secrets dir",
            "fields -f a.yaml",
            "crd extra",
            "completions tcsh",
            "run -f a.yaml -o xml",
            "run -f a.yaml --password hunter2",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn discovery_takes_a_file_or_a_user() {
        for line in [
            "objects -f a.yaml",
            "objects acc --username ann --all",
            "fields Contact phone -f a.yaml",
            "objects -f a.yaml --secrets dir",
        ] {
            parse(line).unwrap();
        }
    }
}
