//! The clouds: which authority and which audience belong together, as `azure_identity` and the Go client `azlogs` have them.

/// One of Microsoft's clouds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// The worldwide one.
    Public,
    /// Azure Government in the United States.
    UsGovernment,
    /// Azure in China, operated by 21Vianet.
    China,
}

impl Cloud {
    /// By its word in the pipeline file.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "public" => Some(Self::Public),
            "us_government" => Some(Self::UsGovernment),
            "china" => Some(Self::China),
            _ => None,
        }
    }

    /// Where tokens are requested.
    pub fn authority(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::UsGovernment => "https://login.microsoftonline.us",
            Self::China => "https://login.chinacloudapi.cn",
        }
    }

    /// The scope of Azure Monitor's ingestion.
    pub fn scope(self) -> &'static str {
        match self {
            Self::Public => "https://monitor.azure.com/.default",
            Self::UsGovernment => "https://monitor.azure.us/.default",
            Self::China => "https://monitor.azure.cn/.default",
        }
    }

    /// The ending of blob endpoints' hosts.
    pub fn blob_hosts(self) -> &'static str {
        match self {
            Self::Public => "blob.core.windows.net",
            Self::UsGovernment => "blob.core.usgovcloudapi.net",
            Self::China => "blob.core.chinacloudapi.cn",
        }
    }

    /// The cloud of an authority host, if its name shows it.
    pub fn of_authority(url: &str) -> Option<Self> {
        match host(url).as_str() {
            "login.microsoftonline.us" => Some(Self::UsGovernment),
            "login.chinacloudapi.cn" | "login.partner.microsoftonline.cn" => Some(Self::China),
            "login.microsoftonline.com" => Some(Self::Public),
            _ => None,
        }
    }

    /// The cloud of an ingestion endpoint, if its name shows it.
    pub fn of_endpoint(url: &str) -> Option<Self> {
        let host = host(url);
        let ending = |ending: &str| host.ends_with(ending);
        if ending(".monitor.azure.us") {
            Some(Self::UsGovernment)
        } else if ending(".monitor.azure.cn") {
            Some(Self::China)
        } else {
            ending(".monitor.azure.com").then_some(Self::Public)
        }
    }
}

fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase()
}

/// The scope to ask a token for. A cloud or an authority host that is set decides; else the endpoint's ending, so that
/// a managed identity in a sovereign cloud asks for the right audience.
pub fn scope(cloud: Option<Cloud>, authority_host: Option<&str>, endpoint: &str) -> &'static str {
    cloud
        .or_else(|| authority_host.and_then(Cloud::of_authority))
        .or_else(|| Cloud::of_endpoint(endpoint))
        .unwrap_or(Cloud::Public)
        .scope()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audience_follows_the_cloud() {
        const PUBLIC: &str = "https://monitor.azure.com/.default";
        const GOVERNMENT: &str = "https://monitor.azure.us/.default";
        const CHINA: &str = "https://monitor.azure.cn/.default";
        let public = "https://x-1.westeurope-1.ingest.monitor.azure.com";
        assert_eq!(scope(None, None, public), PUBLIC);
        assert_eq!(scope(None, Some("https://login.microsoftonline.us/"), public), GOVERNMENT);
        assert_eq!(scope(None, None, "https://x.usgovvirginia-1.ingest.monitor.azure.us:443/"), GOVERNMENT);
        assert_eq!(scope(None, Some("https://login.chinacloudapi.cn"), public), CHINA);
        assert_eq!(scope(None, Some("https://127.0.0.1:1234"), "http://127.0.0.1:80"), PUBLIC);
        assert_eq!(scope(Cloud::named("china"), Some("https://127.0.0.1:1234"), "http://127.0.0.1:80"), CHINA);
        for cloud in [Cloud::Public, Cloud::UsGovernment, Cloud::China] {
            assert_eq!(Cloud::of_authority(cloud.authority()), Some(cloud));
        }
        assert_eq!(Cloud::named("germany"), None);
    }
}
