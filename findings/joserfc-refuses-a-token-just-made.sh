#!/usr/bin/env bash
# Expected: a token that was signed a moment ago verifies on the same machine. `iat` only tells the token's age: RFC
#   7519 gives no rule for refusing one from the future.
# Observed: joserfc and authlib.jose compare `iat` with the clock in whole seconds and no leeway. An `iat` with a
#   fraction, as PyJWT writes for time.time(), lies in the future until the next second begins, and the token is
#   refused so long. PyJWT joins them when a whole `iat` is two seconds ahead. jose,
#   jsonwebtoken and fast-jwt (npm) and python-jose take both.
# Why it matters: "sign in, then call" fails now and then in Python services, and each time when the issuer's clock is a
#   second or two fast. Issue whole seconds, rounded down, and give these verifiers a leeway.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" pyjwt==2.15.1 joserfc==1.8.0 \
  authlib==1.9.10 python-jose==3.5.0
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" jose@6.2.18 jsonwebtoken@9.0.3 fast-jwt@6.3.6

cd "$tmp"
cat >verify.mjs <<'JS'
import { createInterface } from "node:readline";
import { createVerifier } from "fast-jwt";
import { jwtVerify } from "jose";
import jsonwebtoken from "jsonwebtoken";
const key = process.argv[2];
const VERIFY = {
  "jose 6.2.18": (token) => jwtVerify(token, new TextEncoder().encode(key)),
  "jsonwebtoken 9.0.3": (token) => jsonwebtoken.verify(token, key),
  "fast-jwt 6.3.6": (token) => createVerifier({ key })(token),
};
console.log("ready");
for await (const token of createInterface({ input: process.stdin })) {
  const results = {};
  for (const [name, verify] of Object.entries(VERIFY)) {
    results[name] = await Promise.resolve().then(() => verify(token)).then(() => "ok", (error) => error.message);
  }
  console.log(JSON.stringify(results));
}
JS
PYTHONPATH="$tmp/lib" python3 -W ignore - <<'PY'
import json
import subprocess
import time
from importlib.metadata import version

import jwt
from authlib.jose import JsonWebToken
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import OctKey
from jose import jwt as python_jose

KEY = "a secret of this script, and long enough"
OCT = OctKey.import_key(KEY)
VERIFY = {
    "joserfc": lambda token: joserfc_jwt.JWTClaimsRegistry().validate(joserfc_jwt.decode(token, OCT).claims),
    "authlib": lambda token: JsonWebToken(["HS256"]).decode(token, KEY.encode()).validate(),
    "pyjwt": lambda token: jwt.decode(token, KEY, algorithms=["HS256"]),
    "python-jose": lambda token: python_jose.decode(token, KEY, algorithms=["HS256"]),
}


def outcome(verify, token):
    try:
        verify(token)
        return "ok"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


node = subprocess.Popen(["node", "verify.mjs", KEY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
assert node.stdout.readline() == "ready\n"


def verified(ahead, whole):
    # Early in a second, so that all of them look within the same one.
    time.sleep((1.1 - time.time() % 1) % 1)
    issued = int(time.time()) + ahead if whole else time.time() + ahead
    token = jwt.encode({"sub": "ada", "iat": issued, "exp": int(issued) + 600}, KEY)
    results = {f"{name} {version(name)}": outcome(verify, token) for name, verify in VERIFY.items()}
    node.stdin.write(token + "\n")
    node.stdin.flush()
    results.update(json.loads(node.stdout.readline()))
    return results


for title, ahead, whole, strict in (
    ("iat: time.time()", 0, False, {"joserfc", "authlib"}),
    ("iat: int(time.time())", 0, True, set()),
    ("iat: two seconds ahead", 2, True, {"joserfc", "authlib", "pyjwt"}),
):
    print(title)
    for name, result in verified(ahead, whole).items():
        print(f"  {name:18} {result}")
        assert (result != "ok") == (name.split()[0] in strict), f"{name} has changed"
print("a second later the first token is good:", end=" ")
token = jwt.encode({"sub": "ada", "iat": time.time(), "exp": time.time() + 600}, KEY)
time.sleep(1)
print({outcome(verify, token) for verify in VERIFY.values()})
assert {outcome(verify, token) for verify in VERIFY.values()} == {"ok"}
node.stdin.close()
node.wait()
PY
echo "still so: a token of this very second is too young"
