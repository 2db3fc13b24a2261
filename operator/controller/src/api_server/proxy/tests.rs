use super::{ProxyError, proxy_for};

const PROXY: &str = "http://proxy.example.net:3128/";

fn chosen(server: &str, kubeconfig: Option<&str>, environment: &[(&str, &str)]) -> Result<Option<String>, ProxyError> {
    let variable = |name: &str| {
        let found = environment.iter().find(|(set, _)| *set == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let proxy = proxy_for(&server.parse().unwrap(), kubeconfig, variable)?;
    Ok(proxy.map(|proxy| proxy.to_string()))
}

/// Whether a server is reached through the proxy where `NO_PROXY` is this.
fn is_proxied(server: &str, no_proxy: &str) -> bool {
    chosen(server, None, &[("HTTPS_PROXY", PROXY), ("NO_PROXY", no_proxy)])
        .unwrap()
        .is_some()
}

#[test]
fn this_machine_is_reached_without_a_proxy() {
    for server in [
        "https://localhost:6443",
        "https://LOCALHOST",
        "https://127.0.0.1:6443",
        "https://127.1.2.3",
        "https://[::1]:6443",
        "https://[::ffff:127.0.0.1]:6443",
    ] {
        assert!(!is_proxied(server, ""), "{server}");
    }
    for server in ["https://localhost.example.com", "https://128.0.0.1", "https://[::2]"] {
        assert!(is_proxied(server, ""), "{server}");
    }
}

/// Servers of all kinds.
const EVERYWHERE: [&str; 3] = [
    "https://api.example.com:6443",
    "https://10.1.2.3",
    "https://[2001:db8::1]",
];

/// An entry of `NO_PROXY`, servers that it is for, and servers that it is not for.
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

fn assert_read(table: &[Row]) {
    for (entry, spared, proxied) in table {
        for server in *spared {
            assert!(!is_proxied(server, entry), "{server} by {entry:?}");
        }
        for server in *proxied {
            assert!(is_proxied(server, entry), "{server} by {entry:?}");
        }
    }
}

#[test]
fn a_name_in_no_proxy_is_for_the_servers_that_go_reads_it_for() {
    assert_read(&[
        ("*", &EVERYWHERE, &[]),
        ("localhost,*", &EVERYWHERE, &[]),
        (
            "example.com",
            &[
                "https://example.com",
                "https://example.com:6443",
                "https://a.b.EXAMPLE.com",
            ],
            &[
                "https://notexample.com",
                "https://example.com.org",
                "https://example.org",
            ],
        ),
        (
            ".example.com",
            &["https://api.example.com:6443"],
            &["https://example.com", "https://notexample.com"],
        ),
        (
            "*.Example.com",
            &["https://api.example.com:6443", "https://a.b.example.com"],
            &["https://example.com", "https://notexample.com"],
        ),
        (
            "example.com:6443",
            &["https://example.com:6443", "https://api.example.com:6443"],
            &["https://example.com", "https://example.com:443"],
        ),
        (
            "example.com:443",
            &["https://example.com"],
            &["https://example.com:6443"],
        ),
        (
            ".example.com:443",
            &["https://api.example.com"],
            &["https://example.com", "https://api.example.com:444"],
        ),
        (
            "example.com:",
            &["https://example.com:6443"],
            &["https://example.org:6443"],
        ),
        (
            " a.example.com , b.example.com,",
            &["https://a.example.com", "https://b.example.com"],
            &["https://c.example.com"],
        ),
    ]);
}

#[test]
fn an_address_in_no_proxy_is_for_the_servers_that_go_reads_it_for() {
    assert_read(&[
        (
            "10.1.2.3",
            &["https://10.1.2.3", "https://10.1.2.3:6443"],
            &["https://10.1.2.4", "https://10.1.2.3.example.com"],
        ),
        ("::ffff:10.1.2.3", &["https://10.1.2.3"], &["https://10.1.2.4"]),
        (
            "10.1.2.3:6443",
            &["https://10.1.2.3:6443"],
            &["https://10.1.2.3", "https://10.1.2.4:6443"],
        ),
        (
            "10.0.0.0/8",
            &["https://10.1.2.3", "https://10.1.2.3:6443"],
            &["https://11.1.2.3", "https://10.example.com"],
        ),
        ("10.1.2.3/8", &["https://10.9.9.9"], &["https://11.1.2.3"]),
        (
            "2001:db8::1",
            &["https://[2001:db8::1]", "https://[2001:DB8:0::1]:6443"],
            &["https://[2001:db8::2]"],
        ),
        (
            "[2001:db8::1]:6443",
            &["https://[2001:db8::1]:6443"],
            &["https://[2001:db8::1]", "https://[2001:db8::2]:6443"],
        ),
        (
            "2001:db8::/32",
            &["https://[2001:db8:1::1]:6443"],
            &["https://[2001:db9::1]", "https://10.1.2.3"],
        ),
    ]);
}

#[test]
fn what_makes_no_sense_in_no_proxy_is_passed_over() {
    for entry in [
        "localhost,127.0.0.1,",
        "/var/run/docker.sock",
        "example.com api.example.com",
        ",,",
        ":6443",
        "example.com:https",
        "10.0.0.0/8:443",
        "10.0.0.0/99",
        "[2001:db8::1]",
        "*example.com",
        "https://api.example.com",
    ] {
        assert_read(&[(entry, &[], &EVERYWHERE)]);
    }
}

#[test]
fn the_variable_is_the_one_of_the_servers_protocol_and_an_empty_one_is_none() {
    let server = "https://api.example.com";
    let chosen_by = |environment: &[(&str, &str)]| chosen(server, None, environment).unwrap();
    assert_eq!(chosen_by(&[]), None);
    assert_eq!(chosen_by(&[("HTTP_PROXY", PROXY), ("http_proxy", PROXY)]), None);
    assert_eq!(
        chosen_by(&[("HTTPS_PROXY", ""), ("https_proxy", PROXY)]).as_deref(),
        Some(PROXY)
    );
    assert_eq!(
        chosen_by(&[("HTTPS_PROXY", PROXY), ("https_proxy", "http://b")]).as_deref(),
        Some(PROXY)
    );
    assert_eq!(
        chosen_by(&[("HTTPS_PROXY", PROXY), ("NO_PROXY", ""), ("no_proxy", "example.com")]),
        None
    );
    assert_eq!(
        chosen_by(&[("HTTPS_PROXY", PROXY), ("NO_PROXY", "a"), ("no_proxy", "example.com")]).as_deref(),
        Some(PROXY)
    );
    let plain = chosen(
        "http://api.example.com",
        None,
        &[("HTTPS_PROXY", "http://b"), ("http_proxy", PROXY)],
    )
    .unwrap();
    assert_eq!(plain.as_deref(), Some(PROXY));
    let spared = [("HTTP_PROXY", PROXY), ("NO_PROXY", "api.example.com:80")];
    assert_eq!(chosen("http://api.example.com", None, &spared).unwrap(), None);
}

#[test]
fn the_proxy_of_the_kubeconfig_is_taken_whatever_the_environment_says() {
    let environment = [("HTTPS_PROXY", "http://other"), ("NO_PROXY", "*")];
    for server in ["https://api.example.com", "https://127.0.0.1:6443"] {
        assert_eq!(
            chosen(server, Some(PROXY), &environment).unwrap().as_deref(),
            Some(PROXY),
            "{server}"
        );
    }
    assert_eq!(chosen("https://api.example.com", Some(""), &environment).unwrap(), None);
}

#[test]
fn a_proxy_without_a_protocol_is_one_of_http() {
    for (said, meant) in [
        ("proxy.example.net:3128", PROXY),
        ("proxy", "http://proxy/"),
        ("user:secret@proxy:3128", "http://user:secret@proxy:3128/"),
        ("http://user:p^ss word@proxy", "http://user:p%5Ess%20word@proxy/"),
        ("[2001:db8::1]:3128", "http://[2001:db8::1]:3128/"),
        ("https://proxy.example.net", "https://proxy.example.net/"),
        (" http://proxy/ ", "http://proxy/"),
    ] {
        let proxy = chosen("https://api.example.com", None, &[("HTTPS_PROXY", said)]);
        assert_eq!(proxy.unwrap().as_deref(), Some(meant), "{said}");
    }
}

#[test]
fn a_proxy_that_cannot_be_used_is_told_by_host_and_port_alone() {
    for (said, told) in [
        (
            "socks5://user:secret@socks.example.net:1080",
            "the proxy of HTTPS_PROXY (socks.example.net:1080) is one for socks5://",
        ),
        (
            "ftp://secret@proxy",
            "the proxy of HTTPS_PROXY (proxy) is one for ftp://",
        ),
        ("http://user:se#cret@proxy:3128", "the proxy of HTTPS_PROXY is no URL"),
        ("http://user:secret@proxy:port", "the proxy of HTTPS_PROXY is no URL"),
        ("http://user:1?cret@proxy", "the proxy of HTTPS_PROXY is no URL"),
        ("http://user:1#cret@proxy", "the proxy of HTTPS_PROXY is no URL"),
        ("http://user:se/cret@proxy", "the proxy of HTTPS_PROXY is no URL"),
        ("http://", "the proxy of HTTPS_PROXY is no URL"),
        ("http://:3128", "the proxy of HTTPS_PROXY is no URL"),
    ] {
        let environment = [("HTTPS_PROXY", said)];
        let error = chosen("https://api.example.com", None, &environment).unwrap_err();
        assert!(error.to_string().starts_with(told), "{said}: {error}");
        assert!(!format!("{error} {error:?}").contains("cret"), "{said}: {error:?}");
        assert_eq!(
            chosen("https://127.0.0.1:6443", None, &environment).unwrap(),
            None,
            "{said}"
        );
    }
    let error = chosen("https://127.0.0.1", Some("socks5://socks:1080"), &[]).unwrap_err();
    assert!(
        error.to_string().contains("proxy-url in the kubeconfig (socks:1080)"),
        "{error}"
    );
}
