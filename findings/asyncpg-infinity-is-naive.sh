#!/usr/bin/env bash
# Expected: drivers that return a timestamptz with its zone do so for each value, and give 'infinity' a value that
#   sorts last.
# Observed: asyncpg returns 'infinity' as a datetime without a zone, and every other timestamptz with one, so that
#   comparing the two raises TypeError. pg (npm) returns the number Infinity in place of a Date, Postgres.js an
#   Invalid Date, which is neither before nor after anything. None of them reports an error when it reads the value.
# Why it matters: 'infinity' is the natural deadline of a session that never expires, and works in every SQL
#   condition. In Python the request fails, and in Node "deadline > now" is true or false by driver. Store a far date,
#   or NULL.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" asyncpg==0.32.0
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" postgres@3.4.9 pg@8.23.1 \
  @electric-sql/pglite@0.5.14 @electric-sql/pglite-socket@0.2.17

cd "$tmp"
cat >asyncpg_probe.py <<'PY'
import asyncio
import sys

import asyncpg


async def main(port):
    client = await asyncpg.connect(
        host="127.0.0.1", port=port, user="postgres", database="postgres", ssl=False, timeout=30
    )
    never = await client.fetchval("select 'infinity'::timestamptz")
    now = await client.fetchval("select now()")
    client.terminate()
    print(f"asyncpg {asyncpg.__version__}: infinity {never!r}, now {now!r}")
    assert now.tzinfo is not None and never.tzinfo is None, "infinity now has a zone"
    try:
        print(never > now)
        sys.exit("they can be compared now")
    except TypeError as error:
        print("  compared:", error)


asyncio.run(main(int(sys.argv[1])))
PY
cat >probe.mjs <<'JS'
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { PGlite } from "@electric-sql/pglite";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";
import pg from "pg";
import postgres from "postgres";

const server = new PGLiteSocketServer({ db: await PGlite.create(), host: "127.0.0.1", port: 0, maxConnections: 4 });
await server.start();
const port = Number(server.getServerConn().split(":").pop());
const at = { host: "127.0.0.1", port, user: "postgres", database: "postgres" };
const query = "select 'infinity'::timestamptz as never";

const client = new pg.Client(at);
await client.connect();
const byPg = (await client.query(query)).rows[0].never;
await client.end();
const sql = postgres({ ...at, ssl: false, max: 1 });
const [{ never: byPostgresJs }] = await sql.unsafe(query);
await sql.end();

console.log("pg 8.23.1:", byPg, "- after now:", byPg > new Date());
console.log("Postgres.js 3.4.9:", byPostgresJs, "- after now:", byPostgresJs > new Date());
assert.equal(byPg, Infinity);
assert.ok(byPostgresJs instanceof Date && Number.isNaN(byPostgresJs.getTime()));
const python = spawn("python3", ["asyncpg_probe.py", String(at.port)], { stdio: "inherit" });
const [code] = await once(python, "exit");
process.exit(code ?? 1);
JS
PYTHONPATH="$tmp/lib" node probe.mjs
echo "still so: three drivers, three infinities"
