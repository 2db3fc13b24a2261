//! Labels in the language that `LocaleOptions` asks for.

use super::{Session, fault::Fault};
use crate::org::store::Store;

/// Salesforce's fully supported and end-user languages, as far as a European or American client asks for them.
const LANGUAGES: [&str; 24] = [
    "en_US", "en_GB", "de", "fr", "es", "es_MX", "it", "nl_NL", "pt_BR", "pt_PT", "ja", "ko", "zh_CN", "zh_TW", "sv",
    "da", "no", "fi", "ru", "pl", "cs", "hu", "ro", "tr",
];

/// German labels of what everybody knows; others are added by the control API.
const GERMAN: [(&str, Option<&str>, &str); 8] = [
    ("Contact", None, "Kontakt"),
    ("Contact", Some("LastName"), "Nachname"),
    ("Contact", Some("FirstName"), "Vorname"),
    ("Contact", Some("Phone"), "Telefon (geschäftlich)"),
    ("Lead", None, "Lead"),
    ("Task", None, "Aufgabe"),
    ("Case", None, "Kundenvorgang"),
    ("User", None, "Benutzer"),
];

/// The labels of one answer.
pub(super) struct Labels<'a> {
    store: &'a Store,
    language: Option<String>,
}

impl<'a> Labels<'a> {
    /// The labels that a request asks for.
    ///
    /// # Errors
    /// `INVALID_LOCALE_LANGUAGE`.
    pub(super) fn of(session: &Session<'_>, store: &'a Store) -> Result<Self, Fault> {
        let language = session
            .request
            .headers
            .language
            .clone()
            .filter(|language| !language.is_empty());
        if let Some(language) = &language
            && !LANGUAGES.contains(&language.as_str())
        {
            return Err(Fault::new(
                "INVALID_LOCALE_LANGUAGE",
                format!("{language} is not a valid language code"),
            ));
        }
        Ok(Self { store, language })
    }

    /// The label of an object, or of a field; `own` where there is no translation.
    pub(super) fn label<'b>(&'b self, object: &str, field: Option<&str>, own: &'b str) -> &'b str {
        let Some(language) = &self.language else { return own };
        let key = (language.clone(), object.to_owned(), field.map(str::to_owned));
        if let Some(label) = self.store.translations.get(&key) {
            return label;
        }
        let known = GERMAN
            .iter()
            .find(|(name, part, _)| language == "de" && *name == object && *part == field);
        known.map_or(own, |(_, _, label)| label)
    }
}
