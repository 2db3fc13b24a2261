//! `spec.objects`: which objects, and which of their fields go where.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Salesforce object and the table that it becomes.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectSpec {
    /// API name of the object. Example: Contact
    #[schemars(length(min = 1, max = 80), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Name of its table. Default: the object's name in snake_case. A changed name makes a new table; the old one is kept
    /// and no longer updated. Example: contact
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "String",
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*$")
    )]
    pub table: Option<String>,
    /// Where columns come from by default: Directory (the columns of a telephone directory, the same for Contact, Account,
    /// Lead and User), Mirror (every field that can be replicated) or None (only fields). Default: Directory for Contact,
    /// Account, Lead and User, else Mirror.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Mapping")]
    pub mapping: Option<Mapping>,
    /// Columns added to the mapping, or in the place of one of its columns: an entry takes the place of the default with
    /// the same column; under Mirror also of the default with the same source, which renames it. A field that is withdrawn
    /// later keeps the values of its column. At most 800, and 2000 entries of fields and exclude in all objects together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 800))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["column".into()]))]
    pub fields: Vec<FieldSpec>,
    /// Fields, by API name, that are left out: of Directory the column stays and is NULL, of Mirror there is no column. A
    /// column that had values before keeps them. Example: ["HomePhone"]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 800),
        inner(
            length(min = 1, max = 161),
            regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*([.][A-Za-z][A-Za-z0-9_]*)?$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub exclude: Vec<String>,
    /// Columns that hold a URL made from other fields of the row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["column".into()]))]
    pub urls: Vec<UrlSpec>,
    /// Which records are replicated: one SOQL condition, without WHERE, ORDER BY and LIMIT, over fields of the object and its
    /// parents. Default: all. Directory leaves converted leads out in any case, users that are inactive or no people, and
    /// the Person Accounts of Account where Contact is replicated too. A record that no longer meets it leaves the table
    /// like a deleted one. Example: MailingCountry = 'Germany'
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4000))]
    pub condition: Option<String>,
    /// What happens to the row of a record that is deleted: Remove it, Mark it (columns is_deleted and deleted_at) or
    /// Ignore the delete. Default Remove.
    #[serde(default)]
    pub deletes: DeleteMode,
    /// Indexes of the table, each a list of columns. Default: none beside the primary key. Example:
    /// [["email"], ["company", "surname"]]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(
            length(min = 1, max = 8),
            inner(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))
        )
    )]
    pub indexes: Vec<Vec<String>>,
}

/// Where columns come from by default.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub enum Mapping {
    /// The columns of a telephone directory.
    Directory,
    /// Every field that can be replicated.
    Mirror,
    /// Only what `fields` names.
    None,
}

/// What happens to the row of a record that is deleted in Salesforce.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default, JsonSchema)]
pub enum DeleteMode {
    /// The row leaves the table.
    #[default]
    Remove,
    /// The row stays, with `is_deleted` and `deleted_at`.
    Mark,
    /// The row stays as it is.
    Ignore,
}

/// A field and its column.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldSpec {
    /// API name of the field, or of a parent's field one level up. Example: Account.Industry
    #[schemars(
        length(min = 1, max = 161),
        regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*([.][A-Za-z][A-Za-z0-9_]*)?$")
    )]
    pub source: String,
    /// Name of the column. Example: industry
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub column: String,
}

/// A column that holds a URL.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UrlSpec {
    /// Name of the column. Example: contact_url_1
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub column: String,
    /// The URL, with fields in braces: by API name, column or label, and {instanceUrl}. Values are percent-encoded; a field
    /// that is empty makes the whole URL NULL; the result has to be https. Example: {instanceUrl}/lightning/r/Contact/{Id}/view
    #[schemars(length(min = 1, max = 2048))]
    pub template: String,
}
