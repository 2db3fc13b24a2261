//! Contact, Lead and User.

use super::{
    CLEAN_STATUS, INDUSTRIES, SOURCES, address, area, audit, date, datetime, flag, int, is_deleted, last_activity,
    lookup, master_record, own_id, owner, person_name, phone, picklist, picture, text, viewed,
};
use crate::data::{Content, PersonPart};
use crate::schema::{Field, FieldType, Object, PersonAccounts};

pub(super) fn contact(person_accounts: PersonAccounts) -> Object {
    let mut contact = Object::new("Contact", "003", "Contact", "Contacts")
        .with([
            own_id(),
            is_deleted(),
            master_record("Contact"),
            lookup("AccountId", &["Account"], "Account")
                .label("Account ID")
                .cascading(),
        ])
        .with(person_name())
        .with(address("Other", 1))
        .with(address("Mailing", 0))
        .with([
            phone("Phone", 0).label("Business Phone"),
            phone("Fax", 1).label("Business Fax"),
            phone("MobilePhone", 2),
            phone("HomePhone", 3),
            phone("OtherPhone", 4),
            phone("AssistantPhone", 5).label("Asst. Phone"),
            lookup("ReportsToId", &["Contact"], "ReportsTo"),
            Field::new("Email", FieldType::Email).content(Content::EmailOf),
            text("Title", 128).content(Content::Person(PersonPart::Title)),
            text("Department", 80).content(Content::Person(PersonPart::Department)),
            text("AssistantName", 40)
                .label("Assistant's Name")
                .content(Content::Line),
            picklist("LeadSource", SOURCES),
            date("Birthdate"),
            area("Description", 32_000).label("Contact Description"),
            owner(&["User"]),
            flag("HasOptedOutOfEmail", 11).label("Email Opt Out"),
            flag("HasOptedOutOfFax", 23).label("Fax Opt Out"),
            flag("DoNotCall", 17),
        ])
        .with(audit())
        .with([
            last_activity(),
            datetime("LastCURequestDate").system().content(Content::Null),
            datetime("LastCUUpdateDate").system().content(Content::Null),
        ])
        .with(viewed())
        .with([
            text("EmailBouncedReason", 255).content(Content::Null),
            datetime("EmailBouncedDate").content(Content::Null),
            flag("IsEmailBounced", 0).system(),
            picture("PhotoUrl", 255),
            text("Jigsaw", 20).content(Content::Null),
            text("JigsawContactId", 20).read_only().content(Content::Null),
            picklist("CleanStatus", CLEAN_STATUS).length(40).restricted(),
            lookup("IndividualId", &["Individual"], "Individual"),
            picklist("ContactSource", &["External", "Internal"])
                .length(40)
                .read_only()
                .content(Content::Null),
            picklist("Region__c", &["Nord", "Süd", "Ost", "West"]).label("Region"),
            picklist("Level__c", &["Primary", "Secondary", "Tertiary"]).label("Level"),
            text("Languages__c", 100).label("Languages").content(Content::Line),
            text("Company_Phone__c", 1300)
                .formula("Account.Phone")
                .label("Company Phone")
                .content(Content::ParentValue {
                    reference: "AccountId",
                    field: "Phone",
                }),
        ]);
    if person_accounts == PersonAccounts::Enabled {
        contact = contact.with([flag("IsPersonAccount", 0).system()]);
    }
    contact.mergeable = true;
    contact
}

/// Who may see a contact beside its owner. It has no SystemModstamp, and getUpdated does not serve it (Object Reference,
/// `ContactShare`). A new org has none of its records.
pub(super) fn contact_share() -> Object {
    let mut share = Object::new("ContactShare", "03s", "Contact Share", "Contact Share").with([
        own_id(),
        lookup("ContactId", &["Contact"], "Contact")
            .label("Contact ID")
            .required()
            .cascading(),
        lookup("UserOrGroupId", &["Group", "User"], "UserOrGroup")
            .label("User/Group ID")
            .required(),
        picklist("ContactAccessLevel", &["Read", "Edit", "All"])
            .length(40)
            .required(),
        picklist("RowCause", &["Owner", "Manual", "Rule", "Team"])
            .length(40)
            .required(),
        datetime("LastModifiedDate").required().system(),
        lookup("LastModifiedById", &["User"], "LastModifiedBy")
            .required()
            .system(),
        is_deleted(),
    ]);
    share.associate_entity_type = Some("Share".to_owned());
    share.associate_parent_entity = Some("Contact".to_owned());
    share.feed_enabled = false;
    share.layoutable = false;
    share.mru_enabled = false;
    share.replicateable = false;
    share.searchable = false;
    share.triggerable = false;
    share.undeletable = false;
    share
}

pub(super) fn lead() -> Object {
    let mut lead = Object::new("Lead", "00Q", "Lead", "Leads")
        .with([own_id(), is_deleted(), master_record("Lead")])
        .with(person_name())
        .with([
            text("Title", 128).content(Content::Person(PersonPart::Title)),
            text("Company", 255).required().content(Content::CompanyName),
        ])
        .with(address("", 0))
        .with([
            phone("Phone", 0),
            phone("MobilePhone", 2),
            phone("Fax", 1),
            Field::new("Email", FieldType::Email).content(Content::EmailOf),
            Field::new("Website", FieldType::Url).content(Content::Website),
            picture("PhotoUrl", 255),
            area("Description", 32_000),
            picklist("LeadSource", SOURCES),
            picklist(
                "Status",
                &[
                    "Open - Not Contacted",
                    "Working - Contacted",
                    "Closed - Converted",
                    "Closed - Not Converted",
                ],
            )
            .required(),
            picklist("Industry", INDUSTRIES),
            picklist("Rating", &["Hot", "Warm", "Cold"]),
            Field::new("AnnualRevenue", FieldType::Currency).number(18, 0),
            int("NumberOfEmployees", 8),
            owner(&["Group", "User"]),
            flag("HasOptedOutOfEmail", 11),
            flag("IsConverted", 0).label("Converted").system(),
            date("ConvertedDate").system().content(Content::Null),
            lookup("ConvertedAccountId", &["Account"], "ConvertedAccount")
                .system()
                .content(Content::Null),
            lookup("ConvertedContactId", &["Contact"], "ConvertedContact")
                .system()
                .content(Content::Null),
            lookup("ConvertedOpportunityId", &["Opportunity"], "ConvertedOpportunity")
                .system()
                .content(Content::Null),
            flag("IsUnreadByOwner", 3),
            flag("DoNotCall", 17),
            flag("HasOptedOutOfFax", 23),
        ])
        .with(audit())
        .with([last_activity()])
        .with(viewed())
        .with([
            text("Jigsaw", 20).content(Content::Null),
            text("JigsawContactId", 20).read_only().content(Content::Null),
            picklist("CleanStatus", CLEAN_STATUS).length(40).restricted(),
            text("CompanyDunsNumber", 9).content(Content::Null),
            lookup("DandbCompanyId", &["DandBCompany"], "DandbCompany"),
            text("EmailBouncedReason", 255).content(Content::Null),
            datetime("EmailBouncedDate").content(Content::Null),
            lookup("IndividualId", &["Individual"], "Individual"),
            picklist(
                "ProductInterest__c",
                &["GC1000 series", "GC5000 series", "GC3000 series"],
            )
            .label("Product Interest"),
            picklist("Primary__c", &["No", "Yes"]).label("Primary"),
        ]);
    lead.mergeable = true;
    lead
}

#[expect(clippy::too_many_lines, reason = "a table: one line for each field")]
pub(super) fn user() -> Object {
    let mut user = Object::new("User", "005", "User", "Users")
        .with([
            own_id(),
            text("Username", 80)
                .required()
                .id_lookup()
                .content(Content::Person(PersonPart::Username)),
        ])
        .with(person_name().into_iter().filter(|field| field.name != "Salutation"))
        .with([
            text("CompanyName", 80).content(Content::CompanyName),
            text("Division", 80).content(Content::Person(PersonPart::Department)),
            text("Department", 80).content(Content::Person(PersonPart::Department)),
            text("Title", 80).content(Content::Person(PersonPart::Title)),
        ])
        .with(address("", 0))
        .with([
            Field::new("Email", FieldType::Email)
                .length(128)
                .required()
                .content(Content::EmailOf),
            flag("EmailPreferencesAutoBcc", 2),
            Field::new("SenderEmail", FieldType::Email).content(Content::Null),
            text("SenderName", 80).content(Content::Null),
            area("Signature", 1333),
            phone("Phone", 0),
            phone("Fax", 1),
            phone("MobilePhone", 2),
            text("Alias", 8).required().content(Content::Person(PersonPart::Alias)),
            text("CommunityNickname", 40)
                .required()
                .content(Content::Person(PersonPart::Username)),
            flag("IsActive", 1).label("Active"),
            picklist("TimeZoneSidKey", &["Europe/Berlin", "America/New_York", "Asia/Tokyo"])
                .length(40)
                .required()
                .restricted(),
            lookup("UserRoleId", &["UserRole"], "UserRole"),
            picklist("LocaleSidKey", &["de_DE", "en_US", "fr_FR"])
                .length(40)
                .required()
                .restricted(),
            flag("ReceivesInfoEmails", 5),
            flag("ReceivesAdminInfoEmails", 5),
            picklist("EmailEncodingKey", &["UTF-8", "ISO-8859-1"])
                .length(40)
                .required()
                .restricted(),
            Field::new("ProfileId", FieldType::Reference)
                .pointing_to(&["Profile"], Some("Profile"))
                .content(Content::Parent),
            picklist("UserType", &["Standard", "PowerPartner", "AutomatedProcess", "Guest"])
                .length(40)
                .read_only()
                .content(Content::Fixed("Standard")),
            picklist("LanguageLocaleKey", &["de", "en_US", "fr"])
                .length(40)
                .required()
                .restricted(),
            text("EmployeeNumber", 20).content(Content::AutoNumber("E")),
            lookup("DelegatedApproverId", &["Group", "User"], "DelegatedApprover").content(Content::Null),
            lookup("ManagerId", &["User"], "Manager"),
            datetime("LastLoginDate").system(),
            datetime("LastPasswordChangeDate").system(),
        ])
        .with(audit())
        .with([
            int("NumberOfFailedLogins", 9).system(),
            text("FederationIdentifier", 512).content(Content::Null),
            area("AboutMe", 1000),
            picture("FullPhotoUrl", 1024),
            picture("SmallPhotoUrl", 1024),
            picture("MediumPhotoUrl", 1024),
            text("Extension", 40).content(Content::Phone(6)),
            lookup("ContactId", &["Contact"], "Contact").content(Content::Null),
            lookup("AccountId", &["Account"], "Account")
                .read_only()
                .content(Content::Null),
            flag("ForecastEnabled", 0),
            flag("UserPermissionsMarketingUser", 3),
            flag("UserPermissionsCallCenterAutoLogin", 0),
            flag("IsProfilePhotoActive", 0).read_only(),
        ])
        .with(viewed());
    // Users go inactive; they are never deleted (salesforce-api.md 6.1), and describe has no IsDeleted.
    user.deletable = false;
    user.undeletable = false;
    user
}
