//! `init`: writes a resource from answers or flags.
//!
//! What a flag says is not asked; with `--yes` nothing is, and what no flag says has its default. Questions go to standard
//! error and the resource to standard output, so `init > crm.yaml` works in both ways. Where a password is at hand the
//! org is asked which objects it has; without one nothing leaves the machine.
//!
//! No secret enters the resource: it names Secrets, and its comments say which keys they need and where they can be put.
//! What is printed has passed the same checks as a file that `run` and `plan` read, so a wrong flag is refused here, in
//! the words of the schema.

mod answers;
mod ask;
mod render;

use std::{
    io::{self, IsTerminal},
    sync::Arc,
};

use salesforce::{Client, ClientConfig, Credentials, describe::ObjectSummary};
use secrecy::SecretString;

use self::{
    answers::{Answers, Chosen, Destination},
    ask::{Asker, Terminal},
};
use crate::{
    arguments::{Database, Init},
    command::discover::find_object,
    exit::Exit,
    failure::Failure,
    session::Context,
};

/// The objects of a telephone directory, which have a mapping of their own. The first two are the default.
const DIRECTORY: [&str; 4] = ["Contact", "Account", "Lead", "User"];

/// How many of them are the default.
const DEFAULT_OBJECTS: usize = 2;

/// Writes a resource.
pub(crate) async fn init(arguments: Init, context: &Context) -> Result<Exit, Failure> {
    let answers = if arguments.yes {
        without_questions(&arguments, context).await?
    } else {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Failure::Usage(
                "init asks on a terminal, and there is none: give --yes, and a flag for each answer that is not the default \
                 (--help lists them)"
                    .to_owned(),
            ));
        }
        let mut interview = Interview {
            asker: &mut Terminal::new(),
            arguments: &arguments,
            context,
        };
        Box::pin(interview.hold()).await?
    };
    let problems = answers.problems();
    if !problems.is_empty() {
        return Err(Failure::Invalid {
            heading: "these answers do not make a resource:".to_owned(),
            problems,
            advice: "`salesforce-replicator init --help` lists the flags and their defaults.",
        });
    }
    context.printer.result(&answers.to_value(), || answers.to_yaml())?;
    Ok(Exit::Success)
}

/// What the flags say, with defaults for the rest.
fn from_flags(arguments: &Init) -> Answers {
    let defaults = Answers::default();
    let name = arguments.name.clone().unwrap_or(defaults.name);
    let destination = match (arguments.database, &arguments.schema, &arguments.file) {
        (Some(Database::Postgres), schema, _) | (None, schema @ Some(_), _) => Destination::Postgres {
            schema: schema.clone().unwrap_or_else(|| Destination::SCHEMA.to_owned()),
        },
        (Some(Database::Sqlite) | None, _, file) => Destination::Sqlite {
            file: file.clone().unwrap_or_else(|| format!("{name}.db")),
        },
    };
    let mut objects: Vec<Chosen> = Vec::new();
    for object in &arguments.objects {
        if !objects.iter().any(|other| other.name.eq_ignore_ascii_case(object)) {
            objects.push(Chosen::named(object));
        }
    }
    Answers {
        name,
        namespace: arguments.namespace.clone(),
        login_url: arguments.login_url.clone().unwrap_or(defaults.login_url),
        username: arguments.username.clone(),
        objects: if objects.is_empty() { defaults.objects } else { objects },
        destination,
        interval: arguments.interval.clone().unwrap_or(defaults.interval),
    }
}

/// Flags and defaults alone; the org is asked where user and password are given.
async fn without_questions(arguments: &Init, context: &Context) -> Result<Answers, Failure> {
    let mut answers = from_flags(arguments);
    let Some(username) = &answers.username else {
        return Ok(answers);
    };
    let Some(password) = variable("SFR_PASSWORD") else {
        context.printer.remark(
            "the objects were not looked up: the variable SFR_PASSWORD, the password of --username, is not set",
        );
        return Ok(answers);
    };
    let client = client(
        &answers.login_url,
        username,
        password,
        variable("SFR_SECURITY_TOKEN"),
        context,
    )?;
    let listed = client.describe_global().await?;
    answers.objects = known(&answers.objects, &listed)?;
    Ok(answers)
}

fn variable(name: &str) -> Option<SecretString> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .map(SecretString::from)
}

fn client(
    login_url: &str,
    username: &str,
    password: SecretString,
    security_token: Option<SecretString>,
    context: &Context,
) -> Result<Client, Failure> {
    let login_url = login_url
        .parse()
        .map_err(|error| Failure::Usage(format!("--login-url: {login_url} is not a URL: {error}")))?;
    let mut config = ClientConfig::new(login_url, crds::Connection::DEFAULT_API_VERSION.parse()?);
    config.allow_http = context.allow_http;
    let credentials = Credentials::Password {
        username: username.to_owned(),
        password,
        security_token,
    };
    Ok(Client::new(config, credentials, Arc::clone(&context.clock))?)
}

/// The chosen objects as the org writes them.
fn known(chosen: &[Chosen], listed: &[ObjectSummary]) -> Result<Vec<Chosen>, Failure> {
    let mut objects: Vec<Chosen> = Vec::new();
    for object in chosen {
        let name = find_object(&object.name, listed)?;
        let label = listed.iter().find(|summary| summary.name == name);
        if objects.iter().all(|other| other.name != name) {
            objects.push(Chosen {
                label: label.map(|summary| summary.label.clone()),
                name,
            });
        }
    }
    Ok(objects)
}

/// Asks for what no flag says.
struct Interview<'a, A> {
    asker: &'a mut A,
    arguments: &'a Init,
    context: &'a Context,
}

impl<A: Asker> Interview<'_, A> {
    async fn hold(&mut self) -> Result<Answers, Failure> {
        let mut answers = from_flags(self.arguments);
        if self.arguments.name.is_none() {
            answers.name = self.text("Name of the replicator", &answers, "metadata.name", |answers, text| {
                text.clone_into(&mut answers.name);
            })?;
        }
        if self.arguments.login_url.is_none() {
            let question = "Login URL (a sandbox has https://test.salesforce.com, every org its own My Domain host)";
            answers.login_url = self.text(question, &answers, "spec.connection.loginUrl", |answers, text| {
                text.clone_into(&mut answers.login_url);
            })?;
        }
        let listed = self.org(&mut answers).await?;
        if self.arguments.objects.is_empty() {
            answers.objects = match &listed {
                Some(listed) => self.choose_objects(listed)?,
                None => self.name_objects(&answers)?,
            };
        } else if let Some(listed) = &listed {
            answers.objects = known(&answers.objects, listed)?;
        }
        self.destination(&mut answers)?;
        if self.arguments.interval.is_none() {
            let question = "How often (from start to start: 30s, 5m, 1h)";
            answers.interval = self.text(question, &answers, "spec.trigger.interval", |answers, text| {
                text.clone_into(&mut answers.interval);
            })?;
        }
        Ok(answers)
    }

    /// One text, checked as the schema checks its place in the resource. The default is what `answers` has there.
    fn text(
        &mut self,
        question: &str,
        answers: &Answers,
        path: &str,
        put: impl Fn(&mut Answers, &str),
    ) -> Result<String, Failure> {
        let default = answers.at(path);
        let check = |text: &str| {
            let mut candidate = answers.clone();
            put(&mut candidate, text);
            candidate.problem_at(path).map_or(Ok(()), Err)
        };
        self.asker.text(question, &default, &check)
    }

    /// Who logs in, and which objects the org has, where somebody wants to log in for that.
    async fn org(&mut self, answers: &mut Answers) -> Result<Option<Vec<ObjectSummary>>, Failure> {
        if answers.username.is_none() {
            let question = "User name in Salesforce (empty: it stands in the Secret only)";
            let typed = self.asker.text(question, "", &|_| Ok(()))?;
            answers.username = Some(typed).filter(|typed| !typed.is_empty());
        }
        let Some(username) = answers.username.clone() else {
            return Ok(None);
        };
        let (password, token) = if let Some(password) = variable("SFR_PASSWORD") {
            (password, variable("SFR_SECURITY_TOKEN"))
        } else {
            let question = "Password, to list the org's objects; it is not kept (empty: do not log in)";
            let Some(password) = self.asker.secret(question)? else {
                return Ok(None);
            };
            let token = self.asker.secret("Security token (empty: none)")?;
            (password, token)
        };
        let listed = match client(&answers.login_url, &username, password, token, self.context) {
            Ok(client) => client.describe_global().await.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        match listed {
            Ok(listed) => Ok(Some(listed)),
            Err(failure) => {
                let text = format!("{failure}\nIt goes on without the org: name the objects yourself.");
                self.asker.tell(&text)?;
                Ok(None)
            }
        }
    }

    fn choose_objects(&mut self, listed: &[ObjectSummary]) -> Result<Vec<Chosen>, Failure> {
        let mut offered: Vec<&ObjectSummary> = listed
            .iter()
            .filter(|object| object.queryable && !object.deprecated_and_hidden)
            .collect();
        // Those of a directory first; the others by name.
        let rank = |object: &ObjectSummary| {
            DIRECTORY
                .iter()
                .position(|name| *name == object.name)
                .unwrap_or(usize::MAX)
        };
        offered.sort_by(|left, right| rank(left).cmp(&rank(right)).then_with(|| left.name.cmp(&right.name)));
        let items: Vec<(String, bool)> = offered
            .iter()
            .map(|object| {
                let shown = if object.label == object.name {
                    object.name.clone()
                } else {
                    format!("{} ({})", object.name, object.label)
                };
                (shown, rank(object) < DEFAULT_OBJECTS)
            })
            .collect();
        loop {
            let question = "Objects (space chooses, enter ends)";
            let chosen: Vec<Chosen> = self
                .asker
                .choose_many(question, &items)?
                .into_iter()
                .filter_map(|index| offered.get(index))
                .map(|object| Chosen {
                    name: object.name.clone(),
                    label: Some(object.label.clone()),
                })
                .collect();
            if !chosen.is_empty() {
                return Ok(chosen);
            }
            self.asker.tell("at least one object is needed")?;
        }
    }

    fn name_objects(&mut self, answers: &Answers) -> Result<Vec<Chosen>, Failure> {
        let default = answers.objects.iter().map(|object| object.name.as_str());
        let default = default.collect::<Vec<_>>().join(", ");
        let check = |text: &str| {
            let candidate = Answers {
                objects: split(text),
                ..answers.clone()
            };
            candidate.problem_at("spec.objects").map_or(Ok(()), Err)
        };
        let question = "Objects, by API name, with commas between them";
        Ok(split(&self.asker.text(question, &default, &check)?))
    }

    fn destination(&mut self, answers: &mut Answers) -> Result<(), Failure> {
        let Init {
            database, schema, file, ..
        } = self.arguments;
        if database.is_none() && schema.is_none() && file.is_none() {
            let items = [
                "SQLite: a file, needs no server".to_owned(),
                "PostgreSQL 13 or newer".to_owned(),
            ];
            answers.destination = match self.asker.choose("Database", &items, 0)? {
                0 => Destination::Sqlite {
                    file: format!("{}.db", answers.name),
                },
                _ => Destination::Postgres {
                    schema: Destination::SCHEMA.to_owned(),
                },
            };
        } else if file.is_none() && matches!(answers.destination, Destination::Sqlite { .. }) {
            // The name may have been asked for since.
            answers.destination = Destination::Sqlite {
                file: format!("{}.db", answers.name),
            };
        }
        match &answers.destination {
            Destination::Sqlite { .. } if file.is_none() => {
                let path = "spec.destination.sqlite.file";
                let file = self.text("File, without a folder", answers, path, |answers, text| {
                    answers.destination = Destination::Sqlite { file: text.to_owned() };
                })?;
                answers.destination = Destination::Sqlite { file };
            }
            Destination::Postgres { .. } if schema.is_none() => {
                let path = "spec.destination.postgres.schema";
                let question = "Schema for the tables; it is made where it is missing";
                let schema = self.text(question, answers, path, |answers, text| {
                    answers.destination = Destination::Postgres {
                        schema: text.to_owned(),
                    };
                })?;
                answers.destination = Destination::Postgres { schema };
            }
            Destination::Sqlite { .. } | Destination::Postgres { .. } => {}
        }
        Ok(())
    }
}

/// Names between commas or spaces, each once.
fn split(text: &str) -> Vec<Chosen> {
    let mut objects: Vec<Chosen> = Vec::new();
    for name in text.split([',', ' ']).filter(|name| !name.is_empty()) {
        if !objects.iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
            objects.push(Chosen::named(name));
        }
    }
    objects
}

#[cfg(test)]
mod tests;
