#!/usr/bin/env bash
# Expected: any library's UUID version 7 starts with 48 bits of Unix milliseconds, so every other library can read its
#   time.
# Observed: the package named uuid7 (PyPI) writes whole seconds in 36 bits, and fractions after them, as an early
#   draft had it. The version digit is 7 all the same. Other libraries read a time nearly two centuries away without
#   an error.
# Why it matters: such ids sort after all the others in a shared table, so "newest session first" and "evict the
#   oldest" always favour one service. The version digit of an id does not prove that its time can be read.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" \
  uuid7==0.1.0 uuid-utils==1.2.0 uuid6==2025.0.1

cd "$tmp"
PYTHONPATH="$tmp/lib" python3 - <<'PY'
import datetime
import time
from importlib.metadata import version

import uuid6
import uuid_utils
from uuid_extensions import uuid7

now = time.time()
made = uuid7()
by_uuid_utils = uuid_utils.UUID(str(made)).timestamp / 1000
by_uuid6 = uuid6.UUID(str(made)).time / 1000
peer = uuid_utils.uuid7()

print("uuid7", version("uuid7"), "made", made, "of version", made.version)
for reader, seconds in (("uuid-utils", by_uuid_utils), ("uuid6", by_uuid6)):
    year = (datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)).year
    print(f"{reader} {version(reader)} reads the year {year}")
print("made a moment later by uuid-utils:", peer, "- sorts before:", str(peer) < str(made))

assert made.version == 7
assert abs(by_uuid_utils - now) > 50 * 365 * 86_400, "uuid-utils now reads the right time"
assert abs(by_uuid6 - now) > 50 * 365 * 86_400, "uuid6 now reads the right time"
assert str(peer) < str(made), "they now sort by time"
PY
echo "still so: uuid7 uses a layout of its own"
