#!/usr/bin/env bash
# Expected: a Set-Cookie line with a negative Max-Age, or a date in the past, deletes the cookie in whatever reads it.
# Observed: the test client of Werkzeug, and so of Flask, deletes a cookie for "Max-Age=0" or the first second of 1970,
#   and for nothing else: with -1, or a date of yesterday, it goes on sending it. Nor does it look at the clock when a
#   lifetime has passed. getSetCookies() of undici reads -1 as no Max-Age at all, so a deletion looks like a cookie
#   that is set. httpx and tough-cookie delete it each time.
# Why it matters: express and Starlette write a negative maxAge as it is given, and some servers "expire" a cookie by
#   a second. The sign-out then works in browsers and not in tests, or not behind a proxy that reads the header with
#   undici. Delete with both "Max-Age=0" and "Expires=Thu, 01 Jan 1970 00:00:00 GMT".
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" flask==3.1.3 werkzeug==3.1.9 httpx==0.28.1
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" undici@7.30.2 tough-cookie@6.1.0

cd "$tmp"
cat >read.mjs <<'JS'
import { CookieJar } from "tough-cookie";
import { getSetCookies, Headers } from "undici";
const [line] = process.argv.slice(2);
const jar = new CookieJar();
for (const each of ["sid=abc; Path=/", line]) jar.setCookieSync(each, "http://sessions.example/");
const [{ maxAge, expires }] = getSetCookies(new Headers({ "set-cookie": line }));
console.log(JSON.stringify({
  kept: jar.getCookieStringSync("http://sessions.example/") !== "",
  undici: { maxAge, expires },
}));
JS
PYTHONPATH="$tmp/lib" python3 - <<'PY'
import json
import subprocess
import time
from importlib.metadata import version

import flask
import httpx

app = flask.Flask(__name__)
END = ""


@app.get("/in")
def sign_in():
    return "", {"Set-Cookie": "sid=abc; Path=/"}


@app.get("/brief")
def brief():
    return "", {"Set-Cookie": "sid=abc; Path=/; Max-Age=1"}


@app.get("/out")
def sign_out():
    return "", {"Set-Cookie": END}


@app.get("/")
def seen():
    return flask.request.headers.get("Cookie", "")


def by_flask(path):
    client = app.test_client()
    client.get("/in")
    client.get(path)
    return client


def by_httpx(path):
    client = httpx.Client(transport=httpx.WSGITransport(app), base_url="http://sessions.example")
    client.get("/in")
    client.get(path)
    return client


print(f"Flask {version('flask')} with Werkzeug {version('werkzeug')}, httpx {version('httpx')},", end=" ")
print("tough-cookie 6.1.0, undici 7.30.2: is the cookie still sent?")
for attribute, flask_keeps, undici_reads in (
    ("Max-Age=0", False, {"maxAge": 0}),
    ("Expires=Thu, 01 Jan 1970 00:00:00 GMT", False, {"expires": "1970-01-01T00:00:00.000Z"}),
    ("Expires=Thu, 01 Jan 1970 00:00:01 GMT", True, {"expires": "1970-01-01T00:00:01.000Z"}),
    ("Max-Age=-1", True, {}),
):
    END = f"sid=; Path=/; {attribute}"
    kept = [bool(make("/out").get("/").text) for make in (by_flask, by_httpx)]
    run = subprocess.run(["node", "read.mjs", END], capture_output=True, text=True, check=True)
    in_node = json.loads(run.stdout)
    print(f"  {attribute}: Flask {kept[0]}, httpx {kept[1]}, tough-cookie {in_node['kept']};", end=" ")
    print("undici reads", in_node["undici"])
    assert kept == [flask_keeps, False] and not in_node["kept"], "one of them has changed"
    assert in_node["undici"] == undici_reads, "undici has changed"

clients = by_flask("/brief"), by_httpx("/brief")
time.sleep(2.1)
kept = [bool(client.get("/").text) for client in clients]
print(f"  Max-Age=1, two seconds later: Flask {kept[0]}, httpx {kept[1]}")
assert kept == [True, False], "Flask's client now looks at the clock"
PY
echo "still so: a deletion by -1 is none in Flask's client, nor to undici"
