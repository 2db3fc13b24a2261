//! query, queryAll, queryMore, retrieve (salesforce-api.md 5.1 to 5.3).

use std::sync::Arc;

use super::{
    Reply, Session,
    describe::is_custom_long_text,
    envelope::{Declares, Writer},
    fault::{self, Fault, FaultElement},
    sobject,
};
use crate::{
    config::{CursorRows, Settings},
    data::id,
    lock,
    org::{
        change::number,
        cursor::Cursor,
        query::{Node, Prepared, Runner, Scope, nodes},
        store::{Store, Viewer},
        table::Look,
    },
    schema::{FieldType, Object},
    soql::{Checked, QueryError, check, parse},
};

/// Most rows of a page (salesforce-api.md 3.2).
const MOST_ROWS: u64 = 2_000;
/// Fewest rows of a page that can be asked for.
const FEWEST_ROWS: u64 = 200;
/// Most ids of one retrieve (salesforce-api.md 3.8).
const MOST_IDS: usize = 2_000;
/// What a page of 2 000 records of thirty fields takes; a larger one grows.
const PAGE_CAPACITY: usize = 4 * 1024 * 1024;

/// Answers query and queryAll.
pub(super) fn query(session: &Session<'_>) -> Result<Reply, Fault> {
    let soql = session.request.argument("queryString")?;
    let all = session.request.call.name == "queryAll";
    let page_rows = batch_size(session)?;
    let parsed = parse(soql).map_err(|error| refused(&error))?;
    let store = session.org.store();
    let checked =
        check(soql, &parsed, &store.schema.view(&session.caller.username)).map_err(|error| refused(&error))?;
    let object = store
        .schema
        .object(&checked.object)
        .ok_or_else(|| Fault::unknown_object(&checked.object))?;
    let scope = if all || checked.all_rows {
        Scope::All
    } else {
        Scope::Live
    };
    let viewer = Viewer::from(&session.caller);
    let look = session.org.look();
    let found = Runner {
        store: &store,
        viewer: &viewer,
        look,
    }
    .find(&checked, scope);
    let response = if all { "queryAllResponse" } else { "queryResponse" };
    if checked.count {
        let mut writer = session.reply(Declares::Records, 1_024);
        writer.open(response);
        writer.raw("<result xsi:type=\"QueryResult\"><done>true</done><queryLocator xsi:nil=\"true\"/>");
        writer.number("size", found.count());
        writer.raw("</result>");
        writer.close(response);
        return Ok(Reply::new(writer, 0));
    }
    let prepared = Prepared {
        object: object.name.clone(),
        scope,
        nodes: nodes(&checked.columns),
        page_cap: page_cap(object, &checked),
    };
    let mut cursor = Cursor::new(
        Arc::new(prepared),
        found,
        store.sequence(),
        look.now,
        &session.caller.username,
    );
    cursor.page_rows = page_rows.unwrap_or(MOST_ROWS);
    Ok(page(session, &store, cursor, response, look))
}

/// Answers queryMore: the locator is used up, the page has the next one.
pub(super) fn query_more(session: &Session<'_>) -> Result<Reply, Fault> {
    let locator = session.request.argument("queryLocator")?;
    let page_rows = batch_size(session)?;
    let settings = session.org.settings();
    let now = session.org.clock.now();
    let mut cursor = lock(&session.org.cursors)
        .take(locator.trim(), &session.caller.username, now, settings.locator_hours)
        .ok_or_else(|| Fault::new("INVALID_QUERY_LOCATOR", fault::INVALID_LOCATOR))?;
    if let Some(rows) = page_rows {
        cursor.page_rows = rows;
    }
    let as_of = match settings.cursor_rows {
        CursorRows::Live => None,
        CursorRows::AsOfQuery => Some(cursor.sequence),
    };
    let store = session.org.store();
    Ok(page(session, &store, cursor, "queryMoreResponse", Look { now, as_of }))
}

/// Writes the next page of a cursor.
fn page(session: &Session<'_>, store: &Store, mut cursor: Cursor, response: &str, look: Look) -> Reply {
    let settings: Settings = session.org.settings();
    let viewer = Viewer::from(&session.caller);
    let runner = Runner {
        store,
        viewer: &viewer,
        look,
    };
    let prepared = Arc::clone(&cursor.query);
    let rows = cursor.page_rows.min(prepared.page_cap);
    let size = cursor.size();
    // A cursor lives longer than its object may: then there is nothing more to read.
    let (mut records, mut written) = (
        Writer::with_capacity(if size > 100 { PAGE_CAPACITY } else { 4_096 }),
        0_u64,
    );
    if let Some(object) = store.schema.object(&prepared.object) {
        let parts = sobject::parts(&runner, object, &prepared.nodes, prepared.scope);
        let mut counted = 0_u64;
        while counted < rows {
            let Some(n) = cursor.next() else { break };
            let Some(record) = store.record(object, n, look) else {
                continue;
            };
            if prepared.scope == Scope::Live && record.deleted() {
                continue;
            }
            records.open("records xsi:type=\"sf:sObject\"");
            counted += 1 + sobject::members(&mut records, &runner, &record, &parts, prepared.scope);
            records.close("records");
            written += 1;
        }
    }
    let done = cursor.is_done();
    let locator = (!done).then(|| lock(&session.org.cursors).keep(cursor, settings.locator_form));
    let records = records.finish();
    let declares = if records.contains("xsi:type=\"xsd:") {
        Declares::RecordsAndSchema
    } else {
        Declares::Records
    };
    let mut writer = session.reply(declares, records.len() + 2_048);
    writer.open(response);
    writer.raw("<result xsi:type=\"QueryResult\">");
    writer.flag("done", done);
    writer.leaf_or_nil("queryLocator", locator.as_deref());
    writer.raw(&records);
    writer.number("size", size);
    writer.raw("</result>");
    writer.close(response);
    Reply::new(writer, usize::try_from(written).unwrap_or(usize::MAX))
}

/// Answers retrieve: one result for each id, in their order; nil for what is not there.
pub(super) fn retrieve(session: &Session<'_>) -> Result<Reply, Fault> {
    let name = session.request.argument("sObjectType")?;
    let list = session.request.argument("fieldList")?;
    let ids: Vec<&str> = session.request.call.texts_of("ids").map(str::trim).collect();
    if ids.len() > MOST_IDS {
        let message = format!("record limit reached. cannot retrieve more than {MOST_IDS} ids");
        return Err(Fault::new("EXCEEDED_ID_LIMIT", message));
    }
    let store = session.org.store();
    let view = store.schema.view(&session.caller.username);
    let object = view.object(name).ok_or_else(|| Fault::unknown_object(name))?;
    let mut fields: Vec<Node> = Vec::new();
    for wanted in list.split(',').map(str::trim).filter(|wanted| !wanted.is_empty()) {
        let own = object
            .field(wanted)
            .filter(|own| view.shows_field(object, own))
            .ok_or_else(|| Fault::unknown_field(&object.name, wanted))?;
        if fields
            .iter()
            .any(|node| matches!(node, Node::Field(name) if *name == own.name))
        {
            return Err(Fault::new(
                "INVALID_FIELD",
                format!("duplicate field selected: {}", own.name),
            ));
        }
        fields.push(Node::Field(own.name.clone()));
    }
    let viewer = Viewer::from(&session.caller);
    let runner = Runner {
        store: &store,
        viewer: &viewer,
        look: session.org.look(),
    };
    let parts = sobject::parts(&runner, object, &fields, Scope::Live);
    let typed = object.fields.iter().any(|field| field.field_type == FieldType::AnyType);
    let declares = if typed {
        Declares::RecordsAndSchema
    } else {
        Declares::Records
    };
    let mut writer = session.reply(declares, 4_096 + ids.len() * 1_024);
    writer.raw("<retrieveResponse>");
    for own in &ids {
        if id::to_18(own).is_none() {
            return Err(Fault::new("MALFORMED_ID", format!("malformed id {own}")));
        }
        let found = number(object, own)
            .ok()
            .and_then(|n| runner.record(object, n, Scope::Live));
        match found {
            Some(record) => {
                writer.raw("<result xsi:type=\"sf:sObject\">");
                sobject::members(&mut writer, &runner, &record, &parts, Scope::Live);
                writer.raw("</result>");
            }
            None => writer.nil("result"),
        }
    }
    writer.raw("</retrieveResponse>");
    Ok(Reply::new(writer, ids.len()))
}

/// QueryOptions/batchSize: 200 to 2 000 (salesforce-api.md 3.2).
fn batch_size(session: &Session<'_>) -> Result<Option<u64>, Fault> {
    let Some(text) = session.request.headers.batch_size.as_deref() else {
        return Ok(None);
    };
    match text.trim().parse() {
        Ok(rows) if (FEWEST_ROWS..=MOST_ROWS).contains(&rows) => Ok(Some(rows)),
        Ok(_) | Err(_) => Err(Fault::new(
            "INVALID_BATCH_SIZE",
            format!(
                "batch size must be between {FEWEST_ROWS} and {MOST_ROWS}: {}",
                text.trim()
            ),
        )),
    }
}

/// Base64 comes one record at a time; two custom long texts make pages of 200.
fn page_cap(object: &Object, checked: &Checked) -> u64 {
    let selected = || {
        checked.columns.iter().filter_map(|column| match column {
            crate::soql::Column::Field(path) if path.hops.is_empty() => object.field(&path.field),
            crate::soql::Column::Field(_) | crate::soql::Column::Children(_) => None,
        })
    };
    if selected().any(|field| field.field_type == FieldType::Base64) {
        1
    } else if selected().filter(|field| is_custom_long_text(field)).count() >= 2 {
        FEWEST_ROWS
    } else {
        MOST_ROWS
    }
}

/// The fault of a query that is not accepted.
fn refused(error: &QueryError) -> Fault {
    let element = match error.fault_element() {
        "InvalidFieldFault" => FaultElement::InvalidFieldFault,
        "InvalidSObjectFault" => FaultElement::InvalidSObjectFault,
        "MalformedQueryFault" => FaultElement::MalformedQueryFault,
        _ => FaultElement::UnexpectedErrorFault,
    };
    Fault {
        element: Some(element),
        position: error
            .position()
            .map(|(row, column)| (i64::from(row), i64::from(column))),
        ..Fault::new(error.code(), error.message())
    }
}
