//! describeGlobal and describeSObjects (salesforce-api.md 4.1 to 4.3): every member in the order of the WSDL; what is nillable is
//! nil, what may be absent is absent.

use super::{
    Reply, Session,
    envelope::{Declares, Writer},
    fault::Fault,
    label::Labels,
};
use crate::schema::{ChildRelationship, Field, FieldType, Object, View};

/// Types of one describeSObjects (salesforce-api.md 4.2).
const MOST_TYPES: usize = 100;

/// Answers describeGlobal.
pub(super) fn global(session: &Session<'_>) -> Result<Reply, Fault> {
    let store = session.org.store();
    let labels = Labels::of(session, &store)?;
    let view = store.schema.view(&session.caller.username);
    let mut writer = session.reply(Declares::Schema, 64 * 1024);
    writer.raw("<describeGlobalResponse><result>");
    writer.leaf("encoding", "UTF-8");
    writer.number("maxBatchSize", 200);
    let mut count = 0;
    for object in view.objects() {
        writer.open("sobjects");
        summary(&mut writer, object, &labels);
        writer.close("sobjects");
        count += 1;
    }
    writer.raw("</result></describeGlobalResponse>");
    Ok(Reply::new(writer, count))
}

/// Answers describeSObject and describeSObjects.
pub(super) fn sobjects(session: &Session<'_>) -> Result<Reply, Fault> {
    let names: Vec<&str> = session.request.call.texts_of("sObjectType").collect();
    let several = session.request.call.name == "describeSObjects";
    if names.len() > if several { MOST_TYPES } else { 1 } {
        let message = format!("describeSObjects: maximum number of types is {MOST_TYPES}");
        return Err(Fault::new("EXCEEDED_MAX_TYPES_LIMIT", message));
    }
    if !several && names.is_empty() {
        return Err(Fault::new("MISSING_ARGUMENT", "sObjectType not specified"));
    }
    let store = session.org.store();
    let labels = Labels::of(session, &store)?;
    let view = store.schema.view(&session.caller.username);
    let response = if several {
        "describeSObjectsResponse"
    } else {
        "describeSObjectResponse"
    };
    let mut writer = session.reply(Declares::Schema, 64 * 1024 * names.len().max(1));
    writer.open(response);
    for name in &names {
        let object = view.object(name.trim()).ok_or_else(|| Fault::unknown_object(name))?;
        writer.open("result");
        describe(&mut writer, view, object, &labels, session.origin);
        writer.close("result");
    }
    writer.close(response);
    Ok(Reply::new(writer, names.len()))
}

/// The members of `DescribeGlobalSObjectResult`.
fn summary(writer: &mut Writer, object: &Object, labels: &Labels<'_>) {
    writer.flag("activateable", object.activateable);
    writer.leaf_or_nil("associateEntityType", object.associate_entity_type.as_deref());
    writer.leaf_or_nil("associateParentEntity", object.associate_parent_entity.as_deref());
    writer.flag("createable", object.createable);
    writer.flag("custom", object.custom);
    writer.flag("customSetting", object.custom_setting);
    writer.flag("deepCloneable", object.deep_cloneable);
    writer.flag("deletable", object.deletable);
    writer.flag("deprecatedAndHidden", object.deprecated_and_hidden);
    writer.flag("feedEnabled", object.feed_enabled);
    writer.flag("hasSubtypes", object.has_subtypes);
    writer.flag("idEnabled", object.id_enabled);
    writer.flag("isInterface", object.is_interface);
    writer.flag("isSubtype", object.is_subtype);
    writer.leaf_or_nil("keyPrefix", object.key_prefix.as_deref());
    writer.leaf("label", labels.label(&object.name, None, &object.label));
    writer.leaf("labelPlural", &object.label_plural);
    writer.flag("layoutable", object.layoutable);
    writer.flag("mergeable", object.mergeable);
    writer.flag("mruEnabled", object.mru_enabled);
    writer.leaf("name", &object.name);
    writer.flag("queryable", object.queryable);
    writer.flag("replicateable", object.replicateable);
    writer.flag("retrieveable", object.retrieveable);
    writer.flag("searchable", object.searchable);
    writer.flag("triggerable", object.triggerable);
    writer.flag("undeletable", object.undeletable);
    writer.flag("updateable", object.updateable);
}

/// The members of `DescribeSObjectResult`.
fn describe(writer: &mut Writer, view: View<'_>, object: &Object, labels: &Labels<'_>, origin: &str) {
    writer.flag("activateable", object.activateable);
    writer.leaf_or_nil("associateEntityType", object.associate_entity_type.as_deref());
    writer.leaf_or_nil("associateParentEntity", object.associate_parent_entity.as_deref());
    for relationship in view.schema().child_relationships(&object.name) {
        let visible = view
            .object(&relationship.child_object)
            .is_some_and(|child| view.field(child, &relationship.field).is_some());
        if visible {
            child_relationship(writer, &relationship);
        }
    }
    writer.flag("compactLayoutable", object.layoutable);
    writer.flag("createable", object.createable);
    writer.flag("custom", object.custom);
    writer.flag("customSetting", object.custom_setting);
    writer.flag("deepCloneable", object.deep_cloneable);
    writer.nil("defaultImplementation");
    writer.flag("deletable", object.deletable);
    writer.flag("deprecatedAndHidden", object.deprecated_and_hidden);
    writer.flag("feedEnabled", object.feed_enabled);
    // `view.fields` borrows the object for as long as the view: the visible ones are asked one by one instead.
    for own in object.fields.iter().filter(|own| view.shows_field(object, own)) {
        writer.open("fields");
        field(writer, object, own, labels);
        writer.close("fields");
    }
    writer.flag("hasSubtypes", object.has_subtypes);
    writer.flag("idEnabled", object.id_enabled);
    writer.nil("implementedBy");
    writer.nil("implementsInterfaces");
    writer.flag("isInterface", object.is_interface);
    writer.flag("isSubtype", object.is_subtype);
    writer.leaf_or_nil("keyPrefix", object.key_prefix.as_deref());
    writer.leaf("label", labels.label(&object.name, None, &object.label));
    writer.leaf("labelPlural", &object.label_plural);
    writer.flag("layoutable", object.layoutable);
    writer.flag("mergeable", object.mergeable);
    writer.flag("mruEnabled", object.mru_enabled);
    writer.leaf("name", &object.name);
    writer.nil("networkScopeFieldName");
    writer.flag("queryable", object.queryable);
    for record_type in &object.record_types {
        writer.open("recordTypeInfos");
        writer.flag("active", true);
        writer.flag("available", true);
        writer.flag("defaultRecordTypeMapping", record_type.master);
        writer.leaf("developerName", &record_type.developer_name);
        writer.flag("master", record_type.master);
        writer.leaf("name", &record_type.name);
        writer.leaf("recordTypeId", &record_type.id);
        writer.close("recordTypeInfos");
    }
    writer.flag("replicateable", object.replicateable);
    writer.flag("retrieveable", object.retrieveable);
    writer.flag("searchLayoutable", object.searchable);
    writer.flag("searchable", object.searchable);
    writer.raw("<supportedScopes>");
    writer.leaf("label", &format!("All {}", object.label_plural.to_lowercase()));
    writer.leaf("name", "everything");
    writer.raw("</supportedScopes>");
    writer.flag("triggerable", object.triggerable);
    writer.flag("undeletable", object.undeletable);
    writer.flag("updateable", object.updateable);
    let urls = object.urls(origin);
    let [detail, edit, new] = urls.map(|urls| urls.map(Some)).unwrap_or_default();
    writer.leaf_or_nil("urlDetail", detail.as_deref());
    writer.leaf_or_nil("urlEdit", edit.as_deref());
    writer.leaf_or_nil("urlNew", new.as_deref());
}

fn child_relationship(writer: &mut Writer, relationship: &ChildRelationship) {
    writer.open("childRelationships");
    writer.flag("cascadeDelete", relationship.cascade_delete);
    writer.leaf("childSObject", &relationship.child_object);
    writer.flag("deprecatedAndHidden", false);
    writer.leaf("field", &relationship.field);
    writer.leaf_or_absent("relationshipName", relationship.relationship_name.as_deref());
    if relationship.restricted_delete {
        writer.flag("restrictedDelete", true);
    }
    writer.close("childRelationships");
}

/// The members of a field, up to `maskType`; the rest is in [`field_end`].
fn field(writer: &mut Writer, object: &Object, field: &Field, labels: &Labels<'_>) {
    writer.flag("aggregatable", field.aggregatable);
    writer.flag("aiPredictionField", field.ai_prediction_field);
    writer.flag("autoNumber", field.auto_number);
    writer.number("byteLength", field.byte_length);
    writer.flag("calculated", field.calculated);
    writer.leaf_or_absent("calculatedFormula", field.calculated_formula.as_deref());
    flag_if(writer, "cascadeDelete", field.cascade_delete);
    writer.flag("caseSensitive", field.case_sensitive);
    writer.leaf_or_absent("compoundFieldName", field.compound_field_name.as_deref());
    writer.leaf_or_absent("controllerName", field.controller_name.as_deref());
    writer.flag("createable", field.createable);
    writer.flag("custom", field.custom);
    if let Some(value) = &field.default_value {
        writer.raw("<defaultValue xsi:type=\"");
        writer.raw(match field.field_type.soap_type() {
            "tns:ID" => "xsd:string",
            own => own,
        });
        writer.raw("\">");
        writer.text(value);
        writer.close("defaultValue");
    }
    writer.leaf_or_absent("defaultValueFormula", field.default_value_formula.as_deref());
    writer.flag("defaultedOnCreate", field.defaulted_on_create);
    flag_if(writer, "dependentPicklist", field.dependent_picklist);
    writer.flag("deprecatedAndHidden", field.deprecated_and_hidden);
    writer.number("digits", field.digits);
    flag_if(writer, "displayLocationInDecimal", field.display_location_in_decimal);
    flag_if(writer, "encrypted", field.encrypted);
    flag_if(writer, "externalId", field.external_id);
    writer.leaf_or_absent("extraTypeInfo", field.extra_type_info.as_deref());
    writer.flag("filterable", field.filterable);
    flag_if(
        writer,
        "formulaTreatNullNumberAsZero",
        field.formula_treat_null_number_as_zero,
    );
    writer.flag("groupable", field.groupable);
    flag_if(writer, "highScaleNumber", field.high_scale_number);
    flag_if(writer, "htmlFormatted", field.html_formatted);
    writer.flag("idLookup", field.id_lookup);
    writer.leaf_or_absent("inlineHelpText", field.inline_help_text.as_deref());
    writer.leaf("label", labels.label(&object.name, Some(&field.name), &field.label));
    writer.number("length", field.length);
    writer.leaf_or_absent("mask", field.mask.as_deref());
    writer.leaf_or_absent("maskType", field.mask_type.as_deref());
    field_end(writer, field);
}

/// The members of a field from `name` on.
fn field_end(writer: &mut Writer, field: &Field) {
    writer.leaf("name", &field.name);
    writer.flag("nameField", field.name_field);
    flag_if(writer, "namePointing", field.name_pointing);
    writer.flag("nillable", field.nillable);
    writer.flag("permissionable", field.permissionable);
    for value in &field.picklist_values {
        writer.open("picklistValues");
        writer.flag("active", value.active);
        writer.flag("defaultValue", value.default_value);
        writer.leaf_or_nil("label", value.label.as_deref());
        writer.leaf("value", &value.value);
        writer.close("picklistValues");
    }
    writer.flag("polymorphicForeignKey", field.polymorphic_foreign_key);
    writer.number("precision", field.precision);
    writer.flag("queryByDistance", field.query_by_distance);
    writer.leaf_or_absent("referenceTargetField", field.reference_target_field.as_deref());
    for target in &field.reference_to {
        writer.leaf("referenceTo", target);
    }
    writer.leaf_or_absent("relationshipName", field.relationship_name.as_deref());
    if let Some(order) = field.relationship_order {
        writer.number("relationshipOrder", order);
    }
    flag_if(writer, "restrictedDelete", field.restricted_delete);
    writer.flag("restrictedPicklist", field.restricted_picklist);
    writer.number("scale", field.scale);
    writer.flag("searchPrefilterable", field.search_prefilterable);
    writer.leaf("soapType", field.field_type.soap_type());
    flag_if(writer, "sortable", field.sortable);
    writer.leaf("type", field.field_type.as_str());
    writer.flag("unique", field.unique);
    writer.flag("updateable", field.updateable);
    flag_if(writer, "writeRequiresMasterRead", field.write_requires_master_read);
}

fn flag_if(writer: &mut Writer, name: &str, value: bool) {
    if value {
        writer.flag(name, true);
    }
}

/// Fields of which two in a query make small pages: custom long text (salesforce-api.md 3.2).
pub(crate) fn is_custom_long_text(field: &Field) -> bool {
    field.custom && field.field_type == FieldType::TextArea && field.length > 255
}
