//! Queries: their scope, their pages, their locators.
//!
//! In a page `done` and `queryLocator` stand before the records. So a [`Page`] reads only its head when it arrives:
//! the next page can be asked for while this one is still to be parsed (performance.md 2.7). `size` stands after the
//! records and is looked up from the end; when the records are read, it is compared with the element itself.

use std::sync::Arc;

use crate::{
    envelope::{Opened, open},
    error::{Error, Place, Result},
    records::{Reading, RecordSink, SelectList},
    xml::{Node, Xml, XmlError, is_nil, local_name},
};

/// Which rows a query sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryScope {
    /// Rows that are not deleted and not archived: `query`.
    Live,
    /// All rows, deleted and archived ones too: `queryAll`.
    All,
}

/// Where a query goes on. Opaque, valid for two days, and to be used once (salesforce-api.md 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locator {
    text: Box<str>,
    object: Option<Arc<str>>,
}

impl Locator {
    /// A locator that was kept as text.
    pub fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            object: None,
        }
    }

    /// As Salesforce wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The object that is queried, where it is known.
    pub(crate) fn object(&self) -> Option<&str> {
        self.object.as_deref()
    }
}

/// One page of a query, or the answer to a retrieve: the inflated, bounded text, of which only the head was read.
#[derive(Clone)]
pub struct Page {
    body: String,
    place: Place,
    shape: Shape,
    done: bool,
    locator: Option<Locator>,
    size: Option<u64>,
}

/// How records stand in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One `result` that holds `records`.
    Query,
    /// Each `result` is a record; nil for an Id that is not there. One for each Id that was asked for.
    Retrieve { asked: usize },
}

impl std::fmt::Debug for Page {
    /// Without the body: it holds field values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page")
            .field("bytes", &self.body.len())
            .field("place", &self.place)
            .field("done", &self.done)
            .field("locator", &self.locator)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Page {
    /// Reads the head of an answer.
    pub(crate) fn read(body: String, place: Place, shape: Shape) -> Result<Self> {
        let mut page = Self {
            body,
            place,
            shape,
            done: true,
            locator: None,
            size: None,
        };
        if shape == Shape::Query {
            let head = Head::read(&page.body, &page.place).map_err(|error| error.at(&page.place))?;
            page.done = head.done;
            page.locator = head.locator.map(|text| Locator {
                text: text.into(),
                object: page.place.object.clone(),
            });
            page.size = head.size.or_else(|| size_from_end(&page.body));
        }
        Ok(page)
    }

    /// Whether this is the last page.
    pub fn done(&self) -> bool {
        self.done
    }

    /// Where the query goes on; `None` on the last page.
    pub fn locator(&self) -> Option<&Locator> {
        self.locator.as_ref()
    }

    /// Rows of the whole query, not of the page. `None` where Salesforce does not know it (some external objects), and
    /// for retrieve.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Bytes that the page holds in memory.
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Pull-parses the records into `sink`; CPU-bound, call it on a blocking thread. Returns the number of records.
    ///
    /// Each record is checked to have every field of `select`. Where the sink breaks, the rest is not read.
    ///
    /// # Errors
    ///
    /// Transient where the answer is cut off or not well-formed, Fatal where a selected field is missing, or where a
    /// retrieve does not answer for each Id (who takes what is missing for deleted would lose rows). The records whose
    /// `end_record` was called before are complete and right all the same.
    pub fn read_records(&self, select: &SelectList, sink: &mut impl RecordSink) -> Result<u64> {
        let mut reading = Reading::new(select, sink);
        let outcome = match self.shape {
            Shape::Query => self.read_query(&mut reading),
            Shape::Retrieve { asked } => self.read_retrieve(asked, &mut reading),
        };
        outcome.map_err(|error| error.at(&self.place))?;
        Ok(reading.records())
    }

    fn read_query(&self, reading: &mut Reading<'_, impl RecordSink>) -> Result<(), XmlError> {
        let mut xml = self.opened()?;
        let mut seen = false;
        while let Some(start) = xml.child()? {
            if local_name(&start) != "result" {
                xml.skip()?;
                continue;
            }
            if std::mem::replace(&mut seen, true) {
                return Err(XmlError::Unexpected("more than one result".to_owned()));
            }
            while let Some(start) = xml.child()? {
                match local_name(&start) {
                    "records" => {
                        if reading.record(&mut xml)?.is_break() {
                            return Ok(());
                        }
                    }
                    "size" => {
                        let size = count(&xml.text()?)?;
                        if self.size.is_some() && size != self.size {
                            return Err(XmlError::Unexpected("two different sizes of the query".to_owned()));
                        }
                    }
                    _ => xml.skip()?,
                }
            }
        }
        xml.finish()
    }

    fn read_retrieve(&self, asked: usize, reading: &mut Reading<'_, impl RecordSink>) -> Result<(), XmlError> {
        let mut xml = self.opened()?;
        let mut results = 0_usize;
        while let Some(start) = xml.child()? {
            if local_name(&start) != "result" {
                xml.skip()?;
                continue;
            }
            results += 1;
            if is_nil(&start) {
                xml.skip()?;
            } else if reading.record(&mut xml)?.is_break() {
                return Ok(());
            }
        }
        xml.finish()?;
        if results == asked {
            Ok(())
        } else {
            Err(XmlError::Unexpected(format!("{results} results for {asked} Ids")))
        }
    }

    fn opened(&self) -> Result<Xml<'_>, XmlError> {
        let mut xml = Xml::new(&self.body);
        match open(&mut xml, &self.place)? {
            (_, Opened::Response) => Ok(xml),
            // Faults were told apart when the answer came.
            (_, Opened::Fault(_)) => Err(XmlError::Unexpected("a fault where a page was".to_owned())),
        }
    }
}

/// What stands before the records.
struct Head {
    done: bool,
    locator: Option<String>,
    size: Option<u64>,
}

impl Head {
    fn read(body: &str, place: &Place) -> Result<Self, XmlError> {
        let mut xml = Xml::new(body);
        match open(&mut xml, place)? {
            (_, Opened::Response) => {}
            (_, Opened::Fault(_)) => return Err(XmlError::Unexpected("a fault where a page was".to_owned())),
        }
        loop {
            match xml.child()? {
                Some(start) if local_name(&start) == "result" => break,
                Some(_) => xml.skip()?,
                None => return Err(XmlError::missing("result")),
            }
        }
        let (mut done, mut locator, mut size) = (None, None, None);
        while let Some(start) = xml.child()? {
            let nil = is_nil(&start);
            match local_name(&start) {
                "done" => done = Some(xml.text()?.trim() == "true"),
                "queryLocator" if !nil => locator = Some(xml.text()?.trim().to_owned()),
                "records" => break,
                "size" => size = count(&xml.text()?)?,
                _ => xml.skip()?,
            }
        }
        let done = done.ok_or_else(|| XmlError::missing("done"))?;
        let locator = locator.filter(|locator| !done && !locator.is_empty());
        if !done && locator.is_none() {
            return Err(XmlError::missing("queryLocator of a page that is not the last one"));
        }
        Ok(Self { done, locator, size })
    }
}

/// A size; -1 says that Salesforce does not know it (salesforce-api.md 5.2).
fn count(text: &str) -> Result<Option<u64>, XmlError> {
    match text.trim() {
        "-1" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_not_shown| XmlError::Unexpected("size is not a number".to_owned())),
    }
}

/// The size that stands after the last record.
fn size_from_end(body: &str) -> Option<u64> {
    let end = memchr::memmem::rfind(body.as_bytes(), b"records>")?;
    let tail = body.get(end + "records>".len()..)?;
    let mut xml = Xml::fragment(tail);
    loop {
        match xml.next().ok()? {
            Node::Start(start) if local_name(&start) == "size" => return count(&xml.text().ok()?).ok()?,
            Node::Start(_) | Node::End | Node::Text(_) | Node::Char(_) => {}
            Node::Eof => return None,
        }
    }
}

/// The object of a statement: the word after its own FROM, not one in a literal or a subquery.
pub(crate) fn object_of(soql: &str) -> Option<&str> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = soql.as_bytes();
    let (mut at, mut depth, mut after_from) = (0, 0_u32, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\'' => {
                at += 1;
                while let Some(&inside) = bytes.get(at) {
                    match inside {
                        b'\\' => at += 1,
                        b'\'' => break,
                        _ => {}
                    }
                    at += 1;
                }
                at += 1;
            }
            b'(' => {
                depth += 1;
                at += 1;
            }
            b')' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            _ if word(byte) => {
                let length = bytes.get(at..)?.iter().take_while(|byte| word(**byte)).count();
                let text = soql.get(at..at + length)?;
                if after_from {
                    return Some(text);
                }
                after_from = depth == 0 && text.eq_ignore_ascii_case("from");
                at += length;
            }
            _ => at += 1,
        }
    }
    None
}

/// Refuses more Ids than one retrieve takes.
pub(crate) fn check_ids(object: &str, ids: &[&str]) -> Result<()> {
    if ids.len() > crate::limits::IDS_PER_RETRIEVE {
        return Err(Error::Internal(format!(
            "retrieve of {object}: {} Ids are more than 2000",
            ids.len()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
