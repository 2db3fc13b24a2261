//! The name that somebody probably meant.

/// The candidate that differs least from `name`, if it is near enough to be a slip of the pen: one edit in three
/// characters, whatever the case. Of equally near ones the first.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let allowed = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_what_was_meant_and_a_stranger_nothing() {
        let names = ["table", "mapping", "fields", "where"];
        assert_eq!(nearest("tabel", names), Some("table"));
        assert_eq!(nearest("Mapping", names), Some("mapping"));
        assert_eq!(nearest("field", names), Some("fields"));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(nearest("", names), None);
    }
}
