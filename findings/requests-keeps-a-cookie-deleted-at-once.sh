#!/usr/bin/env bash
# Expected: a client handles the Set-Cookie lines of one response in their order: set, then deleted, means gone.
# Observed: requests and httpx (both on the standard library's http.cookiejar) first work off every deletion, then
#   every addition. A response that sets a cookie and deletes it in a later line leaves it set. aiohttp and
#   tough-cookie delete it.
# Why it matters: a middleware that renews the session cookie runs outside the handler that signs out, and both may
#   write a line. Tests with requests then see a user who stays signed in where a browser does not. Write one line per
#   cookie.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" \
  requests==2.34.2 httpx==0.28.1 aiohttp==3.14.5
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" tough-cookie@6.1.0

cd "$tmp"
cat >tough.cjs <<'JS'
const { CookieJar } = require("tough-cookie");
(async () => {
  const jar = new CookieJar();
  for (const line of process.argv.slice(2)) await jar.setCookie(line, "http://localhost/");
  process.stdout.write(await jar.getCookieString("http://localhost/"));
})();
JS
PYTHONPATH="$tmp/lib" python3 - <<'PY'
import asyncio
import http.server
import subprocess
import threading
from importlib.metadata import version

import aiohttp
import httpx
import requests

LINES = ["sid=abc; Path=/", "sid=; Path=/; Max-Age=0"]


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.headers.get("Cookie", "").encode()
        self.send_response(200)
        for line in LINES if self.path == "/set" else []:
            self.send_header("Set-Cookie", line)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://localhost:{server.server_port}"


async def with_aiohttp():
    async with aiohttp.ClientSession() as client:
        await (await client.get(base + "/set")).read()
        return await (await client.get(base)).text()


sent = {}
with requests.Session() as client:
    client.get(base + "/set")
    sent[f"requests {version('requests')}"] = client.get(base).text
with httpx.Client() as client:
    client.get(base + "/set")
    sent[f"httpx {version('httpx')}"] = client.get(base).text
sent[f"aiohttp {version('aiohttp')}"] = asyncio.run(with_aiohttp())
tough = subprocess.run(["node", "tough.cjs", *LINES], capture_output=True, text=True, check=True)
sent["tough-cookie 6.1.0"] = tough.stdout
for client, cookie in sent.items():
    print(f"{client:20} sends {cookie!r}")
assert list(sent.values()) == ["sid=abc", "sid=abc", "", ""], "a client has changed"
PY
echo "still so: http.cookiejar lets an addition win over a later deletion"
