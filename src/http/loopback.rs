//! Names that must be this machine's: judged by the address that is connected to, not by how they look.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A host that plain http doesn't go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plain http goes to loopback addresses only, and this host has none: write https://…")]
pub struct NotLoopback;

/// Asks the system, and keeps the loopback addresses of its answer.
pub struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(only_loopback(found)?.into_iter()) as Addrs)
        })
    }
}

fn only_loopback(mut found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, NotLoopback> {
    found.retain(|address| address.ip().is_loopback());
    if found.is_empty() { Err(NotLoopback) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_judged_by_its_addresses() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        assert_eq!(only_loopback(addresses(&["192.0.2.1:0", "[2001:db8::1]:0"])), Err(NotLoopback));
        assert_eq!(only_loopback(addresses(&["192.0.2.1:0", "[::1]:0"])), Ok(addresses(&["[::1]:0"])));
        assert_eq!(only_loopback(Vec::new()), Err(NotLoopback));
    }
}
