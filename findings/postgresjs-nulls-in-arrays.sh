#!/usr/bin/env bash
# Expected: NULL inside a PostgreSQL array arrives as null, whatever the type of the elements.
# Observed: postgres (npm, "Postgres.js") hands the word NULL to the parser of the element's type. A missing boolean
#   becomes false, a number NaN, a date Invalid Date, and a text the four letters NULL; jsonb throws. pg (npm) returns
#   null each time.
# Why it matters: array_agg over a left join, such as "whether each device of a user is trusted", contains NULL as a
#   matter of course. "Unknown" then reads as "no" without an error. Add a filter to the aggregate, or coalesce.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" postgres@3.4.9 pg@8.23.1 \
  @electric-sql/pglite@0.5.14 @electric-sql/pglite-socket@0.2.17

cd "$tmp"
cat >probe.mjs <<'JS'
import assert from "node:assert/strict";
import { PGlite } from "@electric-sql/pglite";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";
import pg from "pg";
import postgres from "postgres";

const db = await PGlite.create();
const server = new PGLiteSocketServer({ db, host: "127.0.0.1", port: 0, maxConnections: 4 });
await server.start();
const port = Number(server.getServerConn().split(":").pop());
const at = { host: "127.0.0.1", port, user: "postgres", database: "postgres" };

const arrays = {
  bool: "array[true, null]::bool[]",
  int4: "array[1, null]::int4[]",
  text: "array['a', null]::text[]",
  timestamptz: "array[to_timestamp(0), null]::timestamptz[]",
};
const query = `select ${Object.entries(arrays).map(([type, sql]) => `${sql} as "${type}"`)}`;

const sql = postgres({ ...at, ssl: false, max: 1 });
const [seen] = await sql.unsafe(query);
const jsonb = await sql.unsafe(`select array['{}'::jsonb, null]`).catch((error) => error);
await sql.end();
const client = new pg.Client(at);
await client.connect();
const { rows: [byPg] } = await client.query(query);
await client.end();

console.log((await db.query("select version()")).rows[0].version.split(" (")[0]);
for (const type of Object.keys(arrays)) {
  console.log(`${arrays[type]}: Postgres.js`, seen[type], "- pg", byPg[type]);
  assert.equal(byPg[type][1], null);
}
console.log("array of jsonb: Postgres.js", String(jsonb));
assert.equal(seen.bool[1], false);
assert.ok(Number.isNaN(seen.int4[1]));
assert.equal(seen.text[1], "NULL");
assert.ok(seen.timestamptz[1] instanceof Date && Number.isNaN(seen.timestamptz[1].getTime()));
assert.ok(jsonb instanceof SyntaxError);
process.exit(0);
JS
node probe.mjs
echo "still so: Postgres.js parses the word NULL as an element"
