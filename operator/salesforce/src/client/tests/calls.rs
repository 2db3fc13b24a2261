//! What each call asks and how its answer is read.

use super::*;

#[tokio::test]
async fn usage_that_is_old_is_asked_for_again() {
    let used = Arc::new(AtomicU64::new(6));
    let told = Arc::clone(&used);
    let server = Server::start(with_login(move |_| {
        let current = format!("<current>{}</current>", told.load(Ordering::Relaxed));
        let reply = envelope(
            "<getServerTimestampResponse><result><timestamp>2026-11-10T09:00:00.000Z</timestamp></result>\
             </getServerTimestampResponse>",
        );
        Reply::xml(200, &reply.replace("<current>6</current>", &current))
    }))
    .await;
    let (client, clock) = clocked(&server);
    let usage = |used| Some(ApiUsage { used, limit: 5000 });
    let minute = Duration::from_mins(1);
    assert_eq!(
        client.recent_api_usage(minute).await.unwrap(),
        usage(6),
        "nothing was told yet"
    );
    used.store(9, Ordering::Relaxed);
    clock.advance(minute);
    assert_eq!(client.recent_api_usage(minute).await.unwrap(), usage(6));
    assert_eq!(client.calls(), 1);
    clock.advance(Duration::from_secs(1));
    assert_eq!(client.recent_api_usage(minute).await.unwrap(), usage(9));
    assert_eq!(client.calls(), 2);
}

#[tokio::test]
async fn describes_come_in_batches_of_a_hundred_and_smaller_ones_where_they_are_too_large() {
    let largest = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&largest);
    let server = Server::start(with_login(move |request| {
        let names: Vec<&str> = request
            .body
            .split("<urn:sObjectType>")
            .skip(1)
            .map(|rest| rest.split('<').next().unwrap())
            .collect();
        seen.fetch_max(names.len(), Ordering::SeqCst);
        if names.contains(&"Wide__c") && names.len() > 1 {
            return Reply::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n<".to_vec());
        }
        let results = names.iter().fold(String::new(), |results, name| {
            results + "<result><name>" + name + "</name></result>"
        });
        Reply::response(&format!(
            "<describeSObjectsResponse>{results}</describeSObjectsResponse>"
        ))
    }))
    .await;
    let client = client(&server);
    let mut names: Vec<String> = (0..250).map(|number| format!("Object{number}__c")).collect();
    let names_of = |objects: Vec<ObjectDescribe>| {
        objects
            .into_iter()
            .map(|object| object.summary.name)
            .collect::<Vec<_>>()
    };
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(names_of(client.describe(&borrowed).await.unwrap()), names);
    assert_eq!((client.calls(), largest.load(Ordering::SeqCst)), (3, 100));
    names[130] = "Wide__c".to_owned();
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(names_of(client.describe(&borrowed).await.unwrap()), names);
    assert!(client.describe(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn changes_are_asked_for_and_read() {
    let server = Server::start(with_login(|request| match request.call() {
        "getUpdated" => Reply::response(
            "<getUpdatedResponse><result><ids>0012x000007RVCcAAO</ids><ids>0015000000WWD7bAAH</ids>\
             <latestDateCovered>2020-06-30T05:05:00.000Z</latestDateCovered></result></getUpdatedResponse>",
        ),
        "getDeleted" => Reply::response(
            "<getDeletedResponse><result><deletedRecords><deletedDate>2013-05-07T22:07:19.000Z</deletedDate>\
             <id>0015000000WWD7bAAH</id></deletedRecords><earliestDateAvailable>2013-05-03T15:57:00.000Z\
             </earliestDateAvailable><latestDateCovered>2013-05-08T21:20:00.000Z</latestDateCovered></result>\
             </getDeletedResponse>",
        ),
        other => panic!("{other}"),
    }))
    .await;
    let client = client(&server);
    let start: Timestamp = "2026-11-01T00:00:00.25Z".parse().unwrap();
    let end: Timestamp = "2026-11-02T00:00:00Z".parse().unwrap();
    let updated = client.get_updated("Account", start, end).await.unwrap();
    assert_eq!(updated.ids, ["0012x000007RVCcAAO", "0015000000WWD7bAAH"]);
    assert_eq!(updated.latest_date_covered.to_string(), "2020-06-30T05:05:00Z");
    let deleted = client.get_deleted("Account", start, end).await.unwrap();
    assert_eq!(deleted.records[0].id, "0015000000WWD7bAAH");
    assert_eq!(deleted.records[0].deleted_date.to_string(), "2013-05-07T22:07:19Z");
    assert_eq!(deleted.earliest_date_available.to_string(), "2013-05-03T15:57:00Z");
    assert_eq!(deleted.latest_date_covered.to_string(), "2013-05-08T21:20:00Z");
    let request = server.requests().pop().unwrap();
    assert_eq!(request.element("sObjectType"), Some("Account"));
    assert_eq!(request.element("startDate"), Some("2026-11-01T00:00:00.250Z"));
    assert_eq!(request.element("endDate"), Some("2026-11-02T00:00:00.000Z"));
}

#[tokio::test]
async fn retrieve_names_fields_once_and_ids_each() {
    let server = Server::start(with_login(|_| {
        Reply::response("<retrieveResponse><result xsi:nil=\"true\"/><result xsi:nil=\"true\"/></retrieveResponse>")
    }))
    .await;
    let client = client(&server);
    let page = client
        .retrieve(
            "Contact",
            &["Id", "Name"],
            &["003R00000016BMRIA2", "0015000000WWD7bAAH"],
        )
        .await
        .unwrap();
    assert_eq!(
        page.read_records(&SelectList::new(["Id", "Name"]), &mut Count).unwrap(),
        0
    );
    let request = server.requests().pop().unwrap();
    assert_eq!(request.element("fieldList"), Some("Id,Name"));
    assert_eq!(request.body.matches("<urn:ids>").count(), 2);
    let ids = vec!["003R00000016BMRIA2"; 2001];
    assert!(client.retrieve("Contact", &["Id"], &ids).await.is_err());
    assert_eq!(server.count("retrieve"), 1);
}

#[tokio::test]
async fn an_answer_that_says_nothing_or_answers_another_call_is_an_error() {
    let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let server = Server::start(with_login(|request| {
        let call = request.call();
        let own = |inside: &str| Reply::response(&format!("<{call}Response>{inside}</{call}Response>"));
        match request.element("sObjectType").map_or(1, str::len) {
            // Told by the length of the object's name, since there is nothing else to tell by.
            1 => own(""),
            2 => own("<result xsi:nil=\"true\"/>"),
            3 => Reply::response(
                "<somethingResponse><result><done>true</done><size>0</size>\
                 <latestDateCovered>2026-11-01T00:00:00Z</latestDateCovered></result></somethingResponse>",
            ),
            4 => own(&"<result><latestDateCovered>2026-11-01T00:00:00Z</latestDateCovered></result>".repeat(2)),
            _ => own("<result><latestDateCovered>2026-11-01T00:00:00Z</latestDateCovered></result>"),
        }
    }))
    .await;
    let client = client(&server);
    let outcomes = [
        client.describe_global().await.map(drop),
        client.user_info().await.map(drop),
        client.server_timestamp().await.map(drop),
        query(&client).await.map(drop),
        client.get_updated("A", start, start).await.map(drop),
        client.get_updated("Ab", start, start).await.map(drop),
        client.get_updated("Abc", start, start).await.map(drop),
        client.get_updated("Abcd", start, start).await.map(drop),
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let error = outcome.expect_err(&number.to_string());
        assert_eq!(error.reason(), "UnexpectedAnswer", "{number}: {error}");
    }
    assert!(client.get_updated("Abcde", start, start).await.is_ok());
}

#[tokio::test]
async fn arguments_are_escaped_and_control_characters_refused() {
    let server = Server::start(with_login(|_| Reply::response(&page_of(RECORD, true)))).await;
    let client = client(&server);
    client
        .query(QueryScope::All, "SELECT Id FROM A WHERE B = '<&>\"\r\n' AND C > 1")
        .await
        .unwrap();
    let request = server.requests().pop().unwrap();
    assert_eq!(
        request.element("queryString"),
        Some("SELECT Id FROM A WHERE B = &apos;&lt;&amp;&gt;&quot;&#13;\n&apos; AND C &gt; 1")
    );
    let error = client
        .query(QueryScope::All, "SELECT Id FROM A WHERE B = 'MARK\u{1}'")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(!error.message().contains("MARK"));
}
