use jiff::{ToSpan, civil};
use proptest::prelude::*;

use super::*;

fn plain(text: &str) -> Result<String> {
    Decimal::parse(text).map(|decimal| decimal.to_plain())
}

#[test]
fn booleans() {
    assert_eq!(boolean("true"), Ok(true));
    assert_eq!(boolean("false"), Ok(false));
    for wrong in ["", "TRUE", "yes", "2"] {
        assert_eq!(boolean(wrong), Err(NOT_BOOLEAN), "{wrong}");
    }
}

#[test]
fn whole_numbers_come_with_a_fraction_of_zero_from_bulk() {
    assert_eq!(int("108"), Ok(108));
    assert_eq!(int("108.0"), Ok(108));
    assert_eq!(int("-1.08E2"), Ok(-108));
    assert_eq!(int("-2147483648"), Ok(i32::MIN));
    assert_eq!(int("2147483648"), Err(NOT_32_BITS));
    assert_eq!(int("1E30"), Err(NOT_32_BITS));
    assert_eq!(int("1.5"), Err(NOT_WHOLE));
    assert_eq!(int(""), Err(NOT_NUMBER));
    assert_eq!(long("-9223372036854775808.0"), Ok(i64::MIN));
    assert_eq!(long("9223372036854775807.00"), Ok(i64::MAX));
    assert_eq!(long("9223372036854775808"), Err(NOT_64_BITS));
}

#[test]
fn decimals_have_one_canonical_text() {
    for (text, expected) in [
        ("0", "0"),
        ("-0.00", "0"),
        ("0E9", "0"),
        ("1.0E7", "10000000"),
        ("10000000.00", "10000000"),
        ("1.5e-3", "0.0015"),
        ("-12.3400", "-12.34"),
        ("007.50", "7.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+5", "5"),
        ("123456789012345678.12", "123456789012345678.12"),
        ("1.2345E2", "123.45"),
        ("1200E-2", "12"),
    ] {
        assert_eq!(plain(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_number_is_refused() {
    for wrong in [
        "", "-", ".", "e5", "1e", "1e+", "1.2.3", "1,5", "NaN", "Infinity", "0x10", " 1", "1 ", "--1", "1e5x",
    ] {
        assert_eq!(plain(wrong), Err(NOT_NUMBER), "{wrong}");
    }
    assert_eq!(plain("1E2000"), Err(NUMBER_TOO_LONG));
    assert_eq!(plain("1E99999999999999999999"), Err(NUMBER_TOO_LONG));
    assert_eq!(plain(&"9".repeat(1001)), Err(NUMBER_TOO_LONG));
}

#[test]
fn datetimes_of_both_apis() {
    let expected = 1_423_533_374_000_000;
    for text in [
        "2015-02-10T01:56:14.000Z",
        "2015-02-10T01:56:14Z",
        "2015-02-10T01:56:14.000+0000",
        "2015-02-10T03:56:14.000+02:00",
        "2015-02-09T18:56:14.000-0700",
    ] {
        assert_eq!(datetime(text), Ok(expected), "{text}");
    }
    for wrong in [
        "",
        "2015-02-10",
        "2015-02-10T01:56:14",
        "2015-02-10 01:56:14Z",
        "2015-02-30T01:56:14Z",
        "2015-02-10T24:00:00Z",
        "2015-02-10T01:56:60Z",
        "2015-02-10T01:56:14.Z",
        "2015-02-10T01:56:14.1234567Z",
        "2015-02-10T01:56:14.000+00",
        "2015-02-10T01:56:14.000ZZ",
        "ü015-02-10T01:56:14.000Z",
    ] {
        assert_eq!(datetime(wrong), Err(NOT_DATETIME), "{wrong}");
    }
}

#[test]
fn dates_and_times() {
    assert_eq!(date("1970-01-01"), Ok(0));
    assert_eq!(date("1700-01-01"), Ok(-98_615));
    assert_eq!(date("4000-12-31"), Ok(741_807));
    assert!(date("1900-02-28").is_ok());
    for wrong in [
        "",
        "1900-02-29",
        "0000-01-01",
        "2015-13-01",
        "2015-00-01",
        "2015-1-01",
        "2015-01-00",
        "2015-01-01Z",
    ] {
        assert_eq!(date(wrong), Err(NOT_DATE), "{wrong}");
    }
    assert_eq!(time("09:30:00.000Z"), Ok(34_200_000_000));
    assert_eq!(time("09:30:00"), Ok(34_200_000_000));
    assert_eq!(time("23:59:59.999Z"), Ok(86_399_999_000));
    for wrong in ["", "24:00:00.000Z", "9:30:00Z", "09:30Z", "09:30:00.000+0000"] {
        assert_eq!(time(wrong), Err(NOT_TIME), "{wrong}");
    }
}

proptest! {
    #[test]
    fn a_number_written_out_is_itself(number in any::<i64>(), zeros in 0_usize..4) {
        let text = format!("{number}.{}", "0".repeat(zeros));
        prop_assert_eq!(long(&text), Ok(number));
        prop_assert_eq!(plain(&text), Ok(number.to_string()));
    }

    #[test]
    fn the_exponent_only_moves_the_point(digits in "[1-9][0-9]{0,17}", exponent in -30_i32..30) {
        // The text, and the same number with its point moved by hand.
        let scientific = plain(&format!("{digits}E{exponent}")).unwrap();
        let moved = if let Ok(zeros) = usize::try_from(exponent) {
            plain(&format!("{digits}{}", "0".repeat(zeros))).unwrap()
        } else {
            let width = usize::try_from(-exponent)? + 1;
            let padded = format!("{digits:0>width$}");
            let (whole, fraction) = padded.split_at(padded.len() - (width - 1));
            plain(&format!("{whole}.{fraction}")).unwrap()
        };
        prop_assert_eq!(scientific, moved);
    }

    #[test]
    fn canonical_text_is_stable_and_keeps_the_value(text in "-?[0-9]{1,20}(\\.[0-9]{0,20})?") {
        let once = plain(&text).unwrap();
        prop_assert_eq!(plain(&once), Ok(once.clone()));
        // As near to an independent reading as a float can be.
        let (a, b): (f64, f64) = (text.parse()?, once.parse()?);
        prop_assert!((a - b).abs() <= a.abs() * 1e-15);
        prop_assert!(!once.starts_with("-0") || once.starts_with("-0."));
        prop_assert!(!once.contains('.') || !once.ends_with('0'));
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,40}") {
        for problem in [
            boolean(&text).err(), int(&text).err(), long(&text).err(), plain(&text).err(), date(&text).err(),
            datetime(&text).err(), time(&text).err(),
        ].into_iter().flatten() {
            prop_assert!(problem.starts_with("is") || problem.starts_with("does"));
        }
    }

    #[test]
    fn dates_agree_with_jiff(days in 0_i32..3_652_058) {
        let day = civil::date(1, 1, 1) + days.days();
        let since_epoch = days - 719_162;
        prop_assert_eq!(date(&day.to_string()), Ok(since_epoch));
        let mut text = String::new();
        write_date(since_epoch, &mut text);
        prop_assert_eq!(text, day.to_string());
    }

    #[test]
    fn datetimes_agree_with_jiff(millis in -8_520_336_000_000_i64..64_092_211_200_000) {
        let moment = jiff::Timestamp::from_millisecond(millis)?;
        let mut text = String::new();
        write_datetime(millis * 1000, &mut text);
        prop_assert_eq!(text.parse::<jiff::Timestamp>()?, moment);
        prop_assert_eq!(datetime(&text), Ok(millis * 1000));
        prop_assert_eq!(text.len(), "2015-02-10T01:56:14.000Z".len());
    }

    #[test]
    fn times_come_back(millis in 0_i64..86_400_000) {
        let mut text = String::new();
        write_time(millis * 1000, &mut text);
        prop_assert_eq!(time(&text), Ok(millis * 1000));
    }
}
