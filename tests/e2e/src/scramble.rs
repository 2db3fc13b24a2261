//! Random changes of an org, such as people, imports and batch jobs make them.
//!
//! A seed gives the same changes again (`SFR_TEST_SEED`), as far as the order of changes and runs is the test's: what is
//! changed while a run reads depends on the machine.

use fastrand::Rng;
use jiff::SignedDuration;
use simulator::{
    Control, CursorRows, LocatorForm, Stamps, Transaction, Transfer, WriteError,
    schema::{Field, FieldType, Object, Schema},
};

/// Variable with the seed to replay.
const SEED: &str = "SFR_TEST_SEED";

/// Texts that somebody once lost on the way from one system to another.
const TEXTS: [&str; 30] = [
    "Müller & Söhne GmbH",
    "O'Brien",
    "\"quoted\"",
    "a,b;c\td",
    "two\nlines",
    "two\r\nlines, of DOS",
    "an old\rMac",
    " blank before",
    "blank behind ",
    "  ",
    "<b>bold</b> &amp; &lt;",
    "]]>",
    "\\N",
    "\\",
    "\\.",
    "NULL",
    "null",
    "0",
    "-",
    "true",
    "😀 👩‍👩‍👧",
    "日本語",
    "العربية",
    "e\u{301} and é",
    "\u{feff}mark",
    "%41%",
    "{Id}",
    "$1 ?1 :a",
    "'; DROP TABLE contact; --",
    "\u{a0}no\u{a0}break\u{2028}line",
];

/// A source of changes.
#[derive(Debug)]
pub struct Scramble {
    org: Control,
    schema: Schema,
    rng: Rng,
    objects: Vec<String>,
    open: Vec<Open>,
    /// Changes that were made, and those that the org refused.
    counts: (u64, u64),
}

#[derive(Debug)]
struct Open {
    transaction: Transaction,
    /// Runs that it has seen.
    runs: u32,
}

/// A late commit arrives while it is within the overlap (10 minutes by default): so far the clock may move while a
/// transaction is open, in each of the rounds that it lives.
const MOST_WHILE_OPEN: i64 = 200;

/// Runs that a transaction outlives.
const LATEST: u32 = 2;

/// The seed to use: that of the environment, else a new one. Tell it before anything can fail.
///
/// # Panics
/// Where the variable is no number.
pub fn seed() -> u64 {
    std::env::var(SEED).map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("a seed is a number"))
}

impl Scramble {
    /// Changes rows of these objects.
    pub fn new(org: &Control, seed: u64, objects: &[&str]) -> Self {
        Self {
            org: org.clone(),
            schema: org.schema(),
            rng: Rng::with_seed(seed),
            objects: objects.iter().map(ToString::to_string).collect(),
            open: Vec::new(),
            counts: (0, 0),
        }
    }

    /// Changes made, and changes that the org refused.
    pub fn counts(&self) -> (u64, u64) {
        self.counts
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u32) -> bool {
        self.rng.u32(..times) == 0
    }

    /// Lets some time pass: nothing, seconds, minutes, hours.
    pub fn pass_time(&mut self) {
        let most = if self.open.is_empty() { 20_000 } else { MOST_WHILE_OPEN };
        let seconds = match self.rng.u32(..4) {
            0 => 0,
            1 => self.rng.i64(0..3),
            2 => self.rng.i64(0..=MOST_WHILE_OPEN),
            _ => self.rng.i64(0..=most),
        };
        self.org.advance_clock(SignedDuration::from_secs(seconds));
    }

    /// Answers in one of the forms that Salesforce's servers have.
    pub fn vary_settings(&mut self) {
        let rng = &mut self.rng;
        self.org.change_settings(|settings| {
            settings.locator_form = pick(rng, &[LocatorForm::Cursor, LocatorForm::Historic]);
            settings.cursor_rows = pick(rng, &[CursorRows::Live, CursorRows::AsOfQuery]);
            settings.transfer = pick(rng, &[Transfer::Auto, Transfer::ContentLength, Transfer::Chunked]);
            settings.compress = rng.bool();
        });
    }

    /// So many changes, and the end of transactions that are old enough.
    pub fn work(&mut self, changes: u32) {
        for _ in 0..changes {
            let place = self.rng.usize(..self.objects.len());
            let object = self.objects[place].clone();
            match self.change(&object) {
                Ok(()) => self.counts.0 += 1,
                Err(_) => self.counts.1 += 1,
            }
        }
    }

    /// A run has ended: transactions that were open during it may commit now, and old ones do.
    ///
    /// # Panics
    /// Where a transaction that is open cannot end.
    pub fn after_run(&mut self) {
        for open in std::mem::take(&mut self.open) {
            let runs = open.runs + 1;
            let transaction = open.transaction;
            if runs < LATEST && self.rng.bool() {
                self.open.push(Open { transaction, runs });
            } else if self.rng.u32(..8) == 0 {
                transaction.roll_back().expect("it is open");
            } else {
                transaction.commit().expect("it is open");
            }
        }
    }

    fn change(&mut self, object: &str) -> Result<(), WriteError> {
        let schema = self.schema.clone();
        let described = schema.object(object).expect("the object is there");
        let org = self.org.clone();
        match self.rng.u32(..100) {
            0..35 => {
                let id = self.row(object, false)?;
                let values = self.values(described, 5);
                org.update(object, &id, &borrowed(&values))
            }
            35..45 => {
                let id = self.row(object, false)?;
                let values = self.values(described, 2);
                org.update_with(object, &id, &borrowed(&values), Stamps::SystemModstamp)
            }
            45..60 => {
                let values = self.whole_row(described);
                org.create(object, &borrowed(&values)).map(drop)
            }
            60..75 => {
                let id = self.row(object, false)?;
                org.delete(object, &id)
            }
            75..85 => {
                let id = self.row(object, true)?;
                org.undelete(object, &id)
            }
            85..90 => {
                let (master, loser) = (self.row(object, false)?, self.row(object, false)?);
                org.merge(object, &master, &[&loser])
            }
            90..95 => self.burst(described),
            _ => self.slow_job(described),
        }
    }

    /// Many rows change within one second.
    fn burst(&mut self, object: &Object) -> Result<(), WriteError> {
        self.org.hold_clock(true);
        let changed = (0..20).try_for_each(|_| {
            let id = self.row(&object.name, false)?;
            let values = self.values(object, 1);
            self.org.update(&object.name, &id, &borrowed(&values))
        });
        self.org.hold_clock(false);
        changed
    }

    /// A transaction changes rows now and commits after a run or two.
    fn slow_job(&mut self, object: &Object) -> Result<(), WriteError> {
        let transaction = self.org.begin();
        let mut work = || {
            let values = self.whole_row(object);
            transaction.create(&object.name, &borrowed(&values))?;
            let id = self.row(&object.name, false)?;
            transaction.update(&object.name, &id, &borrowed(&self.values(object, 3)))?;
            let id = self.row(&object.name, false)?;
            transaction.delete(&object.name, &id)
        };
        let worked = work();
        self.open.push(Open { transaction, runs: 0 });
        worked
    }

    /// The Id of a row.
    fn row(&mut self, object: &str, deleted: bool) -> Result<String, WriteError> {
        let rows = self.org.rows_of(object, &["Id"])?.filter(|row| row.deleted == deleted);
        let ids: Vec<String> = rows.map(|row| row.id).collect();
        if ids.is_empty() {
            // The org's answer to a row that is not there.
            return self.org.undelete(object, "").map(|()| String::new());
        }
        let place = self.rng.usize(..ids.len());
        Ok(ids[place].clone())
    }

    /// New values for up to so many fields.
    fn values(&mut self, object: &Object, most: usize) -> Vec<(String, String)> {
        let fields: Vec<&Field> = object.fields.iter().filter(|field| is_written(field)).collect();
        let count = self.rng.usize(1..=most);
        let chosen: Vec<&Field> = (0..count).map(|_| fields[self.rng.usize(..fields.len())]).collect();
        chosen
            .into_iter()
            .map(|field| (field.name.clone(), self.value(field)))
            .collect()
    }

    /// Values for a new row: what is required, and half of the others.
    fn whole_row(&mut self, object: &Object) -> Vec<(String, String)> {
        let mut values = Vec::new();
        for field in object.fields.iter().filter(|field| is_written(field)) {
            if !field.nillable || self.rng.bool() {
                let value = self.value(field);
                values.push((field.name.clone(), value));
            }
        }
        values
    }

    fn value(&mut self, field: &Field) -> String {
        let rng = &mut self.rng;
        if field.nillable && rng.u32(..6) == 0 {
            return String::new();
        }
        match field.field_type {
            FieldType::Boolean => rng.bool().to_string(),
            FieldType::Int => rng.i32(-999_999..999_999).to_string(),
            FieldType::Long => rng.i64(..).to_string(),
            FieldType::Double | FieldType::Currency | FieldType::Percent => number(rng, field),
            FieldType::Date => format!(
                "{:04}-{:02}-{:02}",
                rng.u32(1700..=4000),
                rng.u32(1..=12),
                rng.u32(1..=28)
            ),
            FieldType::DateTime => {
                let (day, time) = (rng.u32(1..=28), rng.u32(..60));
                format!(
                    "{:04}-{:02}-{day:02}T{:02}:{time:02}:{time:02}Z",
                    rng.u32(1700..=4000),
                    rng.u32(1..=12),
                    rng.u32(..24)
                )
            }
            FieldType::Time => format!(
                "{:02}:{:02}:{:02}.{:03}Z",
                rng.u32(..24),
                rng.u32(..60),
                rng.u32(..60),
                rng.u32(..1000)
            ),
            FieldType::Picklist | FieldType::Combobox | FieldType::MultiPicklist
                if !field.picklist_values.is_empty() =>
            {
                pick(rng, &field.picklist_values).value
            }
            FieldType::Reference => {
                let target = pick(rng, &field.reference_to);
                self.row(&target, false).unwrap_or_default()
            }
            FieldType::String
            | FieldType::Picklist
            | FieldType::MultiPicklist
            | FieldType::Combobox
            | FieldType::TextArea
            | FieldType::Phone
            | FieldType::Url
            | FieldType::Email
            | FieldType::EncryptedString
            | FieldType::DataCategoryGroupReference
            | FieldType::Base64
            | FieldType::AnyType
            | FieldType::Json
            | FieldType::ComplexValue
            | FieldType::Id
            | FieldType::Location
            | FieldType::Address => text(rng, field),
        }
    }
}

/// Texts, cut to the field's length, and now and then one that fills it.
fn text(rng: &mut Rng, field: &Field) -> String {
    let length = usize::try_from(field.length).expect("a length").clamp(1, 40_000);
    let piece = pick(rng, &TEXTS);
    let text: String = match rng.u32(..10) {
        0 => piece.chars().cycle().take(length).collect(),
        1..5 => format!("{piece} {}", rng.u32(..)).chars().take(length).collect(),
        _ => piece.chars().take(length).collect(),
    };
    let blank = text.trim().is_empty();
    if blank && !field.nillable { "x".into() } else { text }
}

/// A number with as many digits as the field takes, in one of the forms that Salesforce writes.
fn number(rng: &mut Rng, field: &Field) -> String {
    let whole = field.precision.saturating_sub(field.scale).clamp(1, 14);
    let sign = if rng.bool() { "-" } else { "" };
    let digits = rng.u32(1..=whole);
    let before = rng.u64(..10_u64.pow(digits));
    match rng.u32(..6) {
        0 => "0.0".into(),
        1 => format!("{sign}{}.{}E{}", rng.u32(1..10), rng.u32(..10), rng.u32(..whole)),
        2 if field.scale > 2 => format!("{sign}{}.0E-{}", rng.u32(1..10), rng.u32(1..field.scale.min(9))),
        _ if field.scale == 0 => format!("{sign}{before}.0"),
        _ => {
            let scale = usize::try_from(rng.u32(1..=field.scale)).expect("small");
            let after: String = (0..scale).map(|_| rng.digit(10)).collect();
            format!("{sign}{before}.{after}")
        }
    }
}

fn is_written(field: &Field) -> bool {
    let kept = matches!(
        field.field_type,
        FieldType::Base64 | FieldType::AnyType | FieldType::ComplexValue | FieldType::Json | FieldType::Id
    );
    field.updateable && !field.calculated && !field.auto_number && !kept && !field.field_type.is_compound()
}

fn pick<T: Clone>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())].clone()
}

fn borrowed(values: &[(String, String)]) -> Vec<(&str, &str)> {
    values
        .iter()
        .map(|(field, text)| (field.as_str(), text.as_str()))
        .collect()
}
