#!/usr/bin/env bash
# Expected: a library that parses WWW-Authenticate finds both challenges of a 401 that offers DPoP and Bearer, in one
#   line or in two.
# Observed: www_authenticate of Werkzeug's response and of its test client, and so of Flask's, knows a single
#   challenge. In one line, the second scheme becomes part of a parameter's name ("Bearer error"), and after a scheme
#   without parameters the comma part of the scheme ("bearer,"). Of two lines the second is lost. oauth4webapi (npm)
#   finds both each time.
# Why it matters: a test or a gateway in Python that looks for the reason of a Bearer refusal finds none as soon as the
#   service offers DPoP beside it, without an error. Put the challenge that old clients need first, and in a line of
#   its own.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" werkzeug==3.1.9
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" oauth4webapi@3.8.8

cd "$tmp"
cat >read.mjs <<'JS'
import { customFetch, protectedResourceRequest } from "oauth4webapi";
const headers = new Headers();
for (const line of process.argv.slice(2)) headers.append("www-authenticate", line);
const answer = { [customFetch]: async () => new Response("", { status: 401, headers }) };
try {
  await protectedResourceRequest("token", "GET", new URL("https://sessions.example/"), new Headers(), null, answer);
} catch (error) {
  console.log(JSON.stringify(error.cause.map(({ scheme, parameters }) => [scheme, parameters])));
}
JS
PYTHONPATH="$tmp/lib" python3 - <<'PY'
import json
import subprocess
from importlib.metadata import version

from werkzeug.test import Client
from werkzeug.wrappers import Response

INVALID = {"error": "invalid_token"}
ALGS = {"algs": "ES256"}
CASES = [
    (['Bearer error="invalid_token"'], ["bearer", INVALID], [["bearer", INVALID]]),
    (
        ['DPoP algs="ES256", Bearer error="invalid_token"'],
        ["dpop", ALGS | {"Bearer error": "invalid_token"}],
        [["dpop", ALGS], ["bearer", INVALID]],
    ),
    (['Bearer, DPoP algs="ES256"'], ["bearer,", {"DPoP algs": "ES256"}], [["bearer", {}], ["dpop", ALGS]]),
    (
        ['DPoP algs="ES256"', 'Bearer error="invalid_token"'],
        ["dpop", ALGS],
        [["dpop", ALGS], ["bearer", INVALID]],
    ),
]
print(f"Werkzeug {version('werkzeug')}, then oauth4webapi 3.8.8")
for lines, one, both in CASES:
    response = Response(status=401)
    for line in lines:
        response.headers.add("WWW-Authenticate", line)
    challenge = Client(response).get("/").www_authenticate
    by_werkzeug = [challenge.type, dict(challenge.parameters)]
    run = subprocess.run(["node", "read.mjs", *lines], capture_output=True, text=True, check=True)
    by_oauth4webapi = json.loads(run.stdout)
    print(f"  {lines}\n    {by_werkzeug}\n    {by_oauth4webapi}")
    assert by_werkzeug == one, "Werkzeug has changed"
    assert by_oauth4webapi == both, "oauth4webapi has changed"
PY
echo "still so: Werkzeug knows one challenge"
