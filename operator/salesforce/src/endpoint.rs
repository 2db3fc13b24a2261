//! Where requests go: hosts, paths and versions, and which URLs are let through.
//!
//! Two versions are in play. `login()` ends with API 64.0, while data calls follow `spec.connection.apiVersion`
//! (salesforce-api.md 2.4), so the login URL and the `serverUrl` of its answer get their versions apart: the host and
//! the organization in the path are Salesforce's, the version is ours. Passwords and session ids travel in the body of
//! each request, so plain `http` is refused outside of loopback, also for a `serverUrl` that comes back.

use std::{fmt, str::FromStr};

use url::{Host, Url};

use crate::error::{Error, Result};

/// Where `http` may be used instead of `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AllowHttp {
    /// For hosts that are this machine.
    #[default]
    LoopbackOnly,
    /// Everywhere: tests and demonstrations (`--allow-http`).
    Anywhere,
}

/// A version of Salesforce's API, written as `66.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion(u16);

impl ApiVersion {
    /// The newest version in which `login()` works (salesforce-api.md 2.4).
    pub const LOGIN: Self = Self(64);
    /// The oldest version that Salesforce supports without a date of its end (salesforce-api.md 1.1).
    pub const OLDEST: Self = Self(41);
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.0", self.0)
    }
}

impl FromStr for ApiVersion {
    type Err = Error;

    /// # Errors
    ///
    /// Of kind Invalid, for another form than `66.0` and for versions before 41.0.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::Config(format!(
                "API version {text:?} is not of the form 66.0, or older than 41.0"
            ))
        };
        let major = text.strip_suffix(".0").ok_or_else(wrong)?;
        if major.len() > 3 || !major.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        match major.parse() {
            Ok(major) if Self(major) >= Self::OLDEST => Ok(Self(major)),
            Ok(_) | Err(_) => Err(wrong()),
        }
    }
}

/// Where data calls of a session go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataEndpoint {
    /// The URL that is posted to.
    pub(crate) url: Url,
    /// Scheme, host and port only.
    pub(crate) instance: Url,
}

/// Refuses what credentials must not be sent to. `what` begins the sentence: "loginUrl".
pub(crate) fn check_url(url: &Url, allow_http: AllowHttp, what: &str) -> Result<()> {
    let problem = match url.scheme() {
        _ if url.host().is_none() => "has no host",
        _ if !url.username().is_empty() || url.password().is_some() => "must not hold a user name or a password",
        "https" => return Ok(()),
        "http" if allow_http == AllowHttp::Anywhere || is_loopback(url) => return Ok(()),
        "http" => "is http, which is only allowed for this machine; use https",
        _ => "is not https",
    };
    // Only scheme and host are shown: what stands before an @ could be a password.
    Err(Error::Config(format!(
        "{what} ({}://{}) {problem}",
        url.scheme(),
        host_of(url)
    )))
}

/// Whether the host of a URL is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Host and port, for texts.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or("");
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Where `login()` goes. What stands before `/services/` in the path is kept: sites of Experience Cloud have one.
pub(crate) fn login_endpoint(login_url: &Url) -> Url {
    let mut url = login_url.clone();
    let path = login_url.path();
    let prefix = path
        .find("/services/")
        .and_then(|end| path.get(..end))
        .unwrap_or(path)
        .trim_end_matches('/');
    url.set_path(&format!("{prefix}/services/Soap/u/{}", ApiVersion::LOGIN));
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// Where data calls go: the `serverUrl` of a login result with the version of data calls in its path.
pub(crate) fn data_endpoint(server_url: &str, version: ApiVersion, allow_http: AllowHttp) -> Result<DataEndpoint> {
    let mut url = Url::parse(server_url)
        .map_err(|error| Error::Config(format!("the serverUrl that login() returned is not a URL: {error}")))?;
    check_url(&url, allow_http, "the serverUrl that login() returned")?;
    let mut segments: Vec<String> = url
        .path()
        .split('/')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    let soap = segments.iter().position(|part| part.eq_ignore_ascii_case("soap"));
    let Some(place) = soap.and_then(|soap| segments.get_mut(soap + 2)) else {
        return Err(Error::Config(format!(
            "the serverUrl that login() returned is not a SOAP address: {}{}",
            host_of(&url),
            url.path()
        )));
    };
    *place = version.to_string();
    url.set_path(&segments.join("/"));
    url.set_query(None);
    url.set_fragment(None);
    let mut instance = url.clone();
    instance.set_path("");
    Ok(DataEndpoint { url, instance })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn versions_are_read_and_old_ones_refused() {
        assert_eq!("66.0".parse::<ApiVersion>().unwrap().to_string(), "66.0");
        assert_eq!("41.0".parse::<ApiVersion>().unwrap(), ApiVersion::OLDEST);
        for wrong in ["66", "66.1", "v66.0", "40.0", "+66.0", "", ".0", "1000.0", "66.0.0"] {
            assert!(wrong.parse::<ApiVersion>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn http_is_for_loopback_unless_allowed() {
        for fine in [
            "https://login.salesforce.com",
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:1",
        ] {
            assert!(
                check_url(&url(fine), AllowHttp::LoopbackOnly, "loginUrl").is_ok(),
                "{fine}"
            );
        }
        for wrong in [
            "http://login.salesforce.com",
            "ftp://x",
            "http://127.0.0.1.example.com",
            "http://10.0.0.1",
        ] {
            assert!(
                check_url(&url(wrong), AllowHttp::LoopbackOnly, "loginUrl").is_err(),
                "{wrong}"
            );
        }
        assert!(check_url(&url("http://10.0.0.1"), AllowHttp::Anywhere, "loginUrl").is_ok());
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_shown() {
        let error = check_url(&url("https://ann:hush@example.com"), AllowHttp::Anywhere, "loginUrl").unwrap_err();
        assert!(
            !error.message().contains("hush") && !error.message().contains("ann"),
            "{error}"
        );
    }

    #[test]
    fn login_goes_to_64() {
        for (from, to) in [
            (
                "https://login.salesforce.com",
                "https://login.salesforce.com/services/Soap/u/64.0",
            ),
            (
                "https://a.my.site.com/portal/",
                "https://a.my.site.com/portal/services/Soap/u/64.0",
            ),
            (
                "https://login.salesforce.com/services/Soap/u/37.0?x=1",
                "https://login.salesforce.com/services/Soap/u/64.0",
            ),
        ] {
            assert_eq!(login_endpoint(&url(from)).as_str(), to);
        }
    }

    #[test]
    fn data_calls_keep_host_and_organization_and_take_our_version() {
        let version = "66.0".parse().unwrap();
        let endpoint = data_endpoint(
            "https://foobar.my.salesforce.com/services/Soap/u/37.0/00D30ACACA00RnR",
            version,
            AllowHttp::LoopbackOnly,
        )
        .unwrap();
        assert_eq!(
            endpoint.url.as_str(),
            "https://foobar.my.salesforce.com/services/Soap/u/66.0/00D30ACACA00RnR"
        );
        assert_eq!(endpoint.instance.as_str(), "https://foobar.my.salesforce.com/");
        let local = data_endpoint(
            "http://127.0.0.1:99/services/Soap/u/64.0",
            version,
            AllowHttp::LoopbackOnly,
        )
        .unwrap();
        assert_eq!(local.url.as_str(), "http://127.0.0.1:99/services/Soap/u/66.0");
        assert_eq!(local.instance.as_str(), "http://127.0.0.1:99/");
    }

    #[test]
    fn a_server_url_that_is_plain_http_or_no_soap_address_is_refused() {
        let version = "66.0".parse().unwrap();
        for wrong in [
            "http://evil.example.com/services/Soap/u/64.0/00D",
            "https://x.example.com/",
            "nonsense",
            "https://x/services/Soap",
        ] {
            let error = data_endpoint(wrong, version, AllowHttp::LoopbackOnly).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{wrong}");
        }
    }
}
