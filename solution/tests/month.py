"""A quiet month: March 2026 in an organization of 500 people, by seed always the same.

What is in it: office hours with a few people at the weekend, two devices a person, trips with other addresses, new
phones, mistyped passwords, password resets and recoveries with a log-in behind them, joiners and leavers through Entra's
provisioning, an administrator's daily work, a rotated token, an MSP technician, small deletions, sharing with colleagues
and now and then with a partner, a few people who live in the vault. What isn't in it: exports, breach findings, changes of
sign-in, roles or policies that a security team wants to hear of each time; a rule on those has no threshold to get wrong.

    python month.py --work FOLDER      writes FOLDER/month.ndjson
"""

import argparse
import json
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

ORGANIZATION = "5a0c7d1e-50b5-4c1f-8d7b-0b6a4f2e9c50"
BEGIN = datetime(2026, 3, 1, tzinfo=timezone.utc)
DAYS = 31
PEOPLE = 500
PLATFORMS = ["Windows", "macOS", "Chrome extension", "Edge extension", "iOS", "Android", "Firefox extension"]
TECHNICIAN = {"user_uuid": "7c0de000-0000-4000-8000-000000000001", "user_email": "field@msp.example.net", "user_role": "admin"}


class Person:
    """Somebody with habits."""

    def __init__(self, dice, number):
        self.uuid = f"00000500-0000-4000-8000-{number:012x}"
        self.email = f"person{number:03d}@example.com"
        self.platforms = dice.sample(PLATFORMS, 2)
        # Home and office, of the ranges for documentation.
        self.office = f"198.51.100.{1 + number % 40}"
        self.home = f"203.0.113.{1 + number % 250}" if number % 2 else f"2001:db8:{number:x}::7"
        self.items = [f"10000000-0000-4000-8000-{number:06x}{item:06x}" for item in range(30)]
        self.vault = dice.choice([1, 2, 2, 3, 4]) if number % 50 else 12
        self.trip = dice.randrange(2, 28) if dice.random() < 0.25 else None
        self.new_phone = dice.randrange(5, 28) if dice.random() < 0.03 else None
        self.admin = number < 6
        # The people who leave, as `administration` names them: one on the second day of each of its weeks.
        last = PEOPLE - 1 - number
        self.leaves = last if last < DAYS and last % 7 == 2 else None


class Month:
    """Writes events down."""

    def __init__(self, seed=2026):
        self.dice = random.Random(seed)
        self.people = [Person(self.dice, number) for number in range(PEOPLE)]
        self.events = []

    def add(self, at, name, person=None, initiator="", **metadata):
        kind, action = name.split(".")
        user = {"uuid": person.uuid, "email": person.email} if person else {"uuid": "", "email": ""}
        self.events.append({"type": kind, "action": action, "timestamp": int(at.timestamp()), "organization_uuid": ORGANIZATION,
                            "user": user, "metadata": metadata, "initiator": initiator})

    def where(self, person, day):
        """Address and platform of a person on a day."""
        dice = self.dice
        address = person.office if dice.random() < 0.6 else person.home
        if person.trip is not None and person.trip <= day < person.trip + 3:
            address = f"192.0.2.{1 + hash_of(person.uuid) % 250}"
        platform = person.platforms[dice.random() < 0.15]
        if person.new_phone is not None and day >= person.new_phone and dice.random() < 0.2:
            platform, address = "iPadOS", person.home
        return address, platform

    def log_in(self, at, person, day):
        address, platform = self.where(person, day)
        place = {"platform": platform, "ip_address": address, "provider": "microsoft"}
        if self.dice.random() < 0.03:
            for again in range(self.dice.choice([1, 1, 2])):
                self.add(at - timedelta(seconds=40 - 15 * again), "login.user_login_failed", person, **place)
        self.add(at, "login.user_login_successful", person, **place)

    def unlock(self, at, person, day):
        address, platform = self.where(person, day)
        if self.dice.random() < 0.05:
            for again in range(self.dice.choice([1, 1, 1, 2, 3])):
                self.add(at - timedelta(seconds=50 - 12 * again), "lock.master_failed", person, platform=platform)
        self.add(at, "lock.master_validated", person, platform=platform)

    def use(self, at, person, day):
        """One action in the vault."""
        dice = self.dice
        address, platform = self.where(person, day)
        place = {"platform": platform, "ip_address": address}
        name = dice.choices(["item_autofilled", "item_viewed", "item_copied", "item_secret_viewed", "2fa_item_accessed"],
                            [50, 20, 15, 8, 7])[0]
        self.add(at, f"item_access.{name}", person, items=[dice.choice(person.items)], **place)
        chance = dice.random()
        if chance < 0.01:
            self.add(at, "item_delete.items_deleted", person, items=dice.sample(person.items, dice.choice([1, 1, 2, 4])), **place)
        elif chance < 0.03:
            other = dice.choice(self.people)
            guest = other.email if dice.random() < 0.93 else "buyer@partner.example.org"
            self.add(at, "item_share.items_shared", person, items=dice.sample(person.items, dice.choice([1, 1, 2])),
                     emails=[guest], **place)
        elif chance < 0.05:
            self.add(at, "item_access.items_updated", person, items=[dice.choice(person.items)], **place)

    def day_of(self, person, day):
        dice = self.dice
        weekday = (BEGIN + timedelta(days=day)).weekday()
        if dice.random() > (0.9 if weekday < 5 else 0.06):
            return
        if person.leaves is not None and day >= person.leaves:
            return
        begin = BEGIN + timedelta(days=day, hours=dice.gauss(7.8, 0.6))
        if dice.random() < 0.6:
            self.log_in(begin, person, day)
        self.unlock(begin + timedelta(minutes=1), person, day)
        for _ in range(max(1, int(dice.gauss(person.vault, 1.2)))):
            self.use(begin + timedelta(minutes=dice.uniform(2, 540)), person, day)

    def administration(self, day):
        """What administrators and provisioning do on a working day."""
        dice = self.dice
        admin, member = dice.choice(self.people[:6]), dice.choice(self.people[6:])
        at = BEGIN + timedelta(days=day, hours=dice.uniform(8, 15))
        place = {"platform": "Web vault", "ip_address": admin.office}
        self.add(at, "sharing_hub.viewed", admin, **place)
        self.add(at + timedelta(minutes=3), "groups.group_users_added", admin, group_uuid=f"a0{day:06x}-0000-4000-8000-000000000000",
                 group_name="Service desk", emails=[member.email], **place)
        self.add(at + timedelta(minutes=9), "user_settings.user_settings_updated", admin, setting="autolock_timeout", enabled=True, **place)
        self.add(at + timedelta(minutes=30), "access.user_status_updated", initiator="azure_ad", emails=[member.email], status="active")
        reset = dice.choice(self.people[6:])
        self.add(at, "password.password_reset_requested", reset, platform=reset.platforms[0])
        self.add(at + timedelta(minutes=4), "password.password_reset_successful", reset, platform=reset.platforms[0])
        self.add(at + timedelta(minutes=6), "login.user_login_successful", reset, platform=reset.platforms[0],
                 ip_address=reset.office, provider="microsoft")
        if day % 3 == 0:
            forgot = dice.choice(self.people[6:])
            self.add(at, "access.recovery_request_created", forgot)
            self.add(at + timedelta(minutes=50), "access.recovery_request_approved", admin, emails=[forgot.email], **place)
            self.add(at + timedelta(minutes=70), "login.user_login_successful", forgot, platform=forgot.platforms[0],
                     ip_address=forgot.office, provider="microsoft")
            lost = dice.choice(self.people[6:])
            self.add(at + timedelta(minutes=80), "global_settings.mfa_reset", admin, emails=[lost.email], **place)
            self.add(at + timedelta(minutes=95), "login.user_login_successful", lost, platform=lost.platforms[0],
                     ip_address=lost.office, provider="microsoft")
            self.add(at + timedelta(minutes=99), "oauth_token_management.all_tokens_deleted", admin, emails=[lost.email], **place)
        if day % 7 == 2:
            leaver = self.people[-1 - day]
            self.add(at, "access.user_status_updated", initiator="azure_ad", emails=[leaver.email], status="suspended")
            self.add(at + timedelta(hours=1), "access.item_reassignment_transferred", admin, emails=[leaver.email], items=leaver.items[:9], **place)
            self.add(at + timedelta(hours=2), "access.user_status_updated", initiator="azure_ad", emails=[leaver.email], status="deleted")
            self.add(at, "invites.user_converted_to_provisioned", initiator="azure_ad", emails=[f"joiner{day}@example.com"])
            self.add(at, "groups.group_updated", admin, group_name="Field", msp=TECHNICIAN, **place)
            self.add(at + timedelta(hours=1), "breach.breach_report_viewed", admin, **place)

    def rarities(self):
        """Once in the month."""
        admin = self.people[1]
        place = {"platform": "Web vault", "ip_address": admin.office}
        at = BEGIN + timedelta(days=16, hours=10)
        self.add(at, "integrations.activities_token_created", admin, token_name="SIEM 2", **place)
        self.add(at + timedelta(minutes=20), "integrations.activities_token_revoked", admin, token_name="SIEM 1", **place)
        # Weekend duty: one change on a Saturday.
        self.add(BEGIN + timedelta(days=13, hours=11), "user_settings.user_settings_updated", admin, setting="autolock_timeout",
                 enabled=True, **place)
        # Two people didn't want to join.
        for number, day in ((401, 9), (402, 23)):
            self.add(BEGIN + timedelta(days=day, hours=9), "invites.user_invite_declined", self.people[number])
        # An administrator steps back.
        self.add(BEGIN + timedelta(days=24, hours=9), "roles.user_role_updated", admin, emails=[self.people[5].email], role="user",
                 previous_role="admin", **place)
        # A policy is made stricter.
        self.add(BEGIN + timedelta(days=25, hours=9), "global_settings.password_policy_toggled", admin, enabled=True, **place)

    def write(self, path):
        for day in range(DAYS):
            for person in self.people:
                self.day_of(person, day)
            if (BEGIN + timedelta(days=day)).weekday() < 5:
                self.administration(day)
        self.rarities()
        self.events.sort(key=lambda event: event["timestamp"])
        with open(path, "w", encoding="utf-8") as file:
            for event in self.events:
                file.write(json.dumps(event) + "\n")
        print(f"a quiet month of {len(self.events)} events")


def hash_of(text):
    """The same in each run, which Python's own isn't."""
    return int(text[-6:], 16)


def surroundings():
    """What else there is in the month: watchlists with people who do nothing odd, an indicator that nobody meets."""
    import scenarios

    privileged = [{"UserPrincipalName": "person001@example.com", "Role": "Owner", "Until": "2100-01-01T00:00:00Z"}]
    glass = [{"UserPrincipalName": "breakglass@example.com", "Owner": "Security operations"}]
    items = [{"ItemId": "20000000-0000-4000-8000-000000000001", "Label": "Root CA"}]
    rotation = [{"Who": "person001@example.com", "Kind": "token rotation", "From": "2026-03-01T00:00:00Z", "Until": "2026-04-01T00:00:00Z", "Organization": ""}]
    indicator = {"ObservableKey": "ipv4-addr:value", "ObservableValue": "192.0.2.254", "IsActive": True, "Confidence": 90}
    return scenarios.Scenario(
        rule="", story="", meaning="", alerts=[],
        watchlists={"NordPassPrivilegedUsers": privileged, "NordPassBreakGlassAccounts": glass, "NordPassSensitiveItems": items,
                    "NordPassMaintenance": rotation},
        tables={"ThreatIntelIndicators": [indicator]})


def health(runner):
    """A connector that was well all month: its own rows of a healthy life, one round each 5 minutes until now."""
    end = runner.workspace.arrival + timedelta(minutes=1)
    con = runner.con
    names = [column[1] for column in con.execute("PRAGMA table_info('AllHealth')").fetchall()]
    moved = {"TimeGenerated": "moment", "_IngestionTime": "moment"}
    columns = ", ".join(moved.get(name, f'"{name}"') + f' AS "{name}"' for name in names)
    con.execute(
        f"CREATE OR REPLACE TABLE NordPassConnectorHealth_CL AS SELECT {columns} FROM "
        "(SELECT * FROM AllHealth WHERE Instance = 'healthy' QUALIFY row_number() OVER (PARTITION BY Component ORDER BY TimeGenerated DESC) = 1), "
        "range(CAST(? AS TIMESTAMP) - INTERVAL 31 DAYS, CAST(? AS TIMESTAMP), INTERVAL 5 MINUTES) AS rounds(moment)", [end, end])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    Month().write(Path(parser.parse_args().work) / "month.ndjson")


if __name__ == "__main__":
    main()
