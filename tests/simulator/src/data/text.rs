//! Free text: single lines and paragraphs with umlauts, quotes, markup, emoji and newlines.

use super::hash::Dice;

const WORDS: &[&str] = &[
    "Anfrage",
    "Angebot",
    "für",
    "über",
    "größere",
    "Menge",
    "& mehr",
    "\"dringend\"",
    "it's",
    "<wichtig>",
    "café",
    "naïve",
    "Straße",
    "日本語",
    "Привет",
    "😀",
    "100 %",
    "a;b",
    "tab",
    "C:\\temp",
    "{json}",
    "100€",
    "x = y",
    "--",
    "…",
    "follow-up",
    "call",
    "meeting",
    "der",
    "die",
    "das",
    "and",
    "or",
    "not",
    "null",
    "true",
    "2026-02-30",
    "0815",
];

/// A line of at most `most` characters.
pub(super) fn line(dice: &mut Dice, most: usize) -> String {
    let words = 1 + dice.below(7);
    let mut line = String::new();
    for _ in 0..words {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(dice.text(WORDS));
    }
    cut(line, most)
}

/// A text of several lines; once in fifty as long as the field allows, up to 32 000 characters, and once in a thousand
/// without that limit.
pub(super) fn paragraphs(dice: &mut Dice, most: usize) -> String {
    let wanted = if dice.once_in(1000) {
        most
    } else if dice.once_in(50) {
        most.min(32_000)
    } else {
        most.min(usize::try_from(10 + dice.below(300)).unwrap_or(0))
    };
    let mut text = String::new();
    let mut length = 0;
    while length < wanted {
        if length > 2000 {
            // Long texts repeat themselves: rolling dice for each of 100 000 words would make them the cost of a row.
            let so_far = text.clone();
            text.push_str(&so_far);
            length *= 2;
            continue;
        }
        let line = line(dice, wanted);
        length += line.chars().count() + 1;
        text.push_str(&line);
        text.push('\n');
        if dice.once_in(6) {
            text.push('\n');
            length += 1;
        }
    }
    cut(text, wanted)
}

/// The first `most` characters, without blanks at the ends: Salesforce cuts them off when a record is saved.
pub(super) fn cut(text: String, most: usize) -> String {
    let short = if most > 0 && text.len() > most {
        text.char_indices()
            .nth(most)
            .and_then(|(end, _)| text.get(..end).map(str::to_owned))
            .unwrap_or(text)
    } else {
        text
    };
    let trimmed = short.trim();
    if trimmed.len() == short.len() {
        short
    } else {
        trimmed.to_owned()
    }
}
