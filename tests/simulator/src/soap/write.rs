//! create, update, delete, undelete, merge, emptyRecycleBin: not what a replicating client does, but what public clients can,
//! and what people use to change an org from another language.
//!
//! Each record stands for itself: one that is refused is told in its result, the others are written.

use super::{
    Reply, Session,
    envelope::{Declares, Writer},
    fault::Fault,
    xml::Element,
};
use crate::org::{
    WriteError,
    change::{Change, Stamps},
    store::Store,
};

/// Records of one call.
const MOST_RECORDS: usize = 200;

/// The Id that was written, or why it was not.
type Outcome = Result<String, WriteError>;

/// Answers create and update.
pub(super) fn save(session: &Session<'_>) -> Result<Reply, Fault> {
    let name = session.request.call.name.as_str();
    let records: Vec<&Element> = session
        .request
        .call
        .children
        .iter()
        .filter(|own| own.name == "sObjects")
        .collect();
    bounded(records.len())?;
    let outcomes = records.into_iter().map(|record| {
        let object = record.text_of("type").unwrap_or_default();
        let values = values(session, object, record)?;
        write(session, |change| match record.text_of("Id") {
            Some(id) if name == "update" => change.update(object, id, &values, Stamps::Both).map(|()| id.to_owned()),
            None if name == "update" => Err(WriteError::new(
                "MISSING_ARGUMENT",
                "Id not specified in an update call",
            )),
            Some(_) => Err(WriteError::new(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                "cannot specify Id in an insert call",
            )),
            None => change.create(object, &values),
        })
    });
    Ok(reply(session, name, outcomes.collect()))
}

/// Answers delete, undelete and emptyRecycleBin.
pub(super) fn by_ids(session: &Session<'_>) -> Result<Reply, Fault> {
    let name = session.request.call.name.as_str();
    let ids: Vec<&str> = session.request.call.texts_of("ids").map(str::trim).collect();
    bounded(ids.len())?;
    let outcomes = ids.into_iter().map(|id| {
        let object = object_of(&session.org.store(), id)?;
        write(session, |change| match name {
            "delete" => change.delete(&object, id),
            "undelete" => change.undelete(&object, id),
            _ => change.empty_from_bin(&object, id),
        })?;
        Ok(id.to_owned())
    });
    Ok(reply(session, name, outcomes.collect()))
}

/// Answers merge.
pub(super) fn merge(session: &Session<'_>) -> Reply {
    let requests = session
        .request
        .call
        .children
        .iter()
        .filter(|own| own.name == "mergeRequests");
    let mut writer = session.reply(Declares::Nothing, 4_096);
    writer.raw("<mergeResponse>");
    let mut count = 0;
    for request in requests {
        let losers: Vec<String> = request.texts_of("recordToMergeIds").map(str::to_owned).collect();
        let outcome = request
            .child("masterRecord")
            .and_then(|master| Some((master.text_of("type")?, master.text_of("Id")?)))
            .ok_or_else(|| WriteError::new("MISSING_ARGUMENT", "masterRecord not specified"))
            .and_then(|(object, id)| {
                write(session, |change| change.merge(object, id, &losers))?;
                Ok(id.to_owned())
            });
        writer.open("result");
        begin(&mut writer, &outcome);
        if outcome.is_ok() {
            for loser in &losers {
                writer.leaf("mergedRecordIds", loser);
            }
        }
        writer.flag("success", outcome.is_ok());
        writer.close("result");
        count += 1;
    }
    writer.raw("</mergeResponse>");
    Reply::new(writer, count)
}

fn bounded(records: usize) -> Result<(), Fault> {
    if records > MOST_RECORDS {
        let message = format!("record limit reached. cannot submit more than {MOST_RECORDS} records into this call");
        return Err(Fault::new("EXCEEDED_ID_LIMIT", message));
    }
    Ok(())
}

/// What a record sets; what is nil or named in fieldsToNull becomes null.
fn values(session: &Session<'_>, object: &str, record: &Element) -> Result<Vec<(String, String)>, WriteError> {
    let store = session.org.store();
    let view = store.schema.view(&session.caller.username);
    let own = view
        .object(object)
        .ok_or_else(|| WriteError::new("INVALID_TYPE", format!("sObject type '{object}' is not supported.")))?;
    let mut values = Vec::new();
    for member in &record.children {
        let (field, text) = match member.name.as_str() {
            "type" | "Id" => continue,
            "fieldsToNull" => (member.text.trim(), ""),
            name if member.nil => (name, ""),
            name => (name, member.text.as_str()),
        };
        if view.field(own, field).is_none_or(|field| field.calculated) {
            let message = format!("No such column '{field}' on sobject of type {}", own.name);
            return Err(WriteError::new("INVALID_FIELD", message));
        }
        values.push((field.to_owned(), text.to_owned()));
    }
    Ok(values)
}

fn object_of(store: &Store, id: &str) -> Result<String, WriteError> {
    let prefix = id.get(..3).unwrap_or_default();
    store
        .schema
        .object_by_prefix(prefix)
        .map(|object| object.name.clone())
        .ok_or_else(|| WriteError::new("MALFORMED_ID", format!("malformed id {id}")))
}

fn write<R>(
    session: &Session<'_>,
    work: impl FnOnce(&mut Change<'_>) -> Result<R, WriteError>,
) -> Result<R, WriteError> {
    let context = session.org.context(&session.caller.user_id);
    session.org.store_mut().write(None, &context, work)
}

fn reply(session: &Session<'_>, name: &str, outcomes: Vec<Outcome>) -> Reply {
    let response = format!("{name}Response");
    let mut writer = session.reply(Declares::Nothing, 1_024 + outcomes.len() * 128);
    writer.open(&response);
    let count = outcomes.len();
    for outcome in outcomes {
        writer.open("result");
        begin(&mut writer, &outcome);
        writer.flag("success", outcome.is_ok());
        writer.close("result");
    }
    writer.close(&response);
    Reply::new(writer, count)
}

/// The members of a result before those that are special.
fn begin(writer: &mut Writer, outcome: &Outcome) {
    match outcome {
        Ok(id) => writer.leaf("id", id),
        Err(error) => {
            writer.open("errors");
            writer.leaf("message", &error.message);
            writer.leaf("statusCode", &error.code);
            writer.close("errors");
            writer.nil("id");
        }
    }
}
