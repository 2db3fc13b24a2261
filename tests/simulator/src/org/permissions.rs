//! What users may see, as rows of Setup: profiles, permission sets, their assignments, object permissions.
//!
//! Each user who may log in has a profile of its own, with the permission set that Salesforce gives to each profile
//! (`IsOwnedByProfile`), assigned to the user. "View All" of one object is granted by a second permission set, as an
//! administrator does it who wants to leave a profile alone. The rows are made and changed together with the rights that
//! sharing goes by ([`Rights`]); writing the rows by hand changes what a client reads of its rights, not what it sees.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    WriteError,
    change::{Change, Stamps},
    table::Values,
};
use crate::{config::Login, data::Generator, schema::Object};

/// What one user may see, and the rows that say so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rights {
    /// Id of the permission set of the user's profile.
    profile_set: String,
    /// Id of the permission set that grants single objects, once there is one.
    additional_set: Option<String>,
    /// Objects of which every row is seen, in describe's case.
    view_all: Arc<BTreeSet<String>>,
}

impl Rights {
    /// Objects of which every row is seen, in describe's case.
    pub(crate) fn view_all(&self) -> &Arc<BTreeSet<String>> {
        &self.view_all
    }

    /// Follows an object to its other name.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        let view_all = Arc::make_mut(&mut self.view_all);
        if view_all.remove(from) {
            view_all.insert(to.to_owned());
        }
    }
}

/// Objects that have permissions of their own: activities, users and what Setup holds have none.
pub(crate) fn has_permissions(object: &Object) -> bool {
    object.custom
        || matches!(
            object.name.as_str(),
            "Account" | "Case" | "Contact" | "Lead" | "Opportunity"
        )
}

fn owned(values: &[(&str, &str)]) -> Vec<(String, String)> {
    values
        .iter()
        .map(|&(field, text)| (field.to_owned(), text.to_owned()))
        .collect()
}

fn truth(granted: bool) -> &'static str {
    if granted { "true" } else { "false" }
}

impl Change<'_> {
    /// Makes the profile of a user and what belongs to it.
    pub(crate) fn enroll(&mut self, login: &Login, user_id: &str, administrator: bool) -> Result<Rights, WriteError> {
        let name = if administrator {
            "System Administrator".to_owned()
        } else {
            format!("Profile of {}", login.username)
        };
        let (sees, changes) = (truth(login.view_all_data), truth(login.view_all_data && administrator));
        let permissions = [
            ("PermissionsViewSetup", "true"),
            ("PermissionsViewAllData", sees),
            ("PermissionsModifyAllData", changes),
            ("PermissionsViewAllUsers", sees),
        ];
        let mut profile = vec![("Name", name.as_str()), ("UserType", "Standard")];
        profile.extend(permissions);
        let profile_id = self.create("Profile", &owned(&profile))?;
        // Salesforce names the permission set of a profile by the profile's Id.
        let set_name = format!("X{profile_id}");
        let mut set = vec![
            ("Name", set_name.as_str()),
            ("Label", set_name.as_str()),
            ("ProfileId", profile_id.as_str()),
            ("IsOwnedByProfile", "true"),
            ("Type", "Profile"),
        ];
        set.extend(permissions);
        let rights = Rights {
            profile_set: self.create("PermissionSet", &owned(&set))?,
            ..Rights::default()
        };
        self.assign(&rights.profile_set, user_id)?;
        let store = self.store;
        for object in store.schema.objects().iter().filter(|object| has_permissions(object)) {
            self.permit(&rights.profile_set, object, login.view_all_data)?;
        }
        let profile = owned(&[("ProfileId", &profile_id)]);
        self.update("User", user_id, &profile, Stamps::Neither)?;
        Ok(rights)
    }

    fn assign(&mut self, set: &str, user_id: &str) -> Result<(), WriteError> {
        let assignment = owned(&[("PermissionSetId", set), ("AssigneeId", user_id), ("IsActive", "true")]);
        self.create("PermissionSetAssignment", &assignment).map(|_| ())
    }

    fn permit(&mut self, set: &str, object: &Object, view_all: bool) -> Result<(), WriteError> {
        let row = owned(&[
            ("ParentId", set),
            ("SobjectType", &object.name),
            ("PermissionsRead", "true"),
            ("PermissionsViewAllRecords", truth(view_all)),
        ]);
        self.create("ObjectPermissions", &row).map(|_| ())
    }

    /// Gives View All Data to a user's profile, or takes it with Modify All Data and each object's View All.
    pub(crate) fn set_view_all_data(&mut self, rights: &Rights, granted: bool) -> Result<(), WriteError> {
        let mut values = vec![
            ("PermissionsViewAllData", truth(granted)),
            ("PermissionsViewAllUsers", truth(granted)),
        ];
        if !granted {
            values.push(("PermissionsModifyAllData", "false"));
        }
        let values = owned(&values);
        self.update("PermissionSet", &rights.profile_set, &values, Stamps::Both)?;
        let profile = self.read("PermissionSet", &rights.profile_set, "ProfileId")?;
        self.update("Profile", &profile, &values, Stamps::Both)?;
        for id in self.permissions_of(&rights.profile_set, None)? {
            let value = owned(&[("PermissionsViewAllRecords", truth(granted))]);
            self.update("ObjectPermissions", &id, &value, Stamps::Both)?;
        }
        Ok(())
    }

    /// Gives a user View All of one object, or takes it; returns the rights as they are then.
    pub(crate) fn set_view_all(
        &mut self,
        rights: &Rights,
        user_id: &str,
        object: &str,
        granted: bool,
    ) -> Result<Rights, WriteError> {
        let object = self.store.object(object)?;
        if !has_permissions(object) {
            let message = format!("{} has no object permissions", object.name);
            return Err(WriteError::new("INVALID_OPERATION", message));
        }
        let mut after = rights.clone();
        let set = if let Some(set) = &after.additional_set {
            set.clone()
        } else {
            // API names of permission sets are unique; a user's Id is.
            let name = format!("Replication_{user_id}");
            let set = owned(&[
                ("Name", &name),
                ("Label", "Replication"),
                ("IsCustom", "true"),
                ("Type", "Regular"),
            ]);
            let set = self.create("PermissionSet", &set)?;
            self.assign(&set, user_id)?;
            after.additional_set = Some(set.clone());
            set
        };
        for id in self.permissions_of(&set, Some(&object.name))? {
            self.hard_delete("ObjectPermissions", &id)?;
        }
        let mut view_all = BTreeSet::clone(&after.view_all);
        if granted {
            self.permit(&set, object, true)?;
            view_all.insert(object.name.clone());
        } else {
            view_all.remove(&object.name);
        }
        after.view_all = Arc::new(view_all);
        Ok(after)
    }

    /// Gives a profile the permissions of an object that is younger than it.
    pub(crate) fn permit_new(&mut self, rights: &Rights, object: &str, view_all: bool) -> Result<(), WriteError> {
        let object = self.store.object(object)?;
        self.permit(&rights.profile_set, object, view_all)
    }

    /// Deletes every permission of an object that is about to go.
    pub(crate) fn forbid(&mut self, object: &str) -> Result<(), WriteError> {
        for id in self.rows_with("ObjectPermissions", &[("SobjectType", object)])? {
            self.hard_delete("ObjectPermissions", &id)?;
        }
        Ok(())
    }

    /// Renames an object in every permission.
    pub(crate) fn rename_permissions(&mut self, from: &str, to: &str) -> Result<(), WriteError> {
        for id in self.rows_with("ObjectPermissions", &[("SobjectType", from)])? {
            self.update(
                "ObjectPermissions",
                &id,
                &owned(&[("SobjectType", to)]),
                Stamps::Neither,
            )?;
        }
        Ok(())
    }

    fn permissions_of(&self, set: &str, object: Option<&str>) -> Result<Vec<String>, WriteError> {
        let mut wanted = vec![("ParentId", set)];
        wanted.extend(object.map(|object| ("SobjectType", object)));
        self.rows_with("ObjectPermissions", &wanted)
    }

    /// Ids of the rows that have these values. Rows of Setup are few, and none of them is generated.
    fn rows_with(&self, object: &str, wanted: &[(&str, &str)]) -> Result<Vec<String>, WriteError> {
        let object = self.store.object(object)?;
        let Some(table) = self.store.table(object) else {
            return Ok(Vec::new());
        };
        let has = |values: &Values, (field, text): &(&str, &str)| {
            values
                .get(*field)
                .is_some_and(|own| own.as_deref().is_some_and(|own| own == *text))
        };
        Ok(self
            .with_pending(object, table.changed().collect())
            .into_iter()
            .filter(|&n| {
                self.row(object, n)
                    .is_ok_and(|row| wanted.iter().all(|value| has(&row.values, value)))
            })
            .map(|n| Generator::id(object, n))
            .collect())
    }

    /// One field of a row; empty where it is null.
    pub(super) fn read(&self, object: &str, id: &str, field: &str) -> Result<String, WriteError> {
        let object = self.store.object(object)?;
        let n = super::change::number(object, id)?;
        let row = self.row(object, n)?;
        Ok(self.text(object, n, &row, field).unwrap_or_default())
    }
}
