//! A YAML document that remembers where its parts stand.
//!
//! The schema's problems carry paths; a person needs the line. So documents are read into a tree of values with places,
//! which gives the plain value for the checks and the place for a path. Nothing of a value is ever shown: a file may
//! hold secrets, and a message with a piece of the file around it would print them.

use std::fmt;

use crds::validate::{Path, Step};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// A place in a file, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    place: Place,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Mapping(Vec<(String, Place, Node)>),
}

/// Something wrong with a file's syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) place: Option<Place>,
    pub(crate) message: String,
}

impl Node {
    /// Reads all documents of a file; empty ones are left out.
    pub(crate) fn read_all(text: &str) -> Result<Vec<Self>, SyntaxError> {
        let options = serde_saphyr::options! {
            // A piece of the file in a message could be a secret.
            with_snippet: false,
            // In YAML 1.1 a column n, the country NO and the answer yes are true or false.
            strict_booleans: true,
        };
        let documents =
            serde_saphyr::from_multiple_with_options::<Spanned<Content>>(text, options).map_err(|error| {
                SyntaxError {
                    place: error.location().map(place),
                    message: syntax_message(&error),
                }
            })?;
        Ok(documents.into_iter().map(Self::new).collect())
    }

    fn new(spanned: Spanned<Content>) -> Self {
        Self {
            place: place(spanned.referenced),
            content: spanned.value,
        }
    }

    /// Where it begins.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Without places.
    pub(crate) fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Content::Mapping(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, _, node)| (key.clone(), node.to_value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// A member of a mapping.
    pub(crate) fn get(&self, wanted: &str) -> Option<&Self> {
        match &self.content {
            Content::Mapping(members) => members.iter().find(|(key, ..)| key == wanted).map(|(.., node)| node),
            Content::Scalar(_) | Content::List(_) => None,
        }
    }

    /// Members of a mapping, in the order of the file.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, Place, &Self)> {
        let members = match &self.content {
            Content::Mapping(members) => members.as_slice(),
            Content::Scalar(_) | Content::List(_) => &[],
        };
        members.iter().map(|(key, place, node)| (key.as_str(), *place, node))
    }

    /// Items of a list.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.content {
            Content::List(items) => items,
            Content::Scalar(_) | Content::Mapping(_) => &[],
        }
    }

    /// Its text, where it is one.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(value) => value.as_str(),
            Content::List(_) | Content::Mapping(_) => None,
        }
    }

    /// Where a path leads, or as near to it as the file goes: to the key of a field, to the beginning of a list's item,
    /// and for a field that is not there to what it should be in.
    pub(crate) fn place_of(&self, path: &Path) -> Place {
        let (mut node, mut place) = (self, self.place);
        for step in &path.0 {
            let next = match (step, &node.content) {
                (Step::Key(wanted), Content::Mapping(members)) => members
                    .iter()
                    .find(|(key, ..)| key == wanted)
                    .map(|(_, place, node)| (*place, node)),
                (Step::Index(index), Content::List(items)) => items.get(*index).map(|node| (node.place, node)),
                (Step::Key(_) | Step::Index(_), _) => None,
            };
            let Some((found, below)) = next else { break };
            (place, node) = (found, below);
        }
        place
    }
}

fn place(location: serde_saphyr::Location) -> Place {
    Place {
        line: location.line(),
        column: location.column(),
    }
}

/// The parser's sentence without the place, which stands before it anyway.
fn syntax_message(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.rsplit_once(" at line ")
        .map_or(line, |(message, _)| message)
        .trim_start_matches("error: ")
        .to_owned()
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Number(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Scalar(
            Number::from_f64(value).map_or(Value::Null, Value::Number),
        ))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(Value::String(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element::<Spanned<Content>>()? {
            items.push(Node::new(item));
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut mapping: A) -> Result<Content, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = mapping.next_key::<Spanned<String>>()? {
            let value = mapping.next_value::<Spanned<Content>>()?;
            members.push((key.value, place(key.referenced), Node::new(value)));
        }
        Ok(Content::Mapping(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FILE: &str = "\
# A comment.
spec:
  objects:
    - name: Contact
      fields: [{source: Name, column: n}]
    - name: Lead
  number: 66.0
  flag: true
  nothing:
---
---
second: \"1\"
";

    fn path(steps: &[&str]) -> Path {
        Path(
            steps
                .iter()
                .map(|step| step.parse().map_or_else(|_| Step::Key((*step).to_owned()), Step::Index))
                .collect(),
        )
    }

    #[test]
    fn values_are_what_the_file_says() {
        let documents = Node::read_all(FILE).unwrap();
        assert_eq!(documents.len(), 2);
        let fields = json!([{"source": "Name", "column": "n"}]);
        let objects = json!([{"name": "Contact", "fields": fields}, {"name": "Lead"}]);
        let expected = json!({"spec": {"objects": objects, "number": 66.0, "flag": true, "nothing": null}});
        assert_eq!(documents[0].to_value(), expected);
        assert_eq!(documents[1].to_value(), json!({"second": "1"}));
        assert_eq!(documents[1].get("second").and_then(Node::as_str), Some("1"));
    }

    #[test]
    fn paths_lead_to_lines() {
        let documents = Node::read_all(FILE).unwrap();
        let at = |steps: &[&str]| documents[0].place_of(&path(steps)).to_string();
        assert_eq!(at(&["spec", "objects", "1", "name"]), "6:7");
        assert_eq!(at(&["spec", "objects", "0", "fields", "0", "column"]), "5:31");
        assert_eq!(at(&["spec", "objects", "0", "table"]), "4:7");
        assert_eq!(at(&["spec", "flag"]), "8:3");
        assert_eq!(at(&["spec", "missing", "deep"]), "2:1");
        assert_eq!(documents[1].place_of(&path(&["second"])).to_string(), "12:1");
    }

    #[test]
    fn syntax_errors_have_a_place_and_nothing_of_the_file() {
        for text in [
            "a: [1, 2",
            "password: \"hunter2\n  x: y",
            "a: 1\na: hunter2\n",
            "a: hunter2: b",
            "- a\nhunter2",
        ] {
            let error = Node::read_all(text).unwrap_err();
            assert!(error.place.is_some(), "{text:?}: {error:?}");
            assert!(
                !error.message.contains("hunter2") && !error.message.contains('\n'),
                "{text:?}: {error:?}"
            );
            assert!(error.message.len() > 5, "{error:?}");
        }
    }
}
