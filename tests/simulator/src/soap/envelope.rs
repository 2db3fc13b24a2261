//! Writes answers: the envelope, its header, and elements with escaped text.
//!
//! Salesforce writes no white space between elements, escapes all five special characters, and drops the characters
//! that XML forbids (salesforce-api.md 3.1, 3.4).

use crate::org::limits::Usage;

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const PARTNER: &str = "urn:partner.soap.sforce.com";
const SOBJECT: &str = "urn:sobject.partner.soap.sforce.com";
const FAULT: &str = "urn:fault.partner.soap.sforce.com";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const XSD: &str = "http://www.w3.org/2001/XMLSchema";

/// Which namespaces an envelope declares beside those that all have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declares {
    /// Nothing more.
    Nothing,
    /// `xmlns:sf` of records (query, retrieve).
    Records,
    /// Both: records with values of type anyType.
    RecordsAndSchema,
    /// `xmlns:xsd` (describe).
    Schema,
}

/// A document in the making. The name is written as given: it is ours or a checked API name.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    text: String,
}

impl Writer {
    /// A writer with room for a page of records.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
        }
    }

    /// `<name>`; the name may carry attributes.
    pub(crate) fn open(&mut self, name: &str) {
        self.raw("<");
        self.raw(name);
        self.raw(">");
    }

    /// `</name>`
    pub(crate) fn close(&mut self, name: &str) {
        self.raw("</");
        self.raw(name);
        self.raw(">");
    }

    /// `<name>text</name>`
    pub(crate) fn leaf(&mut self, name: &str, text: &str) {
        self.open(name);
        self.text(text);
        self.close(name);
    }

    /// `<name xsi:nil="true"/>`
    pub(crate) fn nil(&mut self, name: &str) {
        self.raw("<");
        self.raw(name);
        self.raw(" xsi:nil=\"true\"/>");
    }

    /// The text, or nil.
    pub(crate) fn leaf_or_nil(&mut self, name: &str, text: Option<&str>) {
        match text {
            Some(text) => self.leaf(name, text),
            None => self.nil(name),
        }
    }

    /// The text, or no element at all.
    pub(crate) fn leaf_or_absent(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.leaf(name, text);
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        self.leaf(name, if value { "true" } else { "false" });
    }

    /// A whole number.
    pub(crate) fn number(&mut self, name: &str, value: impl std::fmt::Display) {
        self.leaf(name, &value.to_string());
    }

    /// Text, escaped, without what XML forbids.
    pub(crate) fn text(&mut self, text: &str) {
        let mut rest = text;
        while let Some((at, replacement)) = next_special(rest) {
            let (plain, tail) = rest.split_at(at);
            self.raw(plain);
            self.raw(replacement);
            let mut characters = tail.chars();
            characters.next();
            rest = characters.as_str();
        }
        self.raw(rest);
    }

    /// Markup, as it is.
    pub(crate) fn raw(&mut self, markup: &str) {
        self.text.push_str(markup);
    }

    /// What was written.
    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// The next character that cannot stand as it is, and what stands for it. Bytes are looked at, since most text has none:
/// U+FFFE and U+FFFF are the only ones above ASCII, and both begin with EF.
fn next_special(text: &str) -> Option<(usize, &'static str)> {
    let mut from = 0;
    loop {
        let found = text.bytes().skip(from).position(|byte| {
            matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'' | 0xef)
                || (byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r'))
        })?;
        let at = from + found;
        let character = text.get(at..)?.chars().next()?;
        let replacement = match character {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\'' => "&apos;",
            forbidden if is_forbidden(forbidden) => "",
            _ => {
                from = at + character.len_utf8();
                continue;
            }
        };
        return Some((at, replacement));
    }
}

/// Characters that XML 1.0 has no way to write; Salesforce drops them (salesforce-api.md 3.1).
pub(crate) fn is_forbidden(character: char) -> bool {
    matches!(character, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Begins an answer: prologue, envelope, header, body.
pub(crate) fn begin(writer: &mut Writer, declares: Declares, usage: Option<Usage>) {
    writer.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"");
    writer.raw(SOAP);
    writer.raw("\" xmlns=\"");
    writer.raw(PARTNER);
    match declares {
        Declares::Schema | Declares::RecordsAndSchema => {
            writer.raw("\" xmlns:xsd=\"");
            writer.raw(XSD);
        }
        Declares::Nothing | Declares::Records => {}
    }
    writer.raw("\" xmlns:xsi=\"");
    writer.raw(XSI);
    if matches!(declares, Declares::Records | Declares::RecordsAndSchema) {
        writer.raw("\" xmlns:sf=\"");
        writer.raw(SOBJECT);
    }
    writer.raw("\">");
    if let Some(usage) = usage {
        writer.raw("<soapenv:Header><LimitInfoHeader><limitInfo>");
        writer.number("current", usage.current);
        writer.number("limit", usage.limit);
        writer.raw("<type>API REQUESTS</type></limitInfo></LimitInfoHeader></soapenv:Header>");
    }
    writer.raw("<soapenv:Body>");
}

/// Ends what [`begin`] began.
pub(crate) fn end(writer: &mut Writer) {
    writer.raw("</soapenv:Body></soapenv:Envelope>");
}

/// Begins a fault's envelope; it has no header and other namespaces (salesforce-api.md 3.4).
pub(crate) fn begin_fault(writer: &mut Writer) {
    writer.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"");
    writer.raw(SOAP);
    writer.raw("\" xmlns:sf=\"");
    writer.raw(FAULT);
    writer.raw("\" xmlns:xsi=\"");
    writer.raw(XSI);
    writer.raw("\"><soapenv:Body>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_escaped_and_forbidden_ones_dropped() {
        let mut writer = Writer::default();
        writer.leaf(
            "a",
            "M\u{fc}ller & S\u{f6}hne <\"O'Hara\">\n\ttwo\u{0}\u{b}\u{1f}\u{fffe}\u{ffff}\u{ff08}!",
        );
        assert_eq!(
            writer.finish(),
            "<a>M\u{fc}ller &amp; S\u{f6}hne &lt;&quot;O&apos;Hara&quot;&gt;\n\ttwo\u{ff08}!</a>"
        );
    }

    #[test]
    fn nil_and_absent_differ() {
        let mut writer = Writer::default();
        writer.leaf_or_nil("a", None);
        writer.leaf_or_absent("b", None);
        writer.leaf_or_absent("c", Some(""));
        assert_eq!(writer.finish(), "<a xsi:nil=\"true\"/><c></c>");
    }
}
