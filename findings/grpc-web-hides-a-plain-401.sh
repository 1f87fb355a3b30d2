#!/usr/bin/env bash
# Expected: a gRPC-Web client that gets HTTP 401 without a gRPC status derives UNAUTHENTICATED from it, as gRPC's
#   table says.
# Observed: grpc-web (npm) looks at the Content-Type first. A 401, 429 or 503 with a text or JSON body becomes
#   UNKNOWN, "Unknown Content-type received", and its HTTP status is lost; with no Content-Type the table is used. For
#   the same response Connect's gRPC-Web client reports Unauthenticated, and for 429 Unavailable, where grpc-web says
#   RESOURCE_EXHAUSTED.
# Why it matters: HTTP middleware in front of gRPC-Web that answers with problem+json never leads grpc-web's users to
#   the sign-in page. Errors need `grpc-status`, and a Content-Type of application/grpc-web.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" grpc-web@2.1.1 xhr2@0.2.1 \
  @connectrpc/connect@2.1.2 @connectrpc/connect-node@2.1.2 @bufbuild/protobuf@2.17.0

cd "$tmp"
cat >probe.mjs <<'JS'
import assert from "node:assert/strict";
import http from "node:http";
import { createRequire } from "node:module";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-node";

const require = createRequire(import.meta.url);
globalThis.XMLHttpRequest = require("xhr2");
const { GrpcWebClientBase, MethodDescriptor, MethodType, StatusCode } = require("grpc-web");

const PROBLEM = { type: "application/problem+json", body: "{}" };
const BARE = { type: undefined, body: "" };
let status, reply;
const server = http.createServer((_request, response) => {
  response.writeHead(status, reply.type ? { "content-type": reply.type } : {});
  response.end(reply.body);
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const base = `http://127.0.0.1:${server.address().port}`;

const descriptor = new MethodDescriptor("/t.S/M", MethodType.UNARY, Object, Object, () => new Uint8Array(), () => ({}));
const grpcWeb = () =>
  new Promise((done) => {
    new GrpcWebClientBase({ format: "binary" }).rpcCall(`${base}/t.S/M`, {}, {}, descriptor, (error) =>
      done(Object.keys(StatusCode).find((name) => StatusCode[name] === error.code)));
  });

const method = { kind: "rpc", methodKind: "unary", name: "M", localName: "m", input: EmptySchema, output: EmptySchema };
const service = { typeName: "t.S", methods: [method], method: { m: method } };
method.parent = service;
const connect = () =>
  createClient(service, createGrpcWebTransport({ baseUrl: base, httpVersion: "1.1" }))
    .m({})
    .then(() => "Ok", (error) => Code[error.code]);

const rows = [
  [401, PROBLEM, "UNKNOWN", "Unauthenticated"],
  [429, PROBLEM, "UNKNOWN", "Unavailable"],
  [503, PROBLEM, "UNKNOWN", "Unavailable"],
  [401, BARE, "UNAUTHENTICATED", "Unauthenticated"],
  [429, BARE, "RESOURCE_EXHAUSTED", "Unavailable"],
  [503, BARE, "UNAVAILABLE", "Unavailable"],
];
console.log("grpc-web", require("grpc-web/package.json").version, "and Connect 2.1.2");
for (const [code, kind, expected, expectedByConnect] of rows) {
  [status, reply] = [code, kind];
  const [seen, seenByConnect] = [await grpcWeb(), await connect()];
  console.log(`HTTP ${code}, ${kind.type ?? "no content type"}: grpc-web ${seen}, Connect ${seenByConnect}`);
  assert.deepEqual([seen, seenByConnect], [expected, expectedByConnect]);
}
process.exit(0);
JS
node probe.mjs
echo "still so: grpc-web turns a plain 401 into UNKNOWN"
