//! Account and Opportunity.

use super::{
    CLEAN_STATUS, INDUSTRIES, SOURCES, address, area, audit, date, datetime, flag, int, is_deleted, last_activity,
    lookup, master_record, own_id, owner, phone, picklist, picture, text, viewed,
};
use crate::data::{Content, PersonPart};
use crate::schema::{Field, FieldType, Object, PersonAccounts};

pub(super) fn account(person_accounts: PersonAccounts) -> Object {
    let mut account = Object::new("Account", "001", "Account", "Accounts")
        .with([
            own_id(),
            is_deleted(),
            master_record("Account"),
            text("Name", 255)
                .required()
                .name_field()
                .label("Account Name")
                .content(Content::CompanyName),
            picklist(
                "Type",
                &[
                    "Prospect",
                    "Customer - Direct",
                    "Customer - Channel",
                    "Channel Partner / Reseller",
                    "Installation Partner",
                    "Technology Partner",
                    "Other",
                ],
            ),
            lookup("ParentId", &["Account"], "Parent").label("Parent Account ID"),
        ])
        .with(address("Billing", 0))
        .with(address("Shipping", 1))
        .with([
            phone("Phone", 0).label("Account Phone"),
            phone("Fax", 1).label("Account Fax"),
            text("AccountNumber", 40).content(Content::AutoNumber("CD")),
            Field::new("Website", FieldType::Url).content(Content::Website),
            picture("PhotoUrl", 255),
            text("Sic", 20).label("SIC Code"),
            picklist("Industry", INDUSTRIES),
            Field::new("AnnualRevenue", FieldType::Currency).number(18, 0),
            int("NumberOfEmployees", 8).label("Employees"),
            picklist("Ownership", &["Public", "Private", "Subsidiary", "Other"]),
            text("TickerSymbol", 20),
            area("Description", 32_000).label("Account Description"),
            picklist("Rating", &["Hot", "Warm", "Cold"]),
            text("Site", 80).label("Account Site"),
            owner(&["User"]),
        ])
        .with(audit())
        .with([last_activity()])
        .with(viewed())
        .with([
            text("Jigsaw", 20).content(Content::Null),
            text("JigsawCompanyId", 20).read_only().content(Content::Null),
            picklist("CleanStatus", CLEAN_STATUS).length(40).restricted(),
            picklist("AccountSource", SOURCES),
            text("DunsNumber", 9).content(Content::Null),
            text("Tradestyle", 255).content(Content::Null),
            text("NaicsCode", 8).content(Content::Null),
            text("NaicsDesc", 120).content(Content::Null),
            text("YearStarted", 4).content(Content::Null),
            text("SicDesc", 80),
            lookup("DandbCompanyId", &["DandBCompany"], "DandbCompany"),
            picklist("CustomerPriority__c", &["High", "Low", "Medium"]).label("Customer Priority"),
            Field::new("NumberofLocations__c", FieldType::Double)
                .number(3, 0)
                .label("Number of Locations"),
            date("SLAExpirationDate__c").label("SLA Expiration Date"),
            text("Parent_Name__c", 1300)
                .formula("Parent.Name")
                .label("Parent Name")
                .content(Content::ParentValue {
                    reference: "ParentId",
                    field: "Name",
                }),
        ]);
    if person_accounts == PersonAccounts::Enabled {
        account = account.with(person_fields());
    }
    account.mergeable = true;
    account
}

/// What Person Accounts add to Account (directory.md section 5.2). All records of the generator are business accounts, so
/// these fields are null until the org makes a person account.
fn person_fields() -> Vec<Field> {
    let mut fields = vec![
        text("LastName", 80).component_of("Name").content(Content::Null),
        text("FirstName", 40).component_of("Name").content(Content::Null),
        picklist("Salutation", &["Mr.", "Ms.", "Mrs.", "Dr.", "Prof."])
            .length(40)
            .component_of("Name")
            .content(Content::Null),
        lookup("PersonContactId", &["Contact"], "PersonContact")
            .read_only()
            .content(Content::Null),
        flag("IsPersonAccount", 0).system(),
    ];
    fields.extend(
        address("PersonMailing", 2)
            .into_iter()
            .map(|field| field.content(Content::Null)),
    );
    fields.extend(
        [
            "PersonMobilePhone",
            "PersonHomePhone",
            "PersonOtherPhone",
            "PersonAssistantPhone",
        ]
        .map(|name| phone(name, 0).content(Content::Null)),
    );
    fields.extend([
        Field::new("PersonEmail", FieldType::Email).content(Content::Null),
        text("PersonTitle", 80).content(Content::Null),
        text("PersonDepartment", 80).content(Content::Null),
        text("PersonAssistantName", 40).content(Content::Null),
        picklist("PersonLeadSource", SOURCES).content(Content::Null),
        date("PersonBirthdate").content(Content::Null),
        flag("PersonHasOptedOutOfEmail", 0),
        flag("PersonHasOptedOutOfFax", 0),
        flag("PersonDoNotCall", 0),
    ]);
    fields
}

#[expect(clippy::too_many_lines, reason = "a table: one line for each field")]
pub(super) fn opportunity() -> Object {
    Object::new("Opportunity", "006", "Opportunity", "Opportunities")
        .with([
            own_id(),
            is_deleted(),
            lookup("AccountId", &["Account"], "Account").cascading(),
            flag("IsPrivate", 0),
            text("Name", 120)
                .required()
                .name_field()
                .label("Name")
                .content(Content::Line),
            area("Description", 32_000),
            picklist(
                "StageName",
                &[
                    "Prospecting",
                    "Qualification",
                    "Needs Analysis",
                    "Proposal/Price Quote",
                    "Closed Won",
                    "Closed Lost",
                ],
            )
            .required()
            .label("Stage"),
            Field::new("Amount", FieldType::Currency).number(18, 2),
            Field::new("Probability", FieldType::Percent)
                .number(3, 0)
                .label("Probability (%)"),
            Field::new("ExpectedRevenue", FieldType::Currency)
                .number(18, 2)
                .read_only(),
            Field::new("TotalOpportunityQuantity", FieldType::Double)
                .number(18, 2)
                .label("Quantity"),
            date("CloseDate").required(),
            picklist("Type", &["Existing Customer - Upgrade", "New Customer"]).label("Opportunity Type"),
            text("NextStep", 255).content(Content::Line),
            picklist("LeadSource", SOURCES),
            flag("IsClosed", 3).label("Closed").system(),
            flag("IsWon", 6).label("Won").system(),
            picklist(
                "ForecastCategory",
                &["Omitted", "Pipeline", "BestCase", "Forecast", "Closed"],
            )
            .length(40)
            .read_only(),
            picklist(
                "ForecastCategoryName",
                &["Omitted", "Pipeline", "Best Case", "Commit", "Closed"],
            ),
            lookup("CampaignId", &["Campaign"], "Campaign"),
            flag("HasOpportunityLineItem", 0).system(),
            lookup("Pricebook2Id", &["Pricebook2"], "Pricebook2"),
            owner(&["User"]),
        ])
        .with(audit())
        .with([
            last_activity(),
            int("PushCount", 8).system(),
            datetime("LastStageChangeDate").system(),
            int("FiscalQuarter", 9).system(),
            int("FiscalYear", 9).system(),
            text("Fiscal", 6).system().content(Content::Fixed("2026 4")),
            lookup("ContactId", &["Contact"], "Contact"),
        ])
        .with(viewed())
        .with([
            flag("HasOpenActivity", 5).system(),
            flag("HasOverdueTask", 9).system(),
            text("OrderNumber__c", 8).label("Order Number"),
            text("Sales_Contact_Title__c", 1300)
                .formula("Contact.Title")
                .label("Sales Contact Title")
                .content(Content::ParentValue {
                    reference: "ContactId",
                    field: "Title",
                }),
            text("Sponsor__c", 80)
                .label("Sponsor")
                .content(Content::Person(PersonPart::LastName)),
        ])
}
