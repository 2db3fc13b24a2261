//! The way to the API server, and changes that lose nobody else's.

use controller::api_server;
use crds::SalesforceReplicator;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::arguments::ClusterArguments;
use crate::failure::Failure;

/// Who made a change, as `managedFields` tell it.
const MANAGER: &str = "kubectl-sfr";

/// How often a change is tried where somebody else was faster: the operator writes the status of a busy replicator each ten
/// seconds.
const TRIES: usize = 5;

/// A change of a resource.
#[derive(Debug)]
pub(crate) enum Change {
    /// A merge patch of the spec.
    Spec(Value),
    /// The value of an annotation.
    Annotation(&'static str, String),
}

/// An API server and a namespace.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
    /// Where to look.
    pub(crate) namespace: String,
    /// The flags that lead here, for commands that are shown: ` -n telephony`.
    pub(crate) flags: String,
}

impl Cluster {
    /// As kubectl would.
    pub(crate) fn connect(arguments: &ClusterArguments) -> Result<Self, Failure> {
        let ClusterArguments {
            namespace,
            context,
            kubeconfig,
        } = arguments;
        let unusable = |error: &dyn std::error::Error| Failure::Usage(told(error));
        let config = match (kubeconfig, context) {
            (None, None) => api_server::inferred(),
            (file, context) => api_server::of_kubeconfig(file.as_deref(), context.as_deref()),
        }
        .map_err(|error| unusable(&error))?;
        let mut flags = String::new();
        for (flag, value) in [
            (" -n ", namespace.clone()),
            (" --context ", context.clone()),
            (
                " --kubeconfig ",
                kubeconfig.as_ref().map(|file| file.display().to_string()),
            ),
        ] {
            flags.extend(value.iter().flat_map(|value| [flag, value.as_str()]));
        }
        Ok(Self {
            namespace: namespace.clone().unwrap_or_else(|| config.default_namespace.clone()),
            client: Client::try_from(config).map_err(|error| unusable(&error))?,
            flags,
        })
    }

    /// The replicators of the namespace.
    pub(crate) fn replicators(&self) -> Api<SalesforceReplicator> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// All of the namespace, or of all namespaces.
    pub(crate) async fn list(&self, all_namespaces: bool) -> Result<Vec<SalesforceReplicator>, Failure> {
        let api = if all_namespaces {
            Api::all(self.client.clone())
        } else {
            self.replicators()
        };
        match api.list(&ListParams::default()).await {
            Ok(list) => Ok(list.items),
            Err(error) => Err(failure("listing replicators", error)),
        }
    }

    /// One of them.
    pub(crate) async fn get(&self, name: &str) -> Result<SalesforceReplicator, Failure> {
        let got = self.replicators().get(name).await;
        got.map_err(|error| self.failure(name, error))
    }

    /// Changes one of them as `change` says by how it stands; where somebody else changes it meanwhile, again.
    /// `None` of `change` is no change. Gives how it stands then, and whether it was changed.
    pub(crate) async fn edit(
        &self,
        name: &str,
        change: impl Fn(&SalesforceReplicator) -> Result<Option<Change>, Failure>,
    ) -> Result<(SalesforceReplicator, bool), Failure> {
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let mut left = TRIES;
        loop {
            let resource = self.get(name).await?;
            let version = resource.resource_version();
            let patch = match change(&resource)? {
                None => return Ok((resource, false)),
                Some(Change::Spec(spec)) => json!({"metadata": {"resourceVersion": version}, "spec": spec}),
                Some(Change::Annotation(name, value)) => {
                    json!({"metadata": {"resourceVersion": version, "annotations": {name: value}}})
                }
            };
            left -= 1;
            match self.replicators().patch(name, &params, &Patch::Merge(&patch)).await {
                Ok(changed) => return Ok((changed, true)),
                Err(kube::Error::Api(status)) if status.is_conflict() && left > 0 => {}
                Err(error) => return Err(self.failure(name, error)),
            }
        }
    }

    fn failure(&self, name: &str, error: kube::Error) -> Failure {
        let Self { namespace, .. } = self;
        if let kube::Error::Api(status) = &error
            && status.is_not_found()
            // Where the definition is missing, nobody names a resource.
            && status.details.as_ref().is_some_and(|about| about.name == name)
        {
            return Failure::NotThere(format!(
                "there is no SalesforceReplicator {name} in the namespace {namespace}; `kubectl sfr status -A` lists all"
            ));
        }
        failure(&format!("{namespace}/{name}"), error)
    }
}

/// A request that failed.
pub(super) fn failure(doing: &str, error: kube::Error) -> Failure {
    if matches!(&error, kube::Error::Api(status) if status.is_not_found()) {
        return Failure::NotThere(
            "the cluster does not know SalesforceReplicators: `salesforce-replicator crd | kubectl apply --server-side -f -` \
             installs the definition"
                .to_owned(),
        );
    }
    Failure::Kubernetes {
        doing: doing.to_owned(),
        source: Box::new(error),
    }
}

/// An error with what is behind it.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(behind) = source {
        let behind_text = behind.to_string();
        if !text.contains(&behind_text) {
            text = format!("{text}: {behind_text}");
        }
        source = behind.source();
    }
    text
}
