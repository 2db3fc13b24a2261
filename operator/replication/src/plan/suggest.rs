//! "did you mean": one name, or none.
//!
//! A suggestion is worth something only where it is the obvious one; of two names that are equally near none is told.

/// The one name of `candidates` that is near `name`, whatever its case.
pub(super) fn near<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = comparable(name);
    // A third of the letters wrong is no slip any more, but two letters swapped in a short word are.
    let reach = (wanted.chars().count() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    let mut tie = false;
    for candidate in candidates {
        let distance = strsim::damerau_levenshtein(&wanted, &comparable(candidate));
        if distance > reach {
            continue;
        }
        match best {
            Some((nearest, _)) if distance > nearest => {}
            Some((nearest, known)) if distance == nearest => tie |= !known.eq_ignore_ascii_case(candidate),
            Some(_) | None => {
                best = Some((distance, candidate));
                tie = false;
            }
        }
    }
    best.filter(|_| !tie).map(|(_, candidate)| candidate)
}

/// `; did you mean X?` where one name is near, else nothing.
pub(super) fn hint<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    near(name, candidates)
        .map(|candidate| format!("; did you mean {candidate}?"))
        .unwrap_or_default()
}

/// Without case, blanks, underscores and the suffix of custom names, which people leave out.
fn comparable(name: &str) -> String {
    let lower = name.to_lowercase();
    let stem = lower
        .strip_suffix("__c")
        .or_else(|| lower.strip_suffix("__r"))
        .unwrap_or(&lower);
    stem.chars()
        .filter(|character| !matches!(character, '_' | ' ' | '-'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_near_name_is_suggested() {
        let fields = [
            "Id",
            "Name",
            "Email",
            "Phone",
            "HomePhone",
            "MobilePhone",
            "Region__c",
            "MailingCity",
            "OtherCity",
        ];
        for (name, expected) in [
            ("Emial", Some("Email")),
            ("email", Some("Email")),
            ("Region", Some("Region__c")),
            ("Regoin__c", Some("Region__c")),
            ("Home Phone", Some("HomePhone")),
            ("Fone", None),
            ("Street", None),
            ("Mailing_City", Some("MailingCity")),
            ("Favourite", None),
        ] {
            assert_eq!(near(name, fields), expected, "{name}");
        }
    }

    #[test]
    fn of_two_equally_near_names_none_is_told() {
        assert_eq!(near("Phone3", ["Phone1", "Phone2"]), None);
        assert_eq!(
            near("Phone3", ["Phone1", "phone1"]),
            Some("Phone1"),
            "they are the same name"
        );
        assert_eq!(hint("Phone3", ["Phone1", "Phone2"]), "");
        assert_eq!(hint("Emial", ["Email"]), "; did you mean Email?");
    }
}
