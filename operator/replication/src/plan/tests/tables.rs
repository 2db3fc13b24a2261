//! What comes out: tables, columns, warnings.

use serde_json::json;

use crate::{
    destination::Capabilities,
    plan::{
        ColumnKind, ColumnSource, Deletes, Identifier, IndexPlan, IndexedRows, ObjectPlan, Periods, Plan, PlanView,
        TemplatePart, UrlTemplate, VerifyBy, fixture, fixture::plan, objects_needed, parents_needed,
    },
};

fn only(objects: serde_json::Value) -> ObjectPlan {
    plan(objects).unwrap().objects.remove(0)
}

/// `name kind source` of each column, as `plan` shows them.
fn lines(object: &ObjectPlan) -> Vec<String> {
    let plan = Plan {
        objects: vec![object.clone()],
        ..plan(json!([{"name": "Contact"}])).unwrap()
    };
    let view = PlanView::new(&plan, |_| Vec::new());
    let columns = view.objects.into_iter().next().unwrap().columns;
    columns
        .into_iter()
        .map(|column| {
            format!(
                "{} {} {}",
                column.name,
                column.kind,
                column.source.as_deref().unwrap_or("-")
            )
        })
        .collect()
}

fn names(object: &ObjectPlan) -> Vec<&str> {
    object.columns.iter().map(|column| column.name.as_str()).collect()
}

fn line(object: &ObjectPlan, column: &str) -> String {
    let found = lines(object)
        .into_iter()
        .find(|line| line.split(' ').next() == Some(column));
    found.unwrap_or_else(|| panic!("no column {column} in {:?}", names(object)))
}

/// The plan of Contact's Directory mapping, whole. A change here changes the tables of every installation.
#[test]
fn directory_of_contact() {
    let plan = plan(json!([{"name": "Contact"}])).unwrap();
    let [contact] = plan.objects.as_slice() else {
        panic!("{} objects", plan.objects.len())
    };
    assert_eq!(contact.table.as_str(), "contact");
    assert_eq!((contact.id, contact.stamp, contact.is_deleted), (0, Some(1), Some(2)));
    assert_eq!(contact.deletes, Deletes::Remove);
    let expected = "\
salesforce_id id Id
system_modstamp timestamp SystemModstamp
display_name text(121) Name
given_name text(40) FirstName
surname text(80) LastName
salutation text(40) Salutation
job_title text(128) Title
department text(80) Department
company text(255) Account.Name
company_id id AccountId
street text(255) MailingStreet
postal_code text(20) MailingPostalCode
city text(40) MailingCity
state text(80) MailingState
country text(80) MailingCountry
phone_business text(40) Phone
phone_company text(40) Account.Phone
phone_mobile text(40) MobilePhone
phone_home text(40) HomePhone
phone_other text(40) OtherPhone
phone_assistant text(40) AssistantPhone
phone_internal text -
fax text(40) Fax
email text(80) Email
website text(255) Account.Website
do_not_call boolean DoNotCall
contact_url_1 text https://acme.my.salesforce.com/lightning/r/Contact/{Id}/view
contact_url_2 text https://acme.my.salesforce.com/lightning/r/Account/{AccountId}/view
contact_url_3 text -
owner_id id OwnerId";
    assert_eq!(lines(contact).join("\n"), expected);
    let select: Vec<String> = contact.select.iter().map(ToString::to_string).collect();
    assert_eq!(
        select.join(","),
        "Id,SystemModstamp,IsDeleted,Name,FirstName,LastName,Salutation,Title,Department,Account.Name,AccountId,\
         MailingStreet,MailingPostalCode,MailingCity,MailingState,MailingCountry,Phone,Account.Phone,MobilePhone,\
         HomePhone,OtherPhone,AssistantPhone,Fax,Email,Account.Website,DoNotCall,OwnerId"
    );
    assert_eq!(
        contact.hash.0,
        "e81762734e21dd6644c4761acd915705c99f11f53d01f6d3f9cc432bb1bd0ecc"
    );
    assert_eq!(plan.warnings, Vec::<String>::new());
    assert_eq!(plan.overlap.as_secs(), 600);
    assert_eq!(plan.parallelism.get(), 2);
    assert_eq!((plan.api_calls.runs_per_day, plan.api_calls.calls_per_day), (288, 682));
}

#[test]
fn the_four_objects_of_the_directory_have_the_same_columns() {
    let plan = plan(json!([{"name": "Contact"}, {"name": "Account"}, {"name": "Lead"}, {"name": "User"}])).unwrap();
    for object in &plan.objects {
        assert_eq!(names(object), names(&plan.objects[0]), "{}", object.object);
    }
    let [_, account, lead, user] = plan.objects.as_slice() else {
        panic!()
    };
    assert_eq!(line(account, "company"), "company text(255) Name");
    assert_eq!(line(account, "company_id"), "company_id id Id");
    assert_eq!(line(account, "surname"), "surname text -");
    assert_eq!(line(account, "email"), "email text -");
    assert_eq!(line(lead, "company"), "company text(255) Company");
    assert_eq!(line(lead, "company_id"), "company_id id -");
    assert_eq!(line(user, "phone_internal"), "phone_internal text(40) Extension");
    assert_eq!(line(user, "do_not_call"), "do_not_call boolean -");
    assert_eq!(user.is_deleted, None, "User has no IsDeleted");
    assert_eq!(plan.warnings, Vec::<String>::new());
}

#[test]
fn person_accounts_fill_the_columns_of_people_where_describe_shows_them() {
    let schema = fixture::schema_with([fixture::person_account()]);
    let spec = fixture::spec(json!([{"name": "Account"}, {"name": "Contact"}]));
    let plan = fixture::make_with(&spec, &schema, fixture::POSTGRES).unwrap();
    let account = &plan.objects[0];
    for (column, expected) in [
        ("given_name", "given_name text(40) FirstName"),
        ("surname", "surname text(80) LastName"),
        ("salutation", "salutation text(40) Salutation"),
        ("job_title", "job_title text(80) PersonTitle"),
        ("email", "email text(80) PersonEmail"),
        ("phone_mobile", "phone_mobile text(40) PersonMobilePhone"),
        ("phone_home", "phone_home text(40) PersonHomePhone"),
        ("phone_other", "phone_other text(40) PersonOtherPhone"),
        ("phone_assistant", "phone_assistant text(40) PersonAssistantPhone"),
        ("phone_business", "phone_business text -"),
    ] {
        assert_eq!(line(account, column), expected);
    }
}

#[test]
fn a_directory_field_that_describe_lacks_leaves_its_column_null_and_is_told() {
    let mut contact = fixture::objects().remove(0);
    contact
        .fields
        .retain(|field| !matches!(field.name.as_str(), "HomePhone" | "AccountId" | "DoNotCall"));
    let schema = fixture::schema_with([contact]);
    let plan = fixture::make_with(&fixture::spec(json!([{"name": "Contact"}])), &schema, fixture::POSTGRES).unwrap();
    let contact = &plan.objects[0];
    assert_eq!(names(contact).len(), 30);
    for (column, expected) in [
        ("phone_home", "phone_home text -"),
        ("company", "company text -"),
        ("company_id", "company_id id -"),
        ("contact_url_2", "contact_url_2 text -"),
        ("do_not_call", "do_not_call boolean -"),
    ] {
        assert_eq!(line(contact, column), expected);
    }
    assert_eq!(
        plan.warnings,
        [
            "Contact: the Directory mapping takes fields that do not exist, or that the Salesforce user may not read; their \
          columns stay NULL: Account.Name (column company), AccountId (column company_id), Account.Phone (column \
          phone_company), HomePhone (column phone_home), Account.Website (column website), DoNotCall (column \
          do_not_call), AccountId (column contact_url_2)"
        ]
    );
}

#[test]
fn mirror_takes_every_field_that_can_be_replicated() {
    let sample = only(json!([{"name": "Sample__c"}]));
    assert_eq!(sample.table.as_str(), "sample__c");
    let expected = "\
salesforce_id id Id
system_modstamp timestamp SystemModstamp
name text(80) Name
picklist__c text(255) Picklist__c
many__c text(4099) Many__c
combo__c text(255) Combo__c
parent__c id Parent__c
flag__c boolean Flag__c
price__c decimal(18,2) Price__c
notes__c text(32768) Notes__c
count__c int Count__c
ratio__c decimal(16,4) Ratio__c
rate__c decimal(5,1) Rate__c
call__c text(40) Call__c
day__c date Day__c
moment__c timestamp Moment__c
hour__c time Hour__c
link__c text(255) Link__c
mail__c text(80) Mail__c
secret__c text(175) Secret__c
category__c text(40) Category__c
place__latitude__s decimal(18,15) Place__Latitude__s
place__longitude__s decimal(18,15) Place__Longitude__s
any__c text Any__c
json__c text Json__c
complex__c text Complex__c
long__c long Long__c";
    assert_eq!(lines(&sample).join("\n"), expected);
}

#[test]
fn the_default_mapping_is_directory_where_it_knows_the_object_and_mirror_elsewhere() {
    for (object, first) in [
        ("contact", "display_name"),
        ("LEAD", "display_name"),
        ("sample__c", "name"),
    ] {
        assert_eq!(names(&only(json!([{"name": object}])))[2], first, "{object}");
    }
    let mirror = only(json!([{"name": "Contact", "mapping": "Mirror"}]));
    assert!(names(&mirror).contains(&"mailing_street") && !names(&mirror).contains(&"mailing_address"));
    assert_eq!(mirror.object.as_str(), "Contact");
    let none = only(json!([{"name": "contact", "mapping": "None", "fields": [{"source": "email", "column": "mail"}]}]));
    assert_eq!(names(&none), ["salesforce_id", "system_modstamp", "mail"]);
    assert_eq!(none.object.as_str(), "Contact", "names are those of describe");
    assert_eq!(line(&none, "mail"), "mail text(80) Email");
}

#[test]
fn an_entry_of_fields_takes_the_place_of_the_default_with_its_column() {
    let contact = only(json!([{"name": "Contact", "fields": [
        {"source": "MobilePhone", "column": "phone_business"},
        {"source": "Birthdate", "column": "Department"},
        {"source": "Account.Industry", "column": "industry"},
    ]}]));
    let plain = only(json!([{"name": "Contact"}]));
    assert_eq!(line(&contact, "phone_business"), "phone_business text(40) MobilePhone");
    assert_eq!(
        line(&contact, "phone_mobile"),
        "phone_mobile text(40) MobilePhone",
        "the source's own default stays"
    );
    assert_eq!(line(&contact, "Department"), "Department date Birthdate");
    assert_eq!(line(&contact, "industry"), "industry text(255) Account.Industry");
    assert_eq!(names(&contact).len(), names(&plain).len() + 1);
    assert_eq!(names(&contact).last(), Some(&"industry"));
    assert!(
        !contact.select.iter().any(|path| path.to_string() == "Phone"),
        "nothing is read that no column needs"
    );
}

#[test]
fn under_mirror_an_entry_renames_the_column_of_its_source() {
    let account = only(json!([{"name": "Account", "mapping": "Mirror", "fields": [
        {"source": "phone", "column": "telephone"},
        {"source": "Owner.LastName", "column": "owner"},
    ]}]));
    let plain = only(json!([{"name": "Account", "mapping": "Mirror"}]));
    assert_eq!(line(&account, "telephone"), "telephone text(40) Phone");
    let position = |object: &ObjectPlan, column| names(object).iter().position(|name| *name == column);
    assert_eq!(
        position(&account, "telephone"),
        position(&plain, "phone"),
        "it stays in its place"
    );
    assert_eq!(position(&account, "phone"), None);
    assert_eq!(names(&account).last(), Some(&"owner"));
}

#[test]
fn under_mirror_two_columns_can_be_swapped_and_a_taken_one_is_told() {
    let swapped = plan(json!([{"name": "Account", "mapping": "Mirror", "fields": [
        {"source": "Phone", "column": "fax"}, {"source": "Fax", "column": "phone"},
    ]}]))
    .unwrap();
    assert_eq!(line(&swapped.objects[0], "fax"), "fax text(40) Phone");
    assert_eq!(line(&swapped.objects[0], "phone"), "phone text(40) Fax");
    assert_eq!(swapped.warnings, Vec::<String>::new());

    let taken = plan(json!([{"name": "Account", "mapping": "Mirror", "fields": [
        {"source": "Phone", "column": "fax"}, {"source": "Owner.LastName", "column": "type"},
    ]}]))
    .unwrap();
    assert_eq!(line(&taken.objects[0], "fax"), "fax text(40) Phone");
    assert_eq!(
        taken.warnings,
        [
            "Account: field Type is left out, since its column type is given to another source",
            "Account: field Fax is left out, since its column fax is given to another source",
        ]
    );
}

#[test]
fn exclude_leaves_a_directory_column_null_and_a_mirror_column_out() {
    let directory = plan(json!([{"name": "Contact", "exclude": ["homephone", "Account.Website"]}])).unwrap();
    let contact = &directory.objects[0];
    assert_eq!(line(contact, "phone_home"), "phone_home text(40) -");
    assert_eq!(line(contact, "website"), "website text(255) -");
    assert!(!contact.select.iter().any(|path| path.to_string() == "HomePhone"));
    assert_eq!(directory.warnings, Vec::<String>::new());

    let mirror = only(json!([{"name": "Contact", "mapping": "Mirror", "exclude": ["homephone", "MailingAddress"]}]));
    assert!(!names(&mirror).contains(&"home_phone"));
    assert!(names(&mirror).contains(&"other_phone"));
}

#[test]
fn mark_adds_its_columns_at_the_end() {
    let contact =
        only(json!([{"name": "Contact", "deletes": "Mark", "fields": [{"source": "Region__c", "column": "r"}]}]));
    let count = contact.columns.len();
    let [.., is_deleted, deleted_at] = contact.columns.as_slice() else {
        panic!("{count} columns")
    };
    assert_eq!(
        (is_deleted.name.as_str(), is_deleted.kind),
        ("is_deleted", ColumnKind::Boolean)
    );
    assert_eq!(is_deleted.source, ColumnSource::IsDeleted);
    assert_eq!(
        (deleted_at.name.as_str(), deleted_at.kind),
        ("deleted_at", ColumnKind::Timestamp)
    );
    assert_eq!(deleted_at.source, ColumnSource::DeletedAt);
    let ignore = only(json!([{"name": "Contact", "deletes": "Ignore"}]));
    assert_eq!((ignore.deletes, ignore.columns.len()), (Deletes::Ignore, 30));
}

#[test]
fn templates_name_fields_by_api_name_then_column_then_label() {
    let contact = only(json!([{"name": "Contact", "urls": [
        {"column": "contact_url_3", "template": "https://example.com/?a={email}&b={account.name}"},
        {"column": "by_column", "template": "https://example.com/{surname}/{company}/{salesforce_id}"},
        {"column": "by_label", "template": "https://example.com/{Sales Region}/{date of birth}"},
        {"column": "contact_url_1", "template": "{instanceUrl}/{Id}"},
    ]}]));
    for (column, expected) in [
        (
            "contact_url_3",
            "contact_url_3 text https://example.com/?a={Email}&b={Account.Name}",
        ),
        (
            "by_column",
            "by_column text https://example.com/{LastName}/{Account.Name}/{Id}",
        ),
        ("by_label", "by_label text https://example.com/{Region__c}/{Birthdate}"),
        (
            "contact_url_1",
            "contact_url_1 text https://acme.my.salesforce.com/{Id}",
        ),
    ] {
        assert_eq!(line(&contact, column), expected);
    }
    let url = contact
        .columns
        .iter()
        .find(|column| column.name.as_str() == "contact_url_1")
        .unwrap();
    let expected = UrlTemplate {
        parts: vec![
            TemplatePart::Literal("https://acme.my.salesforce.com/".to_owned()),
            TemplatePart::Field(0),
        ],
    };
    assert_eq!(url.source, ColumnSource::Template(expected));
}

/// A column may be called as a field is; the field counts.
#[test]
fn an_api_name_comes_before_a_column_of_the_same_name() {
    let contact = only(json!([{"name": "Contact", "mapping": "None",
        "fields": [{"source": "LastName", "column": "email"}],
        "urls": [{"column": "u", "template": "https://example.com/{Email}"}]}]));
    assert_eq!(line(&contact, "u"), "u text https://example.com/{Email}");
}

#[test]
fn a_loopback_org_keeps_its_scheme_and_port() {
    let spec = fixture::spec(json!([{"name": "Account"}]));
    let instance_url = url::Url::parse("http://127.0.0.1:4711/").unwrap();
    let schema = fixture::schema();
    let plan = crate::plan::make(crate::plan::Input {
        spec: &spec,
        schema: &schema,
        instance_url: &instance_url,
        capabilities: fixture::POSTGRES,
        existing: &std::collections::BTreeMap::new(),
    });
    let account = plan.unwrap().objects.remove(0);
    assert_eq!(
        line(&account, "contact_url_1"),
        "contact_url_1 text http://127.0.0.1:4711/lightning/r/Account/{Id}/view"
    );
}

#[test]
fn linked_fields_are_written_as_describe_writes_them() {
    let contact = only(json!([{"name": "Contact", "mapping": "None", "fields": [
        {"source": "ACCOUNT.industry", "column": "a"},
        {"source": "partner__R.annualrevenue", "column": "b"},
        {"source": "ReportsTo.Email", "column": "c"},
        {"source": "Account.Id", "column": "d"},
    ]}]));
    let select: Vec<String> = contact.select.iter().skip(3).map(ToString::to_string).collect();
    assert_eq!(
        select,
        [
            "Account.Industry",
            "Partner__r.AnnualRevenue",
            "ReportsTo.Email",
            "Account.Id"
        ]
    );
}

#[test]
fn fields_of_polymorphic_parents_are_typed_by_name_and_told() {
    let plan = plan(json!([{"name": "Lead", "fields": [{"source": "owner.name", "column": "owner"}]}])).unwrap();
    assert_eq!(line(&plan.objects[0], "owner"), "owner text(255) Owner.Name");
    let [warning] = plan.warnings.as_slice() else {
        panic!("{:?}", plan.warnings)
    };
    assert!(
        warning.starts_with("Lead: fields of parents of several types arrive only"),
        "{warning}"
    );
    assert!(warning.ends_with(": Owner.Name"), "{warning}");
}

#[test]
fn describes_are_asked_for_in_two_steps() {
    let spec = fixture::spec(json!([
        {"name": "contact"},
        {"name": "Lead", "fields": [{"source": "Owner.Name", "column": "owner"}]},
        {"name": "Sample__c", "urls": [{"column": "u", "template": "https://example.com/{Parent__r.Website}"}]},
        {"name": "Nowhere"},
    ]));
    let all = fixture::objects();
    let mut schema = crate::plan::Schema::new(all.iter().map(|object| object.summary.clone()));
    let texts = |names: Vec<crate::plan::ObjectName>| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let first = texts(objects_needed(&spec, &schema));
    assert_eq!(first, ["Contact", "Lead", "Sample__c"]);
    assert_eq!(
        texts(parents_needed(&spec, &schema)),
        Vec::<String>::new(),
        "nothing is described yet"
    );
    schema.extend(
        all.iter()
            .filter(|object| first.contains(&object.summary.name))
            .cloned(),
    );
    let second = texts(parents_needed(&spec, &schema));
    assert_eq!(second, ["Account", "Name"]);
    schema.extend(
        all.iter()
            .filter(|object| second.contains(&object.summary.name))
            .cloned(),
    );
    assert_eq!(texts(parents_needed(&spec, &schema)), Vec::<String>::new());
    let mirror = fixture::spec(json!([{"name": "Contact", "mapping": "Mirror"}]));
    assert_eq!(texts(parents_needed(&mirror, &schema)), Vec::<String>::new());
}

#[test]
fn indexes_have_columns_in_their_spelling_and_names_of_their_own() {
    let contact =
        only(json!([{"name": "Contact", "indexes": [["EMAIL"], ["company", "surname"], ["surname", "company"]]}]));
    assert_eq!(
        indexed(&contact)[..3],
        ["email", "company, surname", "surname, company"]
    );
    assert_eq!(contact.indexes[0].name.as_str(), "contact_email_idx_aa9a9d56");
    assert_ne!(contact.indexes[1].name, contact.indexes[2].name);
}

/// Columns of each index.
fn indexed(object: &ObjectPlan) -> Vec<String> {
    let columns = |index: &IndexPlan| {
        index
            .columns
            .iter()
            .map(Identifier::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    };
    object.indexes.iter().map(columns).collect()
}

#[test]
fn children_are_found_by_an_index_of_their_reference() {
    let directory = only(json!([{"name": "Contact"}]));
    assert_eq!(indexed(&directory), ["company_id"]);
    let begun = only(json!([{"name": "Contact", "indexes": [["company_id", "surname"]]}]));
    assert_eq!(
        indexed(&begun),
        ["company_id, surname"],
        "one that begins with it serves"
    );
    let second = only(json!([{"name": "Contact", "indexes": [["surname", "company_id"]]}]));
    assert_eq!(indexed(&second), ["surname, company_id", "company_id"]);
    // Without a column for the reference, or without parents, there is nothing to find.
    let fields = json!([{"source": "Account.Name", "column": "company"}]);
    let unknown = only(json!([{"name": "Contact", "mapping": "None", "fields": fields}]));
    assert!(indexed(&unknown).is_empty());
    assert!(indexed(&only(json!([{"name": "Account"}]))).is_empty());
    assert_eq!(directory.hash, begun.hash, "an index changes no row");
}

#[test]
fn marked_rows_are_counted_by_an_index_of_their_own() {
    let marked = only(json!([{"name": "Account", "deletes": "Mark", "indexes": [["deleted_at"]]}]));
    assert_eq!(indexed(&marked), ["deleted_at", "deleted_at"]);
    let rows: Vec<IndexedRows> = marked.indexes.iter().map(|index| index.rows).collect();
    assert_eq!(rows, [IndexedRows::All, IndexedRows::Marked]);
    assert_ne!(marked.indexes[0].name, marked.indexes[1].name);
    assert!(indexed(&only(json!([{"name": "Account", "deletes": "Ignore"}]))).is_empty());
}

#[test]
fn long_names_are_cut_to_what_the_destination_holds() {
    let long = format!("Very{}Long__c", "Long".repeat(17));
    let object = fixture::object(
        &long,
        vec![fixture::field(
            &format!("{}__c", "F".repeat(70)),
            salesforce::describe::FieldType::String,
            10,
        )],
    );
    let schema = fixture::schema_with([object]);
    let spec = fixture::spec(json!([{"name": long}]));
    let plan = fixture::make_with(&spec, &schema, fixture::POSTGRES).unwrap();
    let again = fixture::make_with(&spec, &schema, fixture::POSTGRES).unwrap();
    assert_eq!(plan, again);
    let object = &plan.objects[0];
    assert_eq!(object.table.as_str().len(), 63);
    assert!(object.columns.iter().all(|column| column.name.as_str().len() <= 63));
}

#[test]
fn the_hash_depends_on_rows_and_not_on_names_of_tables_orders_and_indexes() {
    let hash = |objects| only(objects).hash;
    let base = hash(json!([{"name": "Contact"}]));
    for same in [
        json!([{"name": "contact", "table": "people"}]),
        json!([{"name": "Contact", "indexes": [["email"]]}]),
        json!([{"name": "Contact", "mapping": "Directory"}]),
        json!([{"name": "Contact", "fields": [{"source": "Email", "column": "email"}]}]),
        json!([{"name": "Contact"}, {"name": "Account"}]),
    ] {
        assert_eq!(hash(same.clone()), base, "{same}");
    }
    for other in [
        json!([{"name": "Contact", "exclude": ["HomePhone"]}]),
        json!([{"name": "Contact", "deletes": "Mark"}]),
        json!([{"name": "Contact", "deletes": "Ignore"}]),
        json!([{"name": "Contact", "fields": [{"source": "Region__c", "column": "region"}]}]),
        json!([{"name": "Contact", "urls": [{"column": "contact_url_3", "template": "https://example.com/{Id}"}]}]),
    ] {
        assert_ne!(hash(other.clone()), base, "{other}");
    }
}

#[test]
fn what_will_surprise_is_told() {
    let warnings = |objects| plan(objects).unwrap().warnings;
    let [formula] = &warnings(json!([{"name": "Contact", "fields": [{"source": "Score__c", "column": "score"}]}]))[..]
    else {
        panic!()
    };
    assert!(
        formula.starts_with("Contact: formulas and roll-ups change without a stamp"),
        "{formula}"
    );
    assert!(formula.ends_with(": Score__c"), "{formula}");
    let [masked] = &warnings(json!([{"name": "Sample__c"}]))[..] else {
        panic!()
    };
    assert!(masked.contains("View Encrypted Data: Secret__c"), "{masked}");
    let [index] =
        &warnings(json!([{"name": "Account", "mapping": "Mirror", "indexes": [["description"], ["name"]]}]))[..]
    else {
        panic!()
    };
    assert!(
        index.contains("index (description)") && index.contains("2704 bytes"),
        "{index}"
    );

    let mut object = fixture::object("Log__c", Vec::new());
    object.summary.replicateable = false;
    object.fields.retain(|field| field.name != "IsDeleted");
    let spec = fixture::spec(json!([{"name": "Log__c"}]));
    let plan = fixture::make_with(&spec, &fixture::schema_with([object]), fixture::POSTGRES).unwrap();
    let [listing, deletes] = plan.warnings.as_slice() else {
        panic!("{:?}", plan.warnings)
    };
    assert!(
        listing.starts_with("Log__c: ") && listing.contains("not replicateable"),
        "{listing}"
    );
    assert!(deletes.starts_with("Log__c: it has no IsDeleted"), "{deletes}");
}

#[test]
fn an_object_without_a_stamp_is_refreshed_at_each_run() {
    let mut object = fixture::object("Log__c", Vec::new());
    object
        .fields
        .retain(|field| field.name != "SystemModstamp" && field.name != "IsDeleted");
    let spec = fixture::spec_with(
        json!([{"name": "Log__c", "mapping": "None", "where": "Id != null", "deletes": "Mark"}]),
        json!({"consistency": {"verifyEvery": "1h", "reconcileEvery": "1h", "refreshEvery": "0s"}}),
    );
    let plan = fixture::make_with(&spec, &fixture::schema_with([object]), fixture::POSTGRES).unwrap();
    let log = &plan.objects[0];
    assert_eq!((log.id, log.stamp, log.is_deleted), (0, None, None));
    let columns: Vec<_> = log
        .columns
        .iter()
        .map(|column| (column.name.as_str(), &column.source))
        .collect();
    assert_eq!(
        columns,
        [
            ("salesforce_id", &ColumnSource::Field(0)),
            ("system_modstamp", &ColumnSource::Null),
            ("is_deleted", &ColumnSource::IsDeleted),
            ("deleted_at", &ColumnSource::DeletedAt),
        ]
    );
    assert_eq!((log.verify_by, log.periods), (VerifyBy::Listing, Periods::default()));
    let [warning] = plan.warnings.as_slice() else {
        panic!("{:?}", plan.warnings)
    };
    assert!(warning.starts_with("Log__c: it has no SystemModstamp"), "{warning}");
    let view = PlanView::new(&plan, |_| Vec::new());
    let kinds: Vec<_> = view.objects[0]
        .kinds
        .iter()
        .map(|kind| (kind.kind, kind.every.as_str(), kind.calls_per_day))
        .collect();
    assert_eq!(kinds, [("Refresh", "each run", 288)]);
    assert_eq!(
        view.objects[0].soql,
        "SELECT Id FROM Log__c WHERE (Id != null) ORDER BY Id"
    );
}

#[test]
fn defaults_that_are_not_served_are_listed() {
    let plan = plan(json!([{"name": "Contact"}])).unwrap();
    assert_eq!(
        plan.not_served,
        [
            "connection.api Auto: large reads go by SOAP, Bulk is not served yet",
            "phoneNumbers: there is no table of numbers in E.164 yet; phone columns hold what Salesforce has",
        ]
    );
    let off = fixture::spec_with(
        json!([{"name": "Account"}]),
        json!({
            "connection": {"auth": {"password": {"secretRef": {"name": "crm"}}}, "api": "Soap"},
            "consistency": {"verifyEvery": "0s", "reconcileEvery": "0m", "refreshEvery": "0h", "maxDeletePercent": 100,
                            "overlap": "20m"},
            "trigger": {"interval": "1m"},
            "parallelism": 5,
            "phoneNumbers": {},
        }),
    );
    let plan = fixture::make_with(&off, &fixture::schema(), fixture::POSTGRES).unwrap();
    assert_eq!(plan.not_served.len(), 1, "{:?}", plan.not_served);
    assert_eq!(
        (
            plan.overlap.as_secs(),
            plan.parallelism.get(),
            plan.api_calls.calls_per_day
        ),
        (1200, 5, 1440)
    );
}

#[test]
fn a_plan_is_shown_as_json_with_all_that_it_says() {
    let plan =
        plan(json!([{"name": "Contact", "table": "people", "deletes": "Mark", "indexes": [["email"]]}])).unwrap();
    let view = PlanView::new(&plan, |object| vec![format!("CREATE TABLE {}", object.table)]);
    let json = serde_json::to_value(&view).unwrap();
    let object = &json["objects"][0];
    assert_eq!(object["object"], "Contact");
    assert_eq!(object["table"], "people");
    assert_eq!(object["deletes"], "Mark");
    assert_eq!(object["ddl"], json!(["CREATE TABLE people"]));
    assert_eq!(
        object["columns"][2],
        json!({"name": "display_name", "kind": "text(121)", "source": "Name"})
    );
    assert_eq!(object["columns"][21], json!({"name": "phone_internal", "kind": "text"}));
    assert_eq!(object["indexes"][0]["columns"], json!(["email"]));
    assert!(
        object["soql"]
            .as_str()
            .unwrap()
            .starts_with("SELECT Id, SystemModstamp, IsDeleted, Name, ")
    );
    assert_eq!(
        json["apiCalls"],
        json!({"runsPerDay": 288, "callsPerDay": 682,
               "byKind": {"incremental": 576, "verify": 96, "reconcile": 3, "refresh": 7}})
    );
    assert_eq!(json["maxDeletePercent"], 10);
    assert_eq!(object.get("condition"), None);
    assert_eq!(
        object["links"],
        json!([{"parent": "Account", "reference": "AccountId", "fields": ["Name", "Phone", "Website"],
                "compared": ["company", "phone_company", "website"], "verified": true}])
    );
    assert_eq!(
        object["kinds"],
        json!([
            {"kind": "Incremental", "every": "each run", "callsPerDay": 576},
            {"kind": "Verify", "every": "1h", "callsPerDay": 96},
            {"kind": "Reconcile", "every": "24h", "callsPerDay": 3},
            {"kind": "Refresh", "every": "24h", "callsPerDay": 7},
        ])
    );
    assert_eq!(object["missingFields"], json!([]));
    assert!(json["notServed"].as_array().is_some_and(|texts| !texts.is_empty()));
}

#[test]
fn numbers_that_the_destination_would_round_are_told() {
    let spec = fixture::spec(json!([{"name": "Sample__c", "mapping": "None", "fields": [
        {"source": "Price__c", "column": "price"}]}]));
    let rounding = Capabilities {
        name: "SQLite",
        exact_digits: Some(15),
        ..fixture::POSTGRES
    };
    let plan = fixture::make_with(&spec, &fixture::schema(), rounding).unwrap();
    assert_eq!(
        plan.warnings,
        ["Sample__c: SQLite keeps 15 digits of a number with decimals, longer ones are rounded: Price__c"]
    );
    let exact = fixture::make_with(&spec, &fixture::schema(), fixture::POSTGRES).unwrap();
    assert_eq!(exact.warnings, Vec::<String>::new());
}
