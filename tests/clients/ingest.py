"""Microsoft's Python client against the simulators, over TLS: token, several chunks, a 429 in between, every row counted.

The simulators count as right only while this works unchanged. It reads the JSON line that `nordpass-sentinel simulate`
printed from the variable SIMULATOR, and exits with 1 and a sentence when something isn't as it should be.
"""

import json
import os
import ssl
import sys
import urllib.request

from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.identity import ClientSecretCredential
from azure.monitor.ingestion import LogsIngestionClient

STREAM = "Custom-NordPassAuditEvent"
TABLE = "ASimAuditEventLogs"
# About 3.6 MB: the client makes four chunks of it.
ROWS = 3000


class Statuses(SansIOHTTPPolicy):
    """Notes the status of every attempt."""

    def __init__(self):
        self.seen = []
        self.client_ids = set()

    def on_response(self, request, response):
        self.seen.append(response.http_response.status_code)
        self.client_ids.add(request.http_request.headers.get("x-ms-client-request-id"))


def check(condition, sentence):
    if not condition:
        sys.exit(f"ingest.py: {sentence}")


def arrived(simulator, context):
    with urllib.request.urlopen(f"{simulator['ingestion_endpoint']}/_simulator", context=context) as answer:
        return json.load(answer)


def rows(count):
    for number in range(count):
        yield {
            "TimeGenerated": "2026-11-16T08:00:00Z",
            "EventCount": 1,
            "EventType": "Read",
            "EventResult": "Success",
            "Operation": "item_viewed",
            "AdditionalFields": {"probe": f"python-{number}", "text": "žąsis " * 150},
        }


def main():
    simulator = json.loads(os.environ["SIMULATOR"])
    trusted = simulator["ca_file"]
    context = ssl.create_default_context(cafile=trusted)
    statuses = Statuses()

    def client(secret):
        credential = ClientSecretCredential(
            simulator["tenant_id"],
            simulator["client_id"],
            secret,
            authority=simulator["entra_authority"],
            disable_instance_discovery=True,
            connection_verify=trusted,
        )
        return LogsIngestionClient(
            simulator["ingestion_endpoint"], credential, connection_verify=trusted, per_retry_policies=[statuses]
        )

    before = arrived(simulator, context)
    ingestion = client(simulator["client_secret"])
    ingestion.upload(simulator["dcr_immutable_id"], STREAM, list(rows(ROWS)))
    after = arrived(simulator, context)

    def gained(key):
        return after["tables"][TABLE][key] - before["tables"][TABLE][key]

    check(gained("rows") == ROWS, f"{gained('rows')} rows arrived, not {ROWS}")
    check(gained("rows_without_probe") == 0, "rows arrived without their probe")
    check(after["tables"][TABLE]["dropped_columns"] == before["tables"][TABLE]["dropped_columns"], "columns were dropped")
    uploads = after["accepted"] - before["accepted"]
    check(uploads >= 3, f"only {uploads} uploads: this was to be several chunks")
    refused = statuses.seen.count(429)
    check(refused >= 1, f"no 429 came: {statuses.seen}")
    check(statuses.seen.count(204) == uploads, f"{uploads} uploads, but {statuses.seen}")

    # What Azure refuses must be refused here as well, in a form that the client understands.
    try:
        ingestion.upload(simulator["dcr_immutable_id"], "Custom-Unknown", [{"a": 1}])
        check(False, "an unknown stream was accepted")
    except HttpResponseError as error:
        check(error.status_code == 404 and error.error is not None, f"unknown stream: {error}")
        check(error.error.code == "InvalidStream", f"unknown stream: {error.error.code}")
    try:
        ingestion.upload(simulator["dcr_immutable_id"], STREAM, [{"EventCount": "one"}])
        check(False, "a wrong type was accepted")
    except HttpResponseError as error:
        check(error.status_code == 400, f"wrong type: {error}")
    try:
        client("wrong").upload(simulator["dcr_immutable_id"], STREAM, [{"EventCount": 1}])
        check(False, "a wrong secret got a token")
    except HttpResponseError as error:
        check("AADSTS7000215" in str(error), f"wrong secret: {error}")

    print(f"ingest.py: {ROWS} rows in {uploads} uploads, {refused} answers of 429 survived")


if __name__ == "__main__":
    main()
