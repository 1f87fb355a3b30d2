#!/usr/bin/env bash
# Expected: urllib3 retries a failed connection by default, and hands any response to the caller: status_forcelist is
#   empty.
# Observed: a Retry-After header turns a 413, 429 or 503 into a retry, without a forcelist: the same GET is sent four
#   times and sleeps between them for as long as the header says. Without the header, or for a POST, it is sent once.
#   requests, which is built on urllib3, sends it once either way.
# Why it matters: a guard that answers 429 with Retry-After: 60 to be polite keeps such a client's thread for three
#   minutes, and counts its one call as four. The response that the caller finally sees says nothing about it.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" urllib3==2.8.0 requests==2.34.2

cd "$tmp"
PYTHONPATH="$tmp/lib" python3 - <<'PY'
import http.server
import threading
import time

import requests
import urllib3


class Server(http.server.BaseHTTPRequestHandler):
    requests = 0

    def do_GET(self):
        Server.requests += 1
        _, status, retry_after = self.path.split("/")
        self.send_response(int(status))
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}"
pool = urllib3.PoolManager()


def attempts(client, method, path):
    Server.requests, began = 0, time.monotonic()
    response = client(method, base + path)
    status = getattr(response, "status", None) or response.status_code
    print(f"{method} {path}: {status} after {Server.requests} request(s), {time.monotonic() - began:.1f} s")
    return Server.requests


print("urllib3", urllib3.__version__)
for status in (413, 429, 503):
    assert attempts(pool.request, "GET", f"/{status}/0") == 4, "urllib3 no longer retries"
    assert attempts(pool.request, "GET", f"/{status}/") == 1
assert attempts(pool.request, "GET", "/429/1") == 4
assert attempts(pool.request, "GET", "/500/0") == 1
assert attempts(pool.request, "POST", "/503/0") == 1
print("requests", requests.__version__)
assert attempts(requests.request, "GET", "/503/0") == 1
PY
echo "still so: Retry-After makes urllib3 retry by itself"
