#!/usr/bin/env bash
# Expected: a test client that keeps cookies forgets one after its Max-Age, and at once when that is zero: Max-Age
#   even takes precedence over Expires.
# Observed: agent() of superagent, and so of supertest, keeps its cookies with cookiejar (npm), which knows only
#   Expires. "Max-Age=0" sets the cookie instead of deleting it, and "Max-Age=1" never ends. fetch-cookie (on
#   tough-cookie) and requests drop both.
# Why it matters: a test "sign out, then ask again" of a server that deletes by Max-Age alone passes or fails by what
#   the server makes of an empty value, and no test that lets a cookie expire works at all. Send Expires as well, or
#   look at the header.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" requests==2.34.2
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" superagent@10.4.2 supertest@7.3.2 \
  fetch-cookie@3.2.0 tough-cookie@6.1.0

cd "$tmp"
cat >probe.py <<'PY'
import json
import sys
import time

import requests

base, keep, delete = sys.argv[1:]
client = requests.Session()
seen = []
for path in (keep, "/", delete, "/", "/second", "/"):
    seen.append(client.get(base + path).text)
time.sleep(1.6)
seen.append(client.get(base + "/").text)
print(json.dumps([seen[1], seen[3], seen[5], seen[6]]))
PY
cat >probe.mjs <<'JS'
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import http from "node:http";
import { promisify } from "node:util";
import fetchCookie from "fetch-cookie";
import superagent from "superagent";
import request from "supertest";
import { CookieJar } from "tough-cookie";

const LINES = {
  "/hour": "sid=abc; Path=/; Max-Age=3600",
  "/zero": "sid=abc; Path=/; Max-Age=0",
  "/second": "sid=abc; Path=/; Max-Age=1",
  "/past": "sid=abc; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
};
const server = http.createServer((incoming, response) => {
  const line = LINES[incoming.url];
  if (line) response.setHeader("Set-Cookie", line);
  response.setHeader("Content-Type", "text/plain");
  response.end(incoming.headers.cookie ?? "none");
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const base = `http://127.0.0.1:${server.address().port}`;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function visit(get) {
  await get("/hour");
  const set = await get("/");
  await get("/zero");
  const zero = await get("/");
  await get("/second");
  const second = await get("/");
  await sleep(1600);
  return [set, zero, second, await get("/")];
}

const agents = { superagent: superagent.agent(), supertest: request.agent(server) };
const gets = {
  superagent: async (path) => (await agents.superagent.get(base + path)).text,
  supertest: async (path) => (await agents.supertest.get(path)).text,
};
const fetched = fetchCookie(fetch, new CookieJar());
gets["fetch-cookie"] = async (path) => (await fetched(base + path)).text();

console.log("superagent 10.4.2, supertest 7.3.2, fetch-cookie 3.2.0, requests 2.34.2; the Cookie header sent");
console.log("                Max-Age=3600, after Max-Age=0, after Max-Age=1, and 1.6 s later");
const results = {};
for (const [name, get] of Object.entries(gets)) results[name] = await visit(get);
const python = await promisify(execFile)("python3", ["probe.py", base, "/hour", "/zero"]);
results.requests = JSON.parse(python.stdout);
for (const [name, seen] of Object.entries(results)) {
  console.log(`  ${name.padEnd(13)} ${seen.join(", ")}`);
  const ignores = name.startsWith("super");
  assert.deepEqual(seen, ignores ? Array(4).fill("sid=abc") : ["sid=abc", "none", "sid=abc", "none"], name);
}
for (const name of Object.keys(agents)) {
  await gets[name]("/past");
  assert.equal(await gets[name]("/"), "none", "Expires works");
}
console.log("  Expires in the past: gone from superagent and supertest");
process.exit();
JS
PYTHONPATH="$tmp/lib" node probe.mjs
echo "still so: superagent's cookies do not end by Max-Age"
