//! Records: from a page straight into the caller's batch.
//!
//! A million rows pass through here, so nothing is built for a record: no map, no tree, no strings; one buffer is
//! reused for values with references. Fields come in select-list order (salesforce-api.md 5.3), so the next name is
//! guessed first and looked for only when the guess is wrong. What is promised, is checked: a record that lacks a
//! selected field is an error that names it, never a NULL in silence.

use std::ops::ControlFlow;

use crate::xml::{Leaf, Xml, XmlError, is_nil, local_name};

/// Takes records, value by value.
pub trait RecordSink {
    /// A record begins. All of its values are NULL until they are told.
    fn begin_record(&mut self);

    /// A value of the select list's `column`, never empty: null and empty are not reported. Line ends are as they
    /// came, and so are control characters that were written as references.
    fn value(&mut self, column: usize, text: &str);

    /// The record is complete. Break stops the reading.
    fn end_record(&mut self) -> ControlFlow<()>;
}

/// Fields of a SELECT in their order: `Id`, `LastName`, `Account.Name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectList {
    slots: Vec<Slot>,
    paths: Vec<String>,
    id_column: Option<usize>,
}

/// One name at one level.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Slot {
    name: String,
    kind: SlotKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum SlotKind {
    Field(usize),
    Parent(Vec<Slot>),
}

impl SelectList {
    /// A list of paths, each a field or a relationship and a field.
    pub fn new<S: AsRef<str>>(paths: impl IntoIterator<Item = S>) -> Self {
        let mut list = Self {
            slots: Vec::new(),
            paths: Vec::new(),
            id_column: None,
        };
        for path in paths {
            let path = path.as_ref().trim();
            let column = list.paths.len();
            list.paths.push(path.to_owned());
            if path.eq_ignore_ascii_case("Id") {
                list.id_column = Some(column);
            }
            insert(&mut list.slots, path, column);
        }
        list
    }

    /// The paths, in order.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether nothing is selected.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }
}

/// Puts a path at its place. Fields of one parent come together, where the first of them stands.
fn insert(slots: &mut Vec<Slot>, path: &str, column: usize) {
    let Some((parent, rest)) = path.split_once('.') else {
        slots.push(Slot {
            name: path.to_owned(),
            kind: SlotKind::Field(column),
        });
        return;
    };
    for slot in slots.iter_mut() {
        if let SlotKind::Parent(children) = &mut slot.kind
            && slot.name.eq_ignore_ascii_case(parent)
        {
            insert(children, rest, column);
            return;
        }
    }
    let mut children = Vec::new();
    insert(&mut children, rest, column);
    slots.push(Slot {
        name: parent.to_owned(),
        kind: SlotKind::Parent(children),
    });
}

/// Reads records of one page.
pub(crate) struct Reading<'s, S> {
    select: &'s SelectList,
    sink: &'s mut S,
    /// Number of the record in which a column was seen last; zero is never.
    seen_in: Vec<u64>,
    seen: usize,
    record: u64,
    complete: u64,
    buffer: String,
    first_id: String,
}

impl<'s, S: RecordSink> Reading<'s, S> {
    pub(crate) fn new(select: &'s SelectList, sink: &'s mut S) -> Self {
        Self {
            select,
            sink,
            seen_in: vec![0; select.len()],
            seen: 0,
            record: 0,
            complete: 0,
            buffer: String::new(),
            first_id: String::new(),
        }
    }

    /// Records that were completed.
    pub(crate) fn records(&self) -> u64 {
        self.complete
    }

    /// Reads one record whose start tag was read.
    pub(crate) fn record(&mut self, xml: &mut Xml<'_>) -> Result<ControlFlow<()>, XmlError> {
        self.record += 1;
        self.seen = 0;
        self.first_id.clear();
        self.sink.begin_record();
        let select = self.select;
        self.level(xml, &select.slots, Level::Record)?;
        self.id_from_head();
        if self.seen < select.len() {
            let missing = self
                .seen_in
                .iter()
                .zip(&select.paths)
                .find(|(seen_in, _)| **seen_in != self.record);
            let path = missing.map_or("", |(_, path)| path.as_str());
            return Err(XmlError::Unexpected(format!(
                "record {} of the page lacks the selected field {path}",
                self.record
            )));
        }
        self.complete += 1;
        Ok(self.sink.end_record())
    }

    /// Reads the members of a record, or of a parent in it.
    fn level(&mut self, xml: &mut Xml<'_>, slots: &[Slot], level: Level) -> Result<(), XmlError> {
        // Each record begins with its type and an Id of its own, whether or not they are selected. A field named
        // Type differs from `type` by its case only, so these two are known by their place.
        let mut head = Head::Type;
        let mut guess = 0;
        while let Some(start) = xml.child()? {
            let name = local_name(&start);
            match head {
                Head::Type => {
                    head = Head::Id;
                    if name == "type" {
                        xml.skip()?;
                        continue;
                    }
                }
                Head::Id | Head::Passed => {}
            }
            if head == Head::Id {
                head = Head::Passed;
                if name == "Id" {
                    self.head_id(xml, level)?;
                    continue;
                }
            }
            let Some(place) = find(slots, guess, name) else {
                xml.skip()?;
                continue;
            };
            guess = place + 1;
            let Some(slot) = slots.get(place) else { continue };
            match &slot.kind {
                SlotKind::Field(column) => self.field(xml, *column)?,
                SlotKind::Parent(children) if is_nil(&start) => {
                    self.see_all(children);
                    xml.skip()?;
                }
                SlotKind::Parent(children) => self.level(xml, children, Level::Parent)?,
            }
        }
        Ok(())
    }

    /// The Id that each record begins with. It is kept for answers that have it only once.
    fn head_id(&mut self, xml: &mut Xml<'_>, level: Level) -> Result<(), XmlError> {
        if level == Level::Parent || self.select.id_column.is_none() {
            return xml.skip();
        }
        let id = match xml.leaf(&mut self.buffer)? {
            Leaf::Slice(text) => text,
            Leaf::Buffer => &self.buffer,
        };
        self.first_id.push_str(id);
        Ok(())
    }

    /// Reports the first Id where Id was selected and no second one came (retrieve's answers are not documented).
    fn id_from_head(&mut self) {
        if let Some(column) = self.select.id_column
            && !self.first_id.is_empty()
            && self.see(column)
        {
            self.sink.value(column, &self.first_id);
        }
    }

    fn field(&mut self, xml: &mut Xml<'_>, column: usize) -> Result<(), XmlError> {
        let text = match xml.leaf(&mut self.buffer) {
            Ok(Leaf::Slice(text)) => text,
            Ok(Leaf::Buffer) => self.buffer.as_str(),
            Err(XmlError::Unexpected(_)) => {
                let path = self.select.paths.get(column).map_or("", String::as_str);
                return Err(XmlError::Unexpected(format!(
                    "field {path} of record {} has parts; only its components can be replicated",
                    self.record
                )));
            }
            Err(error @ (XmlError::CutOff | XmlError::Malformed { .. })) => return Err(error),
        };
        let first_time = match self.seen_in.get_mut(column) {
            Some(seen_in) if *seen_in != self.record => {
                *seen_in = self.record;
                self.seen += 1;
                true
            }
            Some(_) | None => false,
        };
        if first_time && !text.is_empty() {
            self.sink.value(column, text);
        }
        Ok(())
    }

    /// Notes that a column was there; false where it was before.
    fn see(&mut self, column: usize) -> bool {
        match self.seen_in.get_mut(column) {
            Some(seen_in) if *seen_in != self.record => {
                *seen_in = self.record;
                self.seen += 1;
                true
            }
            Some(_) | None => false,
        }
    }

    /// A parent that is nil: all of its fields are NULL.
    fn see_all(&mut self, slots: &[Slot]) {
        for slot in slots {
            match &slot.kind {
                SlotKind::Field(column) => {
                    self.see(*column);
                }
                SlotKind::Parent(children) => self.see_all(children),
            }
        }
    }
}

/// Where a list of members stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Record,
    Parent,
}

/// What of a record's head is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Type,
    Id,
    Passed,
}

/// Place of a name: the guess, else the first that is equal but for case.
fn find(slots: &[Slot], guess: usize, name: &str) -> Option<usize> {
    match slots.get(guess) {
        Some(slot) if slot.name.eq_ignore_ascii_case(name) => Some(guess),
        Some(_) | None => slots.iter().position(|slot| slot.name.eq_ignore_ascii_case(name)),
    }
}
