//! Does a query fit a schema, as one user sees it?
//!
//! Errors come in the order of Salesforce's: the object, the select list from left to right, the condition, the order.

use super::ast::{Condition, ListOperator, Literal, Operator, OrderBy, Path, Query, Select, SelectItem, Value};
use super::checked::{Checked, Children, Column, Comparand, FieldPath, Hop, Key, Test};
use super::error::QueryError;
use super::number::Number;
use crate::data::id;
use crate::schema::{Comparison, Field, FieldType, Object, View};

/// Most parents on the way to a field (salesforce-api.md section 7).
const MOST_LEVELS: usize = 5;

/// Most child subqueries of a query (section 7).
const MOST_CHILDREN: usize = 20;

/// What every object of a polymorphic reference is asked for: the fields of Salesforce's object `Name`.
const NAME_FIELDS: [&str; 13] = [
    "Id",
    "Name",
    "FirstName",
    "LastName",
    "Title",
    "Email",
    "Phone",
    "Username",
    "Alias",
    "IsActive",
    "UserRoleId",
    "ProfileId",
    "RecordTypeId",
];

/// Checks a query that was parsed from `text`.
///
/// # Errors
/// `INVALID_TYPE`, `INVALID_FIELD`, `INVALID_QUERY_FILTER_OPERATOR`, `INVALID_TYPE_FOR_OPERATION`, `MALFORMED_QUERY`, with
/// Salesforce's texts (salesforce-api.md section 3.5).
pub fn check(text: &str, query: &Query, view: &View<'_>) -> Result<Checked, QueryError> {
    let checker = Checker { text, view: *view };
    let name = &query.from.text;
    let object = view.object(name).ok_or_else(|| {
        checker.at(
            "INVALID_TYPE",
            query.from.offset,
            format!(
                "sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append \
                 the '__c' after the entity name. {NAMES}"
            ),
        )
    })?;
    if !object.queryable {
        return Err(QueryError::new(
            "INVALID_TYPE_FOR_OPERATION",
            format!("entity type {} does not support query", object.name),
        ));
    }
    checker.query(query, object)
}

/// How most of these errors end.
const NAMES: &str = "Please reference your WSDL or the describe call for the appropriate names.";

struct Checker<'a> {
    text: &'a str,
    view: View<'a>,
}

/// The object of a query and the names that paths may start with.
struct Scope<'a> {
    object: &'a Object,
    alias: Option<&'a str>,
}

impl<'a> Checker<'a> {
    fn at(&self, code: &'static str, offset: usize, reason: impl AsRef<str>) -> QueryError {
        QueryError::at(code, self.text, offset, reason)
    }

    fn query(&self, query: &'a Query, object: &'a Object) -> Result<Checked, QueryError> {
        let scope = Scope {
            object,
            alias: query.alias.as_deref(),
        };
        let (count, columns) = match &query.select {
            Select::Count => (true, Vec::new()),
            Select::Items(items) => (false, self.columns(&scope, items)?),
        };
        let condition = query
            .condition
            .as_ref()
            .map(|condition| self.condition(&scope, condition))
            .transpose()?;
        let order = query
            .order
            .iter()
            .map(|key| self.key(&scope, key))
            .collect::<Result<_, _>>()?;
        Ok(Checked {
            object: object.name.clone(),
            count,
            columns,
            limit: query.limit,
            offset: query.offset,
            all_rows: query.all_rows,
            order,
            condition,
        })
    }

    fn columns(&self, scope: &Scope<'a>, items: &'a [SelectItem]) -> Result<Vec<Column>, QueryError> {
        let mut columns = Vec::with_capacity(items.len());
        let mut seen = std::collections::BTreeSet::new();
        let mut children = 0;
        for item in items {
            match item {
                SelectItem::Path(path) => {
                    let (path, _field) = self.path(scope, path)?;
                    let name = path.to_string();
                    if !seen.insert(name.clone()) {
                        return Err(QueryError::new(
                            "INVALID_FIELD",
                            format!("duplicate field selected: {name}"),
                        ));
                    }
                    columns.push(Column::Field(path));
                }
                SelectItem::Children(query) => {
                    children += 1;
                    if children > MOST_CHILDREN {
                        return Err(QueryError::new(
                            "MALFORMED_QUERY",
                            format!("Number of child relationship queries exceeds the limit of {MOST_CHILDREN}"),
                        ));
                    }
                    columns.push(Column::Children(self.children(scope, query)?));
                }
            }
        }
        Ok(columns)
    }

    fn children(&self, scope: &Scope<'a>, query: &'a Query) -> Result<Children, QueryError> {
        let name = &query.from.text;
        let relationships = self.view.schema().child_relationships(&scope.object.name);
        let found = relationships
            .into_iter()
            .filter(|child| {
                child
                    .relationship_name
                    .as_deref()
                    .is_some_and(|own| own.eq_ignore_ascii_case(name))
            })
            .find_map(|child| {
                let object = self.view.object(&child.child_object)?;
                self.view.field(object, &child.field)?;
                Some((child, object))
            });
        let Some((child, object)) = found else {
            return Err(self.at(
                "INVALID_TYPE",
                query.from.offset,
                format!(
                    "Didn't understand relationship '{name}' in FROM part of query call. If you are attempting to use a \
                     custom relationship, be sure to append the '__r' after the custom relationship name. {NAMES}"
                ),
            ));
        };
        Ok(Children {
            relationship: child.relationship_name.unwrap_or_default(),
            field: child.field,
            query: Box::new(self.query(query, object)?),
        })
    }

    /// Follows a path to its field.
    fn path(&self, scope: &Scope<'a>, path: &Path) -> Result<(FieldPath, &'a Field), QueryError> {
        let offset = path.offset();
        let mut parts = path.parts.as_slice();
        if let [first, rest @ ..] = parts
            && !rest.is_empty()
            && self.is_scope(scope, &first.text)
        {
            parts = rest;
        }
        let Some((last, parents)) = parts.split_last() else {
            return Err(self.at("MALFORMED_QUERY", offset, "a field is missing"));
        };
        if parents.len() > MOST_LEVELS {
            return Err(self.at(
                "INVALID_FIELD",
                offset,
                format!("Relationship path is too long: at most {MOST_LEVELS} levels of parents can be named."),
            ));
        }
        let mut objects = vec![scope.object];
        let mut hops = Vec::with_capacity(parents.len());
        for parent in parents {
            let (hop, targets) = self.hop(&objects, &parent.text).ok_or_else(|| {
                self.at(
                    "INVALID_FIELD",
                    offset,
                    format!(
                        "Didn't understand relationship '{}' in field path. If you are attempting to use a custom \
                         relationship, be sure to append the '__r' after the custom relationship name. {NAMES}",
                        parent.text
                    ),
                )
            })?;
            hops.push(hop);
            objects = targets;
        }
        let polymorphic = objects.len() > 1;
        let field = objects
            .iter()
            .find_map(|object| self.view.field(object, &last.text))
            .filter(|_| !polymorphic || NAME_FIELDS.iter().any(|name| name.eq_ignore_ascii_case(&last.text)));
        let Some(field) = field else {
            let entity = if polymorphic {
                "Name"
            } else {
                objects.first().map_or("", |object| &object.name)
            };
            return Err(self.at(
                "INVALID_FIELD",
                offset,
                format!(
                    "No such column '{}' on entity '{entity}'. If you are attempting to use a custom field, be sure to \
                     append the '__c' after the custom field name. {NAMES}",
                    last.text
                ),
            ));
        };
        Ok((
            FieldPath {
                hops,
                field: field.name.clone(),
                field_type: field.field_type,
            },
            field,
        ))
    }

    /// `c.Name` with the alias, and `Contact.Name` with the object's own name unless a relationship is called so.
    fn is_scope(&self, scope: &Scope<'a>, name: &str) -> bool {
        scope.alias.is_some_and(|alias| alias.eq_ignore_ascii_case(name))
            || (scope.object.name.eq_ignore_ascii_case(name) && self.hop(&[scope.object], name).is_none())
    }

    fn hop(&self, objects: &[&'a Object], name: &str) -> Option<(Hop, Vec<&'a Object>)> {
        let (object, reference) = objects
            .iter()
            .find_map(|object| Some((*object, object.relationship(name)?)))?;
        if !self.view.shows_field(object, reference) {
            return None;
        }
        let targets: Vec<&Object> = reference
            .reference_to
            .iter()
            .filter_map(|target| self.view.object(target))
            .collect();
        if targets.is_empty() {
            return None;
        }
        let hop = Hop {
            relationship: reference.relationship_name.clone().unwrap_or_default(),
            reference: reference.name.clone(),
            targets: reference.reference_to.clone(),
        };
        Some((hop, targets))
    }

    fn key(&self, scope: &Scope<'a>, key: &OrderBy) -> Result<Key, QueryError> {
        let (path, field) = self.path(scope, &key.path)?;
        if !field.sortable {
            return Err(self.at(
                "MALFORMED_QUERY",
                key.path.offset(),
                format!("field '{}' can not be sorted in a query call", field.name),
            ));
        }
        Ok(Key {
            path,
            descending: key.descending,
            nulls_last: key.nulls_last,
        })
    }

    fn condition(&self, scope: &Scope<'a>, condition: &'a Condition) -> Result<Test, QueryError> {
        let all = |parts: &'a [Condition]| -> Result<Vec<Test>, QueryError> {
            parts.iter().map(|part| self.condition(scope, part)).collect()
        };
        Ok(match condition {
            Condition::And(parts) => Test::And(all(parts)?),
            Condition::Or(parts) => Test::Or(all(parts)?),
            Condition::Not(inner) => Test::Not(Box::new(self.condition(scope, inner)?)),
            Condition::Compare { path, operator, value } => {
                let (checked, field) = self.filter(scope, path)?;
                self.operator(path, field, *operator)?;
                let value = self.value(field, value, *operator)?;
                Test::Compare {
                    path: checked,
                    operator: *operator,
                    value,
                }
            }
            Condition::List {
                path,
                operator: ListOperator::In,
                values,
            } => self.list(scope, path, false, values)?,
            Condition::List {
                path,
                operator: ListOperator::NotIn,
                values,
            } => self.list(scope, path, true, values)?,
            Condition::List {
                path,
                operator: ListOperator::Includes,
                values,
            } => self.includes(scope, path, false, values)?,
            Condition::List {
                path,
                operator: ListOperator::Excludes,
                values,
            } => self.includes(scope, path, true, values)?,
            Condition::SemiJoin { path, negated, query } => self.semi_join(scope, path, *negated, query)?,
        })
    }

    /// A field that may stand in WHERE.
    fn filter(&self, scope: &Scope<'a>, path: &Path) -> Result<(FieldPath, &'a Field), QueryError> {
        let (checked, field) = self.path(scope, path)?;
        if field.field_type.is_compound() {
            let kind = if field.field_type == FieldType::Address {
                "Address"
            } else {
                "Geolocation"
            };
            return Err(self.at(
                "INVALID_FIELD",
                path.offset(),
                format!("{kind} fields can only be filtered using Distance expressions"),
            ));
        }
        if !field.filterable || field.field_type.comparison() == Comparison::None {
            return Err(self.at(
                "INVALID_FIELD",
                path.offset(),
                format!("field '{}' can not be filtered in a query call", field.name),
            ));
        }
        Ok((checked, field))
    }

    fn operator(&self, path: &Path, field: &Field, operator: Operator) -> Result<(), QueryError> {
        let ordered = matches!(
            operator,
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual
        );
        let kind = field.field_type;
        let allowed = match operator {
            Operator::Equal | Operator::NotEqual => true,
            Operator::Like => kind.comparison() == Comparison::Text && kind != FieldType::MultiPicklist,
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                ordered && kind != FieldType::Boolean && kind != FieldType::MultiPicklist
            }
        };
        if allowed {
            return Ok(());
        }
        let name = if kind.comparison() == Comparison::Id {
            "id"
        } else {
            kind.as_str()
        };
        Err(self.at(
            "INVALID_QUERY_FILTER_OPERATOR",
            path.offset(),
            format!("invalid operator on {name} field"),
        ))
    }

    fn list(&self, scope: &Scope<'a>, path: &Path, negated: bool, values: &[Value]) -> Result<Test, QueryError> {
        let (checked, field) = self.filter(scope, path)?;
        let values = values
            .iter()
            .map(|value| self.value(field, value, Operator::Equal))
            .collect::<Result<_, _>>()?;
        Ok(Test::In {
            path: checked,
            negated,
            values,
        })
    }

    fn includes(&self, scope: &Scope<'a>, path: &Path, negated: bool, values: &[Value]) -> Result<Test, QueryError> {
        let (checked, field) = self.filter(scope, path)?;
        if field.field_type != FieldType::MultiPicklist {
            return Err(self.at(
                "INVALID_QUERY_FILTER_OPERATOR",
                path.offset(),
                "includes/excludes operators only valid on multi-picklist field",
            ));
        }
        let mut sets = Vec::with_capacity(values.len());
        for value in values {
            match &value.literal {
                Literal::Text { text, .. } => {
                    sets.push(
                        text.to_lowercase()
                            .split(';')
                            .map(|part| part.trim().to_owned())
                            .collect(),
                    );
                }
                Literal::Null
                | Literal::Boolean(_)
                | Literal::Number(_)
                | Literal::Date(_)
                | Literal::DateTime(_)
                | Literal::Time(_)
                | Literal::Relative(_) => return Err(self.wrong_type(field, value)),
            }
        }
        Ok(Test::Includes {
            path: checked,
            negated,
            sets,
        })
    }

    fn semi_join(&self, scope: &Scope<'a>, path: &Path, negated: bool, query: &'a Query) -> Result<Test, QueryError> {
        let (checked, field) = self.filter(scope, path)?;
        let offset = path.offset();
        if field.field_type.comparison() != Comparison::Id {
            return Err(self.at(
                "MALFORMED_QUERY",
                offset,
                format!(
                    "The left operand field in the where expression for a semi-join query should be an id field, cannot \
                     use: '{}'",
                    field.name
                ),
            ));
        }
        let inner = check(self.text, query, &self.view)?;
        let ids = match inner.columns.as_slice() {
            [Column::Field(only)] => only.field_type.comparison() == Comparison::Id,
            _ => false,
        };
        if !ids {
            return Err(self.at(
                "MALFORMED_QUERY",
                query.from.offset,
                "The inner select of a semi-join query should have exactly one field, which is an id field",
            ));
        }
        Ok(Test::SemiJoin {
            path: checked,
            negated,
            query: Box::new(inner),
        })
    }

    /// A literal as a value of the field's type.
    fn value(&self, field: &Field, value: &Value, operator: Operator) -> Result<Comparand, QueryError> {
        let equality = matches!(operator, Operator::Equal | Operator::NotEqual);
        Ok(match (field.field_type.comparison(), &value.literal) {
            (_, Literal::Null) => Comparand::Null,
            (Comparison::Text, Literal::Text { pattern, .. }) if operator == Operator::Like => {
                Comparand::Pattern(pattern.to_lowercase())
            }
            // There are no empty texts in Salesforce: '' is null.
            (Comparison::Text | Comparison::Id, Literal::Text { text, .. }) if text.is_empty() && equality => {
                Comparand::Null
            }
            (Comparison::Text, Literal::Text { text, .. }) => Comparand::Text(text.to_lowercase()),
            (Comparison::Id, Literal::Text { text, .. }) => Comparand::Id(id::to_18(text).ok_or_else(|| {
                self.at(
                    "INVALID_QUERY_FILTER_OPERATOR",
                    value.offset,
                    format!("invalid ID field: {text}"),
                )
            })?),
            (Comparison::Number, Literal::Number(digits)) => {
                Comparand::Number(Number::parse(digits).ok_or_else(|| self.wrong_type(field, value))?)
            }
            (Comparison::Boolean, Literal::Boolean(truth)) => Comparand::Boolean(*truth),
            (Comparison::Date, Literal::Date(date)) => Comparand::Date(*date),
            (Comparison::DateTime, Literal::DateTime(time)) => Comparand::DateTime(*time),
            (Comparison::Date | Comparison::DateTime, Literal::Relative(relative)) => Comparand::Relative(*relative),
            (Comparison::Time, Literal::Time(time)) => Comparand::Time(*time),
            (
                Comparison::Text
                | Comparison::Id
                | Comparison::Number
                | Comparison::Boolean
                | Comparison::Date
                | Comparison::DateTime
                | Comparison::Time
                | Comparison::None,
                _,
            ) => return Err(self.wrong_type(field, value)),
        })
    }

    fn wrong_type(&self, field: &Field, value: &Value) -> QueryError {
        let is_text = matches!(field.field_type.comparison(), Comparison::Text | Comparison::Id);
        let quotes = if is_text {
            "should be enclosed in quotes"
        } else {
            "should not be enclosed in quotes"
        };
        self.at(
            "INVALID_FIELD",
            value.offset,
            format!(
                "value of filter criterion for field '{}' must be of type {} and {quotes}",
                field.name,
                field.field_type.criterion_name()
            ),
        )
    }
}

#[cfg(test)]
mod tests;
