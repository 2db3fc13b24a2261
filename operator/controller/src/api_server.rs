//! The way to the API server: kube's configuration, with the proxy that kubectl would take ([`proxy`]).
//!
//! kube reads `NO_PROXY` whenever it reads a kubeconfig and fails at what it does not know there, so the configuration is put together
//! here from what kube's [`Kubeconfig`] says. A test compares it with kube's.

mod proxy;

use std::path::Path;

use kube::{
    Config,
    config::{Cluster, ExecAuthCluster, InClusterError, Kubeconfig, KubeconfigError},
};

pub use proxy::{ProxyError, proxy_for};

/// There is no way to an API server.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A kubeconfig that was asked for cannot be used.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// Neither has this process a kubeconfig, nor is it in a pod.
    #[error("in-cluster: ({in_cluster}), kubeconfig: ({kubeconfig})")]
    Neither {
        /// Why not by the pod.
        in_cluster: InClusterError,
        /// Why not by the kubeconfig.
        #[source]
        kubeconfig: KubeconfigError,
    },
    /// The proxy on the way cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
}

/// The API server that this process is meant for: of `KUBECONFIG` or `~/.kube/config`, else that of the pod.
///
/// # Errors
/// There is none, or its proxy cannot be used.
pub fn inferred() -> Result<Config, ConfigError> {
    let read = Kubeconfig::read().and_then(|kubeconfig| without_proxy(kubeconfig, None));
    let (mut config, proxy) = match read {
        Ok((config, proxy)) => (config, Some(proxy)),
        // kube knows a pod's API server, to which no proxy leads.
        Err(kubeconfig) => match Config::incluster() {
            Ok(config) => (config, None),
            Err(in_cluster) => return Err(ConfigError::Neither { in_cluster, kubeconfig }),
        },
    };
    config.apply_debug_overrides();
    if let Some(proxy) = proxy {
        add_proxy(&mut config, proxy.as_deref())?;
    }
    Ok(config)
}

/// The API server of a context, the current one where none is named, of a file or of `KUBECONFIG` or `~/.kube/config`.
///
/// # Errors
/// The kubeconfig has no such context, cannot be read, or names a proxy that cannot be used.
pub fn of_kubeconfig(file: Option<&Path>, context: Option<&str>) -> Result<Config, ConfigError> {
    let kubeconfig = file.map_or_else(Kubeconfig::read, Kubeconfig::read_from)?;
    let (mut config, proxy) = without_proxy(kubeconfig, context)?;
    add_proxy(&mut config, proxy.as_deref())?;
    Ok(config)
}

fn add_proxy(config: &mut Config, kubeconfig_proxy: Option<&str>) -> Result<(), ProxyError> {
    config.proxy_url = proxy_for(&config.cluster_url, kubeconfig_proxy, |name| std::env::var(name).ok())?;
    Ok(())
}

/// What the kubeconfig says, and the proxy that it names.
fn without_proxy(kubeconfig: Kubeconfig, context: Option<&str>) -> Result<(Config, Option<String>), KubeconfigError> {
    let name = context
        .or(kubeconfig.current_context.as_deref())
        .ok_or(KubeconfigError::CurrentContextNotSet)?;
    let context = kubeconfig
        .contexts
        .iter()
        .find(|named| named.name == name)
        .and_then(|named| named.context.clone())
        .ok_or_else(|| KubeconfigError::LoadContext(name.to_owned()))?;
    let cluster = kubeconfig
        .clusters
        .into_iter()
        .find(|named| named.name == context.cluster)
        .and_then(|named| named.cluster)
        .ok_or_else(|| KubeconfigError::LoadClusterOfContext(context.cluster.clone()))?;
    // A user that is not there is nobody, as for kubectl.
    let mut user = kubeconfig
        .auth_infos
        .into_iter()
        .find(|named| Some(&named.name) == context.user.as_ref())
        .and_then(|named| named.auth_info)
        .unwrap_or_default();
    let about = ExecAuthCluster::try_from(&cluster)?;
    let Cluster {
        server,
        proxy_url,
        insecure_skip_tls_verify,
        disable_compression,
        tls_server_name,
        ..
    } = cluster;
    let server = server.ok_or(KubeconfigError::MissingClusterUrl)?;
    let mut config = Config::new(server.parse().map_err(KubeconfigError::ParseClusterUrl)?);
    config.root_cert = about
        .certificate_authority_data
        .as_deref()
        .map(certificates)
        .transpose()?;
    if let Some(exec) = &mut user.exec
        && exec.provide_cluster_info
    {
        exec.cluster = Some(about);
    }
    config.auth_info = user;
    config.accept_invalid_certs = insecure_skip_tls_verify.unwrap_or_default();
    config.disable_compression = disable_compression.unwrap_or_default();
    config.tls_server_name = tls_server_name;
    if let Some(namespace) = context.namespace {
        config.default_namespace = namespace;
    }
    Ok((config, proxy_url))
}

/// The certificates of a text in PEM.
fn certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, KubeconfigError> {
    let blocks = pem::parse_many(text).map_err(KubeconfigError::ParseCertificates)?;
    let certificates = blocks.into_iter().filter(|block| block.tag() == "CERTIFICATE");
    Ok(certificates.map(pem::Pem::into_contents).collect())
}

#[cfg(test)]
mod tests;
