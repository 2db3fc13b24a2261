//! A pull reader over one answer.
//!
//! quick-xml's `Reader` over a slice, with what all of this crate's reading needs on top: empty elements as start and
//! end, an end that is only an end when every element is closed, a bound on nesting, and the text of an element from
//! its pieces (text, CDATA and references are events of their own). Namespaces are not resolved: local names decide,
//! since prefixes differ between answers and resolving them costs half as much again (performance.md 1.5).
//!
//! Errors hold positions and no content: what cannot be read may be anything.

use std::borrow::Cow;

use quick_xml::{
    Reader,
    errors::Error as SyntaxError,
    events::{BytesStart, Event},
};

use crate::error::{Error, Place};

/// Levels of elements. Answers of the API have eight at most (a parent of a parent in a record); memory of the reader grows with the depth, so
/// that a hostile answer must not choose it.
const DEEPEST: usize = 64;

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum XmlError {
    /// It ends too early.
    CutOff,
    /// It is not well-formed.
    Malformed { problem: &'static str, offset: u64 },
    /// It is not what the API promises: names and positions, no values.
    Unexpected(String),
}

impl XmlError {
    pub(crate) fn at(self, place: &Place) -> Error {
        let place = place.clone();
        match self {
            Self::CutOff => Error::CutOff { place, source: None },
            Self::Malformed { problem, offset } => Error::Unreadable { place, problem, offset },
            Self::Unexpected(problem) => Error::Unexpected { place, problem },
        }
    }

    pub(crate) fn missing(what: &str) -> Self {
        Self::Unexpected(format!("{what} is missing"))
    }
}

/// One step through an answer.
#[derive(Debug)]
pub(crate) enum Node<'a> {
    /// An element begins.
    Start(BytesStart<'a>),
    /// The element that began last ends.
    End,
    /// A piece of text, line ends as they came.
    Text(Cow<'a, str>),
    /// A piece of text that was written as a reference.
    Char(char),
    /// The document is complete.
    Eof,
}

/// Text of an element: most are one slice of the answer; those with references or CDATA are put together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Leaf<'a> {
    /// As it stands in the answer.
    Slice(&'a str),
    /// In the buffer that was passed in.
    Buffer,
}

/// The pull reader.
pub(crate) struct Xml<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
    root_seen: bool,
}

impl<'a> Xml<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self {
            reader,
            depth: 0,
            root_seen: false,
        }
    }

    /// A reader over the rest of a document, whose elements began before it.
    pub(crate) fn fragment(text: &'a str) -> Self {
        let mut xml = Self::new(text);
        xml.reader.config_mut().allow_unmatched_ends = true;
        xml
    }

    /// The next step. Comments, declarations and processing instructions are passed over.
    pub(crate) fn next(&mut self) -> Result<Node<'a>, XmlError> {
        loop {
            let event = self.reader.read_event().map_err(|error| self.syntax(&error))?;
            return match event {
                Event::Start(start) => {
                    self.depth += 1;
                    if self.depth > DEEPEST {
                        return Err(self.malformed("elements are nested too deep"));
                    }
                    if self.depth == 1 && self.root_seen {
                        return Err(self.malformed("a second root element"));
                    }
                    self.root_seen = true;
                    Ok(Node::Start(start))
                }
                // Elements are expanded, so this does not come.
                Event::Empty(_) => Err(self.malformed("an element that is not expanded")),
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Ok(Node::End)
                }
                Event::Text(text) => Ok(Node::Text(text.into_inner())),
                Event::CData(text) => Ok(Node::Text(text.into_inner())),
                Event::GeneralRef(reference) => match reference.as_ref() {
                    "amp" => Ok(Node::Char('&')),
                    "lt" => Ok(Node::Char('<')),
                    "gt" => Ok(Node::Char('>')),
                    "quot" => Ok(Node::Char('"')),
                    "apos" => Ok(Node::Char('\'')),
                    _ => match reference.resolve_char_ref() {
                        Ok(Some(character)) => Ok(Node::Char(character)),
                        Ok(None) | Err(_) => Err(self.malformed("an unknown entity")),
                    },
                },
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
                // SOAP forbids it, and entities defined there could make a small answer a large one.
                Event::DocType(_) => Err(self.malformed("a document type")),
                Event::Eof if self.depth > 0 || !self.root_seen => Err(XmlError::CutOff),
                Event::Eof => Ok(Node::Eof),
            };
        }
    }

    /// Steps to the next child of the current element, passing over text; `None` when the element ends.
    pub(crate) fn child(&mut self) -> Result<Option<BytesStart<'a>>, XmlError> {
        loop {
            match self.next()? {
                Node::Start(start) => return Ok(Some(start)),
                Node::End | Node::Eof => return Ok(None),
                Node::Text(_) | Node::Char(_) => {}
            }
        }
    }

    /// Calls `read` for each child of the current element, until the element ends. `read` must read the child whole.
    pub(crate) fn members(
        &mut self,
        mut read: impl FnMut(&mut Self, &BytesStart<'a>) -> Result<(), XmlError>,
    ) -> Result<(), XmlError> {
        while let Some(start) = self.child()? {
            read(self, &start)?;
        }
        Ok(())
    }

    /// Reads over the rest of the current element.
    pub(crate) fn skip(&mut self) -> Result<(), XmlError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.next()?;
        }
        Ok(())
    }

    /// The text of the current element, which has no children, up to its end.
    pub(crate) fn leaf(&mut self, buffer: &mut String) -> Result<Leaf<'a>, XmlError> {
        let mut first: Option<&'a str> = None;
        let mut buffered = false;
        loop {
            match self.next()? {
                Node::Text(Cow::Borrowed(text)) if first.is_none() && !buffered => first = Some(text),
                Node::Text(text) => {
                    buffered = start_buffer(buffer, buffered, first);
                    buffer.push_str(&text);
                }
                Node::Char(character) => {
                    buffered = start_buffer(buffer, buffered, first);
                    buffer.push(character);
                }
                Node::End | Node::Eof if buffered => return Ok(Leaf::Buffer),
                Node::End | Node::Eof => return Ok(Leaf::Slice(first.unwrap_or_default())),
                Node::Start(start) => {
                    let inner = local_name(&start);
                    return Err(XmlError::Unexpected(format!(
                        "an element {inner} where a text was expected"
                    )));
                }
            }
        }
    }

    /// The text of the current element, which has no children, up to its end, trimmed of nothing.
    pub(crate) fn text(&mut self) -> Result<String, XmlError> {
        let mut buffer = String::new();
        Ok(match self.leaf(&mut buffer)? {
            Leaf::Slice(text) => text.to_owned(),
            Leaf::Buffer => buffer,
        })
    }

    /// Reads to the end of the document, so that one that was cut off is not taken for a whole one.
    pub(crate) fn finish(&mut self) -> Result<(), XmlError> {
        loop {
            if matches!(self.next()?, Node::Eof) {
                return Ok(());
            }
        }
    }

    /// Bytes read so far.
    pub(crate) fn offset(&self) -> u64 {
        self.reader.buffer_position()
    }

    fn malformed(&self, problem: &'static str) -> XmlError {
        XmlError::Malformed {
            problem,
            offset: self.offset(),
        }
    }

    fn syntax(&self, error: &SyntaxError) -> XmlError {
        match error {
            // All of quick-xml's syntax errors are "the input ended before it was closed".
            SyntaxError::Syntax(_) => XmlError::CutOff,
            SyntaxError::IllFormed(_)
            | SyntaxError::Io(_)
            | SyntaxError::InvalidAttr(_)
            | SyntaxError::Encoding(_)
            | SyntaxError::Escape(_)
            | SyntaxError::Namespace(_) => XmlError::Malformed {
                problem: "it is not well-formed XML",
                offset: self.reader.error_position(),
            },
        }
    }
}

/// Moves a first piece of text into the buffer when a second one follows.
fn start_buffer(buffer: &mut String, buffered: bool, first: Option<&str>) -> bool {
    if !buffered {
        buffer.clear();
        buffer.push_str(first.unwrap_or_default());
    }
    true
}

/// Name of an element without its prefix.
pub(crate) fn local_name<'s>(start: &'s BytesStart<'_>) -> &'s str {
    start.local_name().into_inner()
}

/// Whether an element says `xsi:nil="true"`.
pub(crate) fn is_nil(start: &BytesStart<'_>) -> bool {
    // Nearly all elements of a record have no attributes at all.
    !start.attributes_raw().is_empty()
        && start.attributes().with_checks(false).flatten().any(|attribute| {
            attribute.key.local_name().into_inner() == "nil" && matches!(attribute.value.as_ref(), "true" | "1")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(document: &str) -> Result<String, XmlError> {
        let mut xml = Xml::new(document);
        assert!(xml.child()?.is_some());
        let text = xml.text()?;
        xml.finish()?;
        Ok(text)
    }

    #[test]
    fn text_is_put_together_from_its_pieces() {
        for (document, text) in [
            ("<a>plain</a>", "plain"),
            ("<a></a>", ""),
            ("<a/>", ""),
            ("<a>R&amp;D</a>", "R&D"),
            ("<a>&lt;&gt;&quot;&apos;</a>", "<>\"'"),
            ("<a>x<![CDATA[<b>&amp;</b>]]>y</a>", "x<b>&amp;</b>y"),
            ("<a>one<!-- < & --->two</a>", "onetwo"),
            ("<a>&#246;&#x1F600;&#10;</a>", "ö😀\n"),
            ("<?xml version=\"1.0\"?>\n<!-- c --><a> b </a>\n<!-- d -->", " b "),
        ] {
            assert_eq!(text_of(document).as_deref(), Ok(text), "{document}");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_an_error() {
        for document in [
            "<a>&nbsp;</a>",
            "<a>&#0;</a>",
            "<a>x</b>",
            "<!DOCTYPE a><a/>",
            "<a/><b/>",
            "<a>&x</a>",
            "<a>x</a></b>",
        ] {
            let error = text_of(document).unwrap_err();
            assert!(
                matches!(error, XmlError::Malformed { .. } | XmlError::CutOff),
                "{document}: {error:?}"
            );
        }
        for document in ["<a>", "<a", "<a>x", "<a>x</a", "<a><![CDATA[x</a>"] {
            assert!(text_of(document).is_err(), "{document}");
        }
    }

    #[test]
    fn nesting_has_a_bound() {
        let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        let mut xml = Xml::new(&deep);
        assert!(xml.child().unwrap().is_some());
        assert!(matches!(xml.skip(), Err(XmlError::Malformed { .. })));
    }

    #[test]
    fn nil_is_recognised_by_its_local_name() {
        for (document, nil) in [
            ("<a xsi:nil=\"true\"/>", true),
            ("<a nil='1'/>", true),
            ("<a xsi:nil=\"false\"/>", false),
            ("<a xsi:type=\"x\"/>", false),
            ("<a/>", false),
        ] {
            let mut xml = Xml::new(document);
            assert_eq!(is_nil(&xml.child().unwrap().unwrap()), nil, "{document}");
        }
    }
}
