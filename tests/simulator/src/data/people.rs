//! Names of people and companies of several countries, with what breaks careless software in them.

use super::content::PersonPart;
use super::hash::Dice;
use super::places;

/// First and last name of a record's person; the first name is sometimes missing.
pub(super) fn name(record: Dice) -> (Option<String>, String) {
    let country = places::country(record).code;
    let mut dice = record.fork(2);
    if dice.once_in(40) {
        let (first, last) = dice.pick(ODD).copied().unwrap_or(("", "Unknown"));
        // A last name has 80 characters; the full name is made of what the field holds.
        return (
            (!first.is_empty()).then(|| first.to_owned()),
            last.chars().take(80).collect(),
        );
    }
    let (firsts, lasts) = lists(country);
    let mut last = dice.text(lasts).to_owned();
    if dice.once_in(9) {
        last = format!("{last}-{}", dice.text(lasts));
    }
    let first = (!dice.once_in(12)).then(|| dice.text(firsts).to_owned());
    (first, last)
}

/// A part of the record's person; `n` makes what must be unique unique.
pub(super) fn part(record: Dice, n: u64, part: PersonPart) -> Option<String> {
    let mut dice = record.fork(3);
    match part {
        PersonPart::FirstName => name(record).0,
        PersonPart::LastName => Some(name(record).1),
        PersonPart::FullName => Some(match name(record) {
            (Some(first), last) => format!("{first} {last}"),
            (None, last) => last,
        }),
        PersonPart::Salutation => {
            (!dice.once_in(5)).then(|| dice.text(&["Mr.", "Ms.", "Mrs.", "Dr.", "Prof."]).to_owned())
        }
        PersonPart::Title => (!dice.fork(1).once_in(5)).then(|| dice.text(TITLES).to_owned()),
        PersonPart::Department => (!dice.fork(2).once_in(5)).then(|| dice.text(DEPARTMENTS).to_owned()),
        PersonPart::Username => Some(format!("user{n}@example.com")),
        PersonPart::Alias => Some(format!("u{}", n % 10_000_000)),
    }
}

/// The e-mail address of the record's person; null once in five.
pub(super) fn email(record: Dice, n: u64) -> Option<String> {
    let mut dice = record.fork(4);
    if dice.once_in(5) {
        return None;
    }
    let (first, last) = name(record);
    let ascii = |text: &str| {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_lowercase()
    };
    let local = match (ascii(&first.unwrap_or_default()), ascii(&last)) {
        (first, last) if first.is_empty() && last.is_empty() => "info".to_owned(),
        (first, last) if first.is_empty() => last,
        (first, last) => format!("{first}.{last}"),
    };
    let local: String = local.chars().take(40).collect();
    Some(format!(
        "{local}+{n}@{}",
        dice.text(&["example.com", "example.de", "mail.example.org", "xn--mller-kva.example"])
    ))
}

/// A company's name; the same for the same record.
pub(super) fn company(record: Dice, n: u64) -> String {
    let mut dice = record.fork(5);
    if dice.once_in(50) {
        return dice.text(ODD_COMPANIES).to_owned();
    }
    let (_, lasts) = lists(places::country(record).code);
    let stem = dice.text(lasts);
    let kind = dice.text(KINDS);
    match dice.below(4) {
        0 => format!("{stem} {kind} {n}"),
        1 => format!("{stem} & {} {kind}", dice.text(lasts)),
        2 => format!(
            "{stem} {}, {kind}",
            dice.text(&["Technik", "Consulting", "Logistique", "\"Prime\" Foods", "R&D"])
        ),
        _ => format!("{stem} {kind}"),
    }
}

/// A company's web site; null once in four.
pub(super) fn website(record: Dice, n: u64) -> Option<String> {
    let mut dice = record.fork(6);
    match dice.below(8) {
        0 | 1 => None,
        2 => Some(format!("https://www.example.com/{n}?a=1&b=\"2\"#top")),
        3 => Some(format!("www.müller-{n}.example")),
        4 => Some(format!("HTTP://EXAMPLE.COM:8080/{n}")),
        _ => Some(format!("https://company{n}.example.com")),
    }
}

/// First and last names of a country.
#[expect(clippy::too_many_lines, reason = "a table: one line for each name")]
fn lists(country: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match country {
        "FR" | "CA" => (
            &[
                "François",
                "Zoé",
                "Jean-Luc",
                "Anaïs",
                "Hélène",
                "Maëlle",
                "Loïc",
                "Noël",
            ],
            &[
                "D'Alembert",
                "Lefèvre",
                "Çelik",
                "de la Tour",
                "Gaëtan",
                "Dupont",
                "L'Hôpital",
                "Œuvrard",
            ],
        ),
        "GB" | "US" | "AU" => (
            &[
                "Geoff",
                "Mary Ann",
                "Siobhán",
                "J.R.",
                "Zoë",
                "Chloe",
                "Robert \"Bob\"",
                "Renée",
            ],
            &[
                "O'Brien",
                "Minor",
                "Smith",
                "McDonald",
                "Nguyễn",
                "García",
                "Fitz-Gerald",
                "St. John",
            ],
        ),
        "IT" | "ES" | "BR" => (
            &[
                "Niccolò",
                "José",
                "Íñigo",
                "Conceição",
                "Lucía",
                "Gian Carlo",
                "Paulo",
                "Ana",
            ],
            &[
                "D'Angelo",
                "Muñoz",
                "Ibáñez",
                "dell'Orto",
                "Gonçalves",
                "Peña",
                "Rossi",
                "São Pedro",
            ],
        ),
        "JP" => (&["太郎", "花子", "翔", "さくら"], &["山田", "佐藤", "鈴木", "髙橋"]),
        "CN" => (&["伟", "芳", "秀英", "敏"], &["王", "李", "张", "欧阳"]),
        "RU" => (
            &["Иван", "Ольга", "Фёдор", "Юлия"],
            &["Иванов", "Щербакова", "Соловьёв", "Кузнецова"],
        ),
        "PL" => (
            &["Łukasz", "Małgorzata", "Żaneta", "Jan"],
            &["Wiśniewski", "Dąbrowska", "Żółć", "Nowak"],
        ),
        "TR" => (
            &["İlker", "Işıl", "Çağla", "Gökhan"],
            &["Yılmaz", "Öztürk", "Şahin", "Doğan"],
        ),
        _ => (
            &[
                "Jürgen",
                "Anna-Lena",
                "Käthe",
                "Björn",
                "Sören",
                "Maximilian",
                "Øyvind",
                "Ute",
            ],
            &[
                "Müller",
                "Groß",
                "Özdemir",
                "von der Schulenburg",
                "Schäfer",
                "Weiß",
                "Meier",
                "Lüdenscheidt",
            ],
        ),
    }
}

const ODD: &[(&str, &str)] = &[
    ("Jana 😀", "Emoji 👩‍👩‍👧‍👦"),
    ("<b>Bold</b>", "& Söhne"),
    ("", "Null"),
    ("NULL", "null"),
    ("Robert'); DROP TABLE contact;--", "Tables"),
    ("a\u{308}", "Zerlegt e\u{301}"),
    ("\u{202e}verkehrt", "Rechts-nach-links"),
    ("عمر", "الخطيب"),
    ("𝔘𝔫𝔦", "𠮷野家"),
    ("\\N", "\\t\\"),
    ("Test", "x"),
    (
        "",
        "Wolfeschlegelsteinhausenbergerdorffwelchevoralternwarengewissenhaftschaferswessen",
    ),
];

const ODD_COMPANIES: &[&str] = &[
    "\"Quoted\" <Angle> & Amp; Ltd.",
    "]]> CDATA AG",
    "&amp;lt; Escaped Twice",
    "株式会社 日本電算",
    "🏭 Fabrik",
    "=SUM(A1:A9)",
    "O'Neil's, Inc.; 100% owned",
];

const KINDS: &[&str] = &[
    "GmbH",
    "GmbH & Co. KG",
    "AG",
    "Ltd.",
    "Inc.",
    "S.A.",
    "S.r.l.",
    "K.K.",
    "Sp. z o.o.",
    "e.K.",
];

const TITLES: &[&str] = &[
    "Geschäftsführer",
    "CEO",
    "Head of R&D",
    "Directrice générale",
    "Sales \"Ninja\"",
    "Einkäuferin",
    "CTO/CIO",
    "Assistentin der Geschäftsleitung",
    "VP, Operations",
    "Software Engineer",
];

const DEPARTMENTS: &[&str] = &[
    "Vertrieb",
    "Einkauf",
    "IT & Telekommunikation",
    "Finance",
    "R&D",
    "Qualität",
    "Support <24/7>",
    "Empfang",
];
