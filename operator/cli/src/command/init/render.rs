//! The resource as a person reads it: with comments that say what is meant, what is missing and what comes next.

use super::{
    DIRECTORY,
    answers::{Answers, Destination},
};
use crate::secrets::variable_name;

impl Answers {
    /// The resource as YAML.
    pub(super) fn to_yaml(&self) -> String {
        let mut lines = self.introduction();
        lines.extend(self.secrets());
        lines.extend([
            format!("apiVersion: {}", crds::API_VERSION),
            format!("kind: {}", crds::KIND),
            "metadata:".to_owned(),
            format!("  name: {}", scalar(&self.name)),
        ]);
        lines.extend(
            self.namespace
                .iter()
                .map(|namespace| format!("  namespace: {}", scalar(namespace))),
        );
        lines.extend([
            "spec:".to_owned(),
            "  connection:".to_owned(),
            format!("    loginUrl: {}", scalar(&self.login_url)),
            "    auth:".to_owned(),
            "      password:".to_owned(),
            "        secretRef:".to_owned(),
            format!("          name: {}", scalar(&self.salesforce_secret())),
            "  destination:".to_owned(),
        ]);
        match &self.destination {
            Destination::Postgres { schema } => lines.extend([
                "    postgres:".to_owned(),
                "      secretRef:".to_owned(),
                format!("        name: {}", scalar(&self.database_secret())),
                "        key: url".to_owned(),
                format!(
                    "      schema: {} # for the tables; it cannot be changed later",
                    scalar(schema)
                ),
            ]),
            Destination::Sqlite { file } => lines.extend([
                "    sqlite:".to_owned(),
                "      # In the working folder; on Kubernetes where the operator's --sqlite-directory says.".to_owned(),
                format!("      file: {}", scalar(file)),
            ]),
        }
        lines.extend([
            "  trigger:".to_owned(),
            format!("    interval: {} # from start to start", scalar(&self.interval)),
            "  objects:".to_owned(),
        ]);
        for object in &self.objects {
            let columns = if DIRECTORY.iter().any(|name| name.eq_ignore_ascii_case(&object.name)) {
                "the columns of a telephone directory"
            } else {
                "every field that can be replicated"
            };
            let label = object
                .label
                .as_deref()
                .filter(|label| *label != object.name)
                .map_or(String::new(), |label| format!("{}: ", comment(label)));
            lines.push(format!("    - name: {} # {label}{columns}", scalar(&object.name)));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn introduction(&self) -> Vec<String> {
        let objects: Vec<&str> = self.objects.iter().map(|object| object.name.as_str()).collect();
        let objects = match objects.as_slice() {
            [] => "nothing".to_owned(),
            [one] => (*one).to_owned(),
            [first, second] => format!("{first} and {second}"),
            several => format!("{} objects", several.len()),
        };
        vec![
            format!("# Replicates {} of Salesforce into a database. In a file crm.yaml:", comment(&objects)),
            "#   salesforce-replicator check -f crm.yaml        what is wrong, and how to mend it".to_owned(),
            "#   salesforce-replicator plan -f crm.yaml         tables, columns, API calls a day".to_owned(),
            "#   salesforce-replicator run -f crm.yaml --once   without Kubernetes".to_owned(),
            "# `salesforce-replicator fields OBJECT` lists fields for `fields` and `where`; `crd` describes all settings."
                .to_owned(),
            "#".to_owned(),
        ]
    }

    /// Which Secrets the resource needs, and where they can be put. Never their values.
    fn secrets(&self) -> Vec<String> {
        let secret = self.salesforce_secret();
        let user = self
            .username
            .as_deref()
            .map_or(String::new(), |user| format!(" ({})", comment(user)));
        let mut lines = vec![
            format!(
                "# Secret {}: the keys username{user}, password and securityToken. Without Kubernetes the variables",
                comment(&secret)
            ),
            format!("#   {}", variable_name(&secret, "username")),
            format!("#   {}", variable_name(&secret, "password")),
            format!(
                "#   {}   (not needed where it is appended to the password)",
                variable_name(&secret, "securityToken")
            ),
        ];
        if let Destination::Postgres { .. } = self.destination {
            let secret = self.database_secret();
            lines.extend([
                format!(
                    "# Secret {}: the key url. Without Kubernetes the variable",
                    comment(&secret)
                ),
                format!(
                    "#   {}   such as postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full",
                    variable_name(&secret, "url")
                ),
            ]);
        }
        lines
    }
}

/// Text for a comment: whatever it is, it stays on its line.
fn comment(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}

/// Text as a scalar of YAML: plain where nobody could take it for something else, else in quotes, as JSON has them.
fn scalar(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.' | '/' | ':');
    let begins_as_text = text.starts_with(|first: char| first.is_ascii_alphabetic());
    let is_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    // A duration, such as 5m, begins with a digit and is no number.
    let is_duration = text.starts_with(|first: char| first.is_ascii_digit())
        && text.ends_with(['s', 'm', 'h', 'd'])
        && text.chars().all(|character| character.is_ascii_alphanumeric());
    if (begins_as_text && !is_word && text.chars().all(plain) && !text.ends_with(':')) || is_duration {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::scalar;

    #[test]
    fn scalars_stay_texts() {
        for plain in ["crm", "https://login.salesforce.com", "Invoice__c", "5m", "crm.db"] {
            assert_eq!(scalar(plain), plain);
        }
        for (text, quoted) in [
            ("007", "\"007\""),
            ("1e5", "\"1e5\""),
            ("No", "\"No\""),
            ("a b", "\"a b\""),
            ("a:", "\"a:\""),
            ("#x", "\"#x\""),
            ("a\nb: c", "\"a\\nb: c\""),
            ("", "\"\""),
        ] {
            assert_eq!(scalar(text), quoted);
        }
    }
}
