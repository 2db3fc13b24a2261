//! What rules do to an answer that was right.

use quick_xml::escape::escape;

use crate::rules::What;

/// Changes the text of an answer; rules that concern only its sending leave it alone.
pub(crate) fn damage(what: &What, xml: String) -> Vec<u8> {
    match what {
        What::ReplaceBody { text } => text.clone().into_bytes(),
        What::InvalidUtf8 { element } => break_utf8(xml, element.as_deref()),
        What::WrongValue { element, text } => {
            let text = escape(text.as_str());
            rewrite(&xml, element, |tag| Some(format!("<{tag}>{text}</{tag}>"))).into_bytes()
        }
        What::MissingElement { element } => rewrite(&xml, element, |_| None).into_bytes(),
        What::Fault { .. }
        | What::Http { .. }
        | What::CutBody { .. }
        | What::Delay { .. }
        | What::Drip { .. }
        | What::Hang
        | What::Reset
        | What::EndSession
        | What::KillLocators => xml.into_bytes(),
    }
}

/// Bytes that no UTF-8 text has, at the begin of a value, or in the middle.
fn break_utf8(xml: String, element: Option<&str>) -> Vec<u8> {
    let place = element
        .and_then(|name| find(&xml, name, 0))
        .map_or(xml.len() / 2, |found| found.text_from.min(xml.len()));
    let mut bytes = xml.into_bytes();
    bytes.splice(place..place, [0xc3, 0x28, 0xff]);
    bytes
}

/// Replaces each occurrence of an element, with any prefix.
fn rewrite(xml: &str, element: &str, with: impl Fn(&str) -> Option<String>) -> String {
    let mut changed = String::with_capacity(xml.len());
    let mut from = 0;
    while let Some(found) = find(xml, element, from) {
        changed.push_str(xml.get(from..found.from).unwrap_or_default());
        if let Some(replacement) = with(found.tag) {
            changed.push_str(&replacement);
        }
        from = found.to;
    }
    changed.push_str(xml.get(from..).unwrap_or_default());
    changed
}

struct Found<'a> {
    /// With its prefix.
    tag: &'a str,
    from: usize,
    text_from: usize,
    to: usize,
}

/// The next element of this local name from a place on. Answers are our own writing: no comments, no CDATA, no `>` in
/// attributes.
fn find<'a>(xml: &'a str, element: &str, from: usize) -> Option<Found<'a>> {
    let mut place = from;
    loop {
        let begin = place + xml.get(place..)?.find('<')?;
        let rest = xml.get(begin + 1..)?;
        let length = rest.find(['>', ' ', '/'])?;
        let tag = rest.get(..length)?;
        let local = tag.split_once(':').map_or(tag, |(_, local)| local);
        let head_end = begin + 1 + rest.find('>')? + 1;
        if local.eq_ignore_ascii_case(element) {
            if xml.get(..head_end)?.ends_with("/>") {
                return Some(Found {
                    tag,
                    from: begin,
                    text_from: head_end,
                    to: head_end,
                });
            }
            let end_tag = format!("</{tag}>");
            let end = head_end + xml.get(head_end..)?.find(&end_tag)?;
            return Some(Found {
                tag,
                from: begin,
                text_from: head_end,
                to: end + end_tag.len(),
            });
        }
        place = head_end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<a><sf:Phone>1</sf:Phone><sf:PhoneB>x</sf:PhoneB><sf:Phone xsi:nil=\"true\"/><size>3</size></a>";

    fn damaged(what: &What) -> String {
        String::from_utf8(damage(what, XML.to_owned())).expect("UTF-8")
    }

    #[test]
    fn every_occurrence_of_an_element_changes() {
        let wrong = What::WrongValue {
            element: "Phone".to_owned(),
            text: "a<b".to_owned(),
        };
        assert_eq!(
            damaged(&wrong),
            "<a><sf:Phone>a&lt;b</sf:Phone><sf:PhoneB>x</sf:PhoneB><sf:Phone>a&lt;b</sf:Phone><size>3</size></a>"
        );
        let missing = What::MissingElement {
            element: "size".to_owned(),
        };
        assert_eq!(damaged(&missing), XML.replace("<size>3</size>", ""));
        assert_eq!(
            damaged(&What::MissingElement {
                element: "none".to_owned()
            }),
            XML
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_stand_in_the_value() {
        let bytes = damage(
            &What::InvalidUtf8 {
                element: Some("size".to_owned()),
            },
            XML.to_owned(),
        );
        assert!(std::str::from_utf8(&bytes).is_err());
        assert!(bytes.windows(9).any(|window| window == b"<size>\xc3\x28\xff"));
        assert!(std::str::from_utf8(&damage(&What::InvalidUtf8 { element: None }, XML.to_owned())).is_err());
    }
}
