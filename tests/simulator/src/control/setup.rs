//! Users, permissions, objects, fields.

use serde::{Deserialize, Serialize};

use super::Control;
use crate::{
    config::Login,
    lock,
    org::{WriteError, change::number, permissions::Rights},
    schema::{Field, FieldType, Object, SETUP_OBJECTS, Schema},
};

/// A user who may log in, as the org sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "permissions and states that are independent in Salesforce too"
)]
pub struct UserState {
    /// User name.
    pub username: String,
    /// Id of the User row.
    pub user_id: String,
    /// The security token as it is: a test is the mail box that it is sent to.
    pub token: String,
    /// May log in.
    pub active: bool,
    /// Has "Use Any API Auth".
    pub api_auth: bool,
    /// May do nothing but setPassword.
    pub password_expired: bool,
    /// Has View All Data.
    pub view_all_data: bool,
    /// Objects of which every row is seen by View All.
    pub view_all: Vec<String>,
    /// May read profiles and permission sets.
    pub view_setup: bool,
    /// Locked out by wrong passwords.
    pub locked: bool,
}

/// What to change of a user; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct UserChange {
    /// Password; the token stays.
    pub password: Option<String>,
    /// Security token.
    pub token: Option<String>,
    /// May log in.
    pub active: Option<bool>,
    /// Has "Use Any API Auth".
    pub api_auth: Option<bool>,
    /// May do nothing but setPassword.
    pub password_expired: Option<bool>,
    /// Has View All Data. Taking it takes Modify All Data too.
    pub view_all_data: Option<bool>,
    /// Has "View Setup and Configuration": without it profiles, permission sets, their assignments and object permissions
    /// are not there.
    pub view_setup: Option<bool>,
    /// Ends a lockout.
    pub unlock: bool,
}

impl Control {
    /// Lets one more user log in; the user becomes a row of User.
    ///
    /// # Errors
    /// The name is taken.
    pub fn add_user(&self, login: Login) -> Result<String, WriteError> {
        if lock(&self.org.access).account(&login.username).is_some() {
            return Err(WriteError::new(
                "DUPLICATE_USERNAME",
                format!("{} exists", login.username),
            ));
        }
        let name = login.username.split('@').next().unwrap_or_default().to_owned();
        let user_id = self.create(
            "User",
            &[
                ("Username", &login.username),
                ("Email", &login.username),
                ("LastName", &name),
                ("IsActive", "true"),
            ],
        )?;
        let rights = self.write(None, |change| change.enroll(&login, &user_id, false))?;
        lock(&self.org.access).add(login, user_id.clone(), rights);
        Ok(user_id)
    }

    /// Those who may log in.
    pub fn users(&self) -> Vec<UserState> {
        let now = self.org.clock.now();
        let store = self.org.store();
        let access = lock(&self.org.access);
        let views_setup = |username: &str| {
            let view = store.schema.view(username);
            SETUP_OBJECTS.iter().all(|object| view.object(object).is_some())
        };
        access
            .accounts()
            .iter()
            .map(|account| UserState {
                username: account.login.username.clone(),
                user_id: account.user_id.clone(),
                token: account.login.token.clone(),
                active: account.active,
                api_auth: account.api_auth,
                password_expired: account.password_expired,
                view_all_data: account.login.view_all_data,
                view_all: account.rights.view_all().iter().cloned().collect(),
                view_setup: views_setup(&account.login.username),
                locked: account.locked(now),
            })
            .collect()
    }

    /// Changes a user.
    ///
    /// # Errors
    /// There is no such user.
    pub fn change_user(&self, username: &str, change: UserChange) -> Result<(), WriteError> {
        let UserChange {
            password,
            token,
            active,
            api_auth,
            password_expired,
            view_all_data,
            view_setup,
            unlock,
        } = change;
        let (rights, _) = self.rights(username)?;
        if let Some(granted) = view_all_data {
            self.write(None, |change| change.set_view_all_data(&rights, granted))?;
        }
        if let Some(granted) = view_setup {
            for object in SETUP_OBJECTS {
                if granted {
                    self.grant(username, object, None)?;
                } else {
                    self.withdraw(username, object, None)?;
                }
            }
        }
        let mut access = lock(&self.org.access);
        let account = access
            .account_mut(username)
            .ok_or_else(|| WriteError::missing("User", username))?;
        account.login.password = password.unwrap_or_else(|| account.login.password.clone());
        account.login.token = token.unwrap_or_else(|| account.login.token.clone());
        account.active = active.unwrap_or(account.active);
        account.api_auth = api_auth.unwrap_or(account.api_auth);
        account.password_expired = password_expired.unwrap_or(account.password_expired);
        account.login.view_all_data = view_all_data.unwrap_or(account.login.view_all_data);
        if unlock {
            account.unlock();
        }
        Ok(())
    }

    /// Grants a user View All of an object, by a permission set beside the profile.
    ///
    /// # Errors
    /// There is no such user or object, or the object has no permissions of its own (User, Task, objects of Setup).
    pub fn grant_view_all(&self, username: &str, object: &str) -> Result<(), WriteError> {
        self.set_view_all(username, object, true)
    }

    /// Takes [`Control::grant_view_all`] back.
    ///
    /// # Errors
    /// As there.
    pub fn withdraw_view_all(&self, username: &str, object: &str) -> Result<(), WriteError> {
        self.set_view_all(username, object, false)
    }

    fn set_view_all(&self, username: &str, object: &str, granted: bool) -> Result<(), WriteError> {
        let (rights, user_id) = self.rights(username)?;
        let after = self.write(None, |change| change.set_view_all(&rights, &user_id, object, granted))?;
        if let Some(account) = lock(&self.org.access).account_mut(username) {
            account.rights = after;
        }
        Ok(())
    }

    /// The rights of a user, and the Id.
    fn rights(&self, username: &str) -> Result<(Rights, String), WriteError> {
        lock(&self.org.access)
            .account(username)
            .map(|account| (account.rights.clone(), account.user_id.clone()))
            .ok_or_else(|| WriteError::missing("User", username))
    }

    /// Withdraws a field, or the whole object, from a user.
    ///
    /// # Errors
    /// There is no such field, or it is always visible.
    pub fn withdraw(&self, username: &str, object: &str, field: Option<&str>) -> Result<(), WriteError> {
        Ok(self.org.store_mut().schema.withdraw(username, object, field)?)
    }

    /// Gives back what was withdrawn.
    ///
    /// # Errors
    /// There is no such field.
    pub fn grant(&self, username: &str, object: &str, field: Option<&str>) -> Result<(), WriteError> {
        Ok(self.org.store_mut().schema.grant(username, object, field)?)
    }

    /// Hides a row from a user without View All Data or View All, even an own one.
    ///
    /// # Errors
    /// There is no such row.
    pub fn hide(&self, username: &str, object: &str, id: &str) -> Result<(), WriteError> {
        self.set_hidden(username, object, id, true)
    }

    /// Takes [`Control::hide`] back.
    ///
    /// # Errors
    /// There is no such row.
    pub fn show(&self, username: &str, object: &str, id: &str) -> Result<(), WriteError> {
        self.set_hidden(username, object, id, false)
    }

    fn set_hidden(&self, username: &str, object: &str, id: &str, hidden: bool) -> Result<(), WriteError> {
        let mut store = self.org.store_mut();
        let own = store.object(object)?;
        let (name, n) = (own.name.clone(), number(own, id)?);
        store.hide(username, &name, n, hidden);
        Ok(())
    }

    /// The schema as it is.
    pub fn schema(&self) -> Schema {
        self.org.store().schema.clone()
    }

    /// Adds an object without rows.
    ///
    /// # Errors
    /// Its name or prefix is taken.
    pub fn add_object(&self, object: Object) -> Result<(), WriteError> {
        let name = object.name.clone();
        self.org.store_mut().add_object(object)?;
        let profiles: Vec<(Rights, bool)> = lock(&self.org.access)
            .accounts()
            .iter()
            .map(|account| (account.rights.clone(), account.login.view_all_data))
            .collect();
        self.write(None, |change| {
            profiles
                .iter()
                .try_for_each(|(rights, view_all)| change.permit_new(rights, &name, *view_all))
        })
    }

    /// Gives a custom object another API name; its rows and what points to it stay.
    ///
    /// # Errors
    /// It is a standard one, or not there, or its rows are generated; the name is taken or not that of a custom object.
    pub fn rename_object(&self, object: &str, name: &str) -> Result<(), WriteError> {
        let before = self.org.store().object(object)?.name.clone();
        self.org.store_mut().rename_object(&before, name)?;
        lock(&self.org.access).rename_object(&before, name);
        self.write(None, |change| change.rename_permissions(&before, name))
    }

    /// Removes a custom object and its rows.
    ///
    /// # Errors
    /// It is a standard one, or not there.
    pub fn remove_object(&self, object: &str) -> Result<(), WriteError> {
        let name = self.org.store().object(object)?.name.clone();
        self.org.store_mut().remove_object(&name)?;
        self.write(None, |change| change.forbid(&name))
    }

    /// Adds a field.
    ///
    /// # Errors
    /// Its name is taken.
    pub fn add_field(&self, object: &str, field: Field) -> Result<(), WriteError> {
        self.org.store_mut().add_field(object, field)
    }

    /// Removes a custom field and its values.
    ///
    /// # Errors
    /// It is a standard one, or not there.
    pub fn remove_field(&self, object: &str, field: &str) -> Result<(), WriteError> {
        self.org.store_mut().remove_field(object, field)
    }

    /// Gives a custom field another type; values that do not fit are lost, no row gets a stamp.
    ///
    /// # Errors
    /// It is a standard one, not there, or Salesforce does not convert these types.
    pub fn convert_field(&self, object: &str, field: &str, field_type: FieldType) -> Result<(), WriteError> {
        self.org.store_mut().convert_field(object, field, field_type)
    }

    /// Gives a custom field another API name; its values stay.
    ///
    /// # Errors
    /// It is a standard one, not there, or the name is taken or not that of a custom field.
    pub fn rename_field(&self, object: &str, field: &str, name: &str) -> Result<(), WriteError> {
        self.org.store_mut().rename_field(object, field, name)
    }

    /// Changes what else describe tells of an object: whether it can be queried or replicated, its label.
    ///
    /// # Errors
    /// There is no such object.
    pub fn change_object(&self, object: &str, change: impl FnOnce(&mut Object)) -> Result<(), WriteError> {
        change(self.org.store_mut().schema.object_mut(object)?);
        Ok(())
    }

    /// Changes what else describe tells of a field: its label, length, whether it can be filtered.
    ///
    /// # Errors
    /// There is no such field.
    pub fn change_field(&self, object: &str, field: &str, change: impl FnOnce(&mut Field)) -> Result<(), WriteError> {
        change(self.org.store_mut().schema.field_mut(object, field)?);
        Ok(())
    }

    /// Translates the label of an object or a field.
    ///
    /// # Errors
    /// There is no such object or field.
    pub fn translate(&self, language: &str, object: &str, field: Option<&str>, label: &str) -> Result<(), WriteError> {
        let mut store = self.org.store_mut();
        let own = store.object(object)?;
        let object = own.name.clone();
        let field = match field {
            Some(name) => Some(
                own.field(name)
                    .ok_or_else(|| WriteError::missing(&object, name))?
                    .name
                    .clone(),
            ),
            None => None,
        };
        store
            .translations
            .insert((language.to_owned(), object, field), label.to_owned());
        Ok(())
    }
}
