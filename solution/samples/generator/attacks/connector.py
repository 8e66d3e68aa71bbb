"""The connector dies, lags, loses, or nothing arrives.

`connectors` tells the state of each instance over time. A runner renders the health rows from it: `running` (rows as
always), `stopped` (no rows from `from` on), `lagging` (rows, with `lag_seconds`), `gap` (rows, and one that tells a gap
of `gap_seconds`), `rejected` (rows that tell the source refused the token), `no_health` (events arrive, health rows
never did).
"""

from .registry import attack

DEFAULT = "nordpass-sentinel"


def _state(s, instance, host, state, start, end, **more):
    s.connectors.append({"instance": instance, "host": host, "state": state, "from": start, "until": end, **more})


def _silence(s, day):
    """No event of anybody from this day on."""
    for person in s.people:
        s.absent[person.email] = day


@attack("connector-stopped", "High", variants=({}, {"twin_host": True}, {"twin_host": True, "names": "own"}), twins=(
    {"restart": True}, {"moved": True}), styled=False)
def stopped(s, twin_host=False, names="default", restart=False, moved=False):
    """A connector stops; another host that carries the same default instance name must not hide it."""
    end = s.at(4)
    first = DEFAULT if names == "default" else "berlin"
    if twin_host:
        _state(s, DEFAULT if names == "default" else "bremen", "host-b", "running", s.at(-16), end)
    if moved:
        _state(s, first, "host-a", "running", s.at(-16), s.at(0, 10))
        _state(s, first, "host-b", "running", s.at(0, 10, 2), end)
        s.lists["maintenance"] = [{"kind": "connector moved", "who": [first], "from": s.at(0), "until": s.at(1)}]
    elif restart:
        _state(s, first, "host-a", "running", s.at(-16), s.at(0, 10))
        _state(s, first, "host-a", "running", s.at(0, 10, 6), end)
    else:
        _state(s, first, "host-a", "running", s.at(-16), s.at(0, 10))
        _state(s, first, "host-a", "stopped", s.at(0, 10), end)
        s.cut = None if twin_host else s.at(0, 10)  # with a twin, this organization's events come by the other host
    s.expect(instances=[{"instance": first, "host": "host-a"}])


@attack("connector-lagging", "Medium", variants=({}, {"lag": 7 * 3600}), twins=({"lag": 400}, {"minutes": 10}), styled=False)
def lagging(s, lag=3 * 3600, minutes=600):
    """A connector is hours behind for hours."""
    _state(s, DEFAULT, "host-a", "running", s.at(-16), s.at(0, 8))
    _state(s, DEFAULT, "host-a", "lagging", s.at(0, 8), s.at(0, 8, minutes), lag_seconds=lag)
    _state(s, DEFAULT, "host-a", "running", s.at(0, 8, minutes), s.at(4))
    s.lag = (s.at(0, 8) - lag, s.at(0, 8, minutes) - lag, lag)
    s.expect(instances=[{"instance": DEFAULT, "host": "host-a"}])


@attack("connector-gap", "Medium", variants=({}, {"gap": 40 * 86400}), twins=({"gap": 0},), styled=False)
def gap(s, gap=6 * 3600):
    """A connector tells that a span of time can no longer be fetched."""
    _state(s, DEFAULT, "host-a", "running", s.at(-16), s.at(0, 8))
    if gap:
        _state(s, DEFAULT, "host-a", "gap", s.at(0, 8), s.at(0, 8, 1), gap_seconds=gap)
    _state(s, DEFAULT, "host-a", "running", s.at(0, 8, 1), s.at(4))
    s.expect(instances=[{"instance": DEFAULT, "host": "host-a"}])


@attack("connector-token-refused", "High", variants=({}, {"revoked": True}), twins=({"minutes": 3},), styled=False)
def refused(s, revoked=False, minutes=1440):
    """The source refuses the connector's token: expired, or revoked without an event that could still arrive."""
    if revoked:
        s.act("integrations.activities_token_revoked", s.admin2, s.at(0, 9), s.admin2.office)
    _state(s, DEFAULT, "host-a", "running", s.at(-16), s.at(0, 9))
    _state(s, DEFAULT, "host-a", "rejected", s.at(0, 9), s.at(0, 9, minutes))
    if minutes < 60:
        _state(s, DEFAULT, "host-a", "running", s.at(0, 9, minutes), s.at(4))
    else:
        s.cut = s.at(0, 9, 1)
    s.expect(instances=[{"instance": DEFAULT, "host": "host-a"}])


@attack("no-health-rows", "Low", variants=({},), twins=({"since": -16},), styled=False)
def no_health(s, since=None):
    """Events arrive, but no connector tells its health: nobody would notice its end."""
    if since is None:
        _state(s, DEFAULT, "host-a", "no_health", s.at(-16), s.at(4))
    else:
        _state(s, DEFAULT, "host-a", "running", s.at(since), s.at(4))
    s.expect()


@attack("no-data", "High", variants=({}, {"health": "running"}), twins=({"weekend": True},), styled=False)
def no_data(s, health="none", weekend=False):
    """No event at all for days in which there always were some, told by the event tables themselves."""
    if health == "running" or weekend:
        _state(s, DEFAULT, "host-a", "running", s.at(-16), s.at(4))
    if weekend:
        s.last_day = 6
    else:
        _silence(s, 0)
        s.last_day = 3
    s.expect()
