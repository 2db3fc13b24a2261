//! Whether the user of a replicator sees every record, object by object (design 6.10).
//!
//! Salesforce answers each query with the records that are shared with the user, and does not say that there are others. A
//! replica made by such a user is complete by every count and lacks rows all the same: the silent loss of this field. So the
//! user's own rights are asked for, in two queries: the permission sets assigned to the user (the one of the profile is
//! among them), with "View All Data" and "Modify All Data"; and their object permissions, with "View All" and "Modify All"
//! of each object.
//!
//! Three answers are told apart, since two of them would be lies in the place of the third. *Complete*: one of these rights
//! is there. *Partial*: none is, and the object has rights of its own that could have said so; records may be missing, unless
//! the org's sharing happens to show them all. *Unknown*: the user may not read Setup, or the object has no rights of its own
//! (activities, users and much of Setup follow other rules, and only View All Data settles them). That the question cannot be
//! answered is never an error: what a user may not read about itself it may still replicate.
//!
//! Rejected: counting an object's records as the administrator would see them, since nobody but an administrator can; and
//! `UserRecordAccess`, which answers for one record that is known already.

use std::{collections::BTreeMap, ops::ControlFlow};

use salesforce::{Client, QueryScope, RecordSink, SelectList};
use serde::{Serialize, Serializer};

use crate::{plan::ObjectName, progress::Degradation, retry::Retries};

/// The object whose records follow a right of their own.
const USER: &str = "User";

/// Of which objects the user sees every record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Visibility {
    objects: BTreeMap<ObjectName, Sight>,
}

/// How much of an object the user sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// Every record.
    Complete,
    /// What is shared with the user, and perhaps no more.
    Partial,
    /// It cannot be told.
    Unknown(Blindness),
}

/// Why it cannot be told how much a user sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blindness {
    /// The user may not read permission sets.
    SetupHidden,
    /// The object has no "View All": its records follow those of others, or rules of their own.
    NoRightOfItsOwn,
    /// Salesforce did not answer; its message.
    NotAnswered(String),
}

impl Visibility {
    /// How much of an object the user sees; `None` for one that was not asked for.
    pub fn of(&self, object: &ObjectName) -> Option<&Sight> {
        self.objects.get(object)
    }

    /// Every object that was asked for, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectName, &Sight)> {
        self.objects.iter()
    }

    /// What `Degraded` says of an object, where records may be missing. Nothing where that is not known: a replicator is not
    /// worse for what its user may not read about itself; `plan` and `check` say it with [`Sight::message`].
    pub fn degradation(&self, object: &ObjectName) -> Option<Degradation> {
        match self.of(object)? {
            sight @ Sight::Partial => Some(Degradation {
                reason: "PartialVisibility",
                message: sight.message(object)?,
            }),
            Sight::Complete | Sight::Unknown(_) => None,
        }
    }

    fn all(objects: &[ObjectName], sight: &Sight) -> Self {
        Self {
            objects: objects.iter().map(|object| (object.clone(), sight.clone())).collect(),
        }
    }
}

impl Sight {
    /// What an administrator should know and do; nothing where every record is seen.
    pub fn message(&self, object: &ObjectName) -> Option<String> {
        match self {
            Self::Complete => None,
            Self::Partial => Some(format!(
                "{object}: the user has neither \"View All Data\" nor \"View All\" of {object}; records that are not shared with \
                 it are missing from the table, and Salesforce does not say that there are any. Grant \"View All\" of {object} to \
                 the user in a permission set (Setup, Permission Sets, Object Settings)"
            )),
            Self::Unknown(Blindness::SetupHidden) => Some(format!(
                "{object}: whether the user sees every record is not known, since it may not read permission sets; grant it \
                 \"View Setup and Configuration\" to have this checked, or make sure that it has \"View All\" of {object}"
            )),
            Self::Unknown(Blindness::NoRightOfItsOwn) if object.as_str().eq_ignore_ascii_case(USER) => Some(format!(
                "{object}: whether the user sees every user depends on the org's sharing of users; \"View All Users\" or \
                 \"View All Data\" would make it sure"
            )),
            Self::Unknown(Blindness::NoRightOfItsOwn) => Some(format!(
                "{object}: whether the user sees every record is not known, since {object} has no \"View All\" of its own; \
                 \"View All Data\" would make it sure"
            )),
            Self::Unknown(Blindness::NotAnswered(why)) => Some(format!(
                "{object}: whether the user sees every record is not known, since Salesforce did not answer: {why}"
            )),
        }
    }
}

impl Serialize for Sight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Complete => "Complete",
            Self::Partial => "Partial",
            Self::Unknown(_) => "Unknown",
        })
    }
}

/// Asks how much of these objects a user sees: two calls, and up to three more where the org or the version of the API does
/// not know what is asked for. Fails never: what cannot be asked is unknown. Cancel safe.
pub(crate) async fn visibility(
    client: &Client,
    retries: &Retries,
    user_id: &str,
    objects: &[ObjectName],
) -> Visibility {
    match ask(client, retries, user_id, objects).await {
        Ok(visibility) => visibility,
        Err(error) => {
            tracing::debug!(%error, "how much the user sees could not be asked");
            let why = match error.code() {
                // What is not there for a user, and what a user lacks a right for.
                Some("INVALID_TYPE" | "INVALID_FIELD") => Blindness::SetupHidden,
                Some(code) if code.starts_with("INSUFFICIENT_ACCESS") => Blindness::SetupHidden,
                Some(_) | None => Blindness::NotAnswered(error.message()),
            };
            Visibility::all(objects, &Sight::Unknown(why))
        }
    }
}

async fn ask(
    client: &Client,
    retries: &Retries,
    user_id: &str,
    objects: &[ObjectName],
) -> salesforce::Result<Visibility> {
    if objects.is_empty() {
        return Ok(Visibility::default());
    }
    let reader = Reader { client, retries };
    let asks_users = objects.iter().any(|object| object.as_str().eq_ignore_ascii_case(USER));
    let assigned = reader.assigned(user_id, asks_users).await?;
    if assigned.all_data {
        return Ok(Visibility::all(objects, &Sight::Complete));
    }
    // Each user has the permission set of its profile at least.
    if assigned.sets.is_empty() {
        return Ok(Visibility::all(objects, &Sight::Unknown(Blindness::SetupHidden)));
    }
    let permissions = reader.permissions(&assigned.sets, objects).await?;
    let sight = |object: &ObjectName| {
        let name = object.as_str().to_lowercase();
        match permissions.get(&name) {
            _ if assigned.all_users && name == USER.to_lowercase() => Sight::Complete,
            Some(true) => Sight::Complete,
            Some(false) => Sight::Partial,
            None => Sight::Unknown(Blindness::NoRightOfItsOwn),
        }
    };
    Ok(Visibility {
        objects: objects.iter().map(|object| (object.clone(), sight(object))).collect(),
    })
}

/// The permission sets of a user, and what they grant beyond single objects.
#[derive(Debug, Default)]
struct Assigned {
    sets: Vec<String>,
    all_data: bool,
    all_users: bool,
}

struct Reader<'a> {
    client: &'a Client,
    retries: &'a Retries,
}

impl Reader<'_> {
    async fn assigned(&self, user_id: &str, asks_users: bool) -> salesforce::Result<Assigned> {
        // The right to see all users is not in every edition, and old versions of the API do not tell when an assignment ends.
        let all_ways = [(true, true), (false, true), (true, false), (false, false)];
        let mut ways = all_ways
            .into_iter()
            .filter(|(users, _)| asks_users || !users)
            .peekable();
        let rows = loop {
            let Some((users, end)) = ways.next() else {
                return Ok(Assigned::default());
            };
            match self.assignments(user_id, users, end).await {
                Err(error) if error.code() == Some("INVALID_FIELD") && ways.peek().is_some() => {}
                rows => break rows?,
            }
        };
        let mut assigned = Assigned::default();
        for row in rows {
            let granted = |column: usize| row.get(column).is_some_and(|text| text == "true");
            assigned.all_data |= granted(1) || granted(2);
            assigned.all_users |= granted(3);
            assigned.sets.extend(row.first().filter(|id| !id.is_empty()).cloned());
        }
        Ok(assigned)
    }

    async fn assignments(&self, user_id: &str, users: bool, end: bool) -> salesforce::Result<Vec<Vec<String>>> {
        let mut fields = vec![
            "PermissionSetId",
            "PermissionSet.PermissionsViewAllData",
            "PermissionSet.PermissionsModifyAllData",
        ];
        if users {
            fields.push("PermissionSet.PermissionsViewAllUsers");
        }
        let mut condition = format!("AssigneeId = '{}'", literal(user_id));
        if end {
            // An assignment that ended stays listed until Salesforce clears it away. A day is as fine as that need be.
            condition.push_str(" AND (ExpirationDate = null OR ExpirationDate >= TODAY)");
        }
        self.rows(&fields, "PermissionSetAssignment", &condition).await
    }

    /// Objects in lower case that the sets name, and whether one of them grants every record.
    async fn permissions(&self, sets: &[String], objects: &[ObjectName]) -> salesforce::Result<BTreeMap<String, bool>> {
        let list = |names: &mut dyn Iterator<Item = &str>| {
            names
                .map(|name| format!("'{}'", literal(name)))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let fields = [
            "SobjectType",
            "PermissionsViewAllRecords",
            "PermissionsModifyAllRecords",
        ];
        let condition = format!(
            "ParentId IN ({}) AND SobjectType IN ({})",
            list(&mut sets.iter().map(String::as_str)),
            list(&mut objects.iter().map(ObjectName::as_str))
        );
        let mut granted = BTreeMap::new();
        for row in self.rows(&fields, "ObjectPermissions", &condition).await? {
            if let [object, view, modify] = row.as_slice() {
                *granted.entry(object.to_lowercase()).or_insert(false) |= view == "true" || modify == "true";
            }
        }
        Ok(granted)
    }

    /// All rows of a query, as texts; null is empty. They are a few hundred at most, so they are read where they arrive.
    async fn rows(&self, fields: &[&str], from: &str, condition: &str) -> salesforce::Result<Vec<Vec<String>>> {
        let soql = format!("SELECT {} FROM {from} WHERE {condition}", fields.join(", "));
        let select = SelectList::new(fields);
        let mut rows = Rows {
            width: fields.len(),
            rows: Vec::new(),
        };
        let mut page = self.retries.call(|| self.client.query(QueryScope::Live, &soql)).await?;
        loop {
            page.read_records(&select, &mut rows)?;
            let Some(locator) = page.locator().cloned() else {
                return Ok(rows.rows);
            };
            page = self.retries.call(|| self.client.query_more(&locator)).await?;
        }
    }
}

/// A text inside quotes of SOQL.
fn literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

struct Rows {
    width: usize,
    rows: Vec<Vec<String>>,
}

impl RecordSink for Rows {
    fn begin_record(&mut self) {
        self.rows.push(vec![String::new(); self.width]);
    }

    fn value(&mut self, column: usize, text: &str) {
        if let Some(value) = self.rows.last_mut().and_then(|row| row.get_mut(column)) {
            text.clone_into(value);
        }
    }

    fn end_record(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use salesforce::{ClientConfig, Credentials, clock::SystemClock};
    use simulator::{Config, Rule, Simulator, UserChange, What};

    use super::*;
    use crate::retry::SystemRandomness;

    const USER_NAME: &str = "admin@example.com";

    struct Bench {
        org: Simulator,
        client: Client,
        user_id: String,
    }

    impl Bench {
        async fn new() -> Self {
            let org = Simulator::start(Config::default()).await.unwrap();
            let credentials = Credentials::Password {
                username: USER_NAME.to_owned(),
                password: "correct horse".to_owned().into(),
                security_token: Some("TOKEN123".to_owned().into()),
            };
            let config = ClientConfig::new(org.url(), "66.0".parse().unwrap());
            let client = Client::new(config, credentials, SystemClock::shared()).unwrap();
            let user_id = client.org().await.unwrap().user_id;
            Self { org, client, user_id }
        }

        /// What is said of Contact, Account, User and Task.
        async fn seen(&self) -> Visibility {
            let objects = ["Contact", "Account", USER, "Task"].map(ObjectName::new);
            let retries = Retries::new(SystemClock::shared(), Arc::new(SystemRandomness));
            visibility(&self.client, &retries, &self.user_id, &objects).await
        }

        async fn sights(&self) -> Vec<Sight> {
            let seen = self.seen().await;
            ["Contact", "Account", USER, "Task"]
                .map(|object| seen.of(&ObjectName::new(object)).unwrap().clone())
                .to_vec()
        }

        fn change(&self, change: UserChange) {
            self.org.control().change_user(USER_NAME, change).unwrap();
        }

        fn withdraw_view_all_data(&self) {
            self.change(UserChange {
                view_all_data: Some(false),
                ..UserChange::default()
            });
        }
    }

    const NO_RIGHT: Sight = Sight::Unknown(Blindness::NoRightOfItsOwn);

    #[tokio::test]
    async fn view_all_data_shows_everything_with_one_call() {
        let bench = Bench::new().await;
        bench.org.control().reset_calls();
        assert_eq!(bench.sights().await, vec![Sight::Complete; 4]);
        assert_eq!(bench.org.control().counters().of("query"), 1);
        let contact = ObjectName::new("Contact");
        let seen = bench.seen().await;
        assert_eq!(
            (seen.degradation(&contact), Sight::Complete.message(&contact)),
            (None, None)
        );
    }

    #[tokio::test]
    async fn view_all_of_an_object_shows_that_object() {
        let bench = Bench::new().await;
        bench.withdraw_view_all_data();
        assert_eq!(
            bench.sights().await,
            [Sight::Partial, Sight::Partial, NO_RIGHT, NO_RIGHT]
        );
        bench.org.control().grant_view_all(USER_NAME, "Contact").unwrap();
        assert_eq!(
            bench.sights().await,
            [Sight::Complete, Sight::Partial, NO_RIGHT, NO_RIGHT]
        );
        let seen = bench.seen().await;
        assert_eq!(seen.degradation(&ObjectName::new("Contact")), None);
        let account = seen.degradation(&ObjectName::new("Account")).unwrap();
        assert_eq!(account.reason, "PartialVisibility");
        assert!(account.message.starts_with("Account: "), "{}", account.message);
        assert!(
            account.message.contains("Grant \"View All\" of Account"),
            "{}",
            account.message
        );
        assert_eq!(
            seen.degradation(&ObjectName::new("Task")),
            None,
            "unknown is not partial"
        );
    }

    #[tokio::test]
    async fn rights_that_may_not_be_read_are_unknown() {
        let bench = Bench::new().await;
        bench.change(UserChange {
            view_setup: Some(false),
            ..UserChange::default()
        });
        assert_eq!(bench.sights().await, vec![Sight::Unknown(Blindness::SetupHidden); 4]);
        let object = ObjectName::new("Contact");
        let message = bench.seen().await.of(&object).unwrap().message(&object).unwrap();
        assert!(message.contains("View Setup and Configuration"), "{message}");
    }

    #[tokio::test]
    async fn object_permissions_alone_may_be_hidden() {
        let bench = Bench::new().await;
        bench.withdraw_view_all_data();
        bench
            .org
            .control()
            .withdraw(USER_NAME, "ObjectPermissions", None)
            .unwrap();
        assert_eq!(bench.sights().await, vec![Sight::Unknown(Blindness::SetupHidden); 4]);
    }

    #[tokio::test]
    async fn users_follow_a_right_of_their_own() {
        let bench = Bench::new().await;
        bench.withdraw_view_all_data();
        let control = bench.org.control();
        let set = control.rows("PermissionSet").unwrap().next().unwrap().id;
        control
            .update("PermissionSet", &set, &[("PermissionsViewAllUsers", "true")])
            .unwrap();
        assert_eq!(bench.sights().await[2], Sight::Complete);
        control
            .withdraw(USER_NAME, "PermissionSet", Some("PermissionsViewAllUsers"))
            .unwrap();
        assert_eq!(
            bench.sights().await,
            [Sight::Partial, Sight::Partial, NO_RIGHT, NO_RIGHT],
            "an org without this right answers the rest"
        );
    }

    #[tokio::test]
    async fn an_assignment_that_ended_grants_nothing() {
        let bench = Bench::new().await;
        bench.withdraw_view_all_data();
        let control = bench.org.control();
        control.grant_view_all(USER_NAME, "Contact").unwrap();
        let last = control.rows("PermissionSetAssignment").unwrap().last().unwrap().id;
        control
            .update(
                "PermissionSetAssignment",
                &last,
                &[("ExpirationDate", "2020-01-01T00:00:00.000Z")],
            )
            .unwrap();
        assert_eq!(bench.sights().await[0], Sight::Partial);
    }

    #[tokio::test]
    async fn a_version_that_does_not_tell_when_assignments_end_answers_the_rest() {
        let bench = Bench::new().await;
        bench.withdraw_view_all_data();
        let control = bench.org.control();
        control.grant_view_all(USER_NAME, "Contact").unwrap();
        control
            .withdraw(USER_NAME, "PermissionSetAssignment", Some("ExpirationDate"))
            .unwrap();
        assert_eq!(
            bench.sights().await,
            [Sight::Complete, Sight::Partial, NO_RIGHT, NO_RIGHT]
        );
    }

    #[tokio::test]
    async fn a_user_without_any_permission_set_is_one_who_may_not_see_them() {
        let bench = Bench::new().await;
        let control = bench.org.control();
        for assignment in control.rows("PermissionSetAssignment").unwrap() {
            control.hard_delete("PermissionSetAssignment", &assignment.id).unwrap();
        }
        assert_eq!(bench.sights().await, vec![Sight::Unknown(Blindness::SetupHidden); 4]);
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_no_error() {
        let bench = Bench::new().await;
        let refused = What::fault("FUNCTIONALITY_NOT_ENABLED", "not in this edition");
        bench.org.control().add_rule(Rule::at("query", refused).forever());
        let sights = bench.sights().await;
        assert!(
            matches!(&sights[0], Sight::Unknown(Blindness::NotAnswered(why)) if why.contains("FUNCTIONALITY_NOT_ENABLED")),
            "{sights:?}"
        );
    }
}
