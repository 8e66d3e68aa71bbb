"""Determinism, shape and independence of the clock. Run: `python3 -m unittest` in the folder above."""

import hashlib
import json
import re
import unittest
from pathlib import Path

from generator import addresses, clock, event, freeze, output, shapes, style
from generator.attacks import ATTACKS, describe, samples
from generator.attacks.registry import plans
from generator.months import TENANTS, Month

ROOT = Path(__file__).resolve().parents[3]
ANCHOR = clock.midnight(clock.DEFAULT_ANCHOR)
SOME = ("recovery-takeover", "connector-lagging", "manual-member-change", "no-data")


def known_pairs():
    """The pairs of the catalogue, in whichever crate it lies."""
    (catalogue,) = ROOT.glob("crates/*/src/catalogue/events.txt")
    pairs = set()
    for line in catalogue.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 2 and not line.startswith("#") and cells[0] != "type":
            pairs.add(f"{cells[0]}.{cells[1]}")
    return pairs


class Attacks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = []
        for known, kind, behaviour, sample in samples(1, ANCHOR):
            cls.made.append((known, kind, behaviour, sample, describe(known, kind, behaviour, sample)))

    def test_every_event_is_an_api_event(self):
        pairs = known_pairs()
        self.assertGreater(len(pairs), 140)
        for *_, sample, _ in self.made:
            for _, delay, made in sample.events:
                self.assertIsNone(event.problem(made, pairs), (sample.id, made))
                self.assertGreaterEqual(delay, 0)

    def test_the_check_of_events_can_fail(self):
        good = event.make("login.user_login_failed", ANCHOR, self.made[0][3].organization, "", "", {})
        pairs = known_pairs()
        self.assertIsNone(event.problem(good, pairs))
        for change in ({"action": "x"}, {"timestamp": float(ANCHOR)}, {"timestamp": ANCHOR * 1000}, {"organization_uuid": "1"},
                       {"user": {"uuid": "x", "email": ""}}, {"metadata": None}, {"initiator": None}, {"id": 1}):
            self.assertIsNotNone(event.problem({**good, **change}, pairs), change)

    def test_ids_are_unique_and_each_attack_has_variants_twins_and_a_confirmed_one(self):
        ids = [sample.id for *_, sample, _ in self.made]
        self.assertEqual(len(ids), len(set(ids)))
        for known in ATTACKS.values():
            kinds = [(kind, made.name) for _, kind, _, made in plans(known, 1)]
            self.assertTrue(any(kind == "twin" for kind, _ in kinds), known.id)
            self.assertEqual(sum(name == "confirmed" for _, name in kinds), int(known.styled), known.id)

    def test_an_alert_has_somebody_or_something_to_name(self):
        for known, kind, _, sample, told in self.made:
            expected = told["expected"]
            named = expected["actors"] or expected["targets"] or expected.get("instances")
            if kind == "attack" and expected["observable"] == "full":
                self.assertTrue(named or known.id in ("no-data", "no-health-rows"), sample.id)

    def test_confirmed_samples_hold_only_confirmed_metadata(self):
        allowed = {
            "login.user_login_failed": {"ip_address", "provider", "platform"}, "item_delete.items_deleted": {"items", "platform"},
            "access.user_status_updated": {"status"}, "invites.user_invited": {"emails"},
        }
        seen = set()
        for *_, sample, _ in self.made:
            if sample.style.confirmed:
                for _, _, made in sample.events:
                    pair = f"{made['type']}.{made['action']}"
                    keys = set(made["metadata"]) - {"msp"}
                    seen |= keys
                    self.assertLessEqual(keys, allowed.get(pair, {"platform"}), (sample.id, made))
        self.assertEqual(seen, {"ip_address", "provider", "platform", "items", "status", "emails"})

    def test_every_shape_of_every_slot_occurs(self):
        used = {slot: set() for slot in shapes.SLOTS}
        for *_, sample, _ in self.made:
            for slot, shape in sample.style.chosen.items():
                used[slot].add(shape)
        for slot, table in shapes.SLOTS.items():
            self.assertEqual(used[slot], set(table), slot)

    def test_times_depend_on_the_anchor_alone(self):
        def relative(anchor):
            return [
                (sample.id, when - sample.start, delay, {**made, "timestamp": 0})
                for _, _, _, sample in samples(1, anchor, SOME) for when, delay, made in sample.events
            ]

        first = relative(ANCHOR)
        for days in (1, 4, 7):  # the months' test tries every day of the week
            self.assertEqual(first, relative(ANCHOR + days * clock.DAY), days)

    def test_a_seed_gives_the_same_bytes_and_another_gives_others(self):
        def digest(seed):
            return hashlib.sha256(b"".join(content for _, content in output.attack_files(seed, ANCHOR, SOME))).hexdigest()

        self.assertEqual(digest(1), digest(1))
        self.assertNotEqual(digest(1), digest(2))

    def test_a_twin_can_be_read(self):
        for _, kind, _, sample, told in self.made:
            self.assertEqual(told["expected"]["severity"] == "none", kind == "twin", sample.id)
            if kind == "twin":
                self.assertEqual(told["expected"]["observable"], "full", sample.id)
                self.assertFalse(told["expected"]["alert"], sample.id)

    def test_arrivals_lie_beside_the_events(self):
        files = dict(output.attack_files(1, ANCHOR, ["mass-item-deletion"]))
        for name, content in files.items():
            if name.endswith("events.ndjson"):
                delays = files[name.replace("events.ndjson", "arrivals.txt")].decode().splitlines()
                told = json.loads(files[name.replace("events.ndjson", "sample.json")])
                self.assertEqual(len(delays), content.count(b"\n"), name)
                self.assertEqual(len(delays), told["events"], name)


class Shapes(unittest.TestCase):
    def test_readable_shapes_hold_the_fact(self):
        facts = {
            "address": (("203.0.113.9",), "203.0.113.9"), "platform": (("Linux",), "linux"), "items": ((["i-1"],), "i-1"),
            "role": (("user", "owner"), "owner"), "status": (("active", "suspended"), "suspended"),
            "policy": (("mfa_required", True, False), "mfa_required"), "recipient": (([("a@b.example", "u-1")],), "a@b.example"),
        }
        for slot, (values, needle) in facts.items():
            for name, shape in shapes.SLOTS[slot].items():
                text = json.dumps(shape(*values)).lower()
                if name not in shapes.UNREADABLE[slot]:
                    self.assertIn(needle, text, (slot, name))
                elif slot != "policy":
                    self.assertNotIn(needle, text, (slot, name))
        for name, shape in shapes.TARGET.items():
            text = json.dumps(shape([("a@b.example", "u-1")]))
            self.assertEqual("a@b.example" in text or "u-1" in text, name not in shapes.UNREADABLE["target"], name)

    def test_two_facts_under_one_key_are_both_kept(self):
        made = style.plain(address="in_client", platform="in_device")
        self.assertEqual(made.metadata("login.user_login_successful", {"address": ("a",), "platform": ("p",)}),
                         {"client": {"ip": "a"}, "device": {"platform": "p"}})
        both = {"users": [1]}
        shapes.merge(both, {"users": [2]})
        self.assertEqual(both, {"users": [1], "users_2": [2]})


class Months(unittest.TestCase):
    def test_every_event_is_an_api_event_in_order_within_the_month(self):
        pairs = known_pairs()
        for size, seed in (("small", 1), ("small", 2), ("small", 3), ("medium", 2)):
            month = Month(size, seed, ANCHOR)
            last = month.start
            for delay, made in month.stream():
                self.assertIsNone(event.problem(made, pairs), made)
                self.assertGreaterEqual(delay, 0)
                self.assertGreaterEqual(made["timestamp"], last)
                last = made["timestamp"]
            self.assertLess(last, month.end)
            self.assertGreater(last, month.end - 2 * clock.DAY)

    def test_a_month_can_be_streamed_twice(self):
        month = Month("medium", 1, ANCHOR, days=21)

        def digest():
            made = hashlib.sha256()
            for delay, told in month.stream():
                made.update(f"{delay} {event.encode(told)}".encode())
            return made.hexdigest()

        self.assertEqual(digest(), digest())

    def test_times_depend_on_the_anchor_alone(self):
        def relative(anchor):
            month = Month("small", 1, anchor)
            return [(made["timestamp"] - month.start, delay, {**made, "timestamp": 0}) for delay, made in month.stream()]

        self.assertEqual(clock.weekday(Month("small", 1, ANCHOR).start), clock.MONDAY)
        first = relative(ANCHOR)
        for days in (1, 2, 3, 4, 5, 6, 7):
            self.assertEqual(first, relative(ANCHOR + days * clock.DAY), days)

    def test_a_month_has_what_it_promises(self):
        month = Month("medium", 1, ANCHOR)
        kinds = {entry["kind"] for entry in month.truth}
        for kind in ("onboarding wave", "leaver", "off-boarding", "travel", "identity provider outage", "backlog", "migration",
                     "rotation", "token rotation", "after a holiday", "lost phone", "break-glass test", "access review"):
            self.assertIn(kind, kinds)
        listed = {entry["kind"] for entry in month.lists["maintenance"]}
        self.assertLessEqual({"migration", "rotation", "off-boarding", "token rotation"}, listed)
        self.assertNotIn("travel", listed)
        self.assertEqual(Month("small", 1, ANCHOR).lists["msp_domains"], ["provider.example"])
        for entry in month.truth:
            self.assertLess(entry["from"], entry["until"], entry)

    def test_events_of_a_backlog_arrive_after_it(self):
        month = Month("small", 1, ANCHOR)
        first, last = month.backlogs[1]
        inside = [(delay, made) for delay, made in month.stream() if first <= made["timestamp"] < last]
        self.assertTrue(inside)
        for delay, made in inside:
            self.assertGreaterEqual(made["timestamp"] + delay, last - 60)


class Addresses(unittest.TestCase):
    def test_every_address_is_in_one_network_of_the_table(self):
        import ipaddress

        table = [line.split(",")[:2] for line in addresses.geo_table().splitlines()[1:]]
        networks = [(ipaddress.ip_network(network), country) for network, country in table]
        cases = [(addresses.address(name, 12345), country) for name, (_, _, country) in addresses.NETWORKS.items()]
        cases += [(addresses.hostile(country, 77), country) for country in addresses.HOSTILE]
        cases += [(addresses.home_v6("US", 54321, 1 << 45), "US"), (addresses.hostile_v6(3), "RO")]
        for address, country in cases:
            found = [there for network, there in networks if ipaddress.ip_address(address) in network]
            self.assertEqual(found, [country], address)


class Freeze(unittest.TestCase):
    def test_sources_are_those_of_the_manifest(self):
        frozen = json.loads(freeze.MANIFEST.read_text())
        self.assertEqual(freeze.source_hashes(), frozen["sources"], "a source changed after the freeze")

    def test_some_attacks_and_small_months_are_those_of_the_manifest(self):
        frozen = json.loads(freeze.MANIFEST.read_text())
        hashes, _ = output.attack_hashes(1, ANCHOR, SOME)
        self.assertEqual(set(hashes), {*SOME, "geo.csv"})
        self.assertEqual(set(frozen["attacks"]["seed-1"]["by_attack"]), {*ATTACKS, "geo.csv"})
        for name, digest in hashes.items():
            self.assertEqual(digest, frozen["attacks"]["seed-1"]["by_attack"][name], name)
        for seed in freeze.SEEDS:
            self.assertEqual(freeze.month("small", seed), frozen["months"][f"small.seed-{seed}"])

    def test_the_manifest_holds_every_tenant_and_seed(self):
        frozen = json.loads(freeze.MANIFEST.read_text())
        self.assertEqual(frozen["anchor"], clock.DEFAULT_ANCHOR)
        self.assertEqual(set(frozen["months"]), {f"{size}.seed-{seed}" for size in TENANTS for seed in freeze.SEEDS})

    def test_no_clock_and_no_environment_is_read(self):
        for path in freeze.HERE.rglob("*.py"):
            self.assertIsNone(re.search(r"\btime\.time|\bnow\(|today\(|os\.environ|\bhash\(", path.read_text()), path)


if __name__ == "__main__":
    unittest.main()
