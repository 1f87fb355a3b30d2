#!/usr/bin/env bash
# Expected: a JWKS client that meets an unknown `kid` fetches the document again, once, and then knows the new key.
# Observed: jose (npm) and PyJWT do not fetch again within 30 seconds of their last fetch, the very first one included:
#   the token is refused, with the error of a key that does not exist. aws-jwt-verify (npm) does fetch for an unknown
#   `kid`, but if that is not there yet, it goes on refusing this one for ten seconds. jwks-rsa (npm) fetches each time.
# Why it matters: an issuer that publishes a key and signs with it at once, as many do when they start anew, shuts out
#   the users of services that started in the same half minute, as all do after an outage. Publish a key a minute
#   before the first token that it signs.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" 'pyjwt[crypto]==2.15.1'
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" jose@6.2.18 jwks-rsa@4.1.0 \
  aws-jwt-verify@5.2.1 jsonwebtoken@9.0.3

cd "$tmp"
cat >pyjwt.py <<'PY'
import sys

import jwt

client = jwt.PyJWKClient(sys.argv[1])
print("ready", flush=True)
for token in sys.stdin:
    try:
        key = client.get_signing_key_from_jwt(token.strip())
        jwt.decode(token.strip(), key, algorithms=["RS256"])
        print("ok", flush=True)
    except jwt.PyJWTError as error:
        print(error, flush=True)
PY
cat >probe.mjs <<'JS'
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import http from "node:http";
import { createInterface } from "node:readline";
import { JwtVerifier } from "aws-jwt-verify";
import { SimpleJwksCache } from "aws-jwt-verify/jwk";
import { createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from "jose";
import jsonwebtoken from "jsonwebtoken";
import jwksRsa from "jwks-rsa";

const keys = {};
const published = [];
for (const kid of ["k1", "k2", "k3"]) {
  const { publicKey, privateKey } = await generateKeyPair("RS256");
  keys[kid] = { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: "RS256", use: "sig" } };
}
const server = http.createServer((_request, response) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ keys: published }));
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const url = `http://127.0.0.1:${server.address().port}/jwks`;
const issuer = "https://issuer.example";
const sign = (kid) =>
  new SignJWT({ sub: "ada" }).setProtectedHeader({ alg: "RS256", kid }).setIssuer(issuer).setIssuedAt()
    .setExpirationTime("1h").sign(keys[kid].privateKey);

const remote = createRemoteJWKSet(new URL(url));
const rsa = jwksRsa({ jwksUri: url });
// Its own fetcher insists on https.
const fetcher = { fetch: async (_uri) => (await fetch(url)).arrayBuffer() };
const aws = JwtVerifier.create(
  { issuer, audience: null, jwksUri: "https://issuer.example/jwks" },
  { jwksCache: new SimpleJwksCache({ fetcher }) },
);
const python = spawn("python3", ["pyjwt.py", url], { stdio: ["pipe", "pipe", "inherit"] });
const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
assert.equal((await lines.next()).value, "ready");

const VERIFY = {
  "jose 6.2.18": (token) => jwtVerify(token, remote),
  "aws-jwt-verify 5.2.1": (token) => aws.verify(token),
  "jwks-rsa 4.1.0": async (token) => {
    const { header } = jsonwebtoken.decode(token, { complete: true });
    jsonwebtoken.verify(token, (await rsa.getSigningKey(header.kid)).getPublicKey());
  },
  "PyJWT 2.15.1": async (token) => {
    python.stdin.write(`${token}\n`);
    const { value } = await lines.next();
    if (value !== "ok") throw new Error(value);
  },
};

async function verified(title, kid, expected) {
  const token = await sign(kid);
  const seen = {};
  console.log(title);
  for (const [name, verify] of Object.entries(VERIFY)) {
    const result = await Promise.resolve(token).then(verify).then(() => "ok", (error) => error.message);
    console.log(`  ${name.padEnd(20)} ${result}`);
    seen[name.split(" ")[0]] = result === "ok";
  }
  assert.deepEqual(seen, expected);
}

const all = (value) => ({ jose: value, "aws-jwt-verify": value, "jwks-rsa": value, PyJWT: value });
published.push(keys.k1.jwk);
await verified("the first key", "k1", all(true));
published.push(keys.k2.jwk);
await verified("a second key, published before its first token", "k2", { ...all(true), jose: false, PyJWT: false });
await verified("a third, whose token comes before it is published", "k3", all(false));
published.push(keys.k3.jwk);
await verified("the same, now published", "k3", { ...all(false), "jwks-rsa": true });
process.exit();
JS
PYTHONPATH="$tmp/lib" node probe.mjs
echo "still so: a new key has to wait"
