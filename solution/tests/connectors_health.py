"""Health rows of connectors as the samples describe their states, and the rules about them at their own pace."""

from datetime import timedelta

import recording
import tables

# How often a connector writes a row, and how late Azure shows it.
EVERY, LATE = timedelta(minutes=5), timedelta(minutes=1)


def rows(states):
    """(time, instance, run, token state, lag, gaps) of each health row."""
    run, last, gaps = "", None, 0
    for state in states:
        if last is None or last["host"] != state["host"] or last["until"] != state["from"]:
            run, gaps = f"{state['host']}-{state['from']}", 0
        last = state
        if state["state"] in ("stopped", "no_health"):
            continue
        gaps += state["state"] == "gap"
        time, end = recording.at(state["from"]), recording.at(state["until"])
        while time < end:
            yield (time, state["instance"], run, "refused" if state["state"] == "rejected" else "valid", state.get("lag_seconds", 5), gaps)
            time += EVERY


def fill(con, sample):
    """Replaces the health rows by those of a sample's last days before the attack, and after it."""
    con.execute("DELETE FROM AllHealth")
    oldest = recording.at(sample["attack_day"]) - timedelta(days=2)
    # Two hosts have lives of their own.
    for host in dict.fromkeys(state["host"] for state in sample["connectors"]):
        found = [(time, "nordpass", "source", instance, run, token, float(lag), gaps, time + LATE)
                 for time, instance, run, token, lag, gaps in rows([state for state in sample["connectors"] if state["host"] == host]) if time > oldest]
        if found:
            con.executemany("INSERT INTO AllHealth (TimeGenerated, Component, ComponentKind, Instance, RunId, TokenState, LagSeconds, Gaps, _IngestionTime) "
                            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", found)


def run(scheduler, rule, sample):
    """Yields time and row of each run of a rule over a sample's days of attack."""
    fill(scheduler.con, sample)
    scheduler.only([sample["organization"]])
    step = tables.period(rule.data["queryFrequency"])
    now, end = recording.at(sample["attack_day"]), recording.at(sample["until"])
    if step < timedelta(hours=1):
        end = min(end, now + timedelta(days=2))
    while now < end:
        now += step
        for row in scheduler.run(rule, now):
            yield now, row

