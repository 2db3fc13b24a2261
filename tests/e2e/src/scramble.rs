//! Random changes of an org, such as people, imports and batch jobs make them.
//!
//! A seed gives the same changes again (`SFR_TEST_SEED`), as far as the order of changes and runs is the test's: what is
//! changed while a run reads depends on the machine.
//!
//! A scramble is tame or [wild](Scramble::wild). A tame one makes no change that an Incremental alone would miss: its
//! transactions commit within the overlap, and what it deletes lies in the recycle bin. A wild one does what an org does.

mod values;

use std::collections::BTreeMap;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use simulator::{
    Control, CursorRows, LocatorForm, Stamps, Transaction, Transfer, WriteError,
    schema::{Field, FieldType, Object, Schema},
};

use self::values::{is_written, pick, value};
use crate::story::Story;

/// Variable with the seed to replay.
const SEED: &str = "SFR_TEST_SEED";

/// A source of changes.
#[derive(Debug)]
pub struct Scramble {
    org: Control,
    schema: Schema,
    rng: Rng,
    objects: Vec<String>,
    open: Vec<Open>,
    wild: bool,
    /// Values that matter, by object and field.
    favoured: BTreeMap<String, Vec<(String, Vec<String>)>>,
    story: Story,
    /// Changes that were made, and those that the org refused.
    counts: (u64, u64),
}

#[derive(Debug)]
struct Open {
    transaction: Transaction,
    begun: Timestamp,
    /// When it ends, where time passes by [`Scramble::pass`].
    ends: Timestamp,
    /// Runs that it has seen.
    runs: u32,
}

/// Who changes rows.
#[derive(Debug, Clone, Copy)]
enum Writer<'a> {
    /// Each change at once.
    Org(&'a Control),
    /// All of them with its commit.
    Transaction(&'a Transaction),
}

/// A late commit arrives while it is within the overlap (10 minutes by default): so far the clock may move while a
/// transaction is open, in each of the rounds that it lives.
const MOST_WHILE_OPEN: i64 = 200;

/// Runs that a transaction outlives.
const LATEST: u32 = 2;

/// How old a transaction of a wild scramble becomes, where time passes by [`Scramble::pass`].
const OLDEST: SignedDuration = SignedDuration::from_mins(30);

/// How old one of a tame scramble becomes: the overlap, and room for the time that a test itself takes.
const OLDEST_TAME: SignedDuration = SignedDuration::from_mins(8);

/// Fields of a test's own begin so; they are changed more often than others.
pub const OWN_FIELDS: &str = "Chaos";

/// The seed of the environment, if it has one.
///
/// # Panics
/// Where the variable is no number.
pub fn given_seed() -> Option<u64> {
    let seed = std::env::var(SEED).ok()?;
    Some(seed.parse().expect("a seed is a number"))
}

/// The seed to use: that of the environment, else a new one. Tell it before anything can fail.
///
/// # Panics
/// Where the variable is no number.
pub fn seed() -> u64 {
    given_seed().unwrap_or_else(|| fastrand::u64(..))
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
            wild: false,
            favoured: BTreeMap::new(),
            story: Story::default(),
            counts: (0, 0),
        }
    }

    /// With late commits of half an hour, hard deletes, emptied recycle bins, converted leads, and formulas that change.
    #[must_use]
    pub fn wild(mut self) -> Self {
        self.wild = true;
        self
    }

    /// Tells what it does.
    #[must_use]
    pub fn telling(mut self, story: &Story) -> Self {
        self.story = story.clone();
        self
    }

    /// Writes these values often: a condition or a template depends on them.
    pub fn favour(&mut self, object: &str, field: &str, values: &[&str]) {
        let values = values.iter().map(ToString::to_string).collect();
        self.favoured
            .entry(object.to_owned())
            .or_default()
            .push((field.to_owned(), values));
    }

    /// The schema has changed.
    pub fn look_again(&mut self) {
        self.schema = self.org.schema();
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
        let wild = self.wild;
        let rng = &mut self.rng;
        self.org.change_settings(|settings| {
            settings.locator_form = pick(rng, &[LocatorForm::Cursor, LocatorForm::Historic]);
            settings.cursor_rows = pick(rng, &[CursorRows::Live, CursorRows::AsOfQuery]);
            settings.transfer = pick(rng, &[Transfer::Auto, Transfer::ContentLength, Transfer::Chunked]);
            settings.compress = rng.bool();
            if wild {
                // Costs most of the time of a small org's answer.
                settings.compress = rng.u32(..8) == 0;
                settings.updated_lists_deleted = rng.bool();
                settings.undeleted_stays_logged = rng.bool();
                settings.minute_after_truncation = rng.bool();
            }
        });
    }

    /// So many changes.
    pub fn work(&mut self, changes: u32) {
        for _ in 0..changes {
            let object = pick(&mut self.rng, &self.objects);
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
        for mut open in std::mem::take(&mut self.open) {
            open.runs += 1;
            if open.runs < LATEST && self.rng.bool() {
                self.open.push(open);
            } else {
                self.end(open);
            }
        }
    }

    /// Time passes; transactions end in the midst of it.
    ///
    /// # Panics
    /// Where a transaction that is open cannot end.
    pub fn pass(&mut self, by: SignedDuration) {
        let until = self.org.now() + by;
        let (mut due, open): (Vec<Open>, Vec<Open>) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|open| open.ends <= until);
        self.open = open;
        due.sort_by_key(|open| open.ends);
        for open in due {
            let left = open.ends.duration_since(self.org.now());
            self.org.advance_clock(left.max(SignedDuration::ZERO));
            self.end(open);
        }
        let left = until.duration_since(self.org.now());
        self.org.advance_clock(left.max(SignedDuration::ZERO));
    }

    /// All transactions end.
    ///
    /// # Panics
    /// Where a transaction that is open cannot end.
    pub fn end_all(&mut self) {
        for open in std::mem::take(&mut self.open) {
            self.end(open);
        }
    }

    fn end(&mut self, open: Open) {
        let Open {
            transaction,
            begun,
            ends: _,
            runs: _,
        } = open;
        let number = transaction.number();
        if self.rng.u32(..8) == 0 {
            self.story.tell(format!("transaction {number} rolls back"));
            transaction.roll_back().expect("it is open");
        } else {
            let age = self.org.now().duration_since(begun);
            self.story.tell(format!("transaction {number} commits after {age:#}"));
            transaction.commit().expect("it is open");
        }
    }

    fn change(&mut self, object: &str) -> Result<(), WriteError> {
        let schema = self.schema.clone();
        let described = schema.object(object).expect("the object is there");
        let org = self.org.clone();
        if self.wild && self.rng.u32(..10) == 0 {
            return self.wild_change(&Writer::Org(&org), described);
        }
        match self.rng.u32(..100) {
            0..88 => self.single(&Writer::Org(&org), described),
            88..93 => self.burst(described),
            _ => self.slow_job(described),
        }
    }

    /// One change as people make them every day.
    fn single(&mut self, writer: &Writer<'_>, described: &Object) -> Result<(), WriteError> {
        let object = described.name.as_str();
        match self.rng.u32(..90) {
            0..35 => {
                let id = self.row(object, false)?;
                let values = self.values(described, 5);
                self.told(writer.update(object, &id, &values, Stamps::Both), || {
                    format!("update {object} {id} {}", names(&values))
                })
            }
            35..45 => {
                let id = self.row(object, false)?;
                let values = self.values(described, 2);
                self.told(writer.update(object, &id, &values, Stamps::SystemModstamp), || {
                    format!("touch {object} {id} {}", names(&values))
                })
            }
            45..60 => {
                let values = self.whole_row(described);
                let made = writer.create(object, &values);
                let id = made.clone().unwrap_or_default();
                self.told(made.map(drop), || format!("create {object} {id}"))
            }
            60..75 => {
                let id = self.row(object, false)?;
                self.told(writer.delete(object, &id), || format!("delete {object} {id}"))
            }
            75..85 => {
                let id = self.row(object, true)?;
                self.told(writer.undelete(object, &id), || format!("undelete {object} {id}"))
            }
            _ => {
                let (master, loser) = (self.row(object, false)?, self.row(object, false)?);
                self.told(writer.merge(object, &master, &loser), || {
                    format!("merge {object} {loser} into {master}")
                })
            }
        }
    }

    /// One change of those that leave no stamp behind, or no row.
    fn wild_change(&mut self, writer: &Writer<'_>, described: &Object) -> Result<(), WriteError> {
        let object = described.name.as_str();
        match self.rng.u32(..20) {
            0..10 if described.deletable => {
                let deleted = self.rng.bool();
                let id = self.row(object, deleted)?;
                self.told(writer.hard_delete(object, &id), || format!("hard delete {object} {id}"))
            }
            10 => {
                let emptied = self.org.empty_bin(object);
                self.told(emptied.map(drop), || format!("empty the recycle bin of {object}"))
            }
            11 => {
                let purged = self.org.purge_delete_log(object);
                self.told(purged, || format!("purge the delete log of {object}"))
            }
            12..16 => {
                let Ok(id) = self.row("Lead", false) else { return Ok(()) };
                self.told(writer.convert(&id), || format!("convert Lead {id}"))
            }
            _ => {
                let formulas = described.fields.iter().filter(|field| field.calculated);
                let formulas: Vec<&Field> = formulas.collect();
                if formulas.is_empty() {
                    return Ok(());
                }
                let field = pick(&mut self.rng, &formulas);
                let id = self.row(object, false)?;
                let values = vec![(field.name.clone(), value(&mut self.rng, field))];
                self.told(writer.update(object, &id, &values, Stamps::Neither), || {
                    format!("formula {object} {id} {}", names(&values))
                })
            }
        }
    }

    fn told(&self, done: Result<(), WriteError>, what: impl FnOnce() -> String) -> Result<(), WriteError> {
        match &done {
            Ok(()) => self
                .story
                .tell(format!("{} {}", self.org.now().strftime("%d %H:%M:%S"), what())),
            Err(refused) => self.story.tell(format!("refused: {} ({})", what(), refused.code)),
        }
        done
    }

    /// A job changes so many rows of an object, some of them within one second.
    ///
    /// # Errors
    /// What the org says to a change.
    ///
    /// # Panics
    /// Where the object is not there.
    pub fn import(&mut self, object: &str, rows: usize) -> Result<(), WriteError> {
        let schema = self.schema.clone();
        let described = schema.object(object).expect("the object is there");
        let org = self.org.clone();
        let all = org.rows_of(object, &["Id"])?.filter(|row| !row.deleted);
        let mut ids: Vec<String> = all.map(|row| row.id).collect();
        self.rng.shuffle(&mut ids);
        ids.truncate(rows);
        self.story
            .tell(format!("import changes {} rows of {object}", ids.len()));
        let within = self.rng.usize(1..40);
        for chunk in ids.chunks(within) {
            org.hold_clock(true);
            for id in chunk {
                let values = self.values(described, 1);
                Writer::Org(&org).update(object, id, &values, Stamps::Both).ok();
            }
            org.hold_clock(false);
            org.advance_clock(SignedDuration::from_secs(1));
        }
        Ok(())
    }

    /// Many rows change within one second.
    fn burst(&mut self, object: &Object) -> Result<(), WriteError> {
        let org = self.org.clone();
        org.hold_clock(true);
        let changed = (0..20).try_for_each(|_| {
            let id = self.row(&object.name, false)?;
            let values = self.values(object, 1);
            self.told(
                Writer::Org(&org).update(&object.name, &id, &values, Stamps::Both),
                || format!("burst {} {id} {}", object.name, names(&values)),
            )
        });
        org.hold_clock(false);
        changed
    }

    /// A transaction changes rows now and commits after a run or two.
    fn slow_job(&mut self, object: &Object) -> Result<(), WriteError> {
        let begun = self.org.now();
        let oldest = if self.wild { OLDEST } else { OLDEST_TAME };
        let transaction = self.org.begin();
        self.story.tell(format!("transaction {} begins", transaction.number()));
        let writer = Writer::Transaction(&transaction);
        let worked = if self.wild {
            let changes = self.rng.u32(1..6);
            let worked = (0..changes).try_for_each(|_| {
                let schema = self.schema.clone();
                let name = pick(&mut self.rng, &self.objects);
                let object = schema.object(&name).unwrap_or(object);
                if self.rng.u32(..8) == 0 {
                    let id = self.row(&object.name, false)?;
                    let deleted = writer.hard_delete(&object.name, &id);
                    return self.told(deleted, || format!("hard delete {} {id}", object.name));
                }
                self.single(&writer, object)
            });
            self.story.tell(format!("transaction {} goes on", transaction.number()));
            worked
        } else {
            self.tame_job(&writer, object)
        };
        self.open.push(Open {
            transaction,
            begun,
            ends: begun + SignedDuration::from_secs(self.rng.i64(0..oldest.as_secs())),
            runs: 0,
        });
        worked
    }

    fn tame_job(&mut self, writer: &Writer<'_>, object: &Object) -> Result<(), WriteError> {
        let values = self.whole_row(object);
        writer.create(&object.name, &values)?;
        let id = self.row(&object.name, false)?;
        let values = self.values(object, 3);
        writer.update(&object.name, &id, &values, Stamps::Both)?;
        let id = self.row(&object.name, false)?;
        writer.delete(&object.name, &id)
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
        let own: Vec<&Field> = fields
            .iter()
            .filter(|field| field.name.starts_with(OWN_FIELDS))
            .copied()
            .collect();
        let count = self.rng.usize(1..=most);
        let mut values = Vec::with_capacity(count + 2);
        for _ in 0..count {
            let field = pick(&mut self.rng, &fields);
            values.push((field.name.clone(), self.value(field)));
        }
        if !own.is_empty() && self.rng.bool() {
            let field = pick(&mut self.rng, &own);
            values.push((field.name.clone(), self.value(field)));
        }
        if let Some(favoured) = self.favoured.get(&object.name)
            && self.rng.bool()
        {
            let (field, texts) = pick(&mut self.rng, favoured);
            values.push((field, pick(&mut self.rng, &texts)));
        }
        values
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
        for (field, texts) in self.favoured.get(&object.name).into_iter().flatten() {
            if self.rng.bool() {
                values.push((field.clone(), pick(&mut self.rng, texts)));
            }
        }
        values
    }

    fn value(&mut self, field: &Field) -> String {
        if field.field_type != FieldType::Reference {
            return value(&mut self.rng, field);
        }
        if field.nillable && self.rng.u32(..6) == 0 {
            return String::new();
        }
        let target = pick(&mut self.rng, &field.reference_to);
        self.row(&target, false).unwrap_or_default()
    }
}

impl Writer<'_> {
    fn create(&self, object: &str, values: &[(String, String)]) -> Result<String, WriteError> {
        let values = borrowed(values);
        match self {
            Self::Org(org) => org.create(object, &values),
            Self::Transaction(transaction) => transaction.create(object, &values),
        }
    }

    fn update(&self, object: &str, id: &str, values: &[(String, String)], stamps: Stamps) -> Result<(), WriteError> {
        let values = borrowed(values);
        match self {
            Self::Org(org) => org.update_with(object, id, &values, stamps),
            Self::Transaction(transaction) => transaction.update_with(object, id, &values, stamps),
        }
    }

    fn delete(&self, object: &str, id: &str) -> Result<(), WriteError> {
        match self {
            Self::Org(org) => org.delete(object, id),
            Self::Transaction(transaction) => transaction.delete(object, id),
        }
    }

    fn undelete(&self, object: &str, id: &str) -> Result<(), WriteError> {
        match self {
            Self::Org(org) => org.undelete(object, id),
            Self::Transaction(transaction) => transaction.undelete(object, id),
        }
    }

    fn hard_delete(&self, object: &str, id: &str) -> Result<(), WriteError> {
        match self {
            Self::Org(org) => org.hard_delete(object, id),
            Self::Transaction(transaction) => transaction.hard_delete(object, id),
        }
    }

    fn merge(&self, object: &str, master: &str, loser: &str) -> Result<(), WriteError> {
        match self {
            Self::Org(org) => org.merge(object, master, &[loser]),
            Self::Transaction(transaction) => transaction.merge(object, master, &[loser]),
        }
    }

    fn convert(&self, lead: &str) -> Result<(), WriteError> {
        match self {
            Self::Org(org) => org.convert_lead(lead).map(drop),
            Self::Transaction(transaction) => transaction.convert_lead(lead).map(drop),
        }
    }
}

/// The fields of some values.
fn names(values: &[(String, String)]) -> String {
    let names: Vec<&str> = values.iter().map(|(field, _)| field.as_str()).collect();
    names.join(",")
}

fn borrowed(values: &[(String, String)]) -> Vec<(&str, &str)> {
    values
        .iter()
        .map(|(field, text)| (field.as_str(), text.as_str()))
        .collect()
}
