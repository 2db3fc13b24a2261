//! Task and Case.

use super::{
    area, audit, date, datetime, flag, int, is_deleted, lookup, master_record, own_id, owner, picklist, text, viewed,
};
use crate::data::{Content, PersonPart};
use crate::schema::{Field, FieldType, Object};

pub(super) fn task() -> Object {
    Object::new("Task", "00T", "Task", "Tasks")
        .with([
            own_id(),
            lookup("WhoId", &["Contact", "Lead"], "Who")
                .label("Name ID")
                .cascading(),
            lookup("WhatId", &["Account", "Case", "Opportunity"], "What")
                .label("Related To ID")
                .cascading(),
            Field::new("Subject", FieldType::Combobox)
                .values(&["Call", "Email", "Send Letter", "Send Quote", "Other"])
                .name_field()
                .content(Content::OneOfValues),
            date("ActivityDate").label("Due Date Only"),
            picklist(
                "Status",
                &[
                    "Not Started",
                    "In Progress",
                    "Completed",
                    "Waiting on someone else",
                    "Deferred",
                ],
            )
            .required(),
            picklist("Priority", &["High", "Normal", "Low"]).required(),
            flag("IsHighPriority", 3).system(),
            owner(&["Group", "User"]).label("Assigned To ID"),
            area("Description", 32_000),
            is_deleted(),
            lookup("AccountId", &["Account"], "Account").system(),
            flag("IsClosed", 3).system(),
        ])
        .with(audit())
        .with([
            flag("IsArchived", 0).system(),
            int("CallDurationInSeconds", 8),
            picklist("CallType", &["Internal", "Inbound", "Outbound"]).length(40),
            text("CallDisposition", 255).label("Call Result").content(Content::Line),
            text("CallObject", 255).label("Call Object Identifier"),
            datetime("ReminderDateTime"),
            flag("IsReminderSet", 4),
            lookup("RecurrenceActivityId", &["Task"], "RecurrenceActivity")
                .system()
                .content(Content::Null),
            flag("IsRecurrence", 0).label("Create Recurring Series of Tasks"),
            date("RecurrenceStartDateOnly").content(Content::Null),
            date("RecurrenceEndDateOnly").content(Content::Null),
            picklist("TaskSubtype", &["Task", "Email", "ListEmail", "Cadence", "Call"])
                .length(40)
                .restricted(),
            datetime("CompletedDateTime").system(),
        ])
}

pub(super) fn case() -> Object {
    let mut case = Object::new("Case", "500", "Case", "Cases")
        .with([
            own_id(),
            is_deleted(),
            master_record("Case"),
            case_number(),
            lookup("ContactId", &["Contact"], "Contact"),
            lookup("AccountId", &["Account"], "Account").cascading(),
            lookup("AssetId", &["Asset"], "Asset"),
            lookup("ParentId", &["Case"], "Parent").label("Parent Case ID"),
            text("SuppliedName", 80)
                .label("Name")
                .content(Content::Person(PersonPart::FullName)),
            Field::new("SuppliedEmail", FieldType::Email)
                .label("Email Address")
                .content(Content::EmailOf),
            text("SuppliedPhone", 40).label("Phone").content(Content::Phone(0)),
            text("SuppliedCompany", 80)
                .label("Company")
                .content(Content::CompanyName),
            picklist(
                "Type",
                &["Mechanical", "Electrical", "Electronic", "Structural", "Other"],
            )
            .label("Case Type"),
            picklist("Status", &["New", "Working", "Escalated", "Closed"]),
            picklist(
                "Reason",
                &[
                    "Installation",
                    "Equipment Complexity",
                    "Performance",
                    "Breakdown",
                    "Equipment Design",
                    "Feedback",
                    "Other",
                ],
            )
            .label("Case Reason"),
            picklist("Origin", &["Email", "Phone", "Web"]).label("Case Origin"),
            text("Subject", 255).content(Content::Line),
            picklist("Priority", &["High", "Medium", "Low"]),
            area("Description", 32_000),
            flag("IsClosed", 4).label("Closed").system(),
            datetime("ClosedDate").system(),
            flag("IsEscalated", 9).label("Escalated"),
            owner(&["Group", "User"]),
        ])
        .with(audit())
        .with(
            [
                ("ContactPhone", FieldType::Phone, "Phone"),
                ("ContactMobile", FieldType::Phone, "MobilePhone"),
                ("ContactEmail", FieldType::Email, "Email"),
                ("ContactFax", FieldType::Phone, "Fax"),
            ]
            .map(|(name, kind, field)| {
                Field::new(name, kind).read_only().content(Content::ParentValue {
                    reference: "ContactId",
                    field,
                })
            }),
        )
        .with([area("Comments", 4000).label("Internal Comments").content(Content::Null)])
        .with(viewed())
        .with([
            picklist("PotentialLiability__c", &["No", "Yes"]).label("Potential Liability"),
            text("EngineeringReqNumber__c", 12).label("Engineering Req Number"),
        ]);
    case.mergeable = true;
    case
}

fn case_number() -> Field {
    let mut number = text("CaseNumber", 30)
        .required()
        .system()
        .name_field()
        .content(Content::AutoNumber(""))
        .id_lookup();
    number.auto_number = true;
    number
}
