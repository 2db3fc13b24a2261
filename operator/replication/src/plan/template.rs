//! URLs made from the values of a row.
//!
//! A URL that a phone's screen opens is made of data that anybody can write into a web form, so a template's scheme
//! and host are fixed when the plan is made: it begins with `https://` and a host that is written out, or with
//! `{instanceUrl}`. Values come in percent-encoded whole, so none of them can end a path, add a parameter or become
//! another scheme. Where one value is NULL the URL is NULL: half a link is none.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

/// All but the unreserved characters of RFC 3986 (2.3) is encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The name that stands for the org's own address.
const INSTANCE_URL: &str = "instanceUrl";

/// A URL template whose names were resolved to positions of the select list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlTemplate {
    /// In order. `{instanceUrl}` is a literal here.
    pub parts: Vec<TemplatePart>,
}

/// A piece of a URL template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePart {
    /// Text as it is.
    Literal(String),
    /// The value at this position of the select list, percent-encoded; NULL makes the whole URL NULL.
    Field(usize),
}

impl UrlTemplate {
    /// The URL of a row, whose value at a position of the select list `get` tells. NULL where a value it needs is NULL.
    pub fn render<'a>(&self, get: impl Fn(usize) -> Option<&'a str>) -> Option<String> {
        let mut url = String::with_capacity(96);
        for part in &self.parts {
            match part {
                TemplatePart::Literal(text) => url.push_str(text),
                TemplatePart::Field(position) => url.extend(utf8_percent_encode(get(*position)?, RESERVED)),
            }
        }
        Some(url)
    }
}

/// A piece of a template as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text as it is.
    Literal(String),
    /// `{instanceUrl}`
    InstanceUrl,
    /// Another name in braces.
    Name(String),
}

impl Piece {
    /// The name in its braces, where it stands for a field.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Literal(_) | Self::InstanceUrl => None,
        }
    }
}

/// Takes a template apart. The error ends a sentence that begins with the template's column.
pub(super) fn parse(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        literal(&mut pieces, before)?;
        let Some((name, behind)) = after.split_once('}') else {
            return Err("has a { without its }".to_owned());
        };
        let name = name.trim();
        if name.is_empty() {
            return Err("has empty braces: write a field's name between them".to_owned());
        }
        if name.contains('{') {
            return Err("has a { within braces".to_owned());
        }
        pieces.push(if name.eq_ignore_ascii_case(INSTANCE_URL) {
            Piece::InstanceUrl
        } else {
            Piece::Name(name.to_owned())
        });
        rest = behind;
    }
    literal(&mut pieces, rest)?;
    if pieces.is_empty() {
        return Err("is empty".to_owned());
    }
    check_shape(&pieces)?;
    Ok(pieces)
}

fn literal(pieces: &mut Vec<Piece>, text: &str) -> Result<(), String> {
    if text.contains('}') {
        return Err("has a } without its {".to_owned());
    }
    if let Some(odd) = text
        .chars()
        .find(|character| character.is_whitespace() || character.is_control())
    {
        return Err(format!(
            "has the character {odd:?}, which a URL cannot hold: write it percent-encoded"
        ));
    }
    if !text.is_empty() {
        pieces.push(Piece::Literal(text.to_owned()));
    }
    Ok(())
}

/// The scheme and the host have to be fixed: nothing of a row may stand in them.
fn check_shape(pieces: &[Piece]) -> Result<(), String> {
    let mut pieces = pieces.iter();
    match (pieces.next(), pieces.next()) {
        (Some(Piece::InstanceUrl), None) => Ok(()),
        (Some(Piece::InstanceUrl), Some(Piece::Literal(text))) if text.starts_with(['/', '?', '#']) => Ok(()),
        (Some(Piece::InstanceUrl), Some(_)) => Err("needs a / behind {instanceUrl}".to_owned()),
        (Some(Piece::Literal(text)), next) => {
            let Some(rest) = strip_https(text) else {
                return Err("does not begin with https:// or {instanceUrl}".to_owned());
            };
            let host_ends = rest.contains(['/', '?', '#', '\\']);
            if !host_ends && next.is_some() {
                return Err("has a name in its host: write the host out, and a / behind it".to_owned());
            }
            match Url::parse(text) {
                Ok(url) if url.scheme() == "https" && url.host_str().is_some_and(|host| !host.is_empty()) => Ok(()),
                Ok(_) => Err("has no host".to_owned()),
                Err(error) => Err(format!("is no URL: {error}")),
            }
        }
        (Some(Piece::Name(_)) | None, _) => Err("does not begin with https:// or {instanceUrl}".to_owned()),
    }
}

fn strip_https(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked("https://".len())?;
    scheme.eq_ignore_ascii_case("https://").then_some(rest)
}

/// The names in a template; none of one that cannot be taken apart.
pub(super) fn names(text: &str) -> Vec<String> {
    parse(text)
        .unwrap_or_default()
        .iter()
        .filter_map(|piece| piece.name().map(str::to_owned))
        .collect()
}

/// Puts the pieces together again, neighbouring literals as one. `instance` has no slash at its end.
pub(super) fn assemble(pieces: Vec<Piece>, instance: &str, mut position: impl FnMut(&str) -> usize) -> UrlTemplate {
    let mut parts = Vec::new();
    for piece in pieces {
        let text = match piece {
            Piece::Name(name) => {
                parts.push(TemplatePart::Field(position(&name)));
                continue;
            }
            Piece::InstanceUrl => instance.to_owned(),
            Piece::Literal(text) => text,
        };
        match parts.last_mut() {
            Some(TemplatePart::Literal(before)) => before.push_str(&text),
            Some(TemplatePart::Field(_)) | None => parts.push(TemplatePart::Literal(text)),
        }
    }
    UrlTemplate { parts }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INSTANCE: &str = "https://acme.my.salesforce.com";

    fn template(text: &str) -> UrlTemplate {
        let mut names = Vec::<String>::new();
        let pieces = parse(text).unwrap();
        assemble(pieces, INSTANCE, |name| {
            names.push(name.to_owned());
            names.len() - 1
        })
    }

    #[test]
    fn values_are_encoded_whole() {
        let url = template("{instanceUrl}/lightning/r/Contact/{Id}/view");
        assert_eq!(
            url.render(|_| Some("003xx000004TmiQAAS")).as_deref(),
            Some("https://acme.my.salesforce.com/lightning/r/Contact/003xx000004TmiQAAS/view")
        );
        let search = template("https://example.com/?q={Name}&p={Phone}#{ Email }");
        let values = ["Müller & Söhne/../x?#", "+49 (8151) 1%", "a~b-c_d.e@f"];
        assert_eq!(
            search.render(|position| values.get(position).copied()).as_deref(),
            Some(
                "https://example.com/?q=M%C3%BCller%20%26%20S%C3%B6hne%2F..%2Fx%3F%23&p=%2B49%20%288151%29%201%25#a~b-c_d.e%40f"
            )
        );
    }

    #[test]
    fn null_in_a_needed_field_gives_null() {
        let url = template("https://example.com/{A}/{B}");
        assert_eq!(url.render(|position| (position == 0).then_some("a")), None);
        assert_eq!(
            template("https://example.com/").render(|_| None).as_deref(),
            Some("https://example.com/")
        );
    }

    #[test]
    fn neighbouring_literals_are_one_part() {
        assert_eq!(
            template("{instanceUrl}/x").parts,
            [TemplatePart::Literal("https://acme.my.salesforce.com/x".to_owned())]
        );
    }

    #[test]
    fn bad_templates_are_refused() {
        for (text, problem) in [
            ("", "is empty"),
            ("http://example.com/{Id}", "does not begin with https://"),
            ("javascript:alert({Id})", "does not begin with https://"),
            ("HTTPS:example.com", "does not begin with https://"),
            ("{Website}", "does not begin with https://"),
            ("{Website}/{instanceUrl}", "does not begin with https://"),
            ("//example.com/{Id}", "does not begin with https://"),
            ("https://{Host}/", "name in its host"),
            ("https://example.com{Id}", "name in its host"),
            ("https://example.com:{Port}/", "name in its host"),
            ("https://{instanceUrl}/", "name in its host"),
            ("{instanceUrl}{Id}", "needs a / behind"),
            ("{instanceUrl}.example.com/", "needs a / behind"),
            ("{instanceUrl}@example.com/", "needs a / behind"),
            ("https:///{Id}?", ""),
            ("https://", "is no URL"),
            ("https://exa mple.com/", "character ' '"),
            ("https://example.com/\n", "character '\\n'"),
            ("https://example.com/{Id", "{ without its }"),
            ("https://example.com/Id}", "} without its {"),
            ("https://example.com/{}", "empty braces"),
            ("https://example.com/{a{b}", "{ within braces"),
        ] {
            match parse(text) {
                Err(found) => assert!(found.contains(problem), "{text}: {found}"),
                Ok(pieces) => panic!("{text} was taken: {pieces:?}"),
            }
        }
    }

    #[test]
    fn good_templates_are_taken() {
        for text in [
            "{instanceUrl}",
            "{INSTANCEURL}/{Id}",
            "{instanceUrl}?id={Id}",
            "HTTPS://example.com/{Id}",
            "https://example.com:8443/{Id}",
            "https://example.com?q={Account Name}",
            "https://xn--mller-kva.example/{Id}",
        ] {
            assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
        }
    }

    proptest! {
        #[test]
        fn a_row_never_moves_scheme_host_or_path(
            text in prop_oneof![
                Just("{instanceUrl}/x/{A}/y?z={B}".to_owned()),
                Just("https://example.com/x/{A}/y?z={B}".to_owned()),
            ],
            a in any::<String>(), b in any::<String>(),
        ) {
            let url = template(&text);
            let rendered = url.render(|position| Some(if position == 0 { a.as_str() } else { b.as_str() })).unwrap();
            prop_assert!(rendered.is_ascii());
            let parsed = Url::parse(&rendered).unwrap();
            let fixed = Url::parse(&url.render(|_| Some("v")).unwrap()).unwrap();
            prop_assert_eq!(parsed.scheme(), "https");
            prop_assert_eq!(parsed.host_str(), fixed.host_str());
            prop_assert_eq!(parsed.query_pairs().count(), 1);
            let value = parsed.query_pairs().next().unwrap().1.into_owned();
            prop_assert_eq!(value, b);
            prop_assert_eq!(parsed.fragment(), None);
        }

        #[test]
        fn whatever_is_written_the_result_is_https_at_a_fixed_host(text in "[a-zA-Z:/.{}?#@\\\\]{0,30}", value in any::<String>()) {
            if let Ok(pieces) = parse(&text) {
                let url = assemble(pieces, INSTANCE, |_| 0);
                let rendered = url.render(|_| Some(&value)).unwrap();
                let fixed = Url::parse(&url.render(|_| Some("v")).unwrap()).unwrap();
                let parsed = Url::parse(&rendered).unwrap();
                prop_assert_eq!(parsed.scheme(), "https");
                prop_assert_eq!(parsed.host_str(), fixed.host_str());
                prop_assert_eq!(parsed.port(), fixed.port());
            }
        }
    }
}
