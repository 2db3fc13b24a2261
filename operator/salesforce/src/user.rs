//! Who is logged in, where.

use url::Url;

use crate::{
    id::to_18,
    xml::{Xml, XmlError, is_nil, local_name},
};

/// The user and organization of a session (getUserInfo, and a part of the login result; salesforce-api.md 2.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserInfo {
    /// Id of the organization, 18 characters.
    pub organization_id: String,
    /// Name of the organization.
    pub organization_name: String,
    /// The org has several currencies.
    pub organization_multi_currency: bool,
    /// The org has person accounts: people live in Account too.
    pub has_person_accounts: bool,
    /// Currency of the org, where it has one.
    pub default_currency: Option<String>,
    /// Id of the user, 18 characters.
    pub user_id: String,
    /// Login name.
    pub user_name: String,
    /// Name for people.
    pub user_full_name: String,
    /// Language of labels, `en_US`.
    pub user_language: String,
    /// Locale, `de_DE`.
    pub user_locale: String,
    /// Time zone, `Europe/Berlin`.
    pub user_time_zone: String,
    /// `Standard`, or what else a licence makes of a user.
    pub user_type: String,
    /// Id of the profile.
    pub profile_id: String,
    /// Id of the role, where the user has one.
    pub role_id: Option<String>,
    /// Seconds without a call after which the session ends.
    pub session_seconds_valid: u64,
}

impl UserInfo {
    /// Reads the members of a `userInfo` or of getUserInfo's result, in any order: recorded answers differ.
    pub(crate) fn read(xml: &mut Xml<'_>) -> Result<Self, XmlError> {
        let mut user = Self::default();
        xml.members(|xml, start| {
            let nil = is_nil(start);
            let name = local_name(start).to_owned();
            let text = xml.text()?;
            let text = text.trim();
            match name.as_str() {
                "organizationId" => user.organization_id = to_18(text).unwrap_or_default(),
                "organizationName" => text.clone_into(&mut user.organization_name),
                "organizationMultiCurrency" => user.organization_multi_currency = text == "true",
                "orgHasPersonAccounts" => user.has_person_accounts = text == "true",
                "orgDefaultCurrencyIsoCode" => user.default_currency = (!nil).then(|| text.to_owned()),
                "userId" => user.user_id = to_18(text).unwrap_or_default(),
                "userName" => text.clone_into(&mut user.user_name),
                "userFullName" => text.clone_into(&mut user.user_full_name),
                "userLanguage" => text.clone_into(&mut user.user_language),
                "userLocale" => text.clone_into(&mut user.user_locale),
                "userTimeZone" => text.clone_into(&mut user.user_time_zone),
                "userType" => text.clone_into(&mut user.user_type),
                "profileId" => text.clone_into(&mut user.profile_id),
                "roleId" => user.role_id = (!nil).then(|| text.to_owned()),
                "sessionSecondsValid" => user.session_seconds_valid = text.parse().unwrap_or_default(),
                _ => {}
            }
            Ok(())
        })?;
        if user.organization_id.is_empty() {
            return Err(XmlError::missing("organizationId of userInfo"));
        }
        Ok(user)
    }
}

/// The org that a client talks to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgInfo {
    /// Id of the organization, 18 characters.
    pub organization_id: String,
    /// Name of the organization.
    pub organization_name: String,
    /// Scheme and host of the org, from the login result's `serverUrl`; record pages begin with it.
    pub instance_url: Url,
    /// A sandbox.
    pub sandbox: bool,
    /// Id of the user, 18 characters.
    pub user_id: String,
    /// Login name.
    pub user_name: String,
    /// All that Salesforce tells of the user.
    pub user: UserInfo,
}
