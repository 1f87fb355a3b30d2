#!/usr/bin/env bash
# Expected: a UUID version 7 carries the time at which it was made, give or take a few milliseconds.
# Observed: uuid6 (PyPI) keeps ids ordered by moving each one a whole millisecond past the previous one. A burst of
#   20,000 ids, made within a second, ends about 20 seconds in the future. uuid-utils, in the same process, stays on
#   time.
# Why it matters: a session id that was imported from such a service, and whose time is taken as the sign-in time,
#   dates from the future. A check for clock skew rejects it, and "signed in 5 seconds ago" turns negative. Store the
#   time separately.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" uuid6==2025.0.1 uuid-utils==1.2.0

cd "$tmp"
PYTHONPATH="$tmp/lib" python3 - <<'PY'
import time
from importlib.metadata import version

import uuid6
import uuid_utils

BURST = 20_000


def ahead(make):
    """Milliseconds by which the last id of a burst is later than the clock, and how long the burst took."""
    began = time.time_ns()
    for _ in range(BURST):
        last = make()
    now = time.time_ns()
    return (last.int >> 80) - now // 1_000_000, (now - began) // 1_000_000


results = {}
for package, make in (("uuid-utils", uuid_utils.uuid7), ("uuid6", uuid6.uuid7)):
    drift, took = ahead(make)
    results[package] = (drift, took)
    print(f"{package} {version(package)}: {BURST} ids in {took} ms, the last one {drift} ms ahead of the clock")

assert results["uuid-utils"][0] <= 1, "uuid-utils now runs ahead"
drift, took = results["uuid6"]
assert drift >= BURST - took - 1_000 and drift > 5_000, "uuid6 no longer runs ahead"
PY
echo "still so: uuid6 spends one millisecond of the future per id"
