//! The only module that writes to standard output and standard error.
//!
//! Results go to standard output, in the form that was asked for; everything else goes to standard error, where progress
//! bars step aside for it. A reader that went away (`| head`) is no error: there is nobody left to tell.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::MultiProgress;
use serde::Serialize;

use crate::{arguments::Format, failure::Failure};

/// Writes results and errors.
#[derive(Debug, Clone)]
pub(crate) struct Printer {
    format: Format,
    bars: MultiProgress,
}

impl Printer {
    /// Results in this form, remarks above `bars`.
    pub(crate) fn new(format: Format, bars: MultiProgress) -> Self {
        Self { format, bars }
    }

    /// A result: `data` for programs, the text for people.
    pub(crate) fn result(&self, data: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        let printed = match self.format {
            Format::Text => text(),
            Format::Json => serde_json::to_string_pretty(data).map_err(|error| Failure::Defect(error.to_string()))?,
            Format::Yaml => serde_saphyr::to_string(data).map_err(|error| Failure::Defect(error.to_string()))?,
        };
        Self::text(&printed)
    }

    /// One of many results, as they come: a JSON line, a YAML document, a line of text.
    pub(crate) fn next(&self, data: &impl Serialize, text: impl FnOnce() -> Option<String>) -> Result<(), Failure> {
        let printed = match self.format {
            Format::Text => match text() {
                Some(text) => text,
                None => return Ok(()),
            },
            Format::Json => serde_json::to_string(data).map_err(|error| Failure::Defect(error.to_string()))?,
            Format::Yaml => {
                let document = serde_saphyr::to_string(data).map_err(|error| Failure::Defect(error.to_string()))?;
                format!("---\n{document}")
            }
        };
        Self::text(&printed)
    }

    /// Text on standard output, whatever form was asked for.
    pub(crate) fn text(text: &str) -> Result<(), Failure> {
        let mut output = io::stdout().lock();
        let end = if text.ends_with('\n') || text.is_empty() {
            ""
        } else {
            "\n"
        };
        let written = output
            .write_all(text.as_bytes())
            .and_then(|()| output.write_all(end.as_bytes()));
        match written.and_then(|()| output.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A failure, on standard error. That it cannot be written is nobody's to hear.
    pub(crate) fn failure(failure: &Failure) {
        writeln!(io::stderr().lock(), "error: {failure}").ok();
    }

    /// A remark on standard error: no result and no error.
    pub(crate) fn remark(&self, text: &str) {
        self.remark_on(&mut io::stderr().lock(), text);
    }

    fn remark_on(&self, output: &mut impl Write, text: &str) {
        self.bars.suspend(|| writeln!(output, "{text}").ok());
    }
}

/// Whether somebody sees standard error while it is written.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// A table for people: no lines but spaces between columns, so that words can be copied and lines searched.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    let last = header.len().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding(if index == 0 {
            (0, 1)
        } else {
            (1, u16::from(index != last))
        });
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// A number in groups of three, as people read large ones: `1,234,567`.
pub(crate) fn grouped(number: impl Into<i128>) -> String {
    let number: i128 = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// `1 row`, `2 rows`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use indicatif::{ProgressBar, ProgressDrawTarget, TermLike};

    use super::*;

    /// A terminal that keeps what is done to it, and standard error on the same screen.
    #[derive(Debug, Clone, Default)]
    struct Screen(Arc<Mutex<Vec<String>>>);

    impl Screen {
        fn done(&self, what: &str) {
            self.0.lock().unwrap().push(what.to_owned());
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _lines: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _lines: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _columns: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _columns: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.done(text);
            Ok(())
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.done(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.done("CLEARED");
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.done(str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bars_step_aside_for_a_remark() {
        let mut screen = Screen::default();
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(Box::new(screen.clone())));
        let bar = bars.add(ProgressBar::new(10));
        bar.tick();
        let printer = Printer::new(Format::Text, bars.clone());
        let before = screen.0.lock().unwrap().len();
        printer.remark_on(&mut screen, "stopping");
        let done = screen.0.lock().unwrap().split_off(before);
        let remark = done.iter().position(|text| text.contains("stopping")).unwrap();
        let (cleared, drawn) = done.split_at(remark);
        assert!(cleared.iter().any(|text| text == "CLEARED"), "{done:?}");
        assert!(drawn.iter().any(|text| text.contains("/10")), "drawn again: {done:?}");
    }

    #[test]
    fn tables_have_aligned_columns_and_no_spaces_at_the_end() {
        let text = table(
            &["NAME", "TYPE"],
            [vec!["Id".into(), "id".into()], vec!["Müller__c".into(), String::new()]],
        );
        assert_eq!(text, "NAME       TYPE\nId         id\nMüller__c");
    }

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(-1000), "-1,000");
        assert_eq!(count(1, "row", "rows"), "1 row");
        assert_eq!(count(2000, "row", "rows"), "2,000 rows");
    }
}
