//! Envelopes: writing those of requests, opening those of answers.
//!
//! A request is written into one buffer that is wiped when it is dropped, since it holds the session id or the
//! password. An answer is opened the same way for each call: the header's limits, then either a fault or the response
//! element, whose `result` children the caller reads. What is not the answer to the call that was made is an error: a
//! proxy's idea of SOAP, read with nothing in it, would be an org without objects or a window without changes.

use std::io::Write as _;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

use crate::{
    error::{Call, Error, Place, Result},
    fault::Fault,
    limits::ApiUsage,
    query::object_of,
    xml::{Xml, XmlError, is_nil, local_name},
};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><soapenv:Envelope \
    xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:urn=\"urn:partner.soap.sforce.com\">";

/// What is asked, with its arguments.
#[derive(Debug)]
pub(crate) enum Operation<'a> {
    Login {
        username: &'a SecretString,
        password: &'a SecretString,
    },
    Logout,
    GetUserInfo,
    GetServerTimestamp,
    DescribeGlobal,
    DescribeSObjects {
        objects: &'a [&'a str],
    },
    Query {
        soql: &'a str,
    },
    QueryAll {
        soql: &'a str,
    },
    QueryMore {
        locator: &'a str,
        object: Option<&'a str>,
    },
    Retrieve {
        object: &'a str,
        fields: &'a [&'a str],
        ids: &'a [&'a str],
    },
    GetUpdated {
        object: &'a str,
        start: Timestamp,
        end: Timestamp,
    },
    GetDeleted {
        object: &'a str,
        start: Timestamp,
        end: Timestamp,
    },
}

impl Operation<'_> {
    /// Which call it is.
    pub(crate) fn call(&self) -> Call {
        match self {
            Self::Login { .. } => Call::Login,
            Self::Logout => Call::Logout,
            Self::GetUserInfo => Call::GetUserInfo,
            Self::GetServerTimestamp => Call::GetServerTimestamp,
            Self::DescribeGlobal => Call::DescribeGlobal,
            Self::DescribeSObjects { .. } => Call::DescribeSObjects,
            Self::Query { .. } => Call::Query,
            Self::QueryAll { .. } => Call::QueryAll,
            Self::QueryMore { .. } => Call::QueryMore,
            Self::Retrieve { .. } => Call::Retrieve,
            Self::GetUpdated { .. } => Call::GetUpdated,
            Self::GetDeleted { .. } => Call::GetDeleted,
        }
    }

    /// The object that it is about, where it is one.
    pub(crate) fn object(&self) -> Option<&str> {
        match self {
            Self::Login { .. } | Self::Logout | Self::GetUserInfo | Self::GetServerTimestamp | Self::DescribeGlobal => {
                None
            }
            Self::DescribeSObjects { objects } => {
                if let [object] = objects {
                    Some(object)
                } else {
                    None
                }
            }
            Self::Query { soql } | Self::QueryAll { soql } => object_of(soql),
            Self::QueryMore { object, .. } => *object,
            Self::Retrieve { object, .. } | Self::GetUpdated { object, .. } | Self::GetDeleted { object, .. } => {
                Some(object)
            }
        }
    }

    /// Whether `QueryOptions` belongs into the header (salesforce-api.md 3.2).
    fn takes_page_rows(&self) -> bool {
        match self {
            Self::Query { .. } | Self::QueryAll { .. } | Self::QueryMore { .. } | Self::Retrieve { .. } => true,
            Self::Login { .. }
            | Self::Logout
            | Self::GetUserInfo
            | Self::GetServerTimestamp
            | Self::DescribeGlobal
            | Self::DescribeSObjects { .. }
            | Self::GetUpdated { .. }
            | Self::GetDeleted { .. } => false,
        }
    }

    /// Writes the envelope. `page_rows` is only a hint to Salesforce.
    ///
    /// # Errors
    ///
    /// Of kind Invalid where an argument holds a character that XML cannot carry.
    pub(crate) fn write(&self, session: Option<&SecretString>, page_rows: u16) -> Result<Zeroizing<Vec<u8>>> {
        let mut writer = Writer {
            out: Zeroizing::new(Vec::with_capacity(self.capacity())),
            forbidden: false,
        };
        writer.raw(HEAD);
        if let Some(session) = session {
            writer.raw("<soapenv:Header><urn:SessionHeader>");
            writer.element("sessionId", session.expose_secret());
            writer.raw("</urn:SessionHeader>");
            if self.takes_page_rows() {
                writer.raw("<urn:QueryOptions>");
                writer.element("batchSize", &page_rows.to_string());
                writer.raw("</urn:QueryOptions>");
            }
            writer.raw("</soapenv:Header>");
        }
        writer.raw("<soapenv:Body>");
        self.write_body(&mut writer);
        writer.raw("</soapenv:Body></soapenv:Envelope>");
        if writer.forbidden {
            return Err(match self {
                Self::Login { .. } => Error::UnusableCredentials("the Secret holds control characters"),
                Self::Logout
                | Self::GetUserInfo
                | Self::GetServerTimestamp
                | Self::DescribeGlobal
                | Self::DescribeSObjects { .. }
                | Self::Query { .. }
                | Self::QueryAll { .. }
                | Self::QueryMore { .. }
                | Self::Retrieve { .. }
                | Self::GetUpdated { .. }
                | Self::GetDeleted { .. } => Error::Config(format!(
                    "{}{}: an argument holds a control character, which XML cannot carry",
                    self.call(),
                    self.object().map(|object| format!(" of {object}")).unwrap_or_default()
                )),
            });
        }
        Ok(writer.out)
    }

    /// Room for the whole envelope in nearly all cases: a buffer that grows leaves copies that are not wiped.
    fn capacity(&self) -> usize {
        1024 + match self {
            // Six bytes for the worst escaping; a login has 10 KB at most (salesforce-api.md 2.1).
            Self::Login { username, password } => 6 * (username.expose_secret().len() + password.expose_secret().len()),
            Self::Query { soql } | Self::QueryAll { soql } => soql.len() * 2,
            Self::DescribeSObjects { objects } => objects.iter().map(|object| object.len() + 64).sum(),
            Self::Retrieve { fields, ids, .. } => {
                fields.iter().map(|field| field.len() + 1).sum::<usize>() + ids.len() * 40
            }
            Self::Logout
            | Self::GetUserInfo
            | Self::GetServerTimestamp
            | Self::DescribeGlobal
            | Self::QueryMore { .. }
            | Self::GetUpdated { .. }
            | Self::GetDeleted { .. } => 512,
        }
    }

    fn write_body(&self, writer: &mut Writer) {
        let name = self.call().as_str();
        writer.raw("<urn:");
        writer.raw(name);
        writer.raw(">");
        match self {
            Self::Login { username, password } => {
                writer.element("username", username.expose_secret());
                writer.element("password", password.expose_secret());
            }
            Self::Logout | Self::GetUserInfo | Self::GetServerTimestamp | Self::DescribeGlobal => {}
            Self::DescribeSObjects { objects } => {
                for object in *objects {
                    writer.element("sObjectType", object);
                }
            }
            Self::Query { soql } | Self::QueryAll { soql } => writer.element("queryString", soql),
            Self::QueryMore { locator, .. } => writer.element("queryLocator", locator),
            Self::Retrieve { object, fields, ids } => {
                writer.element("fieldList", &fields.join(","));
                writer.element("sObjectType", object);
                for id in *ids {
                    writer.element("ids", id);
                }
            }
            Self::GetUpdated { object, start, end } | Self::GetDeleted { object, start, end } => {
                writer.element("sObjectType", object);
                writer.element("startDate", &format!("{start:.3}"));
                writer.element("endDate", &format!("{end:.3}"));
            }
        }
        writer.raw("</urn:");
        writer.raw(name);
        writer.raw(">");
    }
}

struct Writer {
    out: Zeroizing<Vec<u8>>,
    forbidden: bool,
}

impl Writer {
    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn element(&mut self, name: &str, text: &str) {
        // Writing into a vector cannot fail.
        write!(self.out, "<urn:{name}>").ok();
        self.escaped(text);
        write!(self.out, "</urn:{name}>").ok();
    }

    /// Text with what XML reserves as references. Line ends are written as references too, or a parser would turn CR
    /// into LF inside of literals.
    fn escaped(&mut self, text: &str) {
        let mut encoded = [0; 4];
        for character in text.chars() {
            match character {
                '&' => self.raw("&amp;"),
                '<' => self.raw("&lt;"),
                '>' => self.raw("&gt;"),
                '"' => self.raw("&quot;"),
                '\'' => self.raw("&apos;"),
                '\r' => self.raw("&#13;"),
                '\t' | '\n' => self.raw(character.encode_utf8(&mut encoded)),
                '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => self.forbidden = true,
                _ => self.raw(character.encode_utf8(&mut encoded)),
            }
        }
    }
}

/// Head of an answer.
pub(crate) enum Opened {
    /// The reader stands inside of the response element.
    Response,
    /// Salesforce said no.
    Fault(Fault),
}

/// Opens an answer: reads its header, and steps into the response element, which has to be that of the call.
pub(crate) fn open(xml: &mut Xml<'_>, place: &Place) -> Result<(Option<ApiUsage>, Opened), XmlError> {
    let not_soap = || XmlError::Unexpected("it is not a SOAP envelope".to_owned());
    let mut usage = None;
    match xml.child()? {
        Some(start) if local_name(&start) == "Envelope" => {}
        Some(_) | None => return Err(not_soap()),
    }
    while let Some(start) = xml.child()? {
        match local_name(&start) {
            "Header" => xml.members(|xml, start| {
                if local_name(start) == "LimitInfoHeader" {
                    usage = ApiUsage::read(xml)?.or(usage);
                    return Ok(());
                }
                xml.skip()
            })?,
            "Body" => {
                let Some(start) = xml.child()? else {
                    return Err(XmlError::missing("the content of the SOAP body"));
                };
                if local_name(&start) == "Fault" {
                    let fault = Fault::read(xml, place)?;
                    return Ok((usage, Opened::Fault(fault)));
                }
                if local_name(&start).strip_suffix("Response") != Some(place.call.as_str()) {
                    return Err(XmlError::Unexpected("it is the answer to another call".to_owned()));
                }
                return Ok((usage, Opened::Response));
            }
            _ => xml.skip()?,
        }
    }
    Err(XmlError::missing("the SOAP body"))
}

/// Opens an answer that was found not to be a fault, and calls `read` for each `result` of its response, up to the
/// end of the document; none may be nil. `read` must read the result whole.
pub(crate) fn results<'a>(
    body: &'a str,
    place: &Place,
    mut read: impl FnMut(&mut Xml<'a>) -> Result<(), XmlError>,
) -> Result<()> {
    let mut xml = Xml::new(body);
    let mut inside = || {
        match open(&mut xml, place)? {
            (_, Opened::Response) => {}
            (_, Opened::Fault(fault)) => return Ok(Some(fault)),
        }
        xml.members(|xml, start| match local_name(start) {
            "result" if is_nil(start) => Err(XmlError::missing("the content of result")),
            "result" => read(xml),
            _ => xml.skip(),
        })?;
        xml.finish()?;
        Ok(None)
    };
    match inside() {
        Ok(None) => Ok(()),
        Ok(Some(fault)) => Err(Error::Fault(Box::new(fault))),
        Err(error) => Err(XmlError::at(error, place)),
    }
}

/// The same for a call that has one `result`: no fewer, so that nothing is not taken for an empty answer, and no more.
pub(crate) fn result<'a, T>(
    body: &'a str,
    place: &Place,
    mut read: impl FnMut(&mut Xml<'a>) -> Result<T, XmlError>,
) -> Result<T> {
    let mut only = None;
    results(body, place, |xml| match only.replace(read(xml)?) {
        None => Ok(()),
        Some(_) => Err(XmlError::Unexpected("more than one result".to_owned())),
    })?;
    only.ok_or_else(|| XmlError::missing("result").at(place))
}
