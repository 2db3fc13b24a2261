//! Record Ids: 15 characters that differ by case, or 18 with a suffix that repeats the case (salesforce-api.md 11).
//!
//! The API returns 18 characters, but `serverUrl` and session ids carry the 15 of the organization. Ids are compared
//! byte by byte, always in their 18-character form.

/// Letters of the suffix, one for each five bits.
const SUFFIX: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// The 18-character form of an Id. One that has 18 characters is returned as it is.
///
/// `None` for anything else than 15 or 18 ASCII letters and digits.
pub fn to_18(id: &str) -> Option<String> {
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    match id.len() {
        18 => Some(id.to_owned()),
        15 => {
            let mut full = String::with_capacity(18);
            full.push_str(id);
            for group in id.as_bytes().chunks(5) {
                let bits = group.iter().enumerate().fold(0, |bits, (place, byte)| {
                    bits | (usize::from(byte.is_ascii_uppercase()) << place)
                });
                full.push(char::from(*SUFFIX.get(bits)?));
            }
            Some(full)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_those_of_real_ids() {
        for (short, suffix) in [
            ("003R00000016BMR", "IA2"),
            ("0015000000WWD7b", "AAH"),
            ("750R0000000zlh9", "IAA"),
            ("00DA0000000YpZ4", "MAK"),
            ("000000000000000", "AAA"),
            ("0038000000FrjoB", "AAR"),
        ] {
            assert_eq!(to_18(short).unwrap(), format!("{short}{suffix}"));
        }
    }

    #[test]
    fn every_pattern_of_case_has_its_letter() {
        for bits in 0..32_u8 {
            let group: String = (0..5)
                .map(|place| if bits >> place & 1 == 1 { 'X' } else { 'x' })
                .collect();
            let letter = char::from(if bits < 26 { b'A' + bits } else { b'0' + bits - 26 });
            assert_eq!(
                to_18(&format!("{group}0000000000")).unwrap(),
                format!("{group}0000000000{letter}AA")
            );
        }
    }

    #[test]
    fn long_ids_stay_and_others_are_none() {
        assert_eq!(to_18("003R00000016BMRIA2").as_deref(), Some("003R00000016BMRIA2"));
        for wrong in [
            "",
            "003",
            "003R00000016BM-",
            "003R00000016BMRIA",
            "003R00000016BMRIA2x",
            "ä03R00000016BM",
        ] {
            assert_eq!(to_18(wrong), None, "{wrong}");
        }
    }
}
