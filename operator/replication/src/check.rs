//! Everything that could keep a resource from working, looked at once and told as a list.
//!
//! A run ends at the first thing that is wrong, and whoever mends it meets the next one. A check goes on instead: what one
//! step needs of another that failed is skipped and said to be, all else is looked at. It asks Salesforce what a run would
//! ask before its first record (login, describe, the user's rights), really sends the query of each object, with a limit of one
//! record, and reads the destination's catalogue and state. It writes nothing: no table, no state, no file.
//!
//! What an administrator has to mend is a [`Verdict::Problem`]; what works, though not as somebody may expect, a
//! [`Verdict::Warning`].

use std::{collections::BTreeMap, sync::Arc};

use crds::{Connection, ObjectSpec, SalesforceReplicatorSpec};
use salesforce::{ApiUsage, Client, ErrorKind, OrgInfo, QueryScope};
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::{
    Error, Problems, Result,
    connect::{self, Options, Secrets},
    destination::{
        Capabilities, Destination, ObjectTable,
        postgres::{Postgres, PostgresConfig},
        sqlite::Sqlite,
    },
    guard::HeldDeletes,
    plan::{self, Identifier, ObjectName, ObjectPlan, Plan, Schema, Unplanned},
    progress::RunKind,
    replicator::{Outlook, outlook},
    retry::Retries,
    soql,
    state::{Owner, Phase, State},
    visibility::{Sight, visibility},
};

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verdict {
    /// It is as it should be.
    Passed,
    /// It could not be looked at, since something that it needs is wrong.
    Skipped,
    /// It works, and there is something to know.
    Warning,
    /// It has to be mended.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What came of it.
    pub verdict: Verdict,
    /// What was looked at: an object by API name, or `Settings`, `Secrets`, `Login`, `API usage`, `Destination`.
    pub subject: String,
    /// What is wrong and how to mend it, or what is well.
    pub message: String,
    /// The CamelCase word of a problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Who can mend it.
    #[serde(skip)]
    pub kind: Option<ErrorKind>,
}

/// Everything that was looked at, in the order of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkup {
    /// Problems, warnings, and what is well.
    pub findings: Vec<Finding>,
}

impl Checkup {
    /// How many findings have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.verdict == verdict)
            .count()
    }

    fn add(&mut self, verdict: Verdict, subject: &str, message: impl Into<String>) {
        self.findings.push(Finding {
            verdict,
            subject: subject.to_owned(),
            message: message.into(),
            reason: None,
            kind: None,
        });
    }

    fn failed(&mut self, subject: &str, error: &Error) {
        if let Error::Plan(Problems(problems)) = error {
            for problem in problems {
                self.problem(subject, problem, error);
            }
        } else {
            self.problem(subject, &error.message(), error);
        }
    }

    fn problem(&mut self, subject: &str, message: &str, error: &Error) {
        self.findings.push(Finding {
            verdict: Verdict::Problem,
            subject: subject.to_owned(),
            message: message.to_owned(),
            reason: Some(error.reason()),
            kind: Some(error.kind()),
        });
    }
}

/// Looks at everything. Never fails: what cannot be looked at is a finding. Cancel safe; some ten calls to Salesforce, and one
/// for each object.
pub async fn check(spec: &SalesforceReplicatorSpec, secrets: &dyn Secrets, options: &Options) -> Checkup {
    let environment = &options.environment;
    let mut examination = Examination {
        spec,
        secrets,
        options,
        retries: Retries::new(Arc::clone(&environment.clock), Arc::clone(&environment.random)),
        checkup: Checkup::default(),
    };
    examination.settings();
    let complete = examination.secrets();
    let org = if complete.salesforce {
        Box::pin(examination.org()).await
    } else {
        examination
            .checkup
            .add(Verdict::Skipped, LOGIN, "secrets are missing, so nobody could log in");
        None
    };
    let opened = examination.open(complete.destination).await;
    match opened {
        Some(Opened::Postgres(postgres)) => {
            examination.ready("PostgreSQL", postgres.readiness().await);
            Box::pin(examination.with(org, &postgres)).await;
        }
        Some(Opened::Sqlite(sqlite)) => {
            examination.ready("SQLite", sqlite.readiness().await);
            Box::pin(examination.with(org, &sqlite)).await;
        }
        None => Box::pin(examination.without_destination(org)).await,
    }
    examination.checkup
}

const SETTINGS: &str = "Settings";
const SECRETS: &str = "Secrets";
const LOGIN: &str = "Login";
const USAGE: &str = "API usage";
const DESTINATION: &str = "Destination";

/// The org as far as it could be asked.
struct Org {
    client: Client,
    info: OrgInfo,
    schema: Schema,
}

/// Which secrets are there.
struct Complete {
    salesforce: bool,
    destination: bool,
}

/// A destination without a plan.
enum Opened {
    Postgres(Postgres),
    Sqlite(Sqlite),
}

struct Examination<'a> {
    spec: &'a SalesforceReplicatorSpec,
    secrets: &'a dyn Secrets,
    options: &'a Options,
    retries: Retries,
    checkup: Checkup,
}

impl Examination<'_> {
    fn settings(&mut self) {
        match plan::check_settings(self.spec) {
            Ok(()) => self
                .checkup
                .add(Verdict::Passed, SETTINGS, "nothing contradicts itself"),
            Err(problems) => self.checkup.failed(SETTINGS, &Error::Plan(problems)),
        }
    }

    /// All keys that are missing, at once.
    fn secrets(&mut self) -> Complete {
        let Connection {
            auth, ca_secret_ref, ..
        } = &self.spec.connection;
        let crds::Destination {
            postgres,
            mysql: _,
            sqlite: _,
            ca_secret_ref: database_ca,
        } = &self.spec.destination;
        let user = auth.password.as_ref().map(|password| password.secret_ref.name.as_str());
        let mut salesforce: Vec<(&str, &str)> = user
            .into_iter()
            .flat_map(|name| [(name, "username"), (name, "password")])
            .collect();
        salesforce.extend(ca_secret_ref.iter().map(|ca| (ca.name.as_str(), ca.key.as_str())));
        let url = postgres.as_ref().map(|postgres| &postgres.secret_ref);
        let mut database: Vec<(&str, &str)> = url.iter().map(|url| (url.name.as_str(), url.key.as_str())).collect();
        database.extend(database_ca.iter().map(|ca| (ca.name.as_str(), ca.key.as_str())));
        let complete = Complete {
            salesforce: self.are_there(&salesforce),
            destination: self.are_there(&database),
        };
        if complete.salesforce && complete.destination {
            self.checkup.add(Verdict::Passed, SECRETS, "every key is there");
        }
        complete
    }

    fn are_there(&mut self, keys: &[(&str, &str)]) -> bool {
        let mut complete = true;
        for (name, key) in keys {
            if let Err(error) = connect::required(self.secrets, name, key) {
                self.checkup.failed(SECRETS, &error);
                complete = false;
            }
        }
        complete
    }

    /// Login, usage, describes, rights.
    async fn org(&mut self) -> Option<Org> {
        let client = match connect::client(&self.spec.connection, self.secrets, self.options) {
            Ok(client) => client,
            Err(error) => {
                self.checkup.failed(LOGIN, &error);
                return None;
            }
        };
        let info = match self.retries.call(|| client.org()).await {
            Ok(info) => info,
            Err(error) => {
                self.checkup.failed(LOGIN, &error.into());
                return None;
            }
        };
        let text = format!(
            "{} in {} {} at {}",
            info.user_name,
            info.organization_name,
            info.organization_id,
            info.instance_url.as_str().trim_end_matches('/')
        );
        self.checkup.add(Verdict::Passed, LOGIN, text);
        let schema = connect::describe(&client, &self.retries, self.spec).await;
        self.usage(client.api_usage());
        let schema = match schema {
            Ok(schema) => schema,
            Err(error) => {
                self.checkup.failed(LOGIN, &error);
                return None;
            }
        };
        self.rights(&client, &info, &schema).await;
        Some(Org { client, info, schema })
    }

    fn usage(&mut self, usage: Option<ApiUsage>) {
        let Some(ApiUsage { used, limit }) = usage else { return };
        let budget = u64::try_from(self.spec.connection.api_budget_percent).unwrap_or_default();
        let text = format!("{used} of {limit} calls in 24 hours");
        if used.saturating_mul(100) < limit.saturating_mul(budget) {
            self.checkup.add(Verdict::Passed, USAGE, text);
        } else {
            let consequence = format!(
                "{text}, by anybody: from {budget} % on (connection.apiBudgetPercent) first loads and comparisons wait, from 95 % on everything does; find out who \
                 uses them (Setup, System Overview, API Usage), or buy more"
            );
            self.checkup.add(Verdict::Warning, USAGE, consequence);
        }
    }

    /// Whether the user sees every record of the objects that there are.
    async fn rights(&mut self, client: &Client, info: &OrgInfo, schema: &Schema) {
        let objects = plan::objects_needed(self.spec, schema);
        let seen = visibility(client, &self.retries, &info.user_id, &objects).await;
        for (object, sight) in seen.iter() {
            match sight.message(object) {
                None => self
                    .checkup
                    .add(Verdict::Passed, object.as_str(), "the user sees every record"),
                Some(message) => {
                    let message = message
                        .strip_prefix(&format!("{object}: "))
                        .unwrap_or(&message)
                        .to_owned();
                    let verdict = Verdict::Warning;
                    self.checkup.findings.push(Finding {
                        verdict,
                        subject: object.to_string(),
                        message,
                        reason: matches!(sight, Sight::Partial).then_some("PartialVisibility"),
                        kind: None,
                    });
                }
            }
        }
    }

    /// Connects, or looks whether a file could be made.
    async fn open(&mut self, secrets_are_there: bool) -> Option<Opened> {
        let crds::Destination {
            postgres,
            mysql,
            sqlite,
            ca_secret_ref,
        } = &self.spec.destination;
        let opened = match (postgres, mysql, sqlite) {
            (Some(postgres), None, None) => {
                if !secrets_are_there {
                    let text = "secrets are missing, so nobody could connect";
                    self.checkup.add(Verdict::Skipped, DESTINATION, text);
                    return None;
                }
                let mut config = PostgresConfig::new("", &postgres.schema);
                let secret = |name, key| connect::required(self.secrets, name, key);
                secret(&postgres.secret_ref.name, &postgres.secret_ref.key)
                    .and_then(|url| {
                        config.url = url;
                        if let Some(ca) = ca_secret_ref {
                            let ca = secret(&ca.name, &ca.key)?;
                            config.ca_pem = Some(ca.expose_secret().as_bytes().to_vec());
                        }
                        Ok(config)
                    })
                    .map(Connecting::Postgres)
            }
            (None, None, Some(file)) => {
                Sqlite::open(self.options.sqlite_directory.join(&file.file)).map(Connecting::Sqlite)
            }
            // Told among the settings.
            (None, Some(_), None) => return None,
            _ => Err(Error::Plan(Problems(vec![
                "destination: exactly one of postgres, mysql and sqlite is needed".to_owned(),
            ]))),
        };
        let opened = match opened {
            Ok(Connecting::Postgres(config)) => Box::pin(Postgres::connect(config)).await.map(Opened::Postgres),
            Ok(Connecting::Sqlite(sqlite)) => Ok(Opened::Sqlite(sqlite)),
            Err(error) => Err(error),
        };
        match opened {
            Ok(opened) => Some(opened),
            Err(error) => {
                self.checkup.failed(DESTINATION, &error);
                None
            }
        }
    }

    /// What would refuse a first run.
    fn ready(&mut self, name: &str, problems: Result<Vec<Error>>) {
        match problems {
            Ok(problems) if problems.is_empty() => {
                let text = format!("{name} can be reached, and no right is missing");
                self.checkup.add(Verdict::Passed, DESTINATION, text);
            }
            Ok(problems) => problems
                .iter()
                .for_each(|problem| self.checkup.failed(DESTINATION, problem)),
            Err(error) => self.checkup.failed(DESTINATION, &error),
        }
    }

    /// The plan without a database: as for one that has no tables yet.
    async fn without_destination(&mut self, org: Option<Org>) {
        let Some(org) = org else {
            self.skip_objects("neither the org nor the database could be asked");
            return;
        };
        let capabilities = self.assumed();
        let plans = self.plan(&org, capabilities, &BTreeMap::new());
        self.queries(&org, &plans).await;
    }

    /// What a database of the kind that is named can do, where it could not be asked.
    fn assumed(&self) -> Capabilities {
        let is_sqlite = self.spec.destination.sqlite.is_some();
        // The bounds of destination::postgres and destination::sqlite; the plan is thrown away.
        Capabilities {
            name: if is_sqlite { "SQLite" } else { "PostgreSQL" },
            max_identifier_bytes: if is_sqlite { 255 } else { 63 },
            max_columns: 1598,
            exact_digits: is_sqlite.then_some(15),
            segment_rows: 50_000,
        }
    }

    fn skip_objects(&mut self, why: &str) {
        for object in &self.spec.objects {
            self.checkup.add(Verdict::Skipped, &object.name, why);
        }
    }

    /// The plan against the tables that are there, and what their state says.
    async fn with(&mut self, org: Option<Org>, destination: &impl Destination) {
        let Some(org) = org else {
            self.skip_objects("the org could not be asked");
            return;
        };
        let capabilities = destination.capabilities();
        let tables = plan::tables_needed(self.spec, &org.schema, capabilities);
        let existing = match destination.existing_columns(&tables).await {
            Ok(existing) => existing,
            Err(error) => {
                self.checkup.failed(DESTINATION, &error);
                BTreeMap::new()
            }
        };
        let owner = Owner {
            replicator: self.options.replicator.clone(),
            organization_id: org.info.organization_id.clone(),
            adopts: self.options.adopt.clone(),
        };
        let plans = self.plan(&org, capabilities, &existing);
        self.queries(&org, &plans).await;
        for plan in plans {
            self.state(destination, Arc::new(plan), owner.clone()).await;
        }
    }

    /// What is wrong with each object, and the plans of those with which nothing is.
    fn plan(
        &mut self,
        org: &Org,
        capabilities: Capabilities,
        existing: &BTreeMap<Identifier, Vec<String>>,
    ) -> Vec<ObjectPlan> {
        let make = |spec: &SalesforceReplicatorSpec| {
            plan::make(plan::Input {
                spec,
                schema: &org.schema,
                instance_url: &org.info.instance_url,
                capabilities,
                existing,
            })
        };
        let settings = plan::check_settings(self.spec)
            .err()
            .map_or(Vec::new(), |problems| problems.0);
        let plans = match make(self.spec) {
            Ok(plan) => vec![plan],
            Err(problems) => {
                // Those of the settings are told already.
                for problem in problems.0.iter().filter(|problem| !settings.contains(problem)) {
                    let (subject, message) = self.split(problem);
                    self.checkup
                        .problem(&subject, &message, &Error::Plan(Problems(vec![problem.clone()])));
                }
                // Each object has a plan of its own all the same, where what is wrong with the whole is not in its way.
                let alone = |object: &ObjectSpec| {
                    let spec = SalesforceReplicatorSpec {
                        objects: vec![object.clone()],
                        ..self.spec.clone()
                    };
                    let plan = make(&spec).ok()?;
                    plan.unplanned.is_empty().then_some(plan)
                };
                self.spec.objects.iter().filter_map(alone).collect()
            }
        };
        plans.into_iter().flat_map(|plan| self.planned(plan)).collect()
    }

    /// What a plan says of its objects.
    fn planned(&mut self, plan: Plan) -> Vec<ObjectPlan> {
        let Plan {
            objects,
            unplanned,
            warnings,
            ..
        } = plan;
        for unplanned in &unplanned {
            let Unplanned { object, problems, .. } = unplanned;
            for problem in &problems.0 {
                let (_, message) = self.split(problem);
                self.checkup.problem(object.as_str(), &message, &unplanned.error());
            }
        }
        for warning in warnings {
            let (subject, message) = self.split(&warning);
            self.checkup.add(Verdict::Warning, &subject, message);
        }
        for object in &objects {
            let (columns, table) = (object.columns.len(), &object.table);
            let text = format!("every field is there: {columns} columns of table {table}");
            self.checkup.add(Verdict::Passed, object.object.as_str(), text);
        }
        objects
    }

    /// Sends the query of each object, as a run would ask it, for one record. Only Salesforce knows all of what may stand in one.
    async fn queries(&mut self, org: &Org, plans: &[ObjectPlan]) {
        for plan in plans {
            let object = plan.object.as_str();
            let mut objects = self.spec.objects.iter();
            let written = objects.find(|spec| spec.name.eq_ignore_ascii_case(object));
            let has_condition = written.is_some_and(|spec| spec.condition.is_some());
            let soql = soql::query(plan, &soql::Rows::Live, None, Some(1));
            match self.retries.call(|| org.client.query(QueryScope::All, &soql)).await {
                Ok(page) if has_condition && page.size() == Some(0) => {
                    let text = "where: Salesforce understands it, and no record meets it at this moment";
                    self.checkup.add(Verdict::Warning, object, text);
                }
                Ok(_) => {
                    let text = if has_condition {
                        "where: Salesforce understands it, and answers the query of its rows"
                    } else {
                        "Salesforce answers the query of its rows"
                    };
                    self.checkup.add(Verdict::Passed, object, text);
                }
                Err(error) => {
                    let condition = plan.condition.as_ref();
                    let is_meant = condition.is_some_and(|condition| condition.is_meant_by(&error, &plan.select));
                    let part = if is_meant { "where" } else { "the query of its rows" };
                    let message = format!("{part}: {}", error.message());
                    self.checkup.problem(object, &message, &error.into());
                }
            }
        }
        self.conditions(org, plans).await;
    }

    /// Sends the conditions alone of objects that cannot be planned for another reason.
    async fn conditions(&mut self, org: &Org, plans: &[ObjectPlan]) {
        let spec = self.spec;
        for object in &spec.objects {
            let (Some(condition), Some(summary)) = (&object.condition, org.schema.summary(&object.name)) else {
                continue;
            };
            let is_told = |finding: &Finding| {
                finding.verdict == Verdict::Problem
                    && finding.subject.eq_ignore_ascii_case(&object.name)
                    && finding.message.starts_with("where")
            };
            let is_planned = plans.iter().any(|plan| plan.object.as_str() == summary.name);
            if is_planned || self.checkup.findings.iter().any(is_told) {
                continue;
            }
            let soql = format!("SELECT Id FROM {} WHERE ({condition}) LIMIT 1", summary.name);
            if let Err(error) = self.retries.call(|| org.client.query(QueryScope::All, &soql)).await {
                let message = format!("where: {}", error.message());
                self.checkup.problem(&summary.name, &message, &error.into());
            }
        }
    }

    /// The object that a problem names at its beginning, and the rest.
    fn split(&self, text: &str) -> (String, String) {
        let named = text.split_once(": ").filter(|(name, _)| {
            let is_meant = |object: &ObjectSpec| object.name.eq_ignore_ascii_case(name);
            self.spec.objects.iter().any(is_meant)
        });
        named.map_or_else(
            || (SETTINGS.to_owned(), text.to_owned()),
            |(name, message)| (name.to_owned(), message.to_owned()),
        )
    }

    /// Whose table it is, how far it got, and what waits for a person.
    async fn state(&mut self, destination: &impl Destination, plan: Arc<ObjectPlan>, owner: Owner) {
        let (object, table): (ObjectName, Identifier) = (plan.object.clone(), plan.table.clone());
        let subject = object.as_str();
        let (state, held) = match read_state(destination, plan, owner).await {
            Ok((Some(state), held, outlook)) => {
                let verdict = match outlook.run {
                    RunKind::Incremental | RunKind::Verify => Verdict::Passed,
                    RunKind::Initial | RunKind::Reconcile | RunKind::Refresh => Verdict::Warning,
                };
                if verdict == Verdict::Warning && state.checkpoint.phase == Phase::Live {
                    let text = format!("the next run is a {}: {}", outlook.run, outlook.lines().join("; "));
                    self.checkup.add(verdict, subject, text);
                }
                (state, held)
            }
            Ok((None, ..)) => {
                let text = format!("table {table} is new: the first run makes it");
                return self.checkup.add(Verdict::Passed, subject, text);
            }
            Err(error) => return self.checkup.failed(subject, &error),
        };
        let State {
            rows,
            rejected,
            checkpoint,
            ..
        } = state;
        let text = match (checkpoint.phase, checkpoint.watermark) {
            (Phase::Initial, _) => format!("table {table}: a first load is under way, {rows} rows so far"),
            (Phase::Live, Some(watermark)) => format!("table {table}: {rows} rows, complete as of {watermark}"),
            (Phase::Live, None) => format!("table {table}: {rows} rows"),
        };
        self.checkup.add(Verdict::Passed, subject, text);
        if let Some(HeldDeletes { count, token }) = held {
            let text = format!(
                "held deletes: {count}, more than consistency.maxDeletePercent allows at once; see whether they are meant, and \
                 confirm them with {subject}={token} (run --confirm-deletes)"
            );
            self.checkup.add(Verdict::Warning, subject, text);
        }
        if rejected > 0 {
            let text = format!(
                "records with values that do not fit the table: {rejected}; their rows stay as they were, and _rejected_row lists \
                 them with the column and why"
            );
            self.checkup.add(Verdict::Warning, subject, text);
        }
    }
}

enum Connecting {
    Postgres(PostgresConfig),
    Sqlite(Sqlite),
}

/// The state, with what the guard holds and what the next run does.
async fn read_state(
    destination: &impl Destination,
    plan: Arc<ObjectPlan>,
    owner: Owner,
) -> Result<(Option<State>, Option<HeldDeletes>, Outlook)> {
    let mut table = destination.open(Arc::clone(&plan), owner).await?;
    let state = table.read_state().await?;
    let differences = table.column_differences().await?;
    let outlook = outlook::of(&plan, state.as_ref(), differences)?;
    let held = if state.as_ref().is_some_and(|state| state.pending > state.confirmed) {
        table.held().await?
    } else {
        None
    };
    Ok((state, held, outlook))
}
