//! A SOAP request taken apart: path, headers, call.

use super::{fault::Fault, xml, xml::Element};

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
pub(crate) const PARTNER: &str = "urn:partner.soap.sforce.com";

/// The SOAP headers that are understood (salesforce-api.md 3.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Headers {
    /// `SessionHeader/sessionId`
    pub(crate) session_id: Option<String>,
    /// `QueryOptions/batchSize` as it was written
    pub(crate) batch_size: Option<String>,
    /// `LocaleOptions/language`
    pub(crate) language: Option<String>,
    /// `CallOptions/client`
    pub(crate) client: Option<String>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// What stands in the SOAP header.
    pub(crate) headers: Headers,
    /// The element in the body: its name is the call.
    pub(crate) call: Element,
}

impl Request {
    /// Reads an envelope.
    ///
    /// # Errors
    /// The fault that answers what is no SOAP 1.1 envelope with one call.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(body).map_err(|error| {
            Fault::client(format!(
                "Invalid byte in UTF-8 sequence at byte {}.",
                error.valid_up_to()
            ))
        })?;
        let root = xml::parse(text.trim_start_matches('\u{feff}')).map_err(Fault::client)?;
        if root.name != "Envelope" {
            return Err(Fault::client(format!(
                "Element {{{}}}{} invalid at this location",
                root.namespace, root.name
            )));
        }
        if root.namespace != ENVELOPE {
            return Err(Fault {
                code: "soapenv:VersionMismatch".to_owned(),
                ..Fault::client(format!("{} is not a valid SOAP version.", root.namespace))
            });
        }
        let headers = root.child("Header").map(read_headers).unwrap_or_default();
        let mut body = root
            .children
            .into_iter()
            .find(|child| child.name == "Body" && child.namespace == ENVELOPE)
            .ok_or_else(|| Fault::client("The SOAP message has no body."))?;
        if body.children.len() > 1 {
            return Err(Fault::client("The SOAP body has more than one call."));
        }
        let call = body
            .children
            .pop()
            .ok_or_else(|| Fault::client("The SOAP body has no call."))?;
        if call.namespace != PARTNER {
            return Err(no_operation(&call.namespace, &call.name));
        }
        Ok(Self { headers, call })
    }

    /// A member of the call that must be there.
    ///
    /// # Errors
    /// `MISSING_ARGUMENT`.
    pub(crate) fn argument(&self, name: &str) -> Result<&str, Fault> {
        self.call
            .text_of(name)
            .ok_or_else(|| Fault::new("MISSING_ARGUMENT", format!("{name} not specified")))
    }
}

/// A call that the WSDL does not have.
pub(crate) fn no_operation(namespace: &str, name: &str) -> Fault {
    Fault::client(format!(
        "No operation available for request {{{namespace}}}{name}, please check the WSDL for the service."
    ))
}

fn read_headers(header: &Element) -> Headers {
    let member = |parent: &str, name: &str| {
        header
            .children
            .iter()
            .find(|child| child.name == parent && child.namespace == PARTNER)
            .and_then(|found| found.text_of(name))
            .map(str::to_owned)
    };
    Headers {
        session_id: member("SessionHeader", "sessionId"),
        batch_size: member("QueryOptions", "batchSize"),
        language: member("LocaleOptions", "language"),
        client: member("CallOptions", "client"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_call_are_found_whatever_the_prefixes() {
        let request = Request::parse(
            br#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"
                 xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><e:Header><SessionHeader><sessionId>S!1</sessionId>
                 </SessionHeader><QueryOptions><batchSize>500</batchSize></QueryOptions><CallOptions><client>c/1</client>
                 <defaultNamespace i:nil="true"/></CallOptions></e:Header><e:Body>
                 <query><queryString>SELECT Id FROM Account WHERE Name &lt; 'b'</queryString></query></e:Body></e:Envelope>"#,
        )
        .expect("an envelope");
        assert_eq!(request.headers.session_id.as_deref(), Some("S!1"));
        assert_eq!(request.headers.batch_size.as_deref(), Some("500"));
        assert_eq!(request.headers.client.as_deref(), Some("c/1"));
        assert_eq!(request.call.name, "query");
        assert_eq!(
            request.argument("queryString"),
            Ok("SELECT Id FROM Account WHERE Name < 'b'")
        );
        assert_eq!(
            request.argument("x").map_err(|fault| fault.code),
            Err("MISSING_ARGUMENT".to_owned())
        );
    }

    #[test]
    fn what_is_no_envelope_gets_a_client_fault() {
        let soap12 = br#"<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body/></e:Envelope>"#;
        assert_eq!(
            Request::parse(soap12).map_err(|fault| fault.code),
            Err("soapenv:VersionMismatch".to_owned())
        );
        let other = br#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>
            <login xmlns="urn:enterprise.soap.sforce.com"/></e:Body></e:Envelope>"#;
        let fault = Request::parse(other).expect_err("an enterprise call");
        assert!(
            fault
                .message
                .starts_with("No operation available for request {urn:enterprise.soap.sforce.com}login")
        );
        for body in [&b"\xff\xfe"[..], b"<a/>", b"hello", b""] {
            assert_eq!(
                Request::parse(body).map_err(|fault| fault.code),
                Err("soapenv:Client".to_owned())
            );
        }
    }
}
