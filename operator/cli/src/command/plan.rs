//! `plan`: what would be made, and what the destination has already.

use jiff::Timestamp;
use replication::{
    Result as Decided,
    connect::Session,
    plan::{KindView, LinkView, ObjectView, Plan as Planned, PlanView, UnplannedView},
    replicator::Outlook,
    state::{Phase, State},
};
use serde::Serialize;

use crate::{
    arguments::Plan,
    exit::Exit,
    failure::Failure,
    printer::{self, Printer},
    session::{Context, Prepared},
};

/// What `plan -o json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PlanOutput {
    /// `namespace/name`.
    replicator: String,
    /// The org, 18 characters.
    organization_id: String,
    /// The org's name.
    organization_name: String,
    /// The org's host.
    instance_url: String,
    /// As whom.
    user_name: String,
    /// When it runs, in words.
    trigger: String,
    /// Tables, columns, indexes, statements, API calls, warnings.
    #[serde(flatten)]
    plan: PlanView,
    /// What the destination has of each object, in the order of `objects`.
    states: Vec<StateOutput>,
}

/// What the destination has of an object.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StateOutput {
    /// API name.
    object: String,
    /// `New`: the next run loads all records; `Initial`: a first load goes on; `Live`; `Refused`: see `problem`.
    phase: &'static str,
    /// Rows in the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<i64>,
    /// Up to here the table is complete, Salesforce's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    watermark: Option<Timestamp>,
    /// What the next run does, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Outlook>,
    /// Why a run would be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Shows what would be made.
pub(crate) async fn plan(arguments: Plan, context: &Context) -> Result<Exit, Failure> {
    let prepared = Prepared::load(&arguments.source.source, context)?;
    let session = prepared.open().await?;
    let outlooks = session.outlooks().await;
    let output = PlanOutput::new(&prepared, &session, &outlooks);
    context.printer.result(&output, || output.to_text())?;
    let refused = outlooks.into_iter().find_map(Decided::err).map(Failure::Engine);
    let failures: Vec<Failure> = [unplanned(session.plan()), refused].into_iter().flatten().collect();
    failures.iter().for_each(Printer::failure);
    Ok(failures.first().map_or(Exit::Success, Failure::exit))
}

/// What keeps some objects from running.
fn unplanned(plan: &Planned) -> Option<Failure> {
    let (some, others) = (plan.unplanned.len(), plan.objects.len());
    (some > 0).then(|| Failure::Invalid {
        heading: format!("{some} of {} objects cannot be planned:", some + others),
        problems: plan.problems().0,
        advice: "Mend them; a run goes on with the other objects meanwhile.",
    })
}

impl PlanOutput {
    fn new(prepared: &Prepared, session: &Session, outlooks: &[Decided<(Option<State>, Outlook)>]) -> Self {
        let org = session.org();
        let trigger = crds::Schedule::new(&prepared.resource.spec.trigger);
        Self {
            replicator: prepared.identity.to_string(),
            organization_id: org.organization_id.clone(),
            organization_name: org.organization_name.clone(),
            instance_url: org.instance_url.as_str().trim_end_matches('/').to_owned(),
            user_name: org.user_name.clone(),
            trigger: trigger.map_or_else(|_| String::new(), |schedule| schedule.to_string()),
            plan: PlanView::new(session.plan(), |object| session.ddl(object)),
            states: session
                .plan()
                .objects
                .iter()
                .zip(outlooks)
                .map(|(plan, outlook)| StateOutput::new(plan.object.to_string(), outlook))
                .collect(),
        }
    }

    fn to_text(&self) -> String {
        let Self {
            replicator,
            organization_id,
            organization_name,
            instance_url,
            user_name,
            trigger,
            plan,
            states,
        } = self;
        let mut lines = vec![
            format!("Replicator  {replicator}, runs {trigger}"),
            format!("Org         {organization_name} {organization_id} at {instance_url}"),
            format!("User        {user_name}"),
        ];
        for (object, state) in plan.objects.iter().zip(states) {
            lines.push(String::new());
            lines.extend(object_text(object, state));
        }
        for unplanned in &plan.unplanned {
            lines.push(String::new());
            lines.extend(unplanned_text(unplanned));
        }
        lines.push(String::new());
        lines.push(guard(plan.max_delete_percent));
        let calls = plan.api_calls;
        lines.push(format!(
            "API calls   {} a day where nothing changes, by {}; each 2,000 rows that changed, or that Reconcile and Refresh \
             list, are one more",
            printer::grouped(calls.calls_per_day),
            printer::count(calls.runs_per_day, "run", "runs")
        ));
        lines.push(budget(plan.api_budget_percent));
        lines.extend(section("Warnings", &plan.warnings));
        lines.extend(section("Not served by this version", &plan.not_served));
        lines.join("\n")
    }
}

fn object_text(object: &ObjectView, state: &StateOutput) -> Vec<String> {
    let ObjectView {
        object,
        table,
        deletes,
        condition,
        columns,
        indexes,
        links,
        kinds,
        missing_fields: _,
        ddl,
        soql: _,
        hash: _,
    } = object;
    let mut lines = vec![
        format!("{object} -> {table}, deletes: {deletes}"),
        format!("  {}", state.to_text()),
    ];
    if let Some(next) = &state.next {
        lines.push(format!("  next run: {}", next.run));
        lines.extend(next.lines().iter().map(|line| format!("    {line}")));
    }
    lines.extend(condition.as_ref().map(|soql| format!("  where {soql}")));
    lines.extend(links.iter().map(|link| format!("  {}", link_text(link))));
    let rows = columns.iter().map(|column| {
        vec![
            column.name.clone(),
            column.kind.clone(),
            column.source.clone().unwrap_or_else(|| "- (NULL)".to_owned()),
        ]
    });
    lines.extend(indented(&printer::table(&["COLUMN", "TYPE", "FROM"], rows)));
    for index in indexes {
        let rows = index.rows.map(|rows| format!(", {rows} rows")).unwrap_or_default();
        lines.push(format!("  index {} ({}){rows}", index.name, index.columns.join(", ")));
    }
    lines.push(String::new());
    lines.extend(indented(&kinds_text(kinds)));
    for statement in ddl {
        lines.push(String::new());
        lines.extend(indented(&format!("{statement};")));
    }
    lines
}

fn unplanned_text(unplanned: &UnplannedView) -> Vec<String> {
    let UnplannedView {
        object,
        table,
        reason,
        problems,
    } = unplanned;
    let mut lines = vec![
        format!("{object} -> {table}: {reason}"),
        "  it does not run, and its table stays as it is, until this is mended:".to_owned(),
    ];
    lines.extend(problems.iter().map(|problem| format!("  - {problem}")));
    lines
}

/// How a change of a parent reaches the rows.
fn link_text(link: &LinkView) -> String {
    let LinkView {
        parent,
        reference,
        fields,
        compared,
        verified: _,
    } = link;
    let children = if compared.is_empty() {
        "all rows of a changed one are read again".to_owned()
    } else {
        format!("rows that differ in {} are read again", compared.join(", "))
    };
    format!("linked to {parent} by {reference} ({}): {children}", fields.join(", "))
}

fn kinds_text(kinds: &[KindView]) -> String {
    let rows = kinds.iter().map(|kind| {
        let KindView {
            kind,
            every,
            calls_per_day,
        } = kind;
        vec![(*kind).to_owned(), every.clone(), printer::grouped(*calls_per_day)]
    });
    printer::table(&["KIND", "EVERY", "CALLS A DAY"], rows)
}

/// When deletes are held.
fn guard(max_delete_percent: u8) -> String {
    match max_delete_percent {
        100.. => "Deletes     none are held, since maxDeletePercent is 100".to_owned(),
        percent => format!(
            "Deletes     held where more than {percent} % of a table, and 100 rows or half of it, would go within 24 hours"
        ),
    }
}

/// When runs wait for the calls that others use.
fn budget(percent: u8) -> String {
    format!(
        "API budget  from {percent} % of the org's calls in 24 hours on, used by anybody, all kinds but Incremental wait until fewer \
         are; from 95 % on that waits too; a run by trigger.manual does not"
    )
}

fn indented(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| format!("  {line}"))
}

fn section(title: &str, texts: &[String]) -> Vec<String> {
    if texts.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), format!("{title}:")];
    lines.extend(texts.iter().map(|text| format!("  - {text}")));
    lines
}

impl StateOutput {
    fn to_text(&self) -> String {
        let rows = printer::grouped(self.rows.unwrap_or_default());
        match (self.phase, &self.watermark, &self.problem) {
            (_, _, Some(_)) => "a run would be refused: see the error below".to_owned(),
            ("New", ..) => "new: the next run loads all records".to_owned(),
            ("Initial", ..) => format!("a first load is under way: {rows} rows so far"),
            (_, Some(watermark), None) => format!("{rows} rows, complete as of {watermark}"),
            (_, None, None) => format!("{rows} rows"),
        }
    }
}

impl StateOutput {
    fn new(object: String, outlook: &Decided<(Option<State>, Outlook)>) -> Self {
        let empty = Self {
            object,
            phase: "New",
            rows: None,
            watermark: None,
            next: None,
            problem: None,
        };
        match outlook {
            Ok((None, next)) => Self {
                next: Some(next.clone()),
                ..empty
            },
            Ok((Some(State { rows, checkpoint, .. }), next)) => Self {
                phase: match checkpoint.phase {
                    Phase::Initial => "Initial",
                    Phase::Live => "Live",
                },
                rows: Some(*rows),
                watermark: checkpoint.watermark,
                next: Some(next.clone()),
                ..empty
            },
            Err(error) => Self {
                phase: "Refused",
                problem: Some(error.message()),
                ..empty
            },
        }
    }
}
