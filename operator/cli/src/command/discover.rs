//! `objects` and `fields`: what is there to be replicated.

use std::sync::Arc;

use crds::nearest;
use salesforce::{
    Client, ClientConfig, Credentials,
    describe::{FieldDescribe, FieldType, ObjectDescribe, ObjectSummary},
};
use serde::Serialize;

use crate::{
    arguments::{Fields, Objects, Org},
    exit::Exit,
    failure::Failure,
    printer,
    session::{Context, Prepared},
};

/// What `objects -o json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectsOutput {
    /// By API name.
    objects: Vec<ObjectOutput>,
}

/// An object.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectOutput {
    /// API name.
    name: String,
    /// In the user's language.
    label: String,
    /// First characters of its Ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_prefix: Option<String>,
    /// Made by the customer or a package.
    custom: bool,
    /// It can be replicated.
    queryable: bool,
    /// Salesforce lists its changes and deletes.
    replicateable: bool,
}

/// What `fields -o json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FieldsOutput {
    /// The object's API name.
    object: String,
    /// Its label in the user's language.
    label: String,
    /// In Salesforce's order.
    fields: Vec<FieldOutput>,
}

/// A field.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct FieldOutput {
    /// API name.
    name: String,
    /// In the user's language.
    label: String,
    /// Salesforce's word for the type.
    #[serde(rename = "type")]
    field_type: String,
    /// Most characters; 0 where the type has no length.
    length: u32,
    /// Digits in all of a number.
    precision: u32,
    /// Digits after the point of a number.
    scale: u32,
    /// A formula or roll-up: changes without a stamp.
    calculated: bool,
    /// May stand in `where`.
    filterable: bool,
    /// Made by the customer or a package.
    custom: bool,
    /// Paths to the parent's fields begin with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    relationship: Option<String>,
    /// Objects that a reference points to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<String>,
}

/// Lists objects.
pub(crate) async fn objects(arguments: Objects, context: &Context) -> Result<Exit, Failure> {
    let Objects { filter, org, all } = arguments;
    let listed = client(&org, context)?.describe_global().await?;
    let output = ObjectsOutput {
        objects: select_objects(listed, filter.as_deref(), all),
    };
    let rows = output.objects.iter().map(|object| {
        let mut remarks = Vec::new();
        if !object.queryable {
            remarks.push("cannot be replicated");
        }
        if !object.replicateable {
            remarks.push("changes and deletes are not listed");
        }
        vec![
            object.name.clone(),
            object.label.clone(),
            object.key_prefix.clone().unwrap_or_default(),
            remarks.join(", "),
        ]
    });
    context.printer.result(&output, || {
        printer::table(&["NAME", "LABEL", "PREFIX", "REMARKS"], rows)
    })?;
    if output.objects.is_empty() {
        context.printer.remark("no object has that text in its name or label");
    }
    Ok(Exit::Success)
}

fn select_objects(listed: Vec<ObjectSummary>, filter: Option<&str>, all: bool) -> Vec<ObjectOutput> {
    let mut objects: Vec<_> = listed
        .into_iter()
        .filter(|object| all || object.queryable && !object.deprecated_and_hidden)
        .filter(|object| matches(filter, &[&object.name, &object.label]))
        .map(|object| ObjectOutput {
            queryable: object.queryable && !object.deprecated_and_hidden,
            name: object.name,
            label: object.label,
            key_prefix: object.key_prefix,
            custom: object.custom,
            replicateable: object.replicateable,
        })
        .collect();
    objects.sort_by(|left, right| left.name.cmp(&right.name));
    objects
}

/// Lists fields.
pub(crate) async fn fields(arguments: Fields, context: &Context) -> Result<Exit, Failure> {
    let Fields { object, filter, org } = arguments;
    let client = client(&org, context)?;
    let name = find_object(&object, &client.describe_global().await?)?;
    let describe = client.describe(&[&name]).await?.into_iter().next();
    let Some(describe) = describe else {
        return Err(Failure::NotThere(format!(
            "{name} cannot be described: the user may not see it"
        )));
    };
    let output = select_fields(describe, filter.as_deref());
    let rows = output.fields.iter().map(|field| {
        vec![
            field.name.clone(),
            field.label.clone(),
            shown_type(field),
            remarks(field),
        ]
    });
    context
        .printer
        .result(&output, || printer::table(&["NAME", "LABEL", "TYPE", "REMARKS"], rows))?;
    if output.fields.is_empty() {
        context
            .printer
            .remark("no field has that text in its name, label or type");
    }
    Ok(Exit::Success)
}

/// The API name of an object that was named in any case.
pub(crate) fn find_object(wanted: &str, listed: &[ObjectSummary]) -> Result<String, Failure> {
    if let Some(object) = listed.iter().find(|object| object.name.eq_ignore_ascii_case(wanted)) {
        return Ok(object.name.clone());
    }
    let by_label = listed
        .iter()
        .find(|object| object.label.eq_ignore_ascii_case(wanted))
        .map(|object| object.name.as_str());
    let meant = by_label.or_else(|| nearest(wanted, listed.iter().map(|object| object.name.as_str())));
    let advice = meant.map_or_else(
        || "`salesforce-replicator objects` lists those that the user can see".to_owned(),
        |meant| format!("did you mean {meant}?"),
    );
    Err(Failure::NotThere(format!(
        "there is no object {wanted}, or the user may not see it; {advice}"
    )))
}

fn select_fields(describe: ObjectDescribe, filter: Option<&str>) -> FieldsOutput {
    let fields = describe
        .fields
        .into_iter()
        .filter(|field| !field.deprecated_and_hidden)
        .map(FieldOutput::from)
        .filter(|field| matches(filter, &[&field.name, &field.label, &field.field_type]))
        .collect();
    FieldsOutput {
        object: describe.summary.name,
        label: describe.summary.label,
        fields,
    }
}

fn matches(filter: Option<&str>, texts: &[&str]) -> bool {
    filter.is_none_or(|filter| {
        let filter = filter.to_lowercase();
        texts.iter().any(|text| text.to_lowercase().contains(&filter))
    })
}

impl From<FieldDescribe> for FieldOutput {
    fn from(field: FieldDescribe) -> Self {
        Self {
            field_type: type_word(&field.field_type).to_owned(),
            name: field.name,
            label: field.label,
            length: field.length,
            precision: field.precision,
            scale: field.scale,
            calculated: field.calculated,
            filterable: field.filterable,
            custom: field.custom,
            relationship: field.relationship_name,
            references: field.reference_to,
        }
    }
}

/// `string(80)`, `currency(18,2)`.
fn shown_type(field: &FieldOutput) -> String {
    let FieldOutput {
        field_type,
        length,
        precision,
        scale,
        ..
    } = field;
    match field_type.as_str() {
        "double" | "currency" | "percent" => format!("{field_type}({precision},{scale})"),
        "id" | "reference" | "boolean" => field_type.clone(),
        _ if *length > 0 => format!("{field_type}({length})"),
        _ => field_type.clone(),
    }
}

fn remarks(field: &FieldOutput) -> String {
    let mut remarks = Vec::new();
    if field.calculated {
        remarks.push("formula".to_owned());
    }
    match (&field.relationship, field.references.as_slice()) {
        (Some(relationship), [parent]) => remarks.push(format!("{relationship}.FIELD of {parent}")),
        (_, []) => {}
        (_, [parent]) => remarks.push(format!("to {parent}")),
        (_, several) => remarks.push(format!("to one of {} objects", several.len())),
    }
    match field.field_type.as_str() {
        "address" | "location" => remarks.push("left out: its parts are fields of their own".to_owned()),
        "base64" => remarks.push("left out: a file".to_owned()),
        _ => {}
    }
    remarks.join(", ")
}

/// Salesforce's word for a type.
fn type_word(field_type: &FieldType) -> &str {
    match field_type {
        FieldType::String => "string",
        FieldType::Picklist => "picklist",
        FieldType::MultiPicklist => "multipicklist",
        FieldType::Combobox => "combobox",
        FieldType::Reference => "reference",
        FieldType::Base64 => "base64",
        FieldType::Boolean => "boolean",
        FieldType::Currency => "currency",
        FieldType::TextArea => "textarea",
        FieldType::Int => "int",
        FieldType::Double => "double",
        FieldType::Percent => "percent",
        FieldType::Phone => "phone",
        FieldType::Id => "id",
        FieldType::Date => "date",
        FieldType::DateTime => "datetime",
        FieldType::Time => "time",
        FieldType::Url => "url",
        FieldType::Email => "email",
        FieldType::EncryptedString => "encryptedstring",
        FieldType::DataCategoryGroupReference => "datacategorygroupreference",
        FieldType::Location => "location",
        FieldType::Address => "address",
        FieldType::AnyType => "anyType",
        FieldType::Json => "json",
        FieldType::ComplexValue => "complexvalue",
        FieldType::Long => "long",
        FieldType::Unknown(word) => word,
    }
}

/// Somebody to ask: the resource's connection, or the user that was named.
fn client(org: &Org, context: &Context) -> Result<Client, Failure> {
    let Some(username) = &org.username else {
        return Prepared::load(&org.source, context)?.client();
    };
    let login_url = org
        .login_url
        .parse()
        .map_err(|error| Failure::Usage(format!("--login-url: {} is not a URL: {error}", org.login_url)))?;
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some(password) = variable("SFR_PASSWORD") else {
        let place = "the password of --username: in the variable SFR_PASSWORD (and the security token, where one is \
                     needed, in SFR_SECURITY_TOKEN)";
        return Err(Failure::Secrets(vec![place.to_owned()]));
    };
    let mut config = ClientConfig::new(login_url, crds::Connection::DEFAULT_API_VERSION.parse()?);
    config.allow_http = context.allow_http;
    let credentials = Credentials::Password {
        username: username.clone(),
        password: password.into(),
        security_token: variable("SFR_SECURITY_TOKEN").map(Into::into),
    };
    Ok(Client::new(config, credentials, Arc::clone(&context.clock))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str, label: &str, queryable: bool) -> ObjectSummary {
        ObjectSummary {
            name: name.into(),
            label: label.into(),
            key_prefix: None,
            custom: false,
            custom_setting: false,
            queryable,
            replicateable: true,
            retrieveable: true,
            deprecated_and_hidden: false,
        }
    }

    fn names(objects: &[ObjectOutput]) -> Vec<&str> {
        objects.iter().map(|object| object.name.as_str()).collect()
    }

    #[test]
    fn objects_are_sorted_and_filtered_by_name_and_label() {
        let listed = || {
            vec![
                object("Lead", "Interessent", true),
                object("Account", "Firma", true),
                object("Feed", "Feed", false),
            ]
        };
        assert_eq!(names(&select_objects(listed(), None, false)), ["Account", "Lead"]);
        assert_eq!(
            names(&select_objects(listed(), None, true)),
            ["Account", "Feed", "Lead"]
        );
        assert_eq!(names(&select_objects(listed(), Some("FIRM"), false)), ["Account"]);
        assert_eq!(names(&select_objects(listed(), Some("lead"), false)), ["Lead"]);
    }

    #[test]
    fn objects_are_found_in_any_case_and_near_ones_suggested() {
        let listed = [object("Contact", "Kontakt", true), object("Account", "Firma", true)];
        assert_eq!(find_object("contact", &listed).unwrap(), "Contact");
        for (wanted, words) in [
            ("Contcat", "did you mean Contact?"),
            ("kontakt", "did you mean Contact?"),
            ("Zebra", "salesforce-replicator objects"),
        ] {
            let failure = find_object(wanted, &listed).unwrap_err();
            assert!(failure.to_string().contains(words), "{failure}");
            assert_eq!(failure.exit(), Exit::Invalid);
        }
    }

    #[test]
    fn fields_say_what_a_mapping_needs_to_know() {
        let field = |field: FieldDescribe| FieldOutput::from(field);
        let reference = field(FieldDescribe {
            name: "AccountId".into(),
            field_type: FieldType::Reference,
            length: 18,
            relationship_name: Some("Account".into()),
            reference_to: vec!["Account".into()],
            ..FieldDescribe::default()
        });
        assert_eq!(
            (shown_type(&reference), remarks(&reference)),
            ("reference".into(), "Account.FIELD of Account".into())
        );
        let owner = field(FieldDescribe {
            relationship_name: Some("Owner".into()),
            reference_to: vec!["User".into(), "Group".into()],
            field_type: FieldType::Reference,
            ..FieldDescribe::default()
        });
        assert_eq!(remarks(&owner), "to one of 2 objects");
        let amount = field(FieldDescribe {
            field_type: FieldType::Currency,
            precision: 18,
            scale: 2,
            calculated: true,
            ..FieldDescribe::default()
        });
        assert_eq!(
            (shown_type(&amount), remarks(&amount)),
            ("currency(18,2)".into(), "formula".into())
        );
        let name = field(FieldDescribe {
            length: 80,
            ..FieldDescribe::default()
        });
        assert_eq!(
            (shown_type(&name), remarks(&name)),
            ("string(80)".into(), String::new())
        );
    }
}
