//! login, logout, setPassword (salesforce-api.md 2.1 to 2.4).

use super::{
    Reply, Session,
    envelope::{self, Declares, Writer},
    fault::{self, Fault},
    request::Request,
    userinfo,
};
use crate::{lock, org::Org};

/// The newest version that has `login()` (salesforce-api.md 2.4).
const LAST_LOGIN_VERSION: u32 = 64;

/// Answers login: the gates of the version and the org, then those of the user.
pub(super) fn login(org: &Org, version: u32, origin: &str, request: &Request) -> Result<String, Fault> {
    let settings = org.settings();
    if version > LAST_LOGIN_VERSION {
        return Err(Fault::login_unavailable(version));
    }
    if !settings.soap_login_enabled {
        return Err(Fault::new("INVALID_OPERATION", fault::LOGIN_DISABLED));
    }
    let username = request.call.text_of("username").unwrap_or_default();
    let password = request.call.text_of("password").unwrap_or_default();
    let caller = lock(&org.access).log_in(username.trim(), password, org.clock.now(), &settings)?;
    let organization = org.organization_id.get(..15).unwrap_or(&org.organization_id);

    let mut writer = Writer::default();
    envelope::begin(&mut writer, Declares::Nothing, None);
    writer.raw("<loginResponse><result>");
    writer.leaf(
        "metadataServerUrl",
        &format!("{origin}/services/Soap/m/{version}.0/{organization}"),
    );
    writer.flag("passwordExpired", caller.password_expired);
    writer.flag("sandbox", org.sandbox);
    writer.leaf(
        "serverUrl",
        &format!("{origin}/services/Soap/u/{version}.0/{organization}"),
    );
    writer.leaf("sessionId", &caller.session_id);
    writer.leaf("userId", &caller.user_id);
    writer.open("userInfo");
    userinfo::write(&mut writer, org, &caller, version);
    writer.close("userInfo");
    writer.raw("</result></loginResponse>");
    envelope::end(&mut writer);
    Ok(writer.finish())
}

/// Ends the session for all clients of the user.
pub(super) fn logout(session: &Session<'_>) -> Reply {
    lock(&session.org.access).end_sessions(Some(&session.caller.username));
    let mut writer = session.reply(Declares::Nothing, 512);
    writer.raw("<logoutResponse/>");
    Reply::new(writer, 0)
}

/// Sets one's own password, or as an administrator another's.
pub(super) fn set_password(session: &Session<'_>) -> Result<Reply, Fault> {
    let user_id = session.request.argument("userId")?;
    let password = session.request.argument("password")?;
    let own = crate::org::access::same_id(user_id, &session.caller.user_id);
    if !own && !session.caller.view_all_data {
        return Err(Fault::new(
            "INSUFFICIENT_ACCESS",
            "insufficient access rights on cross-reference id",
        ));
    }
    lock(&session.org.access).set_password(user_id, password)?;
    let mut writer = session.reply(Declares::Nothing, 512);
    writer.raw("<setPasswordResponse><result xsi:type=\"SetPasswordResult\"/></setPasswordResponse>");
    Ok(Reply::new(writer, 0))
}
