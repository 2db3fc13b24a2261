//! Progress bars, when somebody sees standard error.
//!
//! One line for each object that reads: rows, rows a second and, where Salesforce has told how many there will be, the
//! time left. A run without rows leaves no line behind: a tick in which nothing changed is silent.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use replication::{
    plan::ObjectName,
    progress::{Event, Observer, RunKind},
};

/// Redraws of rates and spinners while no rows come.
const REDRAW: Duration = Duration::from_millis(250);

/// Shows what runs do.
#[derive(Debug)]
pub(crate) struct Bars {
    bars: MultiProgress,
    running: Mutex<BTreeMap<(ObjectName, RunKind), ProgressBar>>,
}

impl Bars {
    /// Draws among `bars`.
    pub(crate) fn new(bars: MultiProgress) -> Self {
        Self {
            bars,
            running: Mutex::default(),
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut BTreeMap<(ObjectName, RunKind), ProgressBar>) -> T) -> T {
        change(&mut self.running.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Rows of an unknown number.
const OPEN: &str = "{spinner} {msg} {human_pos} rows, {rate} rows/s, {elapsed}";

/// Rows of a known number.
const BOUNDED: &str = "{spinner} {msg} {wide_bar} {human_pos}/{human_len} rows, {rate} rows/s, {eta} left";

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    // Indicatif's own rate has four decimals, of which none matters.
    style.with_key("rate", |state: &ProgressState, text: &mut dyn fmt::Write| {
        write!(text, "{:.0}", state.per_sec()).ok();
    })
}

impl Observer for Bars {
    fn observe(&self, object: &ObjectName, kind: RunKind, event: &Event) {
        // A listing that made room for an Incremental goes on beside it.
        let run = (object.clone(), kind);
        match event {
            Event::Started if self.with(|running| running.contains_key(&run)) => {}
            Event::Started => {
                let bar = self.bars.add(ProgressBar::new_spinner().with_style(style(OPEN)));
                bar.set_message(format!("{object} {kind:?}"));
                bar.enable_steady_tick(REDRAW);
                self.with(|running| running.insert(run, bar));
            }
            Event::Size(rows) => self.with(|running| {
                if let Some(bar) = running.get(&run) {
                    bar.set_length(*rows);
                    bar.set_style(style(BOUNDED));
                }
            }),
            Event::Read(rows) => self.with(|running| {
                if let Some(bar) = running.get(&run) {
                    bar.set_position(*rows);
                }
            }),
            Event::Committed(_) => {}
            Event::Ended(_) => {
                if let Some(bar) = self.with(|running| running.remove(&run)) {
                    bar.finish_and_clear();
                    self.bars.remove(&bar);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;

    fn bars() -> Bars {
        Bars::new(MultiProgress::with_draw_target(ProgressDrawTarget::hidden()))
    }

    #[test]
    fn rows_are_counted_while_they_are_read() {
        let bars = bars();
        let contact = ObjectName::new("Contact");
        bars.observe(&contact, RunKind::Initial, &Event::Started);
        bars.observe(&contact, RunKind::Initial, &Event::Size(4000));
        bars.observe(&contact, RunKind::Initial, &Event::Read(2000));
        bars.with(|running| {
            let bar = &running[&(contact.clone(), RunKind::Initial)];
            assert_eq!(
                (bar.message().as_str(), bar.position(), bar.length()),
                ("Contact Initial", 2000, Some(4000))
            );
        });
    }

    #[test]
    fn templates_are_templates() {
        for template in [OPEN, BOUNDED] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn events_of_runs_that_never_started_are_harmless() {
        let bars = bars();
        let lead = ObjectName::new("Lead");
        bars.observe(&lead, RunKind::Incremental, &Event::Size(1));
        bars.observe(&lead, RunKind::Incremental, &Event::Read(1));
        assert!(bars.with(|running| running.is_empty()));
    }
}
