//! What Salesforce answers to a query it does not accept, with its caret excerpt (salesforce-api.md section 3.5).

/// A refused query. `Display` is `CODE: message`, as in a fault's `faultstring`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct QueryError {
    code: &'static str,
    message: String,
    position: Option<(u32, u32)>,
}

/// Characters of the statement shown on each side of the place. Recorded excerpts have about so many, cut at words.
const EXCERPT: usize = 30;

impl QueryError {
    /// An error without a place.
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            position: None,
        }
    }

    /// An error at a byte offset of the statement, with excerpt, caret, row and column.
    pub(super) fn at(code: &'static str, text: &str, offset: usize, reason: impl AsRef<str>) -> Self {
        let offset = (0..=offset.min(text.len()))
            .rev()
            .find(|&place| text.is_char_boundary(place))
            .unwrap_or(0);
        let (before, after) = text.split_at_checked(offset).unwrap_or((text, ""));
        let row = before.matches('\n').count() + 1;
        let line_before = before.rsplit('\n').next().unwrap_or("");
        let line_after = after.split('\n').next().unwrap_or("");
        let column = line_before.chars().count() + 1;
        let left = tail(line_before);
        let right = head(line_after);
        let indent = " ".repeat(left.chars().count());
        Self {
            code,
            message: format!(
                "\n{left}{right}\n{indent}^\nERROR at Row:{row}:Column:{column}\n{}",
                reason.as_ref()
            ),
            position: Some((
                u32::try_from(row).unwrap_or(u32::MAX),
                u32::try_from(column).unwrap_or(u32::MAX),
            )),
        }
    }

    /// `MALFORMED_QUERY` and its like: `exceptionCode` of the fault.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// `exceptionMessage` of the fault: without the code.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Row and column from 1, for `sf:row` and `sf:column`; −1 stands there when it is unknown.
    pub fn position(&self) -> Option<(u32, u32)> {
        self.position
    }

    /// The element inside the fault's detail (salesforce-api.md section 3.4).
    pub fn fault_element(&self) -> &'static str {
        match self.code {
            "INVALID_FIELD" => "InvalidFieldFault",
            "INVALID_TYPE" | "INVALID_TYPE_FOR_OPERATION" => "InvalidSObjectFault",
            "MALFORMED_QUERY" => "MalformedQueryFault",
            _ => "UnexpectedErrorFault",
        }
    }
}

/// The end of a line, cut at a word.
fn tail(line: &str) -> &str {
    let start = line.char_indices().rev().nth(EXCERPT - 1).map_or(0, |(start, _)| start);
    let cut = line.get(start..).unwrap_or(line);
    if start == 0 {
        return cut;
    }
    match cut.find([' ', ',']) {
        Some(space) if space + 1 < cut.len() => cut.get(space + 1..).unwrap_or(cut),
        Some(_) | None => cut,
    }
}

/// The start of a line, cut at a word where one ends.
fn head(line: &str) -> &str {
    let Some((end, _)) = line.char_indices().nth(EXCERPT) else {
        return line;
    };
    let rest = line.get(end..).unwrap_or("");
    let word = rest.find([' ', ',']).unwrap_or(rest.len());
    // A word of any length is shown whole only up to another excerpt's length.
    let end = if word <= EXCERPT { end + word } else { end };
    line.get(..end).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_excerpt_comes_out() {
        let error = QueryError::at("INVALID_FIELD", "SELECT Naem FROM Account", 7, "No such column");
        assert_eq!(
            error.to_string(),
            "INVALID_FIELD: \nSELECT Naem FROM Account\n       ^\nERROR at Row:1:Column:8\nNo such column"
        );
        assert_eq!(error.position(), Some((1, 8)));
        assert_eq!(error.fault_element(), "InvalidFieldFault");
    }

    #[test]
    fn long_lines_are_cut_and_rows_counted() {
        let text = format!(
            "SELECT Id,\n{} Wrong, {} FROM X",
            "Aaaaa, ".repeat(20),
            "Bbbbb, ".repeat(20)
        );
        let offset = text.find("Wrong").unwrap();
        let error = QueryError::at("INVALID_FIELD", &text, offset, "no");
        let lines: Vec<&str> = error.message().lines().collect();
        assert!(lines[1].len() < 100, "{}", lines[1]);
        assert!(lines[1].get(lines[2].len() - 1..).unwrap().starts_with("Wrong,"));
        assert_eq!(lines[3], "ERROR at Row:2:Column:142");
    }

    #[test]
    fn offsets_inside_a_character_do_no_harm() {
        let error = QueryError::at("MALFORMED_QUERY", "SELECT ä", 8, "no");
        assert_eq!(error.position(), Some((1, 8)));
    }
}
