//! Which service a path names (salesforce-api.md 1.3).

use std::fmt::Write as _;

/// Oldest version that is not retired.
pub(crate) const OLDEST_VERSION: u32 = 31;
/// Newest released version, Winter '27.
pub(crate) const NEWEST_VERSION: u32 = 68;

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service<'a> {
    /// The control API.
    Control(&'a str),
    /// `GET /services/data/`
    Versions,
    /// REST, of which nothing is there.
    Rest,
    /// `/services/Soap/u/`
    Partner {
        /// As written.
        version: &'a str,
    },
    /// `/services/Soap/c/` and `/m/`: their WSDLs have other namespaces.
    OtherSoap,
    /// Nothing of ours.
    Unknown,
}

/// What a path names.
pub(crate) fn service(path: &str) -> Service<'_> {
    if let Some(rest) = path.strip_prefix("/_control") {
        return Service::Control(rest);
    }
    if matches!(path, "/services/data" | "/services/data/") {
        return Service::Versions;
    }
    if path.starts_with("/services/data/") {
        return Service::Rest;
    }
    let Some(rest) = path.strip_prefix("/services/Soap/") else {
        return Service::Unknown;
    };
    let mut parts = rest.split('/');
    let (kind, version, organization) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    let ends = parts.next().is_none_or(str::is_empty) && parts.next().is_none();
    let organization_fits = organization.is_empty() || matches!(organization.len(), 15 | 18);
    match (kind, version) {
        (Some("u"), Some(version)) if !version.is_empty() && organization_fits && ends => Service::Partner { version },
        (Some("c" | "m"), Some(version)) if !version.is_empty() => Service::OtherSoap,
        _ => Service::Unknown,
    }
}

/// The number of a version such as `66.0`; none where it is no version or a retired or future one.
pub(crate) fn supported_version(text: &str) -> Option<u32> {
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    let major: u32 = major.parse().ok()?;
    (minor == "0" && (OLDEST_VERSION..=NEWEST_VERSION).contains(&major)).then_some(major)
}

/// The answer of `GET /services/data/`, oldest first (salesforce-api.md 9.1).
pub(crate) fn versions_json() -> String {
    let mut json = String::from("[");
    for version in OLDEST_VERSION..=NEWEST_VERSION {
        // Summer '14 is 31; the year in the name changes with each Winter release.
        let season = match version % 3 {
            1 => "Summer",
            2 => "Winter",
            _ => "Spring",
        };
        let year = (version + 13) / 3;
        let comma = if version == OLDEST_VERSION { "" } else { "," };
        write!(
            json,
            "{comma}{{\"label\":\"{season} '{year}\",\"url\":\"/services/data/v{version}.0\",\"version\":\"{version}.0\"}}"
        )
        .ok();
    }
    json.push(']');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_services() {
        for (path, expected) in [
            ("/services/Soap/u/64.0", Service::Partner { version: "64.0" }),
            ("/services/Soap/u/64.0/", Service::Partner { version: "64.0" }),
            (
                "/services/Soap/u/66.0/00D000000000001",
                Service::Partner { version: "66.0" },
            ),
            (
                "/services/Soap/u/66.0/00D000000000001/",
                Service::Partner { version: "66.0" },
            ),
            ("/services/Soap/u/66.0/short", Service::Unknown),
            ("/services/Soap/u/", Service::Unknown),
            ("/services/Soap/u/66.0/00D000000000001/x", Service::Unknown),
            ("/services/Soap/c/66.0", Service::OtherSoap),
            ("/services/data/", Service::Versions),
            ("/services/data", Service::Versions),
            ("/services/data/v66.0/query", Service::Rest),
            ("/_control/clock", Service::Control("/clock")),
            ("/", Service::Unknown),
        ] {
            assert_eq!(service(path), expected, "{path}");
        }
    }

    #[test]
    fn versions_are_31_to_68() {
        assert_eq!(supported_version("66.0"), Some(66));
        assert_eq!(supported_version("31.0"), Some(31));
        for text in ["30.0", "69.0", "66.1", "v66.0", "", "x"] {
            assert_eq!(supported_version(text), None, "{text}");
        }
        let json = versions_json();
        assert!(json.starts_with(
            r#"[{"label":"Summer '14","url":"/services/data/v31.0","version":"31.0"},{"label":"Winter '15""#
        ));
        assert!(json.contains(r#"{"label":"Summer '24","url":"/services/data/v61.0","version":"61.0"}"#));
        assert!(json.ends_with(r#"{"label":"Spring '26","url":"/services/data/v66.0","version":"66.0"},{"label":"Summer '26","url":"/services/data/v67.0","version":"67.0"},{"label":"Winter '27","url":"/services/data/v68.0","version":"68.0"}]"#));
    }
}
