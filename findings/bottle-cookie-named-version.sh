#!/usr/bin/env bash
# Expected: a cookie's name means nothing to the server's parser; a request with "version=2; sid=abc" has two cookies.
# Observed: bottle reads the Cookie header with the standard library's SimpleCookie, which takes the names of cookie
#   attributes (version, comment, path, domain) for attributes even there. When one comes first, no cookie at all is
#   left, and no error is raised. When one follows, only it is lost. Starlette and aiohttp see both cookies.
# Why it matters: somebody else's cookie on the same domain signs users out of one service but not of another. A
#   session cookie must not have such a name, and a service beside ours may not find the token that we do.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" \
  bottle==0.13.4 starlette==0.50.0 aiohttp==3.14.5

cd "$tmp"
PYTHONPATH="$tmp/lib" python3 - <<'PY'
import platform
from importlib.metadata import version

from aiohttp.test_utils import make_mocked_request
from bottle import BaseRequest
from starlette.requests import HTTPConnection

READERS = {
    "bottle": lambda header: dict(BaseRequest({"HTTP_COOKIE": header}).cookies),
    "starlette": lambda header: HTTPConnection(
        {"type": "http", "headers": [(b"cookie", header.encode())]}
    ).cookies,
    "aiohttp": lambda header: dict(make_mocked_request("GET", "/", {"Cookie": header}).cookies),
}

print("Python", platform.python_version(), *(f"{name} {version(name)}" for name in READERS))
for name in ("version", "comment", "path", "domain"):
    first, last = f"{name}=2; sid=abc", f"sid=abc; {name}=2"
    for reader, read in READERS.items():
        print(f"{reader:9} {first!r} -> {read(first)}   {last!r} -> {read(last)}")
        if reader == "bottle":
            assert read(first) == {}, "bottle now keeps the session cookie"
            assert read(last) == {"sid": "abc"}, "bottle now keeps a cookie of such a name"
        else:
            assert read(first) == read(last) == {name: "2", "sid": "abc"}, f"{reader} has changed"
PY
echo "still so: a cookie named like an attribute hides the session cookie from bottle"
