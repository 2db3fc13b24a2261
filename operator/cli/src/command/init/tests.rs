use std::{collections::VecDeque, fmt::Write as _};

use clap::Parser;
use indicatif::MultiProgress;
use salesforce::{AllowHttp, clock::SystemClock};
use simulator::{Config, Simulator};

use super::*;
use crate::{
    arguments::{Arguments, Command, Format},
    printer::Printer,
};

/// Answers in the order of the questions; an empty one takes the default.
#[derive(Debug, Default)]
struct Script {
    answers: VecDeque<&'static str>,
    asked: String,
}

impl Script {
    fn new(answers: &[&'static str]) -> Self {
        Self {
            answers: answers.iter().copied().collect(),
            asked: String::new(),
        }
    }

    fn next(&mut self, question: &str) -> &'static str {
        writeln!(self.asked, "{question}").unwrap();
        self.answers
            .pop_front()
            .unwrap_or_else(|| panic!("no answer to {question}"))
    }
}

impl Asker for Script {
    fn text(&mut self, question: &str, default: &str, check: ask::Check<'_>) -> Result<String, Failure> {
        loop {
            let typed = match self.next(question) {
                "" => default,
                typed => typed,
            };
            match check(typed) {
                Ok(()) => return Ok(typed.to_owned()),
                Err(problem) => writeln!(self.asked, "  {typed}: {problem}").unwrap(),
            }
        }
    }

    fn secret(&mut self, question: &str) -> Result<Option<SecretString>, Failure> {
        Ok(Some(self.next(question))
            .filter(|typed| !typed.is_empty())
            .map(SecretString::from))
    }

    fn choose(&mut self, question: &str, items: &[String], default: usize) -> Result<usize, Failure> {
        Ok(match self.next(question) {
            "" => default,
            typed => items.iter().position(|item| item.starts_with(typed)).unwrap(),
        })
    }

    fn choose_many(&mut self, question: &str, items: &[(String, bool)]) -> Result<Vec<usize>, Failure> {
        let typed = self.next(question);
        writeln!(self.asked, "  {}", items[0].0).unwrap();
        let names: Vec<&str> = typed.split(' ').collect();
        let chosen = |(item, chosen): &(String, bool)| match typed {
            "" => *chosen,
            "none" => false,
            _ => names.contains(&item.split(' ').next().unwrap()),
        };
        Ok((0..items.len()).filter(|index| chosen(&items[*index])).collect())
    }

    fn tell(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.asked, "! {text}").unwrap();
        Ok(())
    }
}

fn context() -> Context {
    let bars = MultiProgress::new();
    Context {
        printer: Printer::new(Format::Text, bars.clone()),
        allow_http: AllowHttp::LoopbackOnly,
        clock: SystemClock::shared(),
        bars,
    }
}

async fn interview(flags: &str, answers: &[&'static str]) -> (Answers, String) {
    let line = std::iter::once("salesforce-replicator")
        .chain(["init"])
        .chain(flags.split_whitespace());
    let Command::Init(arguments) = Arguments::try_parse_from(line).unwrap().command else {
        panic!("not init")
    };
    let mut script = Script::new(answers);
    let answers = Interview {
        asker: &mut script,
        arguments: &arguments,
        context: &context(),
    }
    .hold()
    .await
    .unwrap();
    assert!(script.answers.is_empty(), "not asked for: {:?}", script.answers);
    (answers, script.asked)
}

#[tokio::test]
async fn whoever_agrees_to_everything_gets_the_defaults() {
    let (answers, asked) = interview("", &[""; 7]).await;
    assert_eq!(answers, Answers::default());
    assert_eq!(answers.problems(), [""; 0]);
    assert_eq!(asked.lines().count(), 7, "{asked}");
}

#[tokio::test]
async fn what_a_flag_says_is_not_asked() {
    let flags = "--name people --login-url https://acme.my.salesforce.com --username ann@acme.example --object Lead --object lead \
                 --database postgres --schema crm --interval 1h";
    let (answers, asked) = interview(flags, &[""]).await;
    assert!(asked.starts_with("Password"), "the password only: {asked}");
    assert_eq!(asked.lines().count(), 1);
    assert_eq!(answers.objects, [Chosen::named("Lead")]);
    assert_eq!(answers.destination, Destination::Postgres { schema: "crm".into() });
    assert_eq!(answers.problems(), [""; 0]);
}

#[tokio::test]
async fn a_wrong_answer_is_asked_again_in_the_words_of_the_schema() {
    let typed = [
        "C R M",
        "crm",
        "acme",
        "",
        "",
        "Contact; drop",
        "Contact, Invoice__c Contact",
        "PostgreSQL",
        "pg_own",
        "crm",
        "5x",
        "10s",
        "10m",
    ];
    let (answers, asked) = interview("", &typed).await;
    for part in [
        "C R M: ",
        "acme: ",
        "Contact; drop: ",
        "pg_own: names that start with pg_",
        "10s: interval must be at least 30s",
    ] {
        assert!(asked.contains(part), "{part} in {asked}");
    }
    assert_eq!(answers.objects, [Chosen::named("Contact"), Chosen::named("Invoice__c")]);
    assert_eq!(answers.interval, "10m");
    assert_eq!(answers.problems(), [""; 0]);
}

#[tokio::test]
async fn with_a_password_the_org_is_asked_for_its_objects() {
    let org = Simulator::start(Config::default()).await.unwrap();
    let flags = format!(
        "--login-url {} --username admin@example.com --database sqlite --file a.db --interval 5m",
        org.url()
    );
    let answers = ["", "correct horse", "TOKEN123", "none", "Lead Specimen__c"];
    let (answers, asked) = interview(&flags, &answers).await;
    assert!(
        asked.contains("  Contact\n"),
        "those of a directory come first: {asked}"
    );
    assert!(asked.contains("! at least one object"), "{asked}");
    let names: Vec<&str> = answers.objects.iter().map(|object| object.name.as_str()).collect();
    assert_eq!(names, ["Lead", "Specimen__c"]);
    let yaml = answers.to_yaml();
    assert!(yaml.contains("name: Specimen__c # Specimen: every field"), "{yaml}");
    assert!(!yaml.contains("correct horse") && !yaml.contains("TOKEN123"), "{yaml}");
}

#[tokio::test]
async fn a_refused_login_leads_on_without_the_org() {
    let org = Simulator::start(Config::default()).await.unwrap();
    let flags = format!(
        "--name x --login-url {} --username admin@example.com --database sqlite --file a.db --interval 5m",
        org.url()
    );
    let (answers, asked) = interview(&flags, &["wrong", "", ""]).await;
    assert!(
        asked.contains("! ") && asked.contains("name the objects yourself"),
        "{asked}"
    );
    assert_eq!(answers.objects, Answers::default().objects);
}

#[test]
fn what_is_printed_is_what_was_checked() {
    for answers in [
        Answers::default(),
        Answers {
            name: "007".into(),
            namespace: Some("true".into()),
            login_url: "https://acme.my.salesforce.com:8443/path".into(),
            username: Some("ann\nkind: Secret".into()),
            objects: vec![Chosen {
                name: "No".into(),
                label: Some("x # \n- name: y".into()),
            }],
            destination: Destination::Postgres { schema: "n".into() },
            interval: "1h30m".into(),
        },
    ] {
        let yaml = answers.to_yaml();
        let read: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(read, answers.to_value(), "{yaml}");
        assert_eq!(answers.problems(), [""; 0], "{yaml}");
    }
}
