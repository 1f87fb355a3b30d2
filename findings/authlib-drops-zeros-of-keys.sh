#!/usr/bin/env bash
# Expected: the same P-256 key gives the same JWK, and so the same RFC 7638 thumbprint, in every library: coordinates
#   are always 32 bytes.
# Observed: authlib.jose writes a coordinate as a number, without its leading zero bytes. For about one key in 128, x
#   or y is a byte short, and the thumbprint, which is also the key's default kid, differs from everybody else's.
#   PyJWT refuses to import that key; joserfc and Node's crypto take it, but jose (npm) derives the short key's
#   thumbprint and not the real one.
# Why it matters: where the thumbprint is the `kid` or a token's `cnf.jkt`, one device in 128 is refused, for as
#   long as that key lives, and no test finds it. Test with a key that has a zero in front, as below.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" authlib==1.9.10 joserfc==1.8.0 \
  jwcrypto==1.6.1 'pyjwt[crypto]==2.15.1' cryptography==50.0.2
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" jose@6.2.18

cd "$tmp"
cat >thumb.mjs <<'JS'
import { createPublicKey } from "node:crypto";
import { calculateJwkThumbprint } from "jose";
const key = JSON.parse(process.argv[2]);
const padded = createPublicKey({ key, format: "jwk" }).export({ format: "jwk" });
console.log(JSON.stringify([await calculateJwkThumbprint(key), await calculateJwkThumbprint(padded)]));
JS
PYTHONPATH="$tmp/lib" python3 -W ignore - <<'PY'
import json
import subprocess
from importlib.metadata import version

import jwt
from authlib.jose import ECKey as AuthlibKey
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey as JoserfcKey
from jwcrypto.jwk import JWK


def public_pem(secret):
    public = ec.derive_private_key(secret, ec.SECP256R1()).public_key()
    numbers = public.public_numbers()
    short = numbers.x >> 248 == 0 or numbers.y >> 248 == 0
    return short, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def in_node(jwk):
    run = subprocess.run(["node", "thumb.mjs", json.dumps(jwk)], capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


LIBRARIES = {
    "authlib": lambda pem: AuthlibKey.import_key(pem).thumbprint(),
    "joserfc": lambda pem: JoserfcKey.import_key(pem).thumbprint(),
    "jwcrypto": lambda pem: JWK.from_pem(pem).thumbprint(),
}
short, ordinary = 0, None
pem = None
for secret in range(2, 1282):
    zero, candidate = public_pem(secret)
    short += zero
    if zero and pem is None:
        pem = candidate
    if not zero:
        ordinary = candidate
print(f"{short} keys of 1280 have a coordinate that starts with a zero byte")

assert len({thumb(ordinary) for thumb in LIBRARIES.values()}) == 1, "all agree about other keys"
thumbs = {name: thumb(pem) for name, thumb in LIBRARIES.items()}
for name, thumb in thumbs.items():
    print(f"  {name} {version(name)}: {thumb}")
assert thumbs["joserfc"] == thumbs["jwcrypto"] != thumbs["authlib"], "authlib has changed"

jwk = {k: v for k, v in AuthlibKey.import_key(pem).as_dict().items() if k in ("kty", "crv", "x", "y")}
print("authlib's JWK:", json.dumps(jwk))
assert 42 in (len(jwk["x"]), len(jwk["y"]))
as_it_is, padded = in_node(jwk)
print(f"jose 6.2.18: {as_it_is}; once Node has read and written the key: {padded}")
assert as_it_is == thumbs["authlib"] and padded == thumbs["joserfc"]
assert JoserfcKey.import_key(jwk).thumbprint() != thumbs["joserfc"]
try:
    jwt.PyJWK(jwk, "ES256")
    raise SystemExit("PyJWT now takes the key")
except jwt.InvalidKeyError as error:
    print(f"PyJWT {version('pyjwt')}: {error}")
PY
echo "still so: authlib shortens the coordinates of one key in 128"
