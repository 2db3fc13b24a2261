//! Record Ids: 3 characters of prefix, 3 of the instance, 9 digits of base 62 for the record, 3 of checksum.
//!
//! The digits are `0-9A-Za-z`, whose order is that of their bytes: Ids compared case-sensitively ascend with the record's
//! number, as Salesforce's own do (salesforce-api.md section 7). The checksum tells upper from lower case, so that a
//! system that ignores case still keeps Ids apart (section 11).

/// The digits of base 62 in the order of their bytes.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters of the checksum; 5 bits each.
const CHECKSUM: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// Pod and reserved characters of every Id of this org: two letters of an instance and the 0 that Salesforce reserves.
const INSTANCE: &str = "Sm0";

/// The 18-character Id of record `n` of an object with this prefix.
pub fn format(prefix: &str, n: u64) -> String {
    let mut digits = [b'0'; 9];
    let mut rest = n;
    for digit in digits.iter_mut().rev() {
        *digit = usize::try_from(rest % 62)
            .ok()
            .and_then(|place| DIGITS.get(place))
            .copied()
            .unwrap_or(b'0');
        rest /= 62;
    }
    let mut id = String::with_capacity(18);
    id.push_str(prefix);
    id.push_str(INSTANCE);
    id.extend(digits.iter().map(|&digit| char::from(digit)));
    let suffix = suffix(&id);
    id.extend(suffix);
    id
}

/// The prefix and the number of an Id of 15 or 18 characters; `None` where it is malformed, of another instance, or its
/// checksum is wrong.
pub fn parse(id: &str) -> Option<(&str, u64)> {
    let long = to_18(id)?;
    if id.len() == 18 && long != id {
        return None;
    }
    let prefix = id.get(..3)?;
    if id.get(3..6)? != INSTANCE {
        return None;
    }
    let mut n = 0_u64;
    for byte in id.get(6..15)?.bytes() {
        let digit = DIGITS.iter().position(|&own| own == byte)?;
        n = n.checked_mul(62)?.checked_add(u64::try_from(digit).ok()?)?;
    }
    Some((prefix, n))
}

/// The 18-character form of an Id of 15 or 18 characters; `None` where it has another length or other characters. The
/// checksum of an 18-character Id is computed anew.
pub fn to_18(id: &str) -> Option<String> {
    if !matches!(id.len(), 15 | 18) || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let short = id.get(..15)?;
    let mut long = String::with_capacity(18);
    long.push_str(short);
    long.extend(suffix(short));
    Some(long)
}

/// The prefix of the n-th custom object: `a00`, `a01`, .. `a0Z`, `a0a`, ..
pub fn custom_prefix(n: usize) -> String {
    let digit = |place: usize| char::from(DIGITS.get(place % 62).copied().unwrap_or(b'0'));
    format!("a{}{}", digit(n / 62), digit(n))
}

/// The three characters that follow 15: bit i of each is set where character i of five is an upper-case letter.
fn suffix(short: &str) -> [char; 3] {
    let mut suffix = ['A'; 3];
    for (letter, group) in suffix.iter_mut().zip(short.as_bytes().chunks(5)) {
        let mut bits = 0_usize;
        for (place, byte) in group.iter().enumerate() {
            if byte.is_ascii_uppercase() {
                bits |= 1 << place;
            }
        }
        *letter = char::from(CHECKSUM.get(bits).copied().unwrap_or(b'A'));
    }
    suffix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_follows_the_published_vectors() {
        // salesforce-api.md section 11.
        for (short, long) in [
            ("003R00000016BMR", "003R00000016BMRIA2"),
            ("0015000000WWD7b", "0015000000WWD7bAAH"),
            ("750R0000000zlh9", "750R0000000zlh9IAA"),
            ("00DA0000000YpZ4", "00DA0000000YpZ4MAK"),
            ("000000000000000", "000000000000000AAA"),
        ] {
            assert_eq!(to_18(short).as_deref(), Some(long));
        }
    }

    #[test]
    fn numbers_come_back_and_ids_ascend() {
        let mut before = String::new();
        for n in [0, 1, 9, 10, 35, 36, 61, 62, 3843, 3844, 999_999, 1_000_000, 500_000_000] {
            let id = format("003", n);
            assert_eq!(id.len(), 18);
            assert_eq!(parse(&id), Some(("003", n)));
            assert_eq!(parse(id.get(..15).unwrap()), Some(("003", n)));
            assert!(id > before, "{id} after {before}");
            before = id;
        }
    }

    #[test]
    fn malformed_ids_are_refused() {
        let id = format("003", 4711);
        let mut wrong = id.clone();
        wrong.replace_range(17.., "5");
        for bad in [
            "",
            "003",
            "003Sm000000000!",
            id.get(..17).unwrap(),
            &wrong,
            "003R00000016BMRIA2",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn custom_prefixes_count_in_base_62() {
        assert_eq!(custom_prefix(0), "a00");
        assert_eq!(custom_prefix(61), "a0z");
        assert_eq!(custom_prefix(62), "a10");
    }
}
