//! Who is logged in, where.

use quick_xml::events::BytesStart;
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
    /// Reads the members of a `userInfo` or of getUserInfo's result, in any order: recorded answers differ. Members that
    /// are not known may be anything, lists and structures too, and are passed over whole: each release adds some.
    pub(crate) fn read(xml: &mut Xml<'_>) -> Result<Self, XmlError> {
        let mut user = Self::default();
        xml.members(|xml, start| {
            match local_name(start) {
                "organizationId" => user.organization_id = id(xml)?,
                "organizationName" => user.organization_name = text(xml)?,
                "organizationMultiCurrency" => user.organization_multi_currency = flag(xml)?,
                "orgHasPersonAccounts" => user.has_person_accounts = flag(xml)?,
                "orgDefaultCurrencyIsoCode" => user.default_currency = optional(xml, start)?,
                "userId" => user.user_id = id(xml)?,
                "userName" => user.user_name = text(xml)?,
                "userFullName" => user.user_full_name = text(xml)?,
                "userLanguage" => user.user_language = text(xml)?,
                "userLocale" => user.user_locale = text(xml)?,
                "userTimeZone" => user.user_time_zone = text(xml)?,
                "userType" => user.user_type = text(xml)?,
                "profileId" => user.profile_id = text(xml)?,
                "roleId" => user.role_id = optional(xml, start)?,
                "sessionSecondsValid" => user.session_seconds_valid = text(xml)?.parse().unwrap_or_default(),
                _ => xml.skip()?,
            }
            Ok(())
        })?;
        if user.organization_id.is_empty() {
            return Err(XmlError::missing("organizationId of userInfo"));
        }
        Ok(user)
    }
}

fn text(xml: &mut Xml<'_>) -> Result<String, XmlError> {
    Ok(xml.text()?.trim().to_owned())
}

fn optional(xml: &mut Xml<'_>, start: &BytesStart<'_>) -> Result<Option<String>, XmlError> {
    let nil = is_nil(start);
    Ok(Some(text(xml)?).filter(|_| !nil))
}

fn flag(xml: &mut Xml<'_>) -> Result<bool, XmlError> {
    Ok(text(xml)? == "true")
}

/// An Id of 18 characters; empty where it is none.
fn id(xml: &mut Xml<'_>) -> Result<String, XmlError> {
    Ok(to_18(&text(xml)?).unwrap_or_default())
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
