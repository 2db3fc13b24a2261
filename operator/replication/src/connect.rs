//! From a resource and its secrets to something that can run.
//!
//! [`Session::open`] goes the whole way once: secrets, login, describe, plan, destination. What comes out answers what
//! `plan` and `preview` ask, and runs ticks; which database it is was decided on the way and nobody asks again. Until a
//! tick nothing is written anywhere.
//!
//! A resource that asks for something this version does not do ends here, before the login; one that contradicts the org in
//! all of its objects ends when the plan is made, before anything can run. Both report every problem at once. Where other
//! objects are left, they run, and each tick tells of those that cannot.
//!
//! Secrets come in through [`Secrets`], by the names that the resource has for them. Where they lie (documents in the same
//! file, a folder, the environment, a Kubernetes API server) is the business of whoever calls. Their values go from there
//! into the types of the client and the driver, and nowhere else.

mod vanished;

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

use crds::{Connection, SalesforceReplicatorSpec, Sqlite as SqliteSpec};
use salesforce::{AllowHttp, ApiVersion, Client, ClientConfig, Credentials, ErrorKind, OrgInfo, QueryScope};
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    Error, Problems, Result,
    destination::{
        Capabilities, Destination, Purged, RetiredTable,
        observed::Observed,
        postgres::{Postgres, PostgresConfig},
        sqlite::Sqlite,
    },
    guard::Guard,
    plan::{self, Deletes, Identifier, ObjectName, ObjectPlan, Plan, Schema, Unplanned},
    preview::{self, Preview},
    progress::{Degradation, RunKind},
    replicator::{Environment, Leaving, Outlook, Parts, Replicator, Settings, TickReport, TickRequest},
    retry::{Retries, Schedule},
    state::{Owner, State},
    visibility::{self, Visibility},
};

/// Gives the secrets of a resource.
pub trait Secrets: fmt::Debug + Send + Sync {
    /// The value of a key of a Secret; `None` where the Secret or the key is not there.
    ///
    /// # Errors
    /// [`Error::Secret`] where it cannot be read.
    fn secret(&self, name: &str, key: &str) -> Result<Option<SecretString>>;

    /// Where a person would put the key: the end of a sentence that begins with "it is looked for".
    fn places(&self, name: &str, key: &str) -> String;
}

/// What a session needs beside the resource and its secrets.
#[derive(Debug, Clone)]
pub struct Options {
    /// `namespace/name` of the resource; `default/name` without Kubernetes.
    pub replicator: String,
    /// Where http is allowed.
    pub allow_http: AllowHttp,
    /// Another replicator whose state of the same org is taken over (`--adopt`), `namespace/name`.
    pub adopt: Option<String>,
    /// The folder of SQLite files.
    pub sqlite_directory: PathBuf,
    /// What runs share with the rest of the process.
    pub environment: Environment,
}

/// A resource that is logged in, planned and connected.
#[derive(Debug)]
pub struct Session {
    /// What the plan is made from.
    spec: Arc<SalesforceReplicatorSpec>,
    org: OrgInfo,
    client: Client,
    retries: Retries,
    plan: Plan,
    visibility: Visibility,
    engine: Engine,
}

/// The one place that knows which database it is.
#[derive(Debug)]
enum Engine {
    Postgres(Replicator<Observed<Postgres>>),
    Sqlite(Replicator<Observed<Sqlite>>),
}

impl Engine {
    fn replan(
        &mut self,
        plans: (Vec<Arc<ObjectPlan>>, Vec<Unplanned>),
        degraded: BTreeMap<ObjectName, Vec<Degradation>>,
    ) {
        match self {
            Self::Postgres(replicator) => replicator.replan(plans, degraded),
            Self::Sqlite(replicator) => replicator.replan(plans, degraded),
        }
    }
}

/// A destination that no plan was made for yet.
enum Opened {
    Postgres(Observed<Postgres>),
    Sqlite(Observed<Sqlite>),
}

/// What the destination says of an object before a run.
#[derive(Debug)]
pub struct Inspection {
    /// The object.
    pub object: ObjectName,
    /// Its state, `None` before its first run; or why a run would be refused.
    pub state: Result<Option<State>>,
}

/// A client for the org of a resource, not logged in yet: enough to list objects and fields.
///
/// # Errors
/// A secret is missing, the URL is none or not allowed, a way of logging in is not served.
pub fn client(connection: &Connection, secrets: &dyn Secrets, options: &Options) -> Result<Client> {
    let Connection {
        login_url,
        api_version,
        ca_secret_ref,
        auth,
        api: _,
        api_budget_percent: _,
    } = connection;
    let login_url: Url = login_url
        .parse()
        .map_err(|error| problem(format!("connection.loginUrl: {login_url} is not a URL: {error}")))?;
    let api_version: ApiVersion = api_version
        .as_deref()
        .unwrap_or(Connection::DEFAULT_API_VERSION)
        .parse()
        .map_err(|error: salesforce::Error| problem(format!("connection.apiVersion: {}", error.message())))?;
    let Some(password) = &auth.password else {
        return Err(Error::NotServed(
            "connection.auth: this version logs in with password only; clientCredentials and jwtBearer are not served"
                .to_owned(),
        ));
    };
    let secret = &password.secret_ref.name;
    let credentials = Credentials::Password {
        username: required(secrets, secret, "username")?.expose_secret().trim().to_owned(),
        password: required(secrets, secret, "password")?,
        security_token: secrets
            .secret(secret, "securityToken")?
            .filter(|token| !token.expose_secret().trim().is_empty()),
    };
    let mut config = ClientConfig::new(login_url, api_version);
    config.allow_http = options.allow_http;
    config.observer.clone_from(&options.environment.calls);
    config.page_rows = options.environment.tuning.page_rows.unwrap_or(config.page_rows);
    if let Some(reference) = ca_secret_ref {
        let ca = required(secrets, &reference.name, &reference.key)?;
        config.ca_pem = Some(ca.expose_secret().as_bytes().to_vec());
    }
    Ok(Client::new(
        config,
        credentials,
        Arc::clone(&options.environment.clock),
    )?)
}

/// One thing that is wrong with the resource.
fn problem(text: String) -> Error {
    Error::Plan(Problems(vec![text]))
}

/// A key that has to be there.
pub(crate) fn required(secrets: &dyn Secrets, name: &str, key: &str) -> Result<SecretString> {
    match secrets.secret(name, key)? {
        Some(value) if !value.expose_secret().trim().is_empty() => Ok(value),
        Some(_) => Err(Error::Secret {
            reason: "KeyMissing",
            message: format!(
                "secret {name}: key {key} is empty; it was found {}",
                secrets.places(name, key)
            ),
        }),
        None => Err(Error::Secret {
            reason: "KeyMissing",
            message: format!(
                "secret {name}: key {key} is missing; it is looked for {}",
                secrets.places(name, key)
            ),
        }),
    }
}

/// Drops all tables that a replicator has in its destination, and its state: see [`Destination::purge`]. Asks for the secrets
/// of the destination only, and never Salesforce: the org may be gone, or the login.
///
/// # Errors
/// A secret is missing, the database cannot be reached, something depends on a table (kind Invalid; the others are dropped
/// all the same).
pub async fn purge(spec: &crds::Destination, secrets: &dyn Secrets, options: &Options) -> Result<Purged> {
    match Opened::open(spec, secrets, options).await? {
        Opened::Postgres(destination) => destination.purge(&options.replicator).await,
        Opened::Sqlite(destination) => destination.purge(&options.replicator).await,
    }
}

impl Session {
    /// Logs in, describes, plans and opens the destination. Writes nothing.
    ///
    /// # Errors
    /// A secret is missing, Salesforce refuses or cannot be reached, the resource cannot be planned (all problems at once), as
    /// a whole or because none of its objects can be. What is wrong with some objects ends nothing: see [`Plan::unplanned`].
    pub async fn open(spec: &SalesforceReplicatorSpec, secrets: &dyn Secrets, options: &Options) -> Result<Self> {
        plan::check_settings(spec).map_err(Error::Plan)?;
        let client = client(&spec.connection, secrets, options)?;
        let opened = Opened::open(&spec.destination, secrets, options).await?;
        let environment = options.environment.clone();
        let retries = Retries::new(Arc::clone(&environment.clock), Arc::clone(&environment.random));
        let org = retries.call(|| client.org()).await?;
        // Here, so that the call is not charged to the object that happens to ask for the time first.
        retries.call(|| client.server_now()).await?;
        let Planned { plan, visibility } = make_plan(&client, &retries, &org, spec, &opened).await?;
        let owner = Owner {
            replicator: options.replicator.clone(),
            organization_id: org.organization_id.clone(),
            adopts: options.adopt.clone(),
        };
        let plans: Vec<_> = plan.objects.iter().cloned().map(Arc::new).collect();
        let unplanned = plan.unplanned.clone();
        let degraded = degraded(&plan, &visibility);
        let settings = Settings {
            overlap: plan.overlap,
            parallelism: plan.parallelism.get(),
            max_delete_percent: plan.max_delete_percent,
            api_budget_percent: plan.api_budget_percent,
        };
        let engine = match opened {
            Opened::Postgres(destination) => Engine::Postgres(Replicator::new(Parts {
                owner,
                plans,
                unplanned,
                degraded,
                client: client.clone(),
                destination,
                environment,
                settings,
            })),
            Opened::Sqlite(destination) => Engine::Sqlite(Replicator::new(Parts {
                owner,
                plans,
                unplanned,
                degraded,
                client: client.clone(),
                destination,
                environment,
                settings,
            })),
        };
        Ok(Self {
            spec: Arc::new(spec.clone()),
            org,
            client,
            retries,
            plan,
            visibility,
            engine,
        })
    }

    /// Describes the org and makes the plan again, from the resource that the session was opened with: before an object
    /// is tried that failed for what the resource asks for (design 6.8, 6.10). The login, the database, what objects wait
    /// for and what they remember stay.
    ///
    /// # Errors
    /// Salesforce's; the resource, or each of its objects, cannot be planned any more (all problems at once). The session goes on
    /// by the plan that it has then, and each run says so until a plan can be made. Cancel safe in the same way.
    pub async fn replan(&mut self, spec: &SalesforceReplicatorSpec) -> Result<()> {
        let opened = match &self.engine {
            Engine::Postgres(replicator) => Opened::Postgres(replicator.destination().clone()),
            Engine::Sqlite(replicator) => Opened::Sqlite(replicator.destination().clone()),
        };
        let planned = make_plan(&self.client, &self.retries, &self.org, spec, &opened).await;
        let Planned { plan, visibility } = planned.inspect_err(|error| self.tell_outdated(error))?;
        let degraded = degraded(&plan, &visibility);
        let plans = plan.objects.iter().cloned().map(Arc::new).collect();
        self.engine.replan((plans, plan.unplanned.clone()), degraded);
        self.plan = plan;
        self.visibility = visibility;
        self.spec = Arc::new(spec.clone());
        Ok(())
    }

    /// Has all objects say that they go on by a plan that is not what the org asks for any more: new fields do not become columns,
    /// and the next process would refuse the resource.
    fn tell_outdated(&mut self, error: &Error) {
        match error.kind() {
            ErrorKind::Invalid | ErrorKind::Fatal => {}
            // The runs say it themselves, and it passes with them.
            ErrorKind::Credentials | ErrorKind::Quota | ErrorKind::Transient => return,
        }
        let mut degraded = degraded(&self.plan, &self.visibility);
        for plan in &self.plan.objects {
            degraded.entry(plan.object.clone()).or_default().push(Degradation {
                reason: "PlanOutdated",
                message: format!(
                    "{}: the plan cannot be made again from what the org has now, so the one from before goes on; a process that \
                     starts anew would refuse the resource: {}",
                    plan.object,
                    error.message()
                ),
            });
        }
        let plans = self.plan.objects.iter().cloned().map(Arc::new).collect();
        self.engine.replan((plans, self.plan.unplanned.clone()), degraded);
    }

    /// The org, as the login told it.
    pub fn org(&self) -> &OrgInfo {
        &self.org
    }

    /// The client, for its call counter and the org's API usage.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What the resource means.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Of which objects the user sees every record.
    pub fn visibility(&self) -> &Visibility {
        &self.visibility
    }

    /// The statements that would make an object's table and indexes.
    pub fn ddl(&self, plan: &ObjectPlan) -> Vec<String> {
        match &self.engine {
            Engine::Postgres(replicator) => replicator.destination().ddl(plan),
            Engine::Sqlite(replicator) => replicator.destination().ddl(plan),
        }
    }

    /// What the next run of each object would do, or the conflict that would end it. A changed condition costs a call to
    /// Salesforce, which counts the records that meet it. Writes nothing.
    pub async fn outlooks(&self) -> Vec<Result<(Option<State>, Outlook)>> {
        let mut outlooks = match &self.engine {
            Engine::Postgres(replicator) => replicator.outlooks().await,
            Engine::Sqlite(replicator) => replicator.outlooks().await,
        };
        for (plan, outlook) in self.plan.objects.iter().zip(&mut outlooks) {
            if let Ok((Some(state), outlook)) = outlook
                && outlook.run == RunKind::Reconcile
            {
                outlook.leaving = self.leaving(plan, state).await;
            }
        }
        outlooks
    }

    /// How many rows would leave by a changed condition, as far as a count tells it.
    async fn leaving(&self, plan: &ObjectPlan, state: &State) -> Option<Leaving> {
        if plan.deletes == Deletes::Ignore {
            return None;
        }
        let condition = plan
            .condition
            .as_ref()
            .map(|condition| format!(" WHERE {}", condition.soql));
        let soql = format!("SELECT count() FROM {}{}", plan.object, condition.unwrap_or_default());
        // A count that takes too long is no reason to show no plan.
        let page = self.client.query(QueryScope::Live, &soql).await.ok()?;
        let (meeting, rows) = (page.size()?, u64::try_from(state.rows).ok()?);
        let at_least = rows.saturating_sub(meeting);
        let guard = Guard {
            max_percent: self.plan.max_delete_percent,
            found_since: None,
        };
        let recent = state.deletes_window.recent(self.retries.now());
        Some(Leaving {
            rows,
            meeting,
            at_least,
            held: at_least > 0 && !guard.admits(at_least, recent, rows),
        })
    }

    /// What the destination says of each object: its state, or the conflict that would end its run. Writes nothing.
    pub async fn inspect(&self) -> Vec<Inspection> {
        let states = match &self.engine {
            Engine::Postgres(replicator) => replicator.states().await,
            Engine::Sqlite(replicator) => replicator.states().await,
        };
        let objects = self.plan.objects.iter().map(|plan| plan.object.clone());
        objects
            .zip(states)
            .map(|(object, state)| Inspection { object, state })
            .collect()
    }

    /// The first `rows` live rows of an object, as Salesforce has them and as they would be written. Writes nothing.
    ///
    /// # Errors
    /// Salesforce's; an object that the resource does not have.
    pub async fn preview(&self, object: &str, rows: u32) -> Result<Preview> {
        let Some(plan) = self
            .plan
            .objects
            .iter()
            .find(|plan| plan.object.as_str().eq_ignore_ascii_case(object))
        else {
            let mut unplanned = self.plan.unplanned.iter();
            if let Some(unplanned) = unplanned.find(|known| known.object.as_str().eq_ignore_ascii_case(object)) {
                return Err(unplanned.error());
            }
            let known: Vec<_> = self.plan.objects.iter().map(|plan| plan.object.as_str()).collect();
            return Err(problem(format!(
                "{object} is not an object of the resource; it has {}",
                known.join(", ")
            )));
        };
        preview::read(&self.client, plan, rows).await
    }

    /// Runs each object once: see [`Replicator::tick`]. Where a run failed for a field or an object that the org does not have
    /// any more, the plan is made again, and the run with it. Dropped meanwhile, it loses reports, and nothing else.
    pub async fn tick(&mut self, request: &TickRequest, cancel: &CancellationToken) -> TickReport {
        let report = self.tick_once(request, cancel).await;
        Box::pin(self.go_on(report, request, cancel)).await
    }

    async fn tick_once(&mut self, request: &TickRequest, cancel: &CancellationToken) -> TickReport {
        match &mut self.engine {
            Engine::Postgres(replicator) => Box::pin(replicator.tick(request, cancel)).await,
            Engine::Sqlite(replicator) => Box::pin(replicator.tick(request, cancel)).await,
        }
    }

    /// Tables that are kept and not written any more. Known after a first tick.
    pub fn retired_tables(&self) -> &[RetiredTable] {
        match &self.engine {
            Engine::Postgres(replicator) => replicator.retired_tables(),
            Engine::Sqlite(replicator) => replicator.retired_tables(),
        }
    }

    /// Which objects wait after a failure, and until when.
    pub fn schedule(&self) -> &Schedule {
        match &self.engine {
            Engine::Postgres(replicator) => replicator.schedule(),
            Engine::Sqlite(replicator) => replicator.schedule(),
        }
    }
}

impl Opened {
    async fn open(spec: &crds::Destination, secrets: &dyn Secrets, options: &Options) -> Result<Self> {
        let crds::Destination {
            postgres,
            mysql,
            sqlite,
            ca_secret_ref,
        } = spec;
        let Environment { destination, clock, .. } = &options.environment;
        let (observer, clock) = (Arc::clone(destination), Arc::clone(clock));
        match (postgres, mysql, sqlite) {
            (Some(postgres), None, None) => {
                let mut config = PostgresConfig::new("", &postgres.schema);
                config.url = required(secrets, &postgres.secret_ref.name, &postgres.secret_ref.key)?;
                if let Some(reference) = ca_secret_ref {
                    let ca = required(secrets, &reference.name, &reference.key)?;
                    config.ca_pem = Some(ca.expose_secret().as_bytes().to_vec());
                }
                let postgres = Box::pin(Postgres::connect(config)).await?;
                Ok(Self::Postgres(Observed::new(postgres, observer, clock)))
            }
            (None, None, Some(SqliteSpec { file })) => {
                let sqlite = Sqlite::open(options.sqlite_directory.join(file))?;
                Ok(Self::Sqlite(Observed::new(sqlite, observer, clock)))
            }
            (None, Some(_), None) => Err(Error::NotServed(
                "destination.mysql is not served by this version: choose postgres or sqlite".to_owned(),
            )),
            _ => Err(problem(
                "destination: exactly one of postgres, mysql and sqlite is needed".to_owned(),
            )),
        }
    }

    async fn existing_columns(&self, tables: &[Identifier]) -> Result<BTreeMap<Identifier, Vec<String>>> {
        match self {
            Self::Postgres(destination) => destination.existing_columns(tables).await,
            Self::Sqlite(destination) => destination.existing_columns(tables).await,
        }
    }

    fn capabilities(&self) -> Capabilities {
        match self {
            Self::Postgres(destination) => destination.capabilities(),
            Self::Sqlite(destination) => destination.capabilities(),
        }
    }
}

/// A plan, and how much of its objects the user sees.
struct Planned {
    plan: Plan,
    visibility: Visibility,
}

/// Describes the org, looks at the tables, and makes the plan. What the user may not see is among its warnings.
async fn make_plan(
    client: &Client,
    retries: &Retries,
    org: &OrgInfo,
    spec: &SalesforceReplicatorSpec,
    opened: &Opened,
) -> Result<Planned> {
    let schema = describe(client, retries, spec).await?;
    let tables = plan::tables_needed(spec, &schema, opened.capabilities());
    let mut plan = plan::make(plan::Input {
        spec,
        schema: &schema,
        instance_url: &org.instance_url,
        capabilities: opened.capabilities(),
        existing: &opened.existing_columns(&tables).await?,
    })
    .map_err(Error::Plan)?;
    if plan.objects.is_empty() {
        return Err(Error::Plan(plan.problems()));
    }
    let objects: Vec<ObjectName> = plan.objects.iter().map(|plan| plan.object.clone()).collect();
    let visibility = visibility::visibility(client, retries, &org.user_id, &objects).await;
    let seen = visibility.iter();
    plan.warnings
        .extend(seen.filter_map(|(object, sight)| sight.message(object)));
    Ok(Planned { plan, visibility })
}

/// What keeps objects from being as good as they could be, as far as the user's rights say it.
fn degraded(plan: &Plan, visibility: &Visibility) -> BTreeMap<ObjectName, Vec<Degradation>> {
    let objects = plan.objects.iter().map(|plan| &plan.object);
    objects
        .filter_map(|object| Some((object.clone(), vec![visibility.degradation(object)?])))
        .collect()
}

/// Fetches what the plan needs of the org, in two steps: a linked field needs the describe of its parent.
pub(crate) async fn describe(client: &Client, retries: &Retries, spec: &SalesforceReplicatorSpec) -> Result<Schema> {
    let mut schema = Schema::new(retries.call(|| client.describe_global()).await?);
    for step in [plan::objects_needed, plan::parents_needed] {
        let needed = step(spec, &schema);
        let names: Vec<&str> = needed.iter().map(ObjectName::as_str).collect();
        if !names.is_empty() {
            schema.extend(retries.call(|| client.describe(&names)).await?);
        }
    }
    Ok(schema)
}
