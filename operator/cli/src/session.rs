//! From arguments to a session: files, secrets, login, plan.

use std::{env, path::PathBuf, sync::Arc};

use indicatif::MultiProgress;
use replication::{
    check::{self, Checkup},
    connect::{Options, Session},
    plan::{self, ObjectName},
    progress::{Observer, Silent},
    replicator::{Environment, Tuning},
};
use salesforce::{AllowHttp, clock::SharedClock};

use crate::{
    arguments::Source,
    documents::{self, Documents, Identity},
    failure::Failure,
    printer::{self, Printer},
    progress::Bars,
    secrets::{self, Secrets},
};

/// What every command has.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// Results and errors.
    pub(crate) printer: Printer,
    /// Where http is allowed.
    pub(crate) allow_http: AllowHttp,
    /// Time.
    pub(crate) clock: SharedClock,
    /// Progress bars, beside which logs are written.
    pub(crate) bars: MultiProgress,
}

/// A resource with its secrets, before anybody was asked.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The resource.
    pub(crate) resource: crds::SalesforceReplicator,
    /// Who it is.
    pub(crate) identity: Identity,
    secrets: Secrets,
    options: Options,
}

impl Context {
    /// What a session needs beside resource and secrets.
    pub(crate) fn options(&self, replicator: String) -> Options {
        let observer: Arc<dyn Observer> = if printer::is_watched() {
            Arc::new(Bars::new(self.bars.clone()))
        } else {
            Arc::new(Silent)
        };
        Options {
            replicator,
            allow_http: self.allow_http,
            adopt: None,
            // Without an operator, a file of SQLite lies in the working folder.
            sqlite_directory: env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            environment: Environment::new(Arc::clone(&self.clock), observer),
        }
    }
}

impl Prepared {
    /// Reads files and secrets. All that is wrong with the files, else all that is missing of the secrets.
    pub(crate) fn load(source: &Source, context: &Context) -> Result<Self, Failure> {
        let Documents {
            resource,
            identity,
            secrets,
        } = documents::load(source)?;
        let secrets = Secrets::new(secrets, source.secrets.clone(), secrets::Environment::process());
        let options = context.options(identity.to_string());
        Ok(Self {
            resource,
            identity,
            secrets,
            options,
        })
    }

    /// Will take over the tables of another replicator.
    pub(crate) fn adopt(&mut self, replicator: Option<String>) {
        self.options.adopt = replicator;
    }

    /// Will read and write in pieces of other sizes.
    pub(crate) fn tune(&mut self, tuning: Tuning) {
        self.options.environment.tuning = tuning;
    }

    /// Logs in, describes, plans, opens the destination. Writes nothing.
    pub(crate) async fn open(&self) -> Result<Session, Failure> {
        // Nobody should make a Secret for a way that is then refused.
        plan::check_settings(&self.resource.spec).map_err(replication::Error::Plan)?;
        self.secrets.check(&self.resource.spec)?;
        Ok(Box::pin(Session::open(&self.resource.spec, &self.secrets, &self.options)).await?)
    }

    /// Looks at everything that a run needs, and goes on where something is wrong. Writes nothing.
    pub(crate) async fn check(&self) -> Checkup {
        Box::pin(check::check(&self.resource.spec, &self.secrets, &self.options)).await
    }

    /// A client of the resource's org alone.
    pub(crate) fn client(&self) -> Result<salesforce::Client, Failure> {
        let connection = &self.resource.spec.connection;
        // A way of logging in that is not served is refused below, and needs no secrets before.
        if connection.auth.password.is_some() {
            self.secrets.check_connection(connection)?;
        }
        Ok(replication::connect::client(connection, &self.secrets, &self.options)?)
    }
}

/// The objects of a session that are meant, in the session's case and order, those that cannot be planned last; all of them
/// where none is named.
pub(crate) fn objects(session: &Session, wanted: &[String]) -> Result<Vec<String>, Failure> {
    let plan = session.plan();
    let unplanned = plan.unplanned.iter().map(|unplanned| &unplanned.object);
    let known = plan.objects.iter().map(|plan| &plan.object).chain(unplanned);
    let known: Vec<&str> = known.map(ObjectName::as_str).collect();
    let unknown = wanted
        .iter()
        .find(|name| !known.iter().any(|known| known.eq_ignore_ascii_case(name)));
    if let Some(name) = unknown {
        let meant = crds::nearest(name, known.iter().copied())
            .map_or(String::new(), |meant| format!("; did you mean {meant}?"));
        return Err(Failure::NotThere(format!(
            "the resource has no object {name}, but {}{meant}",
            known.join(", ")
        )));
    }
    let is_wanted = |object: &&&str| wanted.is_empty() || wanted.iter().any(|name| name.eq_ignore_ascii_case(object));
    Ok(known
        .iter()
        .filter(is_wanted)
        .map(|object| (*object).to_owned())
        .collect())
}
