//! getUpdated, getDeleted, getServerTimestamp on the wire (salesforce-api.md 6.1).

use jiff::Timestamp;

use super::{Reply, Session, envelope::Declares, fault::Fault};
use crate::{
    clock::to_wire,
    org::{replication, store::Viewer},
};

/// Answers getServerTimestamp.
pub(super) fn get_server_timestamp(session: &Session<'_>) -> Reply {
    let mut writer = session.reply(Declares::Nothing, 512);
    writer.raw("<getServerTimestampResponse><result>");
    writer.leaf("timestamp", &session.org.timestamp());
    writer.raw("</result></getServerTimestampResponse>");
    Reply::new(writer, 0)
}

/// Answers getUpdated.
pub(super) fn get_updated(session: &Session<'_>) -> Result<Reply, Fault> {
    let found = asked(session, |store, asked, start, end| {
        replication::updated(store, asked, start, end)
    })?;
    let mut writer = session.reply(Declares::Nothing, 1_024 + found.ids.len() * 32);
    writer.raw("<getUpdatedResponse><result>");
    for id in &found.ids {
        writer.leaf("ids", id);
    }
    writer.leaf("latestDateCovered", &to_wire(found.latest));
    writer.raw("</result></getUpdatedResponse>");
    Ok(Reply::new(writer, found.ids.len()))
}

/// Answers getDeleted.
pub(super) fn get_deleted(session: &Session<'_>) -> Result<Reply, Fault> {
    let settings = session.org.settings();
    if let Some(object) = session.request.call.text_of("sObjectType") {
        session
            .org
            .store_mut()
            .inspect_deletes(object, session.org.clock.now(), settings.licences);
    }
    let found = asked(session, |store, asked, start, end| {
        replication::deleted(store, asked, start, end)
    })?;
    let mut writer = session.reply(Declares::Nothing, 1_024 + found.records.len() * 128);
    writer.raw("<getDeletedResponse><result>");
    for (id, at) in &found.records {
        writer.raw("<deletedRecords>");
        writer.leaf("deletedDate", &to_wire(*at));
        writer.leaf("id", id);
        writer.raw("</deletedRecords>");
    }
    writer.leaf("earliestDateAvailable", &to_wire(found.earliest));
    writer.leaf("latestDateCovered", &to_wire(found.latest));
    writer.raw("</result></getDeletedResponse>");
    Ok(Reply::new(writer, found.records.len()))
}

type Ask<T> = fn(&crate::org::store::Store, replication::Asked<'_>, Timestamp, Timestamp) -> Result<T, Fault>;

fn asked<T>(session: &Session<'_>, ask: Ask<T>) -> Result<T, Fault> {
    let request = session.request;
    let name = request.argument("sObjectType")?;
    let start = date(request.argument("startDate")?)?;
    let end = date(request.argument("endDate")?)?;
    let store = session.org.store();
    let object = store
        .schema
        .view(&session.caller.username)
        .object(name)
        .ok_or_else(|| Fault::unknown_object(name))?;
    let viewer = Viewer::from(&session.caller);
    let settings = session.org.settings();
    let asked = replication::Asked {
        object,
        viewer: &viewer,
        look: session.org.look(),
        settings: &settings,
    };
    ask(&store, asked, start, end)
}

/// An xsd:dateTime; without an offset it is UTC.
fn date(text: &str) -> Result<Timestamp, Fault> {
    let text = text.trim();
    text.parse()
        .or_else(|_| format!("{text}Z").parse())
        .map_err(|error: jiff::Error| {
            Fault::client(format!(
                "'{text}' is not a valid value for the type xsd:dateTime: {error}"
            ))
        })
}
