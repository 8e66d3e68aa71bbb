"""Health rows of connectors as the samples describe their states, and the rules about them at their own pace."""

from datetime import timedelta

import recording
import tables

# How often a connector writes a row, and how late Azure shows it.
EVERY, LATE = timedelta(minutes=3), timedelta(minutes=1)


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
    oldest = recording.at(sample["attack_day"]) - timedelta(days=2)
    found = []
    # Two hosts have lives of their own.
    for host in dict.fromkeys(state["host"] for state in sample["connectors"]):
        found += [row for row in rows([state for state in sample["connectors"] if state["host"] == host]) if row[0] > oldest]
    con.execute("DELETE FROM AllHealth")
    if found:
        values = ", ".join(f"(TIMESTAMP '{time}', 'nordpass', '{instance}', '{run}', '{token}', {lag}, {gaps}, TIMESTAMP '{time + LATE}')"
                           for time, instance, run, token, lag, gaps in found)
        con.execute(f"INSERT INTO AllHealth (TimeGenerated, Component, Instance, RunId, TokenState, LagSeconds, Gaps, _IngestionTime) VALUES {values}")


def run(scheduler, rule, sample):
    """Yields time and row of the runs of a rule in the hours after each change of a connector's state, or all along."""
    fill(scheduler.con, sample)
    scheduler.only([sample["organization"]])
    begin, end = recording.at(sample["attack_day"]), recording.at(sample["until"])
    step = tables.period(rule.data["queryFrequency"])
    changes = [recording.at(state[key]) for state in sample["connectors"] for key in ("from", "until")]
    if step >= timedelta(hours=1):
        step, changes = timedelta(hours=6), []
    now = begin
    while now < end:
        now += step
        if not changes or any(timedelta() <= now - change <= timedelta(hours=2) for change in changes):
            for row in scheduler.run(rule, now, step):
                yield now, row
