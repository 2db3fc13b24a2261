//! getUserInfo, and the same members in login's answer (salesforce-api.md 2.2).

use super::{
    Reply, Session,
    envelope::{Declares, Writer},
};
use crate::{
    org::{Org, access::Caller},
    schema::PersonAccounts,
};

/// From this version on the members and their order are those of the WSDL of version 51; before it they are those of the
/// answer that was recorded at version 37.
const WSDL_ORDER_FROM: u32 = 51;

/// Answers getUserInfo.
pub(super) fn get_user_info(session: &Session<'_>, version: u32) -> Reply {
    let mut writer = session.reply(Declares::Nothing, 2_048);
    writer.raw("<getUserInfoResponse><result>");
    write(&mut writer, session.org, &session.caller, version);
    writer.raw("</result></getUserInfoResponse>");
    Reply::new(writer, 1)
}

/// Writes the members of `GetUserInfoResult`.
pub(super) fn write(writer: &mut Writer, org: &Org, caller: &Caller, version: u32) {
    let store = org.store();
    let user = store
        .schema
        .object("User")
        .and_then(|users| store.record(users, crate::data::id::parse(&caller.user_id)?.1, org.look()));
    let field = |name: &str| {
        user.and_then(|user| user.value_of(name))
            .map(std::borrow::Cow::into_owned)
    };
    let language = field("LanguageLocaleKey").unwrap_or_else(|| "en_US".to_owned());
    let wsdl = version >= WSDL_ORDER_FROM;

    writer.flag("accessibilityMode", false);
    if wsdl {
        writer.flag("chatterExternal", false);
    }
    writer.leaf("currencySymbol", "$");
    writer.number("orgAttachmentFileSizeLimit", 5_242_880);
    writer.leaf("orgDefaultCurrencyIsoCode", "USD");
    if wsdl {
        writer.leaf("orgDefaultCurrencyLocale", "en_US");
    }
    writer.flag("orgDisallowHtmlAttachments", false);
    writer.flag("orgHasPersonAccounts", org.person_accounts == PersonAccounts::Enabled);
    writer.leaf("organizationId", &org.organization_id);
    writer.flag("organizationMultiCurrency", false);
    writer.leaf("organizationName", &org.organization_name);
    writer.leaf(
        "profileId",
        field("ProfileId").as_deref().unwrap_or("00eSm0000000001AAA"),
    );
    writer.leaf_or_nil("roleId", field("UserRoleId").as_deref());
    writer.number("sessionSecondsValid", org.settings().session_seconds);
    writer.nil("userDefaultCurrencyIsoCode");
    writer.leaf("userEmail", field("Email").as_deref().unwrap_or(&caller.username));
    writer.leaf("userFullName", field("Name").as_deref().unwrap_or(&caller.username));
    if wsdl {
        writer.leaf("userId", &caller.user_id);
        writer.leaf("userLanguage", &language);
    } else {
        writer.leaf("userLanguage", &language);
        writer.leaf("userId", &caller.user_id);
    }
    writer.leaf("userLocale", field("LocaleSidKey").as_deref().unwrap_or("en_US"));
    writer.leaf("userName", &caller.username);
    writer.leaf(
        "userTimeZone",
        field("TimeZoneSidKey").as_deref().unwrap_or("America/Los_Angeles"),
    );
    writer.leaf("userType", field("UserType").as_deref().unwrap_or("Standard"));
    writer.leaf("userUiSkin", "Theme3");
}
