use std::ops::ControlFlow;

use super::*;
use crate::error::{Call, ErrorKind};

/// Keeps records as lists of values.
#[derive(Default)]
struct Rows {
    open: Vec<(usize, String)>,
    complete: Vec<Vec<(usize, String)>>,
    at_most: Option<usize>,
}

impl RecordSink for Rows {
    fn begin_record(&mut self) {
        self.open.clear();
    }

    fn value(&mut self, column: usize, text: &str) {
        assert!(!text.is_empty(), "an empty value of column {column}");
        self.open.push((column, text.to_owned()));
    }

    fn end_record(&mut self) -> ControlFlow<()> {
        self.complete.push(std::mem::take(&mut self.open));
        if self.at_most == Some(self.complete.len()) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

fn place() -> Place {
    Place {
        call: Call::QueryAll,
        object: Some("Contact".into()),
        host: "acme.example".into(),
    }
}

fn envelope(response: &str, inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"urn:partner.soap.sforce.com\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:sf=\"urn:sobject.partner.soap.sforce.com\">\
         <soapenv:Header><LimitInfoHeader><limitInfo><current>6</current><limit>5000</limit><type>API REQUESTS</type>\
         </limitInfo></LimitInfoHeader></soapenv:Header><soapenv:Body><{response}>{inside}</{response}></soapenv:Body>\
         </soapenv:Envelope>"
    )
}

fn query(inside: &str) -> String {
    envelope(
        "queryAllResponse",
        &format!("<result xsi:type=\"QueryResult\">{inside}</result>"),
    )
}

fn last_page(records: &str, size: u32) -> String {
    query(&format!(
        "<done>true</done><queryLocator xsi:nil=\"true\"/>{records}<size>{size}</size>"
    ))
}

fn page(body: &str) -> Page {
    Page::read(body.to_owned(), place(), Shape::Query).unwrap()
}

fn read(page: &Page, select: &[&str]) -> Result<Vec<Vec<Option<String>>>> {
    let mut rows = Rows::default();
    let records = page.read_records(&SelectList::new(select), &mut rows)?;
    assert_eq!(records, rows.complete.len() as u64);
    let width = select.len();
    Ok(rows
        .complete
        .into_iter()
        .map(|row| {
            let mut values = vec![None; width];
            for (column, text) in row {
                assert!(values[column].is_none(), "column {column} was told twice");
                values[column] = Some(text);
            }
            values
        })
        .collect())
}

fn rows(body: &str, select: &[&str]) -> Vec<Vec<Option<String>>> {
    read(&page(body), select).unwrap()
}

fn some(values: &[&str]) -> Vec<Option<String>> {
    values
        .iter()
        .map(|value| (!value.is_empty()).then(|| (*value).to_owned()))
        .collect()
}

/// The recorded last page of salesforce-api.md 5.2.
const GEOFF: &str = "<records xsi:type=\"sf:sObject\"><sf:type>Contact</sf:type><sf:Id>003R00000016BMRIA2</sf:Id>\
    <sf:Id>003R00000016BMRIA2</sf:Id><sf:FirstName>Geoff</sf:FirstName><sf:LastName>Minor</sf:LastName>\
    <sf:MobilePhone xsi:nil=\"true\"/><sf:LastModifiedDate>2015-02-10T01:56:14.000Z</sf:LastModifiedDate></records>";
const GEOFF_SELECT: [&str; 5] = ["Id", "FirstName", "LastName", "MobilePhone", "LastModifiedDate"];

#[test]
fn a_recorded_last_page_is_read() {
    let page = page(&last_page(GEOFF, 1));
    assert!(page.done());
    assert_eq!((page.locator(), page.size()), (None, Some(1)));
    assert_eq!(
        read(&page, &GEOFF_SELECT).unwrap(),
        [some(&[
            "003R00000016BMRIA2",
            "Geoff",
            "Minor",
            "",
            "2015-02-10T01:56:14.000Z"
        ])]
    );
}

#[test]
fn a_page_that_is_not_the_last_one_has_a_locator_and_the_size_of_the_query() {
    for locator in ["01g1E00009HWXuZQAX-2000", "0r8000000000000AAA"] {
        let body = query(&format!(
            "<done>false</done><queryLocator>{locator}</queryLocator>{}<size>3000</size>",
            GEOFF.repeat(3)
        ));
        let page = page(&body);
        assert!(!page.done());
        assert_eq!(page.locator().map(Locator::as_str), Some(locator));
        assert_eq!(page.locator().and_then(Locator::object), Some("Contact"));
        assert_eq!(page.size(), Some(3000));
        assert_eq!(read(&page, &GEOFF_SELECT).unwrap().len(), 3);
    }
}

#[test]
fn counts_and_unknown_sizes_are_told() {
    assert_eq!(page(&last_page("", 4711)).size(), Some(4711));
    let unknown = query(&format!(
        "<done>true</done><queryLocator xsi:nil=\"true\"/>{GEOFF}<size>-1</size>"
    ));
    assert_eq!(page(&unknown).size(), None);
    assert_eq!(rows(&unknown, &GEOFF_SELECT).len(), 1);
}

#[test]
fn a_head_without_what_it_must_have_is_an_error() {
    for inside in [
        "<queryLocator xsi:nil=\"true\"/><size>0</size>",
        "<done>false</done><queryLocator xsi:nil=\"true\"/><size>0</size>",
        "<done>false</done><queryLocator></queryLocator><size>0</size>",
        "<done>true</done><size>many</size>",
    ] {
        let error = Page::read(query(inside), place(), Shape::Query).unwrap_err();
        assert_eq!(error.reason(), "UnexpectedAnswer", "{inside}: {error}");
    }
    let error = Page::read(envelope("queryAllResponse", ""), place(), Shape::Query).unwrap_err();
    assert_eq!(error.reason(), "UnexpectedAnswer");
    let error = Page::read("<html><body>hello</body></html>".to_owned(), place(), Shape::Query).unwrap_err();
    assert_eq!(error.reason(), "UnexpectedAnswer");
}

#[test]
fn the_first_id_is_skipped_whether_id_is_selected_first_last_or_not() {
    let record = |head: &str, fields: &str| {
        last_page(
            &format!("<records><sf:type>Contact</sf:type>{head}{fields}</records>"),
            1,
        )
    };
    let id = "<sf:Id>003R00000016BMRIA2</sf:Id>";
    let nil = "<sf:Id xsi:nil=\"true\"/>";
    let name = "<sf:LastName>Minor</sf:LastName>";
    assert_eq!(
        rows(&record(id, &format!("{id}{name}")), &["Id", "LastName"]),
        [some(&["003R00000016BMRIA2", "Minor"])]
    );
    assert_eq!(
        rows(&record(id, &format!("{name}{id}")), &["LastName", "Id"]),
        [some(&["Minor", "003R00000016BMRIA2"])]
    );
    assert_eq!(rows(&record(nil, name), &["LastName"]), [some(&["Minor"])]);
    assert_eq!(rows(&record(id, name), &["LastName"]), [some(&["Minor"])]);
    assert_eq!(
        rows(&record(id, name), &["Id", "LastName"]),
        [some(&["003R00000016BMRIA2", "Minor"])]
    );
    assert!(read(&page(&record(nil, name)), &["Id", "LastName"]).is_err());
}

#[test]
fn a_field_named_type_is_not_the_type_of_the_record() {
    let record = |kind: &str| format!("<records><sf:type>Account</sf:type><sf:Id xsi:nil=\"true\"/>{kind}</records>");
    assert_eq!(
        rows(&last_page(&record("<sf:Type>Customer</sf:Type>"), 1), &["Type"]),
        [some(&["Customer"])]
    );
    assert_eq!(
        rows(&last_page(&record("<sf:Type xsi:nil=\"true\"/>"), 1), &["Type"]),
        [some(&[""])]
    );
    assert!(read(&page(&last_page(&record(""), 1)), &["Type"]).is_err());
}

#[test]
fn names_are_matched_whatever_their_case_and_order() {
    let body = last_page(
        "<records><sf:type>Contact</sf:type><sf:Id xsi:nil=\"true\"/><sf:B__c>b</sf:B__c><sf:a__c>a</sf:a__c>\
         <sf:Extra>x</sf:Extra><sf:C>c</sf:C></records>",
        1,
    );
    assert_eq!(rows(&body, &["A__C", "b__c", "c"]), [some(&["a", "b", "c"])]);
}

#[test]
fn a_missing_field_is_an_error_that_names_it() {
    let body = last_page(
        &format!("{GEOFF}{}", GEOFF.replace("<sf:LastName>Minor</sf:LastName>", "")),
        2,
    );
    let error = read(&page(&body), &GEOFF_SELECT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert_eq!(
        error.message(),
        "queryAll of Contact at acme.example: unexpected answer: record 2 of the page lacks the selected field LastName"
    );
}

#[test]
fn parents_are_read_one_level_up_and_nil_parents_are_null() {
    let head = "<sf:type>Contact</sf:type><sf:Id xsi:nil=\"true\"/>";
    let owner = "<sf:Owner xsi:type=\"sf:sObject\"><sf:type>User</sf:type><sf:Id xsi:nil=\"true\"/>\
                 <sf:Name>mpierce</sf:Name></sf:Owner>";
    let account = "<sf:Account xsi:type=\"sf:sObject\"><sf:type>Account</sf:type><sf:Id>001</sf:Id><sf:Id>001</sf:Id>\
                   <sf:Name>R&amp;D <![CDATA[<GmbH>]]></sf:Name><sf:Type xsi:nil=\"true\"/></sf:Account>";
    let body = last_page(
        &format!(
            "<records>{head}{owner}<sf:Name>One</sf:Name>{account}</records>\
             <records>{head}{owner}<sf:Name>Two</sf:Name><sf:Account xsi:nil=\"true\"/></records>"
        ),
        2,
    );
    let select = ["Owner.Name", "Name", "Account.Id", "Account.Name", "account.Type"];
    assert_eq!(
        rows(&body, &select),
        [
            some(&["mpierce", "One", "001", "R&D <GmbH>", ""]),
            some(&["mpierce", "Two", "", "", ""])
        ]
    );
    let error = read(
        &page(&body),
        &[
            "Owner.Name",
            "Name",
            "Account.Id",
            "Account.Name",
            "Account.Type",
            "Account.City",
        ],
    )
    .unwrap_err();
    assert!(error.message().contains("Account.City"), "{error}");
}

#[test]
fn subqueries_and_compounds_that_were_not_selected_are_skipped() {
    let body = last_page(
        "<records><sf:type>Account</sf:type><sf:Id>001</sf:Id><sf:Contacts xsi:type=\"QueryResult\"><done>true</done>\
         <queryLocator xsi:nil=\"true\"/><records xsi:type=\"sf:sObject\"><sf:type>Contact</sf:type><sf:Id>003</sf:Id>\
         <sf:Id>003</sf:Id><sf:Name>inner</sf:Name></records><size>2</size></sf:Contacts><sf:Tasks xsi:nil=\"true\"/>\
         <sf:BillingAddress xsi:type=\"address\"><latitude>-37.98</latitude><city>keysborough</city></sf:BillingAddress>\
         <sf:Name>outer</sf:Name></records>",
        1,
    );
    assert_eq!(page(&body).size(), Some(1));
    assert_eq!(rows(&body, &["Name"]), [some(&["outer"])]);
    let error = read(&page(&body), &["BillingAddress", "Name"]).unwrap_err();
    assert!(
        error.message().contains("BillingAddress of record 1 has parts"),
        "{error}"
    );
}

#[test]
fn nasty_values_come_as_they_are() {
    let values = [
        ("O&apos;Brien &amp; S&#246;hne", "O'Brien & Söhne"),
        ("<![CDATA[</sf:A>]]>", "</sf:A>"),
        ("a<!-- </sf:A> -->b", "ab"),
        ("Müller\nStraße 1\t😀", "Müller\nStraße 1\t😀"),
        ("&lt;size&gt;9&lt;/size&gt;", "<size>9</size>"),
        ("&amp;amp;", "&amp;"),
        ("  spaces  ", "  spaces  "),
        ("&#x41;&#66;", "AB"),
        ("", ""),
    ];
    for (wire, text) in values {
        let record = format!(
            "<records><sf:type>X</sf:type><sf:Id xsi:nil=\"true\"/><sf:A>{wire}</sf:A><sf:B>b</sf:B></records>"
        );
        assert_eq!(
            rows(&last_page(&record, 1), &["A", "B"]),
            [some(&[text, "b"])],
            "{wire}"
        );
    }
}

#[test]
fn a_size_inside_of_a_value_is_not_the_size_of_the_query() {
    let record = "<records><sf:type>X</sf:type><sf:Id xsi:nil=\"true\"/><sf:A><![CDATA[</records><size>9</size>]]></sf:A></records>";
    let body = last_page(record, 7);
    assert_eq!(page(&body).size(), Some(7));
    assert_eq!(rows(&body, &["A"]), [some(&["</records><size>9</size>"])]);
}

#[test]
fn a_page_cut_at_any_byte_is_an_error_and_its_rows_are_right() {
    let body = query(&format!(
        "<done>false</done><queryLocator>01g-2000</queryLocator>{}{}<size>3000</size>",
        GEOFF,
        GEOFF.replace("Geoff", "J&amp;&#246;<![CDATA[rg]]>")
    ));
    let expected = rows(&body, &GEOFF_SELECT);
    assert_eq!(expected[1][1].as_deref(), Some("J&örg"));
    for (end, _) in body.char_indices() {
        let cut = body.get(..end).unwrap();
        let Ok(page) = Page::read(cut.to_owned(), place(), Shape::Query) else {
            continue;
        };
        let mut rows = Rows::default();
        let error = page
            .read_records(&SelectList::new(GEOFF_SELECT), &mut rows)
            .expect_err(cut);
        assert_eq!(error.kind(), ErrorKind::Transient, "cut at {end}: {error}");
        for (row, expected) in rows.complete.iter().zip(&expected) {
            let told: Vec<_> = expected
                .iter()
                .enumerate()
                .filter_map(|(column, value)| value.clone().map(|value| (column, value)))
                .collect();
            assert_eq!(row, &told, "cut at {end}");
        }
    }
}

#[test]
fn a_damaged_page_is_an_error() {
    let body = last_page(&GEOFF.repeat(2), 2);
    for (from, to) in [
        ("</records>", "</record>"),
        ("</sf:LastName>", ""),
        ("Minor", "&unknown;"),
        ("Minor", "a & b"),
        ("</soapenv:Body>", ""),
        ("<size>2</size>", "<size>x</size>"),
        ("<done>true</done>", "<done>true</done><size>3</size>"),
        ("</result>", "</result><result/>"),
        ("queryAllResponse", "r"),
    ] {
        let times = if from == "queryAllResponse" { 2 } else { 1 };
        let damaged = body.replacen(from, to, times);
        let outcome = Page::read(damaged, place(), Shape::Query).and_then(|page| read(&page, &GEOFF_SELECT));
        assert!(outcome.is_err(), "{from} -> {to}");
    }
}

#[test]
fn a_sink_that_breaks_ends_the_reading() {
    let body = last_page(&GEOFF.repeat(3), 3);
    let mut rows = Rows {
        at_most: Some(2),
        ..Rows::default()
    };
    let records = page(&body)
        .read_records(&SelectList::new(GEOFF_SELECT), &mut rows)
        .unwrap();
    assert_eq!((records, rows.complete.len()), (2, 2));
}

#[test]
fn retrieve_gives_records_and_leaves_out_what_is_not_there() {
    let record = GEOFF.replace("<records", "<result").replace("</records>", "</result>");
    let once = record.replacen("<sf:Id>003R00000016BMRIA2</sf:Id>", "", 1);
    let body = envelope("retrieveResponse", &format!("{record}<result xsi:nil=\"true\"/>{once}"));
    let page = retrieved(body, 3);
    assert!(page.done() && page.locator().is_none() && page.size().is_none());
    let rows = read(&page, &GEOFF_SELECT).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0], rows[1]);
    let empty = retrieved(envelope("retrieveResponse", ""), 0);
    assert_eq!(read(&empty, &GEOFF_SELECT).unwrap().len(), 0);
}

fn retrieved(body: String, asked: usize) -> Page {
    let place = Place {
        call: Call::Retrieve,
        ..place()
    };
    Page::read(body, place, Shape::Retrieve { asked }).unwrap()
}

#[test]
fn a_retrieve_that_does_not_answer_for_each_id_is_an_error() {
    let record = GEOFF.replace("<records", "<result").replace("</records>", "</result>");
    for (body, asked) in [("", 1), (record.as_str(), 2), (&record.repeat(2), 1)] {
        let page = retrieved(envelope("retrieveResponse", body), asked);
        let error = read(&page, &GEOFF_SELECT).unwrap_err();
        assert_eq!(error.reason(), "UnexpectedAnswer", "{asked}: {error}");
    }
}

#[test]
fn the_object_is_that_of_the_statement() {
    for (soql, object) in [
        ("SELECT Id FROM Contact", Some("Contact")),
        (
            "select Id, (SELECT Id FROM Contacts) from Account where Name = 'x FROM y'",
            Some("Account"),
        ),
        ("SELECT Id FROM\nFoo__c WHERE A = 'it\\'s FROM Bar'", Some("Foo__c")),
        ("SELECT From__c, 'FROM x' FROM A.B", Some("A")),
        ("SELECT Id", None),
        ("SELECT 'unclosed FROM x", None),
        ("SELECT ä FROM Contact", Some("Contact")),
    ] {
        assert_eq!(object_of(soql), object, "{soql}");
    }
}

#[test]
fn debug_shows_no_values() {
    assert!(!format!("{:?}", page(&last_page(GEOFF, 1))).contains("Geoff"));
}
