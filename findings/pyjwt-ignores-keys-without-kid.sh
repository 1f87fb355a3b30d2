#!/usr/bin/env bash
# Expected: a JWKS with one key needs no `kid`, which is optional in both the key and the token: there is nothing to
#   choose.
# Observed: PyJWT's PyJWKClient drops keys without a `kid` before it looks at the token, and reports that the endpoint
#   has no signing keys. joserfc and jose (npm) verify the same token with the same document.
# Why it matters: a session service with a single key, which publishes it without a name, works with its Node clients
#   and fails with all Python ones. Always publish a `kid` (the RFC 7638 thumbprint will do), and put it in the token.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" 'pyjwt[crypto]==2.15.1' joserfc==1.8.0
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" jose@6.2.17

cd "$tmp"
cat >verify.mjs <<'JS'
import { createRemoteJWKSet, jwtVerify } from "jose";
const [url, token] = process.argv.slice(2);
process.stdout.write((await jwtVerify(token, createRemoteJWKSet(new URL(url)))).payload.sub);
JS
PYTHONPATH="$tmp/lib" python3 - <<'PY'
import http.server
import json
import subprocess
import threading
from importlib.metadata import version

import jwt
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey, KeySet

key = ECKey.generate_key("P-256", auto_kid=False)
public = key.as_dict(private=False)
public.pop("kid", None)
document = {"keys": [public]}


class Jwks(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Jwks)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
token = jwt.encode({"sub": "ada"}, key.as_pem(private=True), algorithm="ES256")

print("published:", json.dumps({k: "..." if k in "xy" else v for k, v in public.items()}))
print("token header:", jwt.get_unverified_header(token))
by_joserfc = joserfc_jwt.decode(token, KeySet.import_key_set(document), algorithms=["ES256"]).claims["sub"]
by_jose = subprocess.run(["node", "verify.mjs", url, token], capture_output=True, text=True, check=True).stdout
print(f"joserfc {version('joserfc')}: {by_joserfc}\njose 6.2.17: {by_jose}")
assert by_joserfc == by_jose == "ada"
try:
    jwt.PyJWKClient(url).get_signing_key_from_jwt(token)
    raise SystemExit("PyJWT now uses the key")
except jwt.PyJWKClientError as error:
    print(f"PyJWT {version('pyjwt')}: {error}")
PY
echo "still so: PyJWKClient wants a kid"
