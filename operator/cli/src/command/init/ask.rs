//! Questions, and who answers them: a person at a terminal, or a test.

use dialoguer::{Input, MultiSelect, Password, Select, console::Term, theme::ColorfulTheme};
use secrecy::SecretString;

use crate::failure::Failure;

/// Items of a list that are shown at once.
const SHOWN: usize = 15;

/// What is wrong with an answer, if anything.
pub(super) type Check<'a> = &'a dyn Fn(&str) -> Result<(), String>;

/// Answers questions.
pub(super) trait Asker {
    /// A line of text, without spaces around it.
    fn text(&mut self, question: &str, default: &str, check: Check<'_>) -> Result<String, Failure>;

    /// A line that is not shown; `None` where it is empty.
    fn secret(&mut self, question: &str) -> Result<Option<SecretString>, Failure>;

    /// One of several.
    fn choose(&mut self, question: &str, items: &[String], default: usize) -> Result<usize, Failure>;

    /// Some of several, of which some are chosen from the start.
    fn choose_many(&mut self, question: &str, items: &[(String, bool)]) -> Result<Vec<usize>, Failure>;

    /// Something to know before the next question.
    fn tell(&mut self, text: &str) -> Result<(), Failure>;
}

/// A person. Questions stand on standard error.
pub(super) struct Terminal {
    term: Term,
    theme: ColorfulTheme,
}

impl Terminal {
    pub(super) fn new() -> Self {
        Self {
            term: Term::stderr(),
            theme: ColorfulTheme::default(),
        }
    }
}

/// The terminal is gone, or was closed in the middle.
fn unasked(error: impl std::fmt::Display) -> Failure {
    Failure::Usage(format!("the question could not be asked: {error}"))
}

impl Asker for Terminal {
    fn text(&mut self, question: &str, default: &str, check: Check<'_>) -> Result<String, Failure> {
        Input::<String>::with_theme(&self.theme)
            .with_prompt(question)
            .default(default.to_owned())
            .show_default(!default.is_empty())
            .allow_empty(default.is_empty())
            .validate_with(|typed: &String| check(typed.trim()))
            .interact_text_on(&self.term)
            .map(|typed| typed.trim().to_owned())
            .map_err(unasked)
    }

    fn secret(&mut self, question: &str) -> Result<Option<SecretString>, Failure> {
        let typed = Password::with_theme(&self.theme)
            .with_prompt(question)
            .allow_empty_password(true)
            .interact_on(&self.term)
            .map_err(unasked)?;
        Ok(Some(typed).filter(|typed| !typed.is_empty()).map(SecretString::from))
    }

    fn choose(&mut self, question: &str, items: &[String], default: usize) -> Result<usize, Failure> {
        Select::with_theme(&self.theme)
            .with_prompt(question)
            .items(items)
            .default(default)
            .interact_on(&self.term)
            .map_err(unasked)
    }

    fn choose_many(&mut self, question: &str, items: &[(String, bool)]) -> Result<Vec<usize>, Failure> {
        MultiSelect::with_theme(&self.theme)
            .with_prompt(question)
            .items_checked(items.iter().map(|(item, chosen)| (item.as_str(), *chosen)))
            .max_length(SHOWN)
            .interact_on(&self.term)
            .map_err(unasked)
    }

    fn tell(&mut self, text: &str) -> Result<(), Failure> {
        self.term.write_line(text).map_err(unasked)
    }
}
