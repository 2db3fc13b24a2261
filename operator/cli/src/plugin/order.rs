//! `run`, `suspend` and `resume`: changes of the spec.

use crds::{SalesforceReplicator, Trigger};
use kube::ResourceExt;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    arguments::Run,
    cluster::{Change, Cluster},
    wait,
};
use crate::{exit::Exit, failure::Failure, session::Context};

/// What `run -o json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RunOutput<'a> {
    namespace: &'a str,
    name: &'a str,
    /// The value of spec.trigger.manual.
    manual: &'a str,
    /// Whether the run waits until it is resumed.
    suspended: bool,
}

/// What `suspend` and `resume` print.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SuspendOutput<'a> {
    namespace: &'a str,
    name: &'a str,
    suspended: bool,
}

/// Asks for a run.
pub(super) async fn run(arguments: Run, cluster: &Cluster, context: &Context) -> Result<Exit, Failure> {
    let Run { name, wait, timeout } = arguments;
    let manual = format!("{:.3}", context.clock.now());
    let (resource, _changed) = cluster
        .edit(&name, |resource| {
            if wait && resource.spec.suspend {
                return Err(Failure::Usage(format!(
                    "{name} is suspended, so there is nothing to wait for: `kubectl sfr resume {name}{}` first",
                    cluster.flags
                )));
            }
            Ok(Some(Change::Spec(asked(&resource.spec.trigger, &manual))))
        })
        .await?;
    if wait {
        return wait::wait((&name, &manual), &resource, &timeout, cluster, context).await;
    }
    let output = RunOutput {
        namespace: &cluster.namespace,
        name: &name,
        manual: &manual,
        suspended: resource.spec.suspend,
    };
    context.printer.result(&output, || {
        if resource.spec.suspend {
            format!("{name} is suspended: the run {manual} starts when it is resumed")
        } else {
            format!("{name}: asked for the run {manual}")
        }
    })?;
    Ok(Exit::Success)
}

/// The change of the spec that asks for a run. A trigger of which nothing is given means an interval, but one with nothing else than a
/// manual value means that only a person starts runs: so the interval is written down with it.
fn asked(trigger: &Trigger, manual: &str) -> Value {
    let Trigger {
        interval,
        schedule,
        time_zone: _,
        manual: before,
    } = trigger;
    if interval.is_none() && schedule.is_none() && before.is_none() {
        json!({"trigger": {"manual": manual, "interval": Trigger::DEFAULT_INTERVAL}})
    } else {
        json!({"trigger": {"manual": manual}})
    }
}

/// Sets `spec.suspend`.
pub(super) async fn suspend(
    name: &str,
    suspended: bool,
    cluster: &Cluster,
    context: &Context,
) -> Result<Exit, Failure> {
    let change = |resource: &SalesforceReplicator| {
        let differs = resource.spec.suspend != suspended;
        Ok(differs.then(|| Change::Spec(json!({"suspend": suspended}))))
    };
    let (resource, is_changed) = cluster.edit(name, change).await?;
    let output = SuspendOutput {
        namespace: &cluster.namespace,
        name: &resource.name_any(),
        suspended,
    };
    context.printer.result(&output, || match (suspended, is_changed) {
        (true, true) => format!("{name} is suspended; a run in progress ends at the end of its segment"),
        (true, false) => format!("{name} was suspended already"),
        (false, true) => format!("{name} is resumed"),
        (false, false) => format!("{name} was not suspended"),
    })?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_by_hand_leaves_the_trigger_as_it_is() {
        let asked = |trigger: Value| {
            let trigger: Trigger = serde_json::from_value(trigger).unwrap();
            asked(&trigger, "now")["trigger"].clone()
        };
        assert_eq!(asked(json!({})), json!({"manual": "now", "interval": "5m"}));
        for kept in [
            json!({"interval": "1h"}),
            json!({"schedule": "0 6 * * *", "timeZone": "Europe/Berlin"}),
            json!({"manual": "before"}),
        ] {
            assert_eq!(asked(kept.clone()), json!({"manual": "now"}), "{kept}");
        }
    }
}
