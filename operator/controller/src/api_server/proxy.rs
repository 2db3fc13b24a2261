//! Which proxy leads to an API server: the one that kubectl would take.
//!
//! kubectl takes `proxy-url` of the kubeconfig as it stands, and else the environment by the rules of Go's `httpproxy`. kube looks
//! for the *proxy's* host in `NO_PROXY`, also where the kubeconfig names the proxy, and fails at values that Go passes over
//! (`localhost,`). hyper-util has curl's rules, which know no ports. So the rules are here.

use std::net::IpAddr;

use http::Uri;
use ipnet::IpNet;
use url::Url;

/// A proxy that cannot be used. Tells no more of it than its host and port: a proxy's URL may hold a password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProxyError {
    /// No URL.
    #[error(
        "the proxy of {of} is no URL as http://proxy.example.com:3128 is; special characters of a password are percent-encoded"
    )]
    Unreadable {
        /// The variable, or the field of the kubeconfig.
        of: &'static str,
    },
    /// Another protocol than HTTP.
    #[error("the proxy of {of} ({place}) is one for {scheme}://; proxies for http:// and https:// can be used")]
    Scheme {
        /// The variable, or the field of the kubeconfig.
        of: &'static str,
        /// Host and port.
        place: String,
        /// What it says.
        scheme: String,
    },
}

/// The proxy to `server`, by the kubeconfig or else by the environment.
///
/// # Errors
/// The proxy to take cannot be used. One that is not to be taken may be what it wants.
pub fn proxy_for(
    server: &Uri,
    kubeconfig_proxy: Option<&str>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Option<Uri>, ProxyError> {
    let set = |[upper, lower]: [&'static str; 2]| {
        [upper, lower]
            .into_iter()
            .find_map(|name| Some((name, environment(name).filter(|value| !value.is_empty())?)))
    };
    if let Some(proxy) = kubeconfig_proxy.filter(|proxy| !proxy.is_empty()) {
        return parse("proxy-url in the kubeconfig", proxy).map(Some);
    }
    let is_plain = server.scheme_str() == Some("http");
    let names = if is_plain {
        ["HTTP_PROXY", "http_proxy"]
    } else {
        ["HTTPS_PROXY", "https_proxy"]
    };
    let Some((name, proxy)) = set(names) else {
        return Ok(None);
    };
    let spared = set(["NO_PROXY", "no_proxy"]).map_or_else(String::new, |(_, value)| value);
    if is_spared(server, if is_plain { 80 } else { 443 }, &spared) {
        return Ok(None);
    }
    parse(name, &proxy).map(Some)
}

fn parse(of: &'static str, proxy: &str) -> Result<Uri, ProxyError> {
    let proxy = proxy.trim();
    let url = if proxy.contains("://") {
        proxy.to_owned()
    } else {
        format!("http://{proxy}")
    };
    let unreadable = || ProxyError::Unreadable { of };
    let url = Url::parse(&url).ok().ok_or_else(unreadable)?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(unreadable)?;
    // What stands behind these is rather the rest of a password.
    if url.query().is_some() || url.fragment().is_some() {
        return Err(unreadable());
    }
    match url.scheme() {
        "http" | "https" => url.as_str().parse().ok().ok_or_else(unreadable),
        scheme => Err(ProxyError::Scheme {
            of,
            place: url
                .port()
                .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            scheme: scheme.to_owned(),
        }),
    }
}

/// Whether no proxy is for the server: it is this machine, or one of `NO_PROXY`.
fn is_spared(server: &Uri, default_port: u16, no_proxy: &str) -> bool {
    let host = server.host().unwrap_or_default().to_ascii_lowercase();
    let host = without_brackets(&host);
    let ip = address(host);
    host == "localhost"
        || ip.is_some_and(|ip| ip.is_loopback())
        || no_proxy.split(',').any(|entry| {
            spares(
                &entry.trim().to_lowercase(),
                host,
                ip,
                server.port_u16().unwrap_or(default_port),
            )
        })
}

/// Whether an entry of `NO_PROXY` is for the server. One that makes no sense is for none.
fn spares(entry: &str, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(network) = entry.parse::<IpNet>() {
        return ip.is_some_and(|ip| network.contains(&ip));
    }
    let (name, wanted) = match entry.rsplit_once(':') {
        // A colon more is an address of IPv6, unless brackets keep them apart.
        Some((name, wanted)) if !name.contains(':') || name.ends_with(']') => (without_brackets(name), wanted),
        _ => (entry, ""),
    };
    if name.is_empty() || !(wanted.is_empty() || wanted.parse() == Ok(port)) {
        return false;
    }
    if let Some(named) = address(name) {
        return ip == Some(named);
    }
    let name = name
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(name);
    if name.starts_with('.') {
        host.ends_with(name)
    } else {
        host.strip_suffix(name)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    }
}

fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

/// An address of IPv4 that is written as one of IPv6 is the same.
fn address(host: &str) -> Option<IpAddr> {
    host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests;
