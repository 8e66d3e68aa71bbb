// Microsoft's JavaScript client against the simulators, over TLS: token, several chunks, a 429 in between, every row
// counted.
//
// The simulators count as right only while this works unchanged. It reads the JSON line that `nordpass-sentinel simulate`
// printed from the variable SIMULATOR, and exits with 1 and a sentence when something isn't as it should be. The
// simulators' authority must be in NODE_EXTRA_CA_CERTS, and the folder of the installed packages in NODE_PATH: node reads
// both when it starts.

import { createRequire } from "node:module";

// `import` doesn't look into NODE_PATH; `require` does, so the packages can be installed anywhere.
const require = createRequire(import.meta.url);
const { ClientSecretCredential } = require("@azure/identity");
const { isAggregateLogsUploadError, LogsIngestionClient } = require("@azure/monitor-ingestion");

const STREAM = "Custom-NordPassUserManagement";
const TABLE = "ASimUserManagementActivityLogs";
// About 3.6 MB: the client makes four chunks of it and sends them side by side.
const ROWS = 3000;

function check(condition, sentence) {
  if (!condition) {
    console.error(`ingest.mjs: ${sentence}`);
    process.exit(1);
  }
}

async function arrived(simulator) {
  const answer = await fetch(`${simulator.ingestion_endpoint}/_simulator`);
  return answer.json();
}

function client(simulator, secret, statuses) {
  const credential = new ClientSecretCredential(simulator.tenant_id, simulator.client_id, secret, {
    authorityHost: simulator.entra_authority,
    disableInstanceDiscovery: true,
  });
  const note = {
    name: "noteStatuses",
    async sendRequest(request, next) {
      const response = await next(request);
      statuses.push(response.status);
      return response;
    },
  };
  return new LogsIngestionClient(simulator.ingestion_endpoint, credential, {
    additionalPolicies: [{ policy: note, position: "perRetry" }],
  });
}

async function refusal(upload) {
  try {
    await upload;
  } catch (error) {
    return error;
  }
  return undefined;
}

const simulator = JSON.parse(process.env.SIMULATOR);
const statuses = [];
const ingestion = client(simulator, simulator.client_secret, statuses);
const rows = Array.from({ length: ROWS }, (_, number) => ({
  TimeGenerated: "2026-11-16T08:00:00Z",
  EventCount: 1,
  EventType: "UserModified",
  EventResult: "Success",
  TargetUsername: "noor.tamm@example.com",
  AdditionalFields: { probe: `javascript-${number}`, text: "žąsis ".repeat(150) },
}));

const before = await arrived(simulator);
await ingestion.upload(simulator.dcr_immutable_id, STREAM, rows, { maxConcurrency: 3 });
const after = await arrived(simulator);

const gained = (key) => after.tables[TABLE][key] - before.tables[TABLE][key];
check(gained("rows") === ROWS, `${gained("rows")} rows arrived, not ${ROWS}`);
check(gained("rows_without_probe") === 0, "rows arrived without their probe");
check(Object.keys(after.tables[TABLE].dropped_columns).length === 0, "columns were dropped");
const uploads = after.accepted - before.accepted;
check(uploads >= 3, `only ${uploads} uploads: this was to be several chunks`);
const count = (status) => statuses.filter((seen) => seen === status).length;
const refused = count(429);
check(refused >= 1, `no 429 came: ${statuses}`);
check(count(204) === uploads, `${uploads} uploads, but ${statuses}`);

// What Azure refuses must be refused here as well, in a form that the client understands.
const stream = await refusal(ingestion.upload(simulator.dcr_immutable_id, "Custom-Unknown", [{ a: 1 }]));
check(stream !== undefined && isAggregateLogsUploadError(stream), `unknown stream: ${stream}`);
check(stream.errors[0].cause.code === "InvalidStream", `unknown stream: ${stream.errors[0].cause.code}`);
const type = await refusal(ingestion.upload(simulator.dcr_immutable_id, STREAM, [{ EventCount: "one" }]));
check(type !== undefined && type.errors[0].cause.statusCode === 400, `wrong type: ${type}`);
const secret = await refusal(client(simulator, "wrong", []).upload(simulator.dcr_immutable_id, STREAM, [{ EventCount: 1 }]));
const said = `${secret} ${secret?.errors?.[0]?.cause}`;
check(said.includes("AADSTS7000215"), `wrong secret: ${said}`);

console.log(`ingest.mjs: ${ROWS} rows in ${uploads} uploads, ${refused} answers of 429 survived`);
