//! A page of the documentation, as Markdown has it.

use std::{collections::BTreeSet, ops::Range, path::Path};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// The repository.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A page.
pub(crate) struct Page {
    /// From the repository: `docs/install.md`.
    pub(crate) name: String,
    /// Blocks in fences, in their order.
    pub(crate) blocks: Vec<Block>,
    /// Code inside lines, with the number of the line.
    pub(crate) spans: Vec<(usize, String)>,
    /// Where links lead, with the number of the line.
    pub(crate) links: Vec<(usize, String)>,
    /// The headings' texts.
    pub(crate) headings: Vec<String>,
}

/// A block in fences.
pub(crate) struct Block {
    /// The line of its fence.
    pub(crate) line: usize,
    /// The first word behind the fence.
    pub(crate) language: String,
    /// The other words behind it, which nobody sees who reads the page: `file=crm.yaml`.
    words: Vec<String>,
    /// What stands in it.
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(Path::new(ROOT).join(name)).expect(name);
        Self::parse(name, &text)
    }

    pub(crate) fn parse(name: &str, text: &str) -> Self {
        let mut page = Self {
            name: name.to_owned(),
            blocks: Vec::new(),
            spans: Vec::new(),
            links: Vec::new(),
            headings: Vec::new(),
        };
        let line = |range: &Range<usize>| 1 + text.bytes().take(range.start).filter(|byte| *byte == b'\n').count();
        let (mut in_block, mut in_heading) = (false, false);
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    in_block = true;
                    let info = match &kind {
                        CodeBlockKind::Fenced(info) => info.as_ref(),
                        CodeBlockKind::Indented => "indented",
                    };
                    let mut words = info.split_whitespace().map(str::to_owned);
                    page.blocks.push(Block {
                        line: line(&range),
                        language: words.next().unwrap_or_default(),
                        words: words.collect(),
                        text: String::new(),
                    });
                }
                Event::End(TagEnd::CodeBlock) => in_block = false,
                Event::Start(Tag::Heading { .. }) => {
                    in_heading = true;
                    page.headings.push(String::new());
                }
                Event::End(TagEnd::Heading(_)) => in_heading = false,
                Event::Start(Tag::Link { dest_url, .. }) => page.links.push((line(&range), dest_url.into_string())),
                Event::Text(text) if in_block => page.blocks.last_mut().expect("it began").text.push_str(&text),
                Event::Text(text) if in_heading => page.headings.last_mut().expect("it began").push_str(&text),
                Event::Code(code) => {
                    if in_heading {
                        page.headings.last_mut().expect("it began").push_str(&code);
                    }
                    page.spans.push((line(&range), code.into_string()));
                }
                Event::Start(_)
                | Event::End(_)
                | Event::Text(_)
                | Event::InlineMath(_)
                | Event::DisplayMath(_)
                | Event::Html(_)
                | Event::InlineHtml(_)
                | Event::FootnoteReference(_)
                | Event::SoftBreak
                | Event::HardBreak
                | Event::Rule
                | Event::TaskListMarker(_) => {}
            }
        }
        page
    }

    /// The ids by which a browser finds the headings, as GitHub makes them.
    pub(crate) fn anchors(&self) -> BTreeSet<String> {
        let anchor = |heading: &String| -> String {
            let kept = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        };
        self.headings.iter().map(anchor).collect()
    }
}

impl Block {
    /// The value of a word behind the fence: `crm.yaml` of `file`.
    pub(crate) fn word(&self, name: &str) -> Option<&str> {
        let pairs = self.words.iter().filter_map(|word| word.split_once('='));
        pairs
            .into_iter()
            .find(|(before, _)| *before == name)
            .map(|(_, value)| value)
    }

    /// The names of all words behind the fence.
    pub(crate) fn word_names(&self) -> impl Iterator<Item = &str> {
        self.words
            .iter()
            .map(|word| word.split_once('=').map_or(word.as_str(), |(name, _)| name))
    }

    /// Whether a shell is to run it.
    pub(crate) fn is_commands(&self) -> bool {
        self.language == "console"
    }

    /// Its lines, with those joined that a backslash continues.
    pub(crate) fn lines(&self) -> Vec<String> {
        let joined = self.text.replace("\\\n", " ");
        joined.lines().map(str::to_owned).collect()
    }

    /// Its commands, one a line, without comments and with one space between words; none where no shell is to run it.
    pub(crate) fn commands(&self) -> Vec<String> {
        if !self.is_commands() {
            return Vec::new();
        }
        let commands = self.lines().into_iter().map(|line| command(&line));
        commands.filter(|command| !command.is_empty()).collect()
    }
}

/// A line of a shell without its comment, with one space between words.
pub(crate) fn command(line: &str) -> String {
    let comment = |word: &&str| word.starts_with('#');
    line.split_whitespace()
        .take_while(|word| !comment(word))
        .collect::<Vec<_>>()
        .join(" ")
}
