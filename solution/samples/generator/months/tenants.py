"""The three tenants."""

TENANTS = {
    "small": {
        "people": 20, "domain": "harbor.example", "countries": (("DE", 100),), "scim": False, "msp": "provider.example",
        "admins": 2, "provider": "", "services": 0, "guests": 3, "shifts": (("office", 90), ("part-time", 10)),
        "travellers": 1, "leavers": 1, "wave": 3, "offboarding": 0, "migration": 300, "rotation": 5,
    },
    "medium": {
        "people": 300, "domain": "atlas.example", "countries": (("DE", 70), ("US", 30)), "scim": True, "msp": None,
        "admins": 5, "provider": "microsoft", "services": 1, "guests": 12,
        "shifts": (("office", 72), ("early", 8), ("late", 7), ("night", 5), ("part-time", 8)),
        "travellers": 8, "leavers": 6, "wave": 25, "offboarding": 22, "migration": 2000, "rotation": 22,
    },
    "large": {
        "people": 5000, "domain": "meridian.example", "countries": (("DE", 45), ("US", 35), ("IN", 20)), "scim": True,
        "msp": None, "admins": 28, "provider": "okta", "services": 3, "guests": 150,
        "shifts": (("office", 66), ("early", 10), ("late", 10), ("night", 8), ("part-time", 6)),
        "travellers": 120, "leavers": 60, "wave": 140, "offboarding": 180, "migration": 2000, "rotation": 160,
    },
}
"""Facts of each tenant. `shifts` and `countries` are weights; `migration` is a number of items, the rest are people."""
