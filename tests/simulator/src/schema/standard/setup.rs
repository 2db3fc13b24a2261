//! What Setup holds and a query can read: who may see what (`Profile`, `PermissionSet`, `PermissionSetAssignment`,
//! `ObjectPermissions`), queues (`Group`), and `Name`, which stands for the parents of a polymorphic reference.
//!
//! Of the some hundred permissions of a permission set only those are here that decide which records a user sees. None of
//! these objects has `IsDeleted`: what is deleted is gone.

use super::{audit, flag, lookup, own_id, phone, picklist, text, viewed};
use crate::data::Content;
use crate::schema::{Field, FieldType, Object};

/// The objects that only users with "View Setup and Configuration" may read (Object Reference, "Special Access Rules").
pub(crate) const SETUP_OBJECTS: [&str; 4] = [
    "Profile",
    "PermissionSet",
    "PermissionSetAssignment",
    "ObjectPermissions",
];

/// The permissions of profiles and permission sets that concern which records a user sees.
fn system_permissions() -> [Field; 4] {
    [
        flag("PermissionsViewSetup", 0).label("View Setup and Configuration"),
        flag("PermissionsViewAllData", 0).label("View All Data"),
        flag("PermissionsModifyAllData", 0).label("Modify All Data"),
        flag("PermissionsViewAllUsers", 0).label("View All Users"),
    ]
}

/// Members of describe that objects of Setup have in common.
fn of_setup(mut object: Object) -> Object {
    object.feed_enabled = false;
    object.layoutable = false;
    object.mru_enabled = false;
    object.replicateable = false;
    object.searchable = false;
    object.triggerable = false;
    object.undeletable = false;
    object
}

pub(super) fn profile() -> Object {
    let mut profile = of_setup(Object::new("Profile", "00e", "Profile", "Profiles"))
        .with([own_id(), text("Name", 255).required().name_field()])
        .with(system_permissions())
        .with([
            lookup("UserLicenseId", &["UserLicense"], "UserLicense")
                .required()
                .read_only(),
            picklist("UserType", &["Standard", "PowerPartner", "Guest"])
                .length(40)
                .read_only(),
        ])
        .with(audit())
        .with([text("Description", 255)])
        .with(viewed());
    profile.createable = false;
    profile.deletable = false;
    profile
}

pub(super) fn permission_set() -> Object {
    of_setup(Object::new("PermissionSet", "0PS", "Permission Set", "Permission Sets"))
        .with([
            own_id(),
            text("Name", 80).required().name_field().label("Permission Set Name"),
            text("Label", 80).required().label("Permission Set Label"),
            lookup("LicenseId", &["PermissionSetLicense", "UserLicense"], "License"),
            lookup("ProfileId", &["Profile"], "Profile").read_only(),
            flag("IsOwnedByProfile", 0).label("Is Owned By Profile").system(),
            flag("IsCustom", 0).label("Custom").system(),
        ])
        .with(system_permissions())
        .with([text("Description", 255)])
        .with(audit())
        .with([
            text("NamespacePrefix", 15).read_only(),
            flag("HasActivationRequired", 0),
            picklist("Type", &["Regular", "Standard", "Session", "Group", "Profile"])
                .length(40)
                .read_only(),
        ])
}

pub(super) fn permission_set_assignment() -> Object {
    let mut assignment = of_setup(Object::new(
        "PermissionSetAssignment",
        "0Pa",
        "Permission Set Assignment",
        "Permission Set Assignments",
    ))
    .with([
        own_id(),
        lookup("PermissionSetId", &["PermissionSet"], "PermissionSet"),
        lookup("PermissionSetGroupId", &["PermissionSetGroup"], "PermissionSetGroup"),
        lookup("AssigneeId", &["User"], "Assignee").required(),
        Field::new("SystemModstamp", FieldType::DateTime)
            .label("Date Assigned")
            .required()
            .system(),
        Field::new("ExpirationDate", FieldType::DateTime).label("Expires On"),
        flag("IsActive", 0).label("Is Active").system(),
        flag("IsRevoked", 0).label("Is Revoked"),
    ]);
    assignment.updateable = false;
    assignment
}

pub(super) fn object_permissions() -> Object {
    let permission = |name: &str, label: &str| {
        let mut field = flag(name, 0).label(label);
        // "Create, Filter, Update" is all that the Object Reference grants them.
        (field.groupable, field.sortable) = (false, false);
        field
    };
    of_setup(Object::new(
        "ObjectPermissions",
        "110",
        "Object Permissions",
        "Object Permissions",
    ))
    .with([
        own_id(),
        lookup(
            "ParentId",
            &[
                "MutingPermissionSet",
                "PermissionSet",
                "PermissionSetLicense",
                "UserLicense",
            ],
            "Parent",
        )
        .required(),
        Field::new("SobjectType", FieldType::Picklist)
            .length(40)
            .required()
            .label("Sobject Type Name"),
        permission("PermissionsCreate", "Create Records"),
        permission("PermissionsRead", "Read Records"),
        permission("PermissionsEdit", "Edit Records"),
        permission("PermissionsDelete", "Delete Records"),
        permission("PermissionsViewAllRecords", "Read All Records"),
        permission("PermissionsModifyAllRecords", "Edit All Records"),
    ])
    .with(audit())
}

pub(super) fn group() -> Object {
    let mut group = of_setup(Object::new("Group", "00G", "Group", "Group")).with([
        own_id(),
        text("Name", 40).required().name_field(),
        text("DeveloperName", 80),
        lookup("RelatedId", &["User", "UserRole"], "Related").content(Content::Null),
        picklist(
            "Type",
            &["Regular", "Role", "RoleAndSubordinates", "Queue", "Organization"],
        )
        .length(40)
        .required(),
        Field::new("Email", FieldType::Email),
        lookup("OwnerId", &["Organization", "User"], "Owner").content(Content::Null),
        flag("DoesSendEmailToMembers", 0),
        flag("DoesIncludeBosses", 0),
    ]);
    group.replicateable = true;
    group.with(audit())
}

/// What a foreign key with several targets shows of its parent. It can be described and not queried.
pub(super) fn name() -> Object {
    let mut name = of_setup(Object::new("Name", "000", "Name", "Name")).with([
        own_id(),
        text("Name", 255).required().name_field().read_only(),
        text("LastName", 80).read_only(),
        text("FirstName", 40).read_only(),
        lookup("RecordTypeId", &["RecordType"], "RecordType").read_only(),
        text("Alias", 8).read_only(),
        lookup("UserRoleId", &["UserRole"], "UserRole").read_only(),
        flag("IsActive", 0).read_only(),
        lookup("ProfileId", &["Profile"], "Profile").read_only(),
        text("Title", 128).read_only(),
        Field::new("Email", FieldType::Email).read_only(),
        phone("Phone", 0).read_only(),
        text("Username", 80).read_only(),
    ]);
    name.key_prefix = None;
    name.createable = false;
    name.deletable = false;
    name.queryable = false;
    name.retrieveable = false;
    name.updateable = false;
    name
}
