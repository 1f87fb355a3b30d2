#!/usr/bin/env bash
# Expected: a member with a `default` that is not listed under `required` may be left out of a request; that is what
#   the default is for.
# Observed: openapi-typescript makes each such member required, in request bodies as in answers, unless it is run with
#   --default-non-nullable=false. A call with openapi-fetch that leaves it out does not compile. @hey-api/openapi-ts
#   leaves the same member optional.
# Why it matters: documenting a default, which changes nothing on the wire, breaks the build of every TypeScript
#   client at its next generation; and in answers a member counts as present that the server may well omit. Run it
#   with that option, or state the default in the description alone.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" openapi-typescript@7.13.0 \
  openapi-fetch@0.17.0 @hey-api/openapi-ts@0.95.0 typescript@5.9.3

cd "$tmp"
cat >probe.mjs <<'JS'
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";

const notify = (extra) => ({ type: "boolean", ...extra });
const document = (extra) => ({
  openapi: "3.1.0",
  info: { title: "sessions", version: "1" },
  paths: {
    "/sessions/end": {
      post: {
        operationId: "end",
        requestBody: {
          required: true,
          content: { "application/json": { schema: { $ref: "#/components/schemas/End" } } },
        },
        responses: { 204: { description: "ended" } },
      },
    },
  },
  components: {
    schemas: {
      End: {
        type: "object",
        required: ["reason"],
        properties: { reason: { type: "string" }, notify: notify(extra) },
      },
    },
  },
});
const run = (command, ...args) => spawnSync(`node_modules/.bin/${command}`, args, { encoding: "utf8" });
fs.writeFileSync("before.json", JSON.stringify(document({})));
fs.writeFileSync("after.json", JSON.stringify(document({ default: true })));

function compiles(source, ...options) {
  assert.equal(run("openapi-typescript", source, "--output", "api.ts", ...options).status, 0);
  fs.writeFileSync("client.ts", `
    import createClient from "openapi-fetch";
    import type { paths } from "./api";
    createClient<paths>().POST("/sessions/end", { body: { reason: "lost" } });
  `);
  const flags = ["--noEmit", "--strict", "--skipLibCheck", "--module", "preserve", "--target", "es2022"];
  const result = run("tsc", ...flags, "client.ts");
  const message = result.stdout.trim().split("\n").pop().trim();
  console.log(`  ${source} ${options.join(" ")}: ${result.status === 0 ? "compiles" : message}`);
  return result.status === 0;
}

console.log("openapi-typescript 7.13.0, a call without `notify`");
assert.ok(compiles("before.json"));
assert.ok(!compiles("after.json"), "a member with a default is optional now");
assert.ok(compiles("after.json", "--default-non-nullable=false"));

const generated = run("openapi-ts", "--input", "after.json", "--output", "hey", "--plugins", "@hey-api/typescript");
assert.equal(generated.status, 0, generated.stderr);
const line = fs.readFileSync("hey/types.gen.ts", "utf8").match(/notify.*/)[0];
console.log("@hey-api/openapi-ts 0.95.0:", line);
assert.equal(line, "notify?: boolean;");
JS
node probe.mjs
echo "still so: a default makes a member required"
