#!/usr/bin/env bash
# Expected: a generated client takes every RFC 3339 time for `format: date-time`, and "+00:00" as well as "Z".
# Observed: the Zod schemas that orval and @hey-api/openapi-ts generate take "Z" alone, since z.string().datetime()
#   allows no offset unless it is told to. "2026-11-29T12:00:00+00:00" makes the whole answer invalid. Those of
#   openapi-zod-client take both.
# Why it matters: chrono's to_rfc3339() and Python's isoformat() write +00:00. Such a server works with every client
#   that has no such check, and one whose generator is changed shows no devices at all. Write Z, or set the generator's
#   option for offsets.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" orval@7.13.2 @hey-api/openapi-ts@0.95.0 \
  openapi-zod-client@1.18.3 @zodios/core@10.9.6 zod@3.25.76 typescript@5.9.3

cd "$tmp"
cat >probe.mjs <<'JS'
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import ts from "typescript";

const Session = {
  type: "object",
  required: ["lastActivityAt"],
  properties: { lastActivityAt: { type: "string", format: "date-time" } },
};
const content = { "application/json": { schema: { $ref: "#/components/schemas/Session" } } };
fs.writeFileSync("api.json", JSON.stringify({
  openapi: "3.1.0",
  info: { title: "sessions", version: "1" },
  paths: {
    "/session": {
      get: {
        operationId: "getSession",
        responses: { 200: { description: "ok", content } },
      },
    },
  },
  components: { schemas: { Session } },
}));
fs.writeFileSync("orval.config.cjs", `module.exports = {
  a: { input: "./api.json", output: { target: "./orval.ts", client: "zod" } },
  b: {
    input: "./api.json",
    output: { target: "./offset.ts", client: "zod", override: { zod: { dateTimeOptions: { offset: true } } } },
  },
};`);

function generate(command, ...args) {
  const result = spawnSync(`node_modules/.bin/${command}`, args, { encoding: "utf8" });
  assert.equal(result.status, 0, result.stdout + result.stderr);
}
async function load(file) {
  const compilerOptions = { module: "esnext", target: "es2022" };
  const source = ts.transpileModule(fs.readFileSync(file, "utf8"), { compilerOptions });
  fs.writeFileSync(`${file}.mjs`, source.outputText);
  return import(`./${file}.mjs`);
}

generate("orval");
generate("openapi-ts", "--input", "api.json", "--output", "hey", "--plugins", "zod");
generate("openapi-zod-client", "api.json", "--output", "zodios.ts", "--export-schemas");
const zod = (schema) => (answer) => schema.safeParse(answer).success;
const CLIENTS = {
  "orval 7.13.2": [zod(Object.values(await load("orval.ts"))[0]), false],
  "@hey-api/openapi-ts 0.95.0": [zod((await load("hey/zod.gen.ts")).zSession), false],
  "orval, dateTimeOptions.offset": [zod(Object.values(await load("offset.ts"))[0]), true],
  "openapi-zod-client 1.18.3": [zod((await load("zodios.ts")).schemas.Session), true],
};
for (const [name, [takes, offset]] of Object.entries(CLIENTS)) {
  const seen = ["Z", "+00:00"].map((zone) => takes({ lastActivityAt: `2026-11-29T12:00:00${zone}` }));
  console.log(`${name.padEnd(30)} Z: ${seen[0]}, +00:00: ${seen[1]}`);
  assert.deepEqual(seen, [true, offset], `${name} has changed`);
}
JS
node probe.mjs
echo "still so: +00:00 is no date-time to two generated clients"
