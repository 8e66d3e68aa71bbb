//! Networks, such as `10.0.0.0/8`, and whether an address is in one.

use std::net::{IpAddr, SocketAddr};

/// A network: its first address and the number of bits that all of its addresses share. Never an IPv4 network as an IPv6 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// What is wrong with a network, and what to do.
pub type Wrong = (String, String);

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32` or one address.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let example = || "write a network, such as 10.0.0.0/8 or 2001:db8::/32, or one address".to_owned();
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.trim().parse().map_err(|_| ("isn't an IP network".to_owned(), example()))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let Some(bits) = bits else { return Ok(Self { first: address.to_canonical(), bits: width(address) }) };
        let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = bits.parse().ok().filter(|bits| is_number && *bits <= most);
        let Some(bits) = bits else {
            return Err((format!("has no prefix from 0 to {most} behind its slash"), example()));
        };
        let first = masked(address, bits);
        if first != address {
            return Err((format!("has bits behind its first {bits}"), format!("did you mean {first}/{bits}?")));
        }
        match (first, first.to_canonical()) {
            // ::ffff:0:0/96 and longer.
            (IpAddr::V6(_), first @ IpAddr::V4(_)) if bits >= 96 => Ok(Self { first, bits: bits - 96 }),
            _ => Ok(Self { first, bits }),
        }
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && masked(address, self.bits) == self.first
    }
}

fn width(address: IpAddr) -> u8 {
    if address.to_canonical().is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

/// The address in a text that may also name a port or an interface. An IPv4 address in IPv6's form is the IPv4 address.
pub fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.split_once('%').map_or(text, |(address, _)| address);
    let address = bare.parse::<IpAddr>().ok();
    address
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_networks() {
        for (network, text, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("203.0.113.9", "203.0.113.9", true),
            ("203.0.113.9/32", "203.0.113.8", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "10.0.0.1", false),
            ("fe80::/10", "fe80::1%eth0", true),
            ("203.0.113.0/24", "203.0.113.7:443", true),
            ("2001:db8::/32", "[2001:db8::7]:443", true),
        ] {
            let network = Network::parse(network).expect(network);
            assert_eq!(address(text).is_some_and(|address| network.contains(address)), expected, "{network:?} {text}");
        }
        assert_eq!(address("unknown"), None);
    }

    #[test]
    fn wrong_networks_are_refused() {
        for text in
            ["", "10", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "::/129", "a/8", "10.0.0.0/-1"]
        {
            assert!(Network::parse(text).is_err(), "{text}");
        }
        let wrong = Network::parse("10.1.2.3/8").expect_err("bits behind the prefix");
        assert_eq!(wrong.1, "did you mean 10.0.0.0/8?");
    }
}
