//! Checks of URLs: tokens and events travel encrypted, except on this very machine.

use reqwest::Url;

use crate::http::is_loopback;

/// A message and a hint.
type Refusal = (String, String);

/// Whether a URL can be an endpoint: https, or http to a loopback host.
pub(crate) fn check_url(name: &str, text: &str) -> Result<(), Refusal> {
    let url = parse(name, text)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err((format!("`{name}` holds a user name or password"), "take the part before the @ out".into()));
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url.host_str().unwrap_or_default()) => Ok(()),
        "http" => Err((
            format!("`{name}` is plain http, which would show its token to the network"),
            "write https://…; plain http is for loopback hosts (127.0.0.1, [::1], localhost) only".into(),
        )),
        _ => Err((format!("`{name}` doesn't begin with https://"), "write https://…".into())),
    }
}

/// Whether a URL can be a proxy.
pub(super) fn check_proxy(name: &str, text: &str) -> Result<(), Refusal> {
    let hint = "write http://host:port; in a user name or password, %23 stands for #, %2F for / and %40 for @";
    let url = parse(name, text).map_err(|(message, _)| (message, hint.to_owned()))?;
    if matches!(url.scheme(), "http" | "https") {
        Ok(())
    } else {
        Err((format!("`{name}` begins with neither http:// nor https://"), "write http://host:port".into()))
    }
}

fn parse(name: &str, text: &str) -> Result<Url, Refusal> {
    let hint = || "write the whole URL, such as https://host/path".to_owned();
    let url = Url::parse(text).map_err(|error| (format!("`{name}` isn't a URL: {error}"), hint()))?;
    match url.host_str() {
        Some(host) if !host.is_empty() => Ok(url),
        _ => Err((format!("`{name}` names no host"), hint())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_anywhere_and_http_at_home() {
        for good in [
            "https://api-activities.eu.nordpass.com/activities/query",
            "http://127.0.0.1:8080/x",
            "http://127.9.9.9",
            "http://[::1]:1/",
            "http://localhost:1",
        ] {
            assert_eq!(check_url("endpoint", good), Ok(()), "{good}");
        }
    }

    #[test]
    fn the_rest_is_refused() {
        for (bad, message) in [
            ("http://example.com", "`endpoint` is plain http, which would show its token to the network"),
            ("http://127.0.0.1.example.com", "`endpoint` is plain http, which would show its token to the network"),
            ("http://evil.localhost/x", "`endpoint` is plain http, which would show its token to the network"),
            ("http://localhost@example.com", "`endpoint` holds a user name or password"),
            ("ftp://example.com", "`endpoint` doesn't begin with https://"),
            ("example.com/path", "`endpoint` isn't a URL: relative URL without a base"),
            ("https://", "`endpoint` isn't a URL: empty host"),
            ("file:///etc/passwd", "`endpoint` names no host"),
        ] {
            assert_eq!(check_url("endpoint", bad).unwrap_err().0, message, "{bad}");
        }
        assert!(check_proxy("proxy", "http://me:word@proxy:3128").is_ok());
        assert!(check_proxy("proxy", "socks5://proxy").is_err());
    }
}
