//! Routes for users, permissions, objects, fields.

use hyper::Method;
use serde::Deserialize;
use serde_json::json;

use super::http::{Asked, Outcome, bad, to_json};
use crate::{
    config::Login,
    data::Content,
    org::WriteError,
    schema::{Field, FieldType, Object},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Permission {
    object: String,
    field: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ViewAll {
    object: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shared {
    object: String,
    ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewObject {
    name: String,
    label: Option<String>,
    label_plural: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ObjectChange {
    name: Option<String>,
    label: Option<String>,
    queryable: Option<bool>,
    replicateable: Option<bool>,
    retrieveable: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewField {
    name: String,
    #[serde(rename = "type")]
    field_type: String,
    length: Option<u32>,
    label: Option<String>,
    reference_to: Option<String>,
    relationship_name: Option<String>,
    /// Values in the rows that are there; else null.
    #[serde(default)]
    filled: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldChange {
    #[serde(rename = "type")]
    field_type: Option<String>,
    name: Option<String>,
    label: Option<String>,
    length: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Translation {
    language: String,
    object: String,
    field: Option<String>,
    label: String,
}

/// Answers `users`, `objects`, `fields` and `translations`.
pub(super) fn handle(asked: &Asked<'_>) -> Outcome {
    match asked.path.first().copied() {
        Some("users") => users(asked),
        Some("objects") => objects(asked),
        Some("fields") => fields(asked),
        Some(_) if *asked.method == Method::POST => {
            let Translation {
                language,
                object,
                field,
                label,
            } = asked.json()?;
            asked.control.translate(&language, &object, field.as_deref(), &label)?;
            Ok(Some(json!({})))
        }
        Some(_) | None => Ok(None),
    }
}

fn users(asked: &Asked<'_>) -> Outcome {
    let control = asked.control;
    match (asked.method, asked.path) {
        (&Method::GET, ["users"]) => return Ok(Some(to_json(&control.users())?)),
        (&Method::POST, ["users"]) => {
            return Ok(Some(json!({ "id": control.add_user(asked.json::<Login>()?)? })));
        }
        (&Method::PATCH, ["users", username]) => control.change_user(username, asked.json()?)?,
        (&Method::POST, ["users", username, verb @ ("withdraw" | "grant")]) => {
            let Permission { object, field } = asked.json()?;
            if *verb == "withdraw" {
                control.withdraw(username, &object, field.as_deref())?;
            } else {
                control.grant(username, &object, field.as_deref())?;
            }
        }
        (&Method::POST, ["users", username, verb @ ("grant-view-all" | "withdraw-view-all")]) => {
            let ViewAll { object } = asked.json()?;
            if *verb == "grant-view-all" {
                control.grant_view_all(username, &object)?;
            } else {
                control.withdraw_view_all(username, &object)?;
            }
        }
        (&Method::POST, ["users", username, verb @ ("hide" | "show")]) => {
            let Shared { object, ids } = asked.json()?;
            for id in &ids {
                if *verb == "hide" {
                    control.hide(username, &object, id)?;
                } else {
                    control.show(username, &object, id)?;
                }
            }
        }
        _ => return Ok(None),
    }
    Ok(Some(json!({})))
}

fn objects(asked: &Asked<'_>) -> Outcome {
    let control = asked.control;
    match (asked.method, asked.path) {
        (&Method::POST, ["objects"]) => {
            let NewObject {
                name,
                label,
                label_plural,
            } = asked.json()?;
            let label = label.unwrap_or_else(|| name.trim_end_matches("__c").to_owned());
            let plural = label_plural.unwrap_or_else(|| format!("{label}s"));
            let prefix = control.schema().free_custom_prefix();
            control.add_object(Object::new(&name, &prefix, &label, &plural))?;
        }
        (&Method::PATCH, ["objects", object]) => {
            let ObjectChange {
                name,
                label,
                queryable,
                replicateable,
                retrieveable,
            } = asked.json()?;
            control.change_object(object, |own| {
                own.label = label.unwrap_or_else(|| own.label.clone());
                own.queryable = queryable.unwrap_or(own.queryable);
                own.replicateable = replicateable.unwrap_or(own.replicateable);
                own.retrieveable = retrieveable.unwrap_or(own.retrieveable);
            })?;
            if let Some(name) = name {
                control.rename_object(object, &name)?;
            }
        }
        (&Method::DELETE, ["objects", object]) => control.remove_object(object)?,
        _ => return Ok(None),
    }
    Ok(Some(json!({})))
}

fn fields(asked: &Asked<'_>) -> Outcome {
    let control = asked.control;
    match (asked.method, asked.path) {
        (&Method::POST, ["fields", object]) => {
            let new: NewField = asked.json()?;
            let mut field = Field::new(&new.name, field_type(&new.field_type)?);
            if let Some(length) = new.length {
                field = field.length(length);
            }
            if let Some(label) = &new.label {
                field = field.label(label);
            }
            if let Some(target) = &new.reference_to {
                field = field.pointing_to(&[target], new.relationship_name.as_deref());
            }
            if !new.filled {
                field = field.content(Content::Null);
            }
            control.add_field(object, field)?;
        }
        (&Method::PATCH, ["fields", object, field]) => {
            let FieldChange {
                field_type: kind,
                name,
                label,
                length,
            } = asked.json()?;
            if let Some(kind) = kind {
                control.convert_field(object, field, self::field_type(&kind)?)?;
            }
            control.change_field(object, field, |own| {
                own.label = label.unwrap_or_else(|| own.label.clone());
                if let Some(length) = length {
                    *own = own.clone().length(length);
                }
            })?;
            if let Some(name) = name {
                control.rename_field(object, field, &name)?;
            }
        }
        (&Method::DELETE, ["fields", object, field]) => control.remove_field(object, field)?,
        _ => return Ok(None),
    }
    Ok(Some(json!({})))
}

fn field_type(name: &str) -> Result<FieldType, WriteError> {
    FieldType::from_name(name).ok_or_else(|| bad(format!("there is no field type {name}")))
}
