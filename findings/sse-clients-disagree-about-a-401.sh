#!/usr/bin/env bash
# Expected: a client for server-sent events gives up after a 401 or a 204, as the standard says, and tries again after
#   a 503 or a lost connection.
# Observed: of four clients with nothing set, no two do the same. @microsoft/fetch-event-source asks again each second
#   for ever, whatever the answer, and even after a 204, which means "stop". eventsource-client stops for a 204 only.
#   launchdarkly-eventsource does what one expects. eventsource follows the standard to the letter, by which 503 ends
#   the stream for good as well.
# Why it matters: a stream of session events is refused as soon as its session ends. One client then asks each second
#   for as long as the page is open, and another does not come back from a deployment that answered 503 once. Throw in
#   the callback onerror of the first, and have a proxy hold or drop connections rather than answer 503.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" @microsoft/fetch-event-source@2.0.1 \
  eventsource-client@1.2.0 eventsource@4.1.1 launchdarkly-eventsource@2.2.0

cd "$tmp"
cat >probe.mjs <<'JS'
import assert from "node:assert/strict";
import http from "node:http";
import { EventSource } from "eventsource";
import { createEventSource } from "eventsource-client";
import launchDarkly from "launchdarkly-eventsource";

// What fetch-event-source wants from a browser: the page is always visible.
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
globalThis.window = globalThis;
const { fetchEventSource } = await import("@microsoft/fetch-event-source");

const CLIENTS = {
  "@microsoft/fetch-event-source 2.0.1": (url) => {
    const controller = new AbortController();
    fetchEventSource(url, { signal: controller.signal });
    return () => controller.abort();
  },
  "eventsource-client 1.2.0": (url) => {
    const source = createEventSource({ url, onMessage() {} });
    return () => source.close();
  },
  "launchdarkly-eventsource 2.2.0": (url) => {
    const source = new launchDarkly.EventSource(url);
    source.onerror = () => {};
    return () => source.close();
  },
  "eventsource 4.1.1": (url) => {
    const source = new EventSource(url);
    source.onerror = () => {};
    return () => source.close();
  },
};
const AGAIN = {
  "@microsoft/fetch-event-source 2.0.1": [true, true, true],
  "eventsource-client 1.2.0": [true, false, true],
  "launchdarkly-eventsource 2.2.0": [false, false, true],
  "eventsource 4.1.1": [false, false, false],
};
const STATUSES = [401, 204, 503];

async function requests(start, status) {
  let count = 0;
  const server = http.createServer((_request, response) => {
    count += 1;
    response.writeHead(status, status === 204 ? {} : { "content-type": "application/problem+json" });
    response.end(status === 204 ? undefined : "{}");
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const stop = start(`http://127.0.0.1:${server.address().port}/events`);
  await new Promise((done) => setTimeout(done, 6500));
  stop();
  server.close();
  server.closeAllConnections();
  return count;
}

console.log("requests in 6.5 seconds, all answered by", STATUSES.join(", "));
const runs = Object.entries(CLIENTS).map(async ([name, start]) => [
  name,
  await Promise.all(STATUSES.map((status) => requests(start, status))),
]);
for (const [name, counts] of await Promise.all(runs)) {
  console.log(`  ${name.padEnd(36)} ${counts.join(", ")}`);
  assert.deepEqual(counts.map((count) => count > 1), AGAIN[name], `${name} has changed`);
  assert.ok(counts.every((count) => count >= 1));
}
process.exit();
JS
node probe.mjs
echo "still so: four clients, four opinions"
