//! Reads a request into a small tree.
//!
//! Requests are a few kilobytes and come from clients of every make: prefixes are theirs, so elements are known by
//! namespace and local name only. Text is kept as it was written, white space included: a password may end in a blank.

use quick_xml::{
    NsReader,
    escape::unescape,
    events::{BytesStart, Event},
    name::ResolveResult,
};

/// Deepest nesting that is read. An envelope needs six levels; a bound keeps a hostile body from filling the stack.
const DEEPEST: usize = 32;

const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// One element of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Namespace, empty where there is none.
    pub(crate) namespace: String,
    /// Local name.
    pub(crate) name: String,
    /// All text directly inside.
    pub(crate) text: String,
    /// `xsi:nil="true"`.
    pub(crate) nil: bool,
    /// Elements inside.
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The first child of this local name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of this local name; nil counts as absent.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name)
            .filter(|child| !child.nil)
            .map(|child| child.text.as_str())
    }

    /// The texts of all children of this local name.
    pub(crate) fn texts_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.children
            .iter()
            .filter(move |child| child.name == name)
            .map(|child| child.text.as_str())
    }
}

/// Reads a whole document.
///
/// # Errors
/// A text that says what is wrong with the XML.
pub(crate) fn parse(text: &str) -> Result<Element, String> {
    let mut reader = NsReader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(|error| error.to_string())?;
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => namespace.0.to_owned(),
            ResolveResult::Unbound => String::new(),
            ResolveResult::Unknown(prefix) => {
                return Err(format!(
                    "The prefix \"{prefix}\" is not bound.",
                    prefix = prefix.as_str()
                ));
            }
        };
        match event {
            Event::Start(start) => {
                if open.len() == DEEPEST {
                    return Err(format!("More than {DEEPEST} levels of elements."));
                }
                let element = begin(&reader, &start, namespace)?;
                open.push(element);
            }
            Event::Empty(start) => {
                let element = begin(&reader, &start, namespace)?;
                close(element, &mut open, &mut root)?;
            }
            Event::End(_) => {
                let element = open.pop().ok_or("An end tag without its start tag.")?;
                close(element, &mut open, &mut root)?;
            }
            Event::Text(piece) => append(&mut open, &piece.xml10_content())?,
            Event::CData(piece) => append(&mut open, &piece.xml10_content())?,
            Event::GeneralRef(reference) => {
                let name = reference.into_inner();
                append(
                    &mut open,
                    &unescape(&format!("&{name};")).map_err(|error| error.to_string())?,
                )?;
            }
            Event::DocType(_) => return Err("DOCTYPE is not allowed in a SOAP message.".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if open.is_empty() {
        root.ok_or_else(|| "The document has no element.".to_owned())
    } else {
        Err("XML document structures must start and end within the same entity.".to_owned())
    }
}

fn begin(reader: &NsReader<&[u8]>, start: &BytesStart<'_>, namespace: String) -> Result<Element, String> {
    let mut nil = false;
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let (bound, local) = reader.resolver().resolve_attribute(attribute.key);
        let of_schema = matches!(bound, ResolveResult::Bound(namespace) if namespace.0 == SCHEMA_INSTANCE);
        if of_schema && local.as_ref() == "nil" {
            nil = matches!(attribute.value.as_ref(), "true" | "1");
        }
    }
    Ok(Element {
        namespace,
        name: start.local_name().as_ref().to_owned(),
        nil,
        ..Element::default()
    })
}

fn close(element: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), String> {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None if root.is_none() => *root = Some(element),
        None => {
            return Err("The markup in the document following the root element must be well-formed.".to_owned());
        }
    }
    Ok(())
}

fn append(open: &mut [Element], text: &str) -> Result<(), String> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("Content is not allowed in prolog.".to_owned()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_prefix_is_understood_and_entities_are_resolved() {
        let root = parse(
            "<?xml version=\"1.0\"?><a:E xmlns:a=\"urn:one\" xmlns:x=\"http://www.w3.org/2001/XMLSchema-instance\">\
             <q:b xmlns:q='urn:two'>1 &lt; 2 &amp;&#x41;<![CDATA[<&>]]></q:b><a:n x:nil=\"true\"/></a:E>",
        )
        .expect("well-formed");
        assert_eq!((root.namespace.as_str(), root.name.as_str()), ("urn:one", "E"));
        assert_eq!(root.child("b").map(|b| b.namespace.as_str()), Some("urn:two"));
        assert_eq!(root.text_of("b"), Some("1 < 2 &A<&>"));
        assert_eq!(root.text_of("n"), None);
    }

    #[test]
    fn broken_documents_are_refused() {
        for text in [
            "",
            "no xml",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<p:a/>",
            "<!DOCTYPE a><a/>",
            "<a>&unknown;</a>",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"<a>".repeat(100)).is_err());
    }
}
