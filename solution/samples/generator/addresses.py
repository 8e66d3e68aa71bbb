"""Addresses, and which country each network is in.

IPv4 comes from the benchmarking block 198.18.0.0/15 and the three documentation blocks, IPv6 from 2001:db8::/32, so no
address belongs to somebody. The table of countries is invented with them.
"""

BLOCK = 4096  # 198.18.0.0/15 is dealt out in /20s

PLACES = {
    "DE": ("Berlin", 52.52, 13.40),
    "US": ("New York", 40.71, -74.01),
    "IN": ("Bengaluru", 12.97, 77.59),
    "NL": ("Amsterdam", 52.37, 4.90),
    "FR": ("Paris", 48.86, 2.35),
    "ES": ("Madrid", 40.42, -3.70),
    "GB": ("London", 51.51, -0.13),
    "JP": ("Tokyo", 35.68, 139.69),
    "BR": ("Sao Paulo", -23.55, -46.63),
    "VN": ("Hanoi", 21.03, 105.85),
    "RO": ("Bucharest", 44.43, 26.10),
}

# name: (first /20, number of /20s, country)
NETWORKS = {
    "home.DE": (0, 4, "DE"),
    "mobile.DE": (4, 2, "DE"),
    "office.DE": (6, 1, "DE"),
    "vpn.NL": (7, 1, "NL"),
    "home.US": (8, 4, "US"),
    "mobile.US": (12, 2, "US"),
    "office.US": (14, 1, "US"),
    "vpn.US": (15, 1, "US"),
    "home.IN": (16, 2, "IN"),
    "mobile.IN": (18, 1, "IN"),
    "office.IN": (19, 1, "IN"),
    "hotel.FR": (20, 1, "FR"),
    "hotel.ES": (21, 1, "ES"),
    "hotel.GB": (22, 1, "GB"),
    "hotel.JP": (23, 1, "JP"),
    "cloud.DE": (24, 1, "DE"),
    "cloud.US": (25, 1, "US"),
    "proxy.DE": (26, 1, "DE"),
    "proxy.BR": (27, 1, "BR"),
}

HOSTILE = {"VN": "203.0.113", "BR": "192.0.2", "RO": "198.51.100"}
"""The documentation blocks: attackers' hosts, and the country of each."""

_V6 = {"DE": "1", "US": "2", "IN": "3", "FR": "4", "ES": "5", "GB": "6", "JP": "7", "NL": "8"}


def address(network, number):
    """The IPv4 address with this number in a named network; numbers beyond the network start over."""
    first, blocks, _ = NETWORKS[network]
    value = first * BLOCK + 1 + number % (blocks * BLOCK - 2)
    return f"198.{18 + (value >> 16)}.{value >> 8 & 255}.{value & 255}"


def cidr(network):
    """A named network in CIDR notation."""
    first, blocks, _ = NETWORKS[network]
    value = first * BLOCK
    return f"198.{18 + (value >> 16)}.{value >> 8 & 255}.0/{21 - blocks.bit_length()}"


def hostile(country, number):
    """An address of an attacker's host in VN, BR or RO."""
    return f"{HOSTILE[country]}.{1 + number % 254}"


def home_v6(country, home, host):
    """An IPv6 address: `home` picks the /64, `host` the privacy address in it."""
    return f"2001:db8:{_V6[country]}{home >> 12 & 15:x}{home >> 8 & 15:x}0:{home & 0xfff:x}:{host >> 32 & 0xffff | 0x200:x}:{host >> 16 & 0xffff | 1:x}:{host & 0xffff | 1:x}:1"


def hostile_v6(number):
    """An address of the attacker's /64, 2001:db8:bad:1::/64 in RO."""
    return f"2001:db8:bad:1::{number + 1:x}"


def geo_table():
    """CSV of network, country, city, latitude, longitude: what an administrator would enter as a watchlist."""
    rows = ["network,country,city,latitude,longitude"]
    for first, blocks, country in NETWORKS.values():
        for block in range(first, first + blocks):
            value = block * BLOCK
            city, latitude, longitude = PLACES[country]
            rows.append(f"198.{18 + (value >> 16)}.{value >> 8 & 255}.0/20,{country},{city},{latitude},{longitude}")
    networks = [(f"{prefix}.0/24", country) for country, prefix in HOSTILE.items()]
    networks += [(f"2001:db8:{digit}000::/36", country) for country, digit in _V6.items()]
    networks.append(("2001:db8:bad::/48", "RO"))
    for network, country in networks:
        city, latitude, longitude = PLACES[country]
        rows.append(f"{network},{country},{city},{latitude},{longitude}")
    return "\n".join(rows) + "\n"
