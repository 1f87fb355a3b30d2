#!/usr/bin/env bash
# Expected: a session of one hour that connect-pg-simple (npm) stores is there for an hour, whoever reads it.
# Observed: its table keeps the deadline as timestamp *without* time zone, and both writing and comparing go through
#   to_timestamp(), which uses the time zone of the connection. A session written under UTC is over at once for a
#   connection in Asia/Tokyo, and nine hours late the other way round; pruning from Tokyo deletes it for all. With the
#   column changed to timestamptz all of them agree.
# Why it matters: one process with another PGTZ, role setting or JVM zone beside it signs everybody out, or lets a
#   migration count sessions as live that are long over. Within one zone it is an hour, once a year. Give the
#   store a table with timestamptz: its statements work unchanged.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" connect-pg-simple@10.0.0 \
  express-session@1.19.0 pg@8.23.1 @electric-sql/pglite@0.5.14 @electric-sql/pglite-socket@0.2.17

cd "$tmp"
cat >probe.mjs <<'JS'
import assert from "node:assert/strict";
import { promisify } from "node:util";
import { PGlite } from "@electric-sql/pglite";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";
import connectPgSimple from "connect-pg-simple";
import session from "express-session";
import pg from "pg";

const db = await PGlite.create();
const server = new PGLiteSocketServer({ db, host: "127.0.0.1", port: 0, maxConnections: 4 });
await server.start();
const port = Number(server.getServerConn().split(":").pop());
const Store = connectPgSimple(session);

async function as(zone, work) {
  const pool = new pg.Pool({ host: "127.0.0.1", port, user: "postgres", database: "postgres", max: 1 });
  await pool.query("select set_config('TimeZone', $1, false)", [zone]);
  const store = new Store({ pool, createTableIfMissing: true, pruneSessionInterval: false });
  const call = (name) => promisify(store[name].bind(store));
  const result = await work({ get: call("get"), set: call("set"), prune: call("pruneSessions") });
  await pool.end();
  return result;
}

const FORTH = ["UTC", "Asia/Tokyo"];
const BACK = ["Asia/Tokyo", "UTC"];
const hour = () => ({ user: "ada", cookie: { expires: new Date(Date.now() + 3_600_000) } });
const over = () => ({ user: "ada", cookie: { expires: new Date(Date.now() - 3_600_000) } });
async function tries(make, [writer, reader]) {
  await as(writer, ({ set }) => set("s1", make()));
  const there = async ({ get }) => Boolean(await get("s1"));
  const seen = { [writer]: await as(writer, there), [reader]: await as(reader, there) };
  await as(reader, ({ prune }) => prune());
  const left = (await db.query("select count(*)::int as n from session")).rows[0].n === 1;
  await db.query("delete from session");
  console.log(`  written in ${writer}, read:`, seen, `- left after pruning in ${reader}: ${left}`);
  return [seen[writer], seen[reader], left];
}

console.log("connect-pg-simple 10.0.0 on its own table; a session with an hour left");
assert.deepEqual(await tries(hour, FORTH), [true, false, false], "the reader's zone no longer matters");
await db.query("set TimeZone to 'Europe/Berlin'");
const moved = (await db.query(
  "select (to_timestamp($1)::timestamp::timestamptz - to_timestamp($1))::text as moved",
  [Date.UTC(2026, 9, 25, 0, 30) / 1000],
)).rows[0].moved;
console.log("a deadline of half past two in Berlin, when clocks go back, is kept with an error of", moved);
assert.equal(moved, "01:00:00");
console.log("a session that ended an hour ago");
assert.deepEqual(await tries(over, BACK), [false, true, true]);
await db.query("alter table session alter column expire type timestamptz");
console.log("the column as timestamptz; an hour left, then ended");
assert.deepEqual(await tries(hour, FORTH), [true, true, true]);
assert.deepEqual(await tries(over, BACK), [false, false, false]);
process.exit();
JS
node probe.mjs
echo "still so: the session's end moves with the connection's time zone"
