#!/usr/bin/env bash
# Expected: a JavaScript number without a fraction, such as Date.now(), is bound to a SQLite statement as an integer.
# Observed: libsql (npm, made to replace better-sqlite3) binds every number as REAL, and sql.js each one beyond 32
#   bits. Only a column of integer affinity hides it: elsewhere the same value is stored as '1700000000123.0', divided
#   with a fraction, and put into JSON as 1700000000123.0. node-sqlite3-wasm binds an integer.
# Why it matters: a record that Node wrote, with a deadline in a TEXT, ANY or JSON column, cannot be parsed as an i64
#   by the service that shares the table. Declare such columns INTEGER, or bind a BigInt.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" \
  libsql@0.5.29 sql.js@1.17.0 node-sqlite3-wasm@0.8.60

cd "$tmp"
cat >probe.cjs <<'JS'
const assert = require("node:assert/strict");
const Libsql = require("libsql");
const initSqlJs = require("sql.js");
const wasm = require("node-sqlite3-wasm");
const { readFileSync } = require("node:fs");

const MILLIS = 1700000000123;
const QUERY = "select typeof(?1) type, ?1 || '' text, json_object('exp', ?1) json";
const COLUMNS = "create table session (deadline integer, label text) strict";
const INSERT = "insert into session values (?1, ?1)";
const READ = "select typeof(deadline) deadline, label from session";

const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;

(async () => {
  const libsql = new Libsql(":memory:");
  const { Database } = await initSqlJs();
  const sqljs = new Database();
  const other = new wasm.Database(":memory:");
  const first = (result) => Object.fromEntries(result[0].columns.map((name, at) => [name, result[0].values[0][at]]));

  const clients = {
    libsql: (sql, value) => libsql.prepare(sql)[/^select/.test(sql) ? "get" : "run"](...(value ? [value] : [])),
    "sql.js": (sql, value) => {
      const result = sqljs.exec(sql, value ? [value] : undefined);
      return result.length ? first(result) : undefined;
    },
    "node-sqlite3-wasm": (sql, value) => (/^select/.test(sql) ? other.get(sql, value) : other.run(sql, value)),
  };
  for (const [name, run] of Object.entries(clients)) {
    const real = name !== "node-sqlite3-wasm";
    const { type, text, json } = run(QUERY, MILLIS);
    run(COLUMNS);
    run(INSERT, MILLIS);
    const { deadline, label } = run(READ);
    console.log(`${name} ${version(name)}: typeof ${type}, as text ${text}, in JSON ${json};`,
      `stored: ${deadline} in the integer column, ${label} in the text column`);
    const digits = String(MILLIS) + (real ? ".0" : "");
    assert.deepEqual(
      { type, text, json, deadline, label },
      { type: real ? "real" : "integer", text: digits, json: `{"exp":${digits}}`, deadline: "integer", label: digits },
    );
  }
  assert.equal(clients.libsql(QUERY, 5).type, "real");
  assert.equal(clients["sql.js"](QUERY, 5).type, "integer");
  assert.equal(clients.libsql(QUERY, BigInt(MILLIS)).type, "integer");
})();
JS
node probe.cjs
echo "still so: libsql and sql.js bind milliseconds as REAL"
