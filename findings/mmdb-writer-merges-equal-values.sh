#!/usr/bin/env bash
# Expected: a MaxMind DB file keeps the type of each value: a boolean stays a boolean, a coordinate a double.
# Observed: mmdb_writer (PyPI) stores each value once and finds it by Python equality, where True == 1 == 1.0, and an
#   empty map is taken for an empty list. Whichever comes first in the whole file decides the type of all the others:
#   the latitude 51.0 becomes an integer in every network once some network has had the number 51. MmdbF64 and its
#   like keep a number's type.
# Why it matters: readers with typed structs, as in Rust, fail on single addresses of a file that passed its test, and
#   the location of a device is missing there. Wrap numbers when building a file, and let a failed look-up cost no
#   more than the place.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" mmdb-writer==0.2.7 maxminddb==3.2.0

cd "$tmp"
PYTHONPATH="$tmp/lib" python3 - <<'PY'
from importlib.metadata import version

import maxminddb
from mmdb_writer import MMDBWriter, MmdbF64
from netaddr import IPSet

FIRST = {"radius": 51, "count": 1, "names": []}
SECOND = {"latitude": 51.0, "proxy": True, "subdivisions": {}}


def stored(*records):
    """The records as read from a file that has them in this order of addresses."""
    writer = MMDBWriter(database_type="Test")
    for at, record in enumerate(records):
        writer.insert_network(IPSet([f"10.{at}.0.0/16"]), record)
    writer.to_db_file("test.mmdb")
    with maxminddb.open_database("test.mmdb") as reader:
        return [reader.get(f"10.{at}.0.0") for at in range(len(records))]


def types(record):
    return [type(value).__name__ for value in record.values()]


print("mmdb_writer", version("mmdb-writer"), "read by maxminddb", version("maxminddb"))
_, after = stored(FIRST, SECOND)
_, before = stored(SECOND, FIRST)
(alone,) = stored(SECOND)
_, wrapped = stored(FIRST, SECOND | {"latitude": MmdbF64(51.0)})
print("given ", FIRST, SECOND)
print("second record, alone in its file: ", alone)
print("second record, after the first:   ", after)
print("second record, latitude wrapped:  ", wrapped)
print("first record, after the second:   ", before)

assert alone == SECOND and types(alone) == ["float", "bool", "dict"]
assert types(after) == ["int", "int", "list"], "the types now survive"
assert types(wrapped) == ["float", "int", "list"]
assert types(before) == ["float", "bool", "dict"], "the types now survive"
PY
echo "still so: equal values share one type"
