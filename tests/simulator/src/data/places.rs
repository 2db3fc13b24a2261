//! Countries, cities and addresses.

use std::borrow::Cow;

use super::content::AddressPart;
use super::hash::Dice;

/// A country: how its addresses and telephone numbers are written.
#[derive(Debug)]
pub(super) struct Country {
    /// ISO code.
    pub(super) code: &'static str,
    /// Name, as people of that org write it.
    pub(super) name: &'static str,
    /// Country calling code.
    pub(super) calling_code: &'static str,
    /// What is dialled before an area code at home.
    pub(super) trunk: &'static str,
    /// Area codes without the trunk prefix.
    pub(super) area_codes: &'static [&'static str],
    /// A mobile area code.
    pub(super) mobile_code: &'static str,
    /// Digits of a local number.
    pub(super) local_digits: u32,
    /// City, state, state code, postal code, latitude, longitude.
    cities: &'static [City],
    /// Streets.
    streets: &'static [&'static str],
}

/// City, state, state code, postal code, latitude, longitude.
type City = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

/// The country of a record.
pub(super) fn country(dice: Dice) -> &'static Country {
    // Half of the records are German, Austrian or Swiss, as in the CRM of a company there.
    let mut dice = dice.fork(1);
    let end = if dice.once_in(2) {
        3
    } else {
        u64::try_from(COUNTRIES.len()).unwrap_or(1)
    };
    let place = usize::try_from(dice.below(end)).unwrap_or(0);
    COUNTRIES.get(place).unwrap_or(&GERMANY)
}

/// A part of address `number` of a record.
pub(super) fn part(dice: Dice, number: u8, part: AddressPart) -> Option<Cow<'static, str>> {
    let country = country(dice);
    let mut dice = dice.fork(100 + u64::from(number));
    let present = if number == 0 || number == 3 {
        dice.below(100) < 85
    } else {
        dice.below(100) < 40
    };
    if !present {
        return None;
    }
    let (city, state, state_code, postal_code, latitude, longitude) = *dice.pick(country.cities)?;
    let located = dice.once_in(3);
    let something = |text: &'static str| (!text.is_empty()).then_some(Cow::Borrowed(text));
    match part {
        AddressPart::Street => {
            let street = dice.text(country.streets);
            let house = 1 + dice.below(240);
            Some(Cow::Owned(match dice.below(8) {
                0 => format!("{street} {house}\nHinterhaus, 3. Stock"),
                1 => format!("c/o \"Büro & Co.\"\n{street} {house}/{}", 1 + dice.below(9)),
                2 => format!("{street} {house}a"),
                _ => format!("{street} {house}"),
            }))
        }
        AddressPart::City => something(city),
        AddressPart::State => something(state),
        AddressPart::PostalCode => something(postal_code),
        AddressPart::Country => something(country.name),
        AddressPart::StateCode => something(state_code),
        AddressPart::CountryCode => something(country.code),
        AddressPart::Latitude => located.then_some(Cow::Borrowed(latitude)),
        AddressPart::Longitude => located.then_some(Cow::Borrowed(longitude)),
        AddressPart::GeocodeAccuracy => located.then_some(Cow::Borrowed("Street")),
    }
}

const GERMANY: Country = Country {
    code: "DE",
    name: "Deutschland",
    calling_code: "49",
    trunk: "0",
    area_codes: &["8151", "89", "30", "40", "221", "7031"],
    mobile_code: "171",
    local_digits: 7,
    cities: &[
        ("Starnberg", "Bayern", "BY", "82319", "47.99799", "11.34286"),
        ("München", "Bayern", "BY", "80331", "48.13743", "11.57549"),
        ("Berlin", "Berlin", "BE", "10115", "52.53200", "13.38400"),
        ("Böblingen", "Baden-Württemberg", "BW", "71032", "48.68212", "9.01171"),
        ("Köln", "", "", "50667", "50.93850", "6.95990"),
    ],
    streets: &[
        "Petersbrunner Straße",
        "Leopoldstr.",
        "Große Gasse",
        "Am Mühlbach",
        "Straße des 17. Juni",
    ],
};

const COUNTRIES: &[Country] = &[
    GERMANY,
    Country {
        code: "AT",
        name: "Österreich",
        calling_code: "43",
        trunk: "0",
        area_codes: &["1", "662", "512"],
        mobile_code: "664",
        local_digits: 7,
        cities: &[
            ("Wien", "", "", "1010", "48.20849", "16.37208"),
            ("Salzburg", "", "", "5020", "47.79941", "13.04399"),
        ],
        streets: &["Kärntner Straße", "Mariahilfer Straße", "Getreidegasse"],
    },
    Country {
        code: "CH",
        name: "Schweiz",
        calling_code: "41",
        trunk: "0",
        area_codes: &["44", "22", "31"],
        mobile_code: "79",
        local_digits: 7,
        cities: &[
            ("Zürich", "", "", "8001", "47.36667", "8.55"),
            ("Genève", "", "", "1201", "46.20222", "6.14569"),
        ],
        streets: &["Bahnhofstrasse", "Rue du Rhône", "Löwenplatz"],
    },
    Country {
        code: "FR",
        name: "France",
        calling_code: "33",
        trunk: "0",
        area_codes: &["1", "4", "5"],
        mobile_code: "6",
        local_digits: 8,
        cities: &[
            ("Paris", "", "", "75001", "48.85341", "2.3488"),
            ("Besançon", "", "", "25000", "47.24878", "6.01815"),
        ],
        streets: &["Rue de l'Église", "Avenue des Champs-Élysées", "Boulevard Saint-Michel"],
    },
    Country {
        code: "GB",
        name: "United Kingdom",
        calling_code: "44",
        trunk: "0",
        area_codes: &["20", "161", "131"],
        mobile_code: "7700",
        local_digits: 7,
        cities: &[
            ("London", "", "", "SW1A 1AA", "51.50853", "-0.12574"),
            ("King's Lynn", "", "", "PE30 1AA", "52.75172", "0.39516"),
        ],
        streets: &["High Street", "St. James's Square", "The Mews"],
    },
    Country {
        code: "US",
        name: "United States",
        calling_code: "1",
        trunk: "1",
        area_codes: &["212", "415", "901"],
        mobile_code: "917",
        local_digits: 7,
        cities: &[
            ("New York", "New York", "NY", "10001", "40.71427", "-74.00597"),
            ("San Francisco", "California", "CA", "94105", "37.77493", "-122.41942"),
            ("Austin", "Texas", "TX", "73301-0001", "30.26715", "-97.74306"),
        ],
        streets: &["Market St #", "Fifth Ave.", "P.O. Box", "1/2 Main & 3rd, Suite"],
    },
    Country {
        code: "AU",
        name: "Australia",
        calling_code: "61",
        trunk: "0",
        area_codes: &["2", "3"],
        mobile_code: "4",
        local_digits: 8,
        cities: &[
            ("Sydney", "New South Wales", "NSW", "2000", "-33.86785", "151.20732"),
            (
                "Keysborough",
                "Victoria",
                "VIC",
                "3173",
                "-37.98953058101774",
                "145.1901729167909",
            ),
        ],
        streets: &["George Street", "Cambria Road"],
    },
    Country {
        code: "CA",
        name: "Canada",
        calling_code: "1",
        trunk: "1",
        area_codes: &["416", "514"],
        mobile_code: "647",
        local_digits: 7,
        cities: &[
            ("Toronto", "Ontario", "ON", "M5H 2N2", "43.70011", "-79.4163"),
            ("Montréal", "Québec", "QC", "H2Y 1C6", "45.50884", "-73.58781"),
        ],
        streets: &["Rue Sainte-Catherine", "Bay Street"],
    },
    Country {
        code: "IT",
        name: "Italia",
        calling_code: "39",
        trunk: "",
        area_codes: &["06", "02"],
        mobile_code: "347",
        local_digits: 7,
        cities: &[
            ("Roma", "Roma", "RM", "00184", "41.89193", "12.51133"),
            ("Milano", "Milano", "MI", "20121", "45.46427", "9.18951"),
        ],
        streets: &["Via dell'Università", "Piazza San Marco"],
    },
    Country {
        code: "ES",
        name: "España",
        calling_code: "34",
        trunk: "",
        area_codes: &["91", "93"],
        mobile_code: "612",
        local_digits: 7,
        cities: &[
            ("Madrid", "", "", "28001", "40.4165", "-3.70256"),
            ("A Coruña", "", "", "15001", "43.37135", "-8.396"),
        ],
        streets: &["Calle de Alcalá", "Passeig de Gràcia"],
    },
    Country {
        code: "JP",
        name: "日本",
        calling_code: "81",
        trunk: "0",
        area_codes: &["3", "6"],
        mobile_code: "90",
        local_digits: 8,
        cities: &[
            ("東京", "", "", "100-0001", "35.6895", "139.69171"),
            ("大阪市", "", "", "530-0001", "34.69374", "135.50218"),
        ],
        streets: &["千代田区丸の内", "北区梅田"],
    },
    Country {
        code: "PL",
        name: "Polska",
        calling_code: "48",
        trunk: "",
        area_codes: &["22", "12"],
        mobile_code: "601",
        local_digits: 7,
        cities: &[
            ("Łódź", "", "", "90-001", "51.75", "19.46667"),
            ("Kraków", "", "", "30-001", "50.06143", "19.93658"),
        ],
        streets: &["ul. Świętego Jana", "al. Żwirki i Wigury"],
    },
    Country {
        code: "TR",
        name: "Türkiye",
        calling_code: "90",
        trunk: "0",
        area_codes: &["212", "312"],
        mobile_code: "532",
        local_digits: 7,
        cities: &[
            ("İstanbul", "", "", "34000", "41.01384", "28.94966"),
            ("Eskişehir", "", "", "26000", "39.77667", "30.52056"),
        ],
        streets: &["İstiklâl Caddesi", "Atatürk Bulvarı"],
    },
    Country {
        code: "CN",
        name: "中国",
        calling_code: "86",
        trunk: "0",
        area_codes: &["10", "21"],
        mobile_code: "138",
        local_digits: 8,
        cities: &[
            ("北京市", "", "", "100000", "39.9075", "116.39723"),
            ("上海市", "", "", "200000", "31.22222", "121.45806"),
        ],
        streets: &["长安街", "南京路"],
    },
    Country {
        code: "RU",
        name: "Россия",
        calling_code: "7",
        trunk: "8",
        area_codes: &["495", "812"],
        mobile_code: "916",
        local_digits: 7,
        cities: &[
            ("Москва", "", "", "101000", "55.75222", "37.61556"),
            ("Санкт-Петербург", "", "", "190000", "59.93863", "30.31413"),
        ],
        streets: &["Невский проспект", "ул. Тверская"],
    },
    Country {
        code: "BR",
        name: "Brasil",
        calling_code: "55",
        trunk: "0",
        area_codes: &["11", "21"],
        mobile_code: "119",
        local_digits: 8,
        cities: &[
            ("São Paulo", "", "", "01000-000", "-23.5475", "-46.63611"),
            ("Goiânia", "", "", "74000-000", "-16.67861", "-49.25389"),
        ],
        streets: &["Avenida Paulista", "Rua São João"],
    },
];
