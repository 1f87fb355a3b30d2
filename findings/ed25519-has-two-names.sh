#!/usr/bin/env bash
# Expected: "Ed25519" (RFC 9864) is the new name of what "EdDSA" meant for such keys, so a token with one name
#   verifies with a key that carries the other, or at least the new name works where it is on both sides.
# Observed: jose (npm) and joserfc know both names and treat them as two algorithms: a key whose `alg` says EdDSA is
#   not found for a token that says Ed25519, nor the other way round. PyJWT drops a key that says Ed25519 from the set
#   before it looks at any token; a set of such keys "did not contain any usable keys". fast-jwt refuses the new name
#   outright. jwcrypto takes all four combinations.
# Why it matters: changing the header or the JWKS to the new name, a harmless-looking update of an issuer, signs
#   everybody out at the services of the other half. Publish Ed25519 keys without `alg`, and change the token's header
#   last.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" 'pyjwt[crypto]==2.15.1' joserfc==1.8.0 \
  jwcrypto==1.6.1
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" jose@6.2.18 fast-jwt@6.3.6

cd "$tmp"
cat >probe.mjs <<'JS'
import { createPublicKey } from "node:crypto";
import { createVerifier } from "fast-jwt";
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from "jose";

const { publicKey, privateKey } = await generateKeyPair("Ed25519");
const plain = { ...(await exportJWK(publicKey)), kid: "k1" };
const pem = createPublicKey({ key: plain, format: "jwk" }).export({ type: "spki", format: "pem" });
const NAMES = ["EdDSA", "Ed25519"];
const result = async (verify) => Promise.resolve().then(verify).then(() => "ok", (error) => error.message);
const cases = [];
for (const inKey of [...NAMES, null]) {
  for (const inToken of NAMES) {
    const key = inKey ? { ...plain, alg: inKey } : plain;
    const token = await new SignJWT({ sub: "ada" }).setProtectedHeader({ alg: inToken, kid: "k1" }).sign(privateKey);
    const results = {
      "jose 6.2.18": await result(() => jwtVerify(token, createLocalJWKSet({ keys: [key] }))),
      "fast-jwt 6.3.6": await result(() => createVerifier({ key: pem })(token)),
    };
    cases.push({ inKey, inToken, key, token, results });
  }
}
console.log(JSON.stringify(cases));
JS
PYTHONPATH="$tmp/lib" python3 - <<'PY'
import json
import subprocess
from importlib.metadata import version

import jwt
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet
from jwcrypto import jwk as jwcrypto_jwk
from jwcrypto import jwt as jwcrypto_jwt

NAMES = ["EdDSA", "Ed25519"]


def by_pyjwt(token, keys):
    jwt.decode(token, jwt.PyJWKSet.from_dict(keys)["k1"], algorithms=NAMES)


def by_joserfc(token, keys):
    joserfc_jwt.decode(token, KeySet.import_key_set(keys), algorithms=NAMES)


def by_jwcrypto(token, keys):
    jwcrypto_jwt.JWT(jwt=token, key=jwcrypto_jwk.JWKSet.from_json(json.dumps(keys)), algs=NAMES)


def outcome(verify, *args):
    try:
        verify(*args)
        return "ok"
    except Exception as error:
        return str(error).split(".")[0]


# Which of the six verify, in the order of the loops of probe.mjs.
TAKEN = {
    "jose": [True, False, False, True, True, True],
    "joserfc": [True, False, False, True, True, True],
    "pyjwt": [True, False, False, False, True, False],
    "fast-jwt": [True, False, True, False, True, False],
    "jwcrypto": [True] * 6,
}
seen = {name: [] for name in TAKEN}
for case in json.loads(subprocess.run(["node", "probe.mjs"], capture_output=True, text=True, check=True).stdout):
    print(f"the key says {case['inKey']}, the token {case['inToken']}")
    for name, verify in (("joserfc", by_joserfc), ("pyjwt", by_pyjwt), ("jwcrypto", by_jwcrypto)):
        case["results"][f"{name} {version(name)}"] = outcome(verify, case["token"], {"keys": [case["key"]]})
    for name, result in case["results"].items():
        print(f"  {name:15} {result}")
        seen[name.split()[0]].append(result == "ok")
assert seen == TAKEN, seen
PY
echo "still so: a key has to say which of the two names it goes by"
