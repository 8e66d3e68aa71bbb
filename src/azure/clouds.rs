//! The clouds: which authority and which audience belong together (`reference/sentinel.md` 1.6).

const PUBLIC: &str = "https://monitor.azure.com/.default";
const GOVERNMENT: &str = "https://monitor.azure.us/.default";
const CHINA: &str = "https://monitor.azure.cn/.default";

/// The scope to ask a token for. The authority host decides where one is set; else the endpoint's ending, so that a
/// managed identity in a sovereign cloud asks for the right audience.
pub fn scope(authority_host: Option<&str>, endpoint: &str) -> &'static str {
    let host = |url: &str| {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        rest.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase()
    };
    match authority_host.map(host).as_deref() {
        Some("login.microsoftonline.us") => return GOVERNMENT,
        Some("login.chinacloudapi.cn" | "login.partner.microsoftonline.cn") => return CHINA,
        Some("login.microsoftonline.com") => return PUBLIC,
        _ => {}
    }
    let endpoint = host(endpoint);
    if endpoint.ends_with(".monitor.azure.us") {
        GOVERNMENT
    } else if endpoint.ends_with(".monitor.azure.cn") {
        CHINA
    } else {
        PUBLIC
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audience_follows_the_cloud() {
        let public = "https://x-1.westeurope-1.ingest.monitor.azure.com";
        assert_eq!(scope(None, public), PUBLIC);
        assert_eq!(scope(Some("https://login.microsoftonline.us/"), public), GOVERNMENT);
        assert_eq!(scope(None, "https://x.usgovvirginia-1.ingest.monitor.azure.us:443/"), GOVERNMENT);
        assert_eq!(scope(Some("https://login.chinacloudapi.cn"), public), CHINA);
        assert_eq!(scope(Some("https://127.0.0.1:1234"), "http://127.0.0.1:80"), PUBLIC);
    }
}
