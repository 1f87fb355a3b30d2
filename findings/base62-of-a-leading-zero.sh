#!/usr/bin/env bash
# Expected: two base62 libraries with the same alphabet write the same bytes alike, or fail when they read the other's.
# Observed: pybase62 and base-x (npm), both on 0-9A-Za-z, agree unless the first byte is zero. Then base-x writes one
#   "0" for each such byte, and pybase62 a "0" and their number. Each reads the other's text without an error, into
#   other bytes: sixteen wrong ones, or forty-two. @sindresorhus/base62 starts its alphabet with A to Z and puts
#   a byte in front; uuid-base62 has the small letters first.
# Why it matters: random tokens or ids that cross from one language to the other work, except for one in 256. Test
#   with a zero in front, or use base64url or hex, of which there is one.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" pybase62==1.0.0
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" base-x@5.0.1 @sindresorhus/base62@1.0.0 \
  uuid-base62@0.1.0

cd "$tmp"
cat >node.mjs <<'JS'
import baseX from "base-x";
import sindresorhus from "@sindresorhus/base62";
import { createRequire } from "node:module";
const uuidBase62 = createRequire(import.meta.url)("uuid-base62");
const base62 = baseX("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
const [hex, theirs] = process.argv.slice(2);
const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
console.log(JSON.stringify({
  "base-x 5.0.1": base62.encode(bytes),
  "@sindresorhus/base62 1.0.0": sindresorhus.encodeBytes(bytes),
  "uuid-base62 0.1.0": uuidBase62.encode(hex),
  read: Buffer.from(base62.decode(theirs)).toString("hex"),
}));
JS
PYTHONPATH="$tmp/lib" python3 - <<'PY'
import json
import subprocess
from importlib.metadata import version

import base62

for data in (bytes(range(1, 17)), bytes(range(16))):
    ours = base62.encodebytes(data)
    run = subprocess.run(["node", "node.mjs", data.hex(), ours], capture_output=True, text=True, check=True)
    others = json.loads(run.stdout)
    read_by_base_x = bytes.fromhex(others.pop("read"))
    base_x = others["base-x 5.0.1"]
    read_by_pybase62 = base62.decodebytes(base_x)
    print(f"{data.hex()}\n  {'pybase62 ' + version('pybase62'):27} {ours}")
    for name, text in others.items():
        print(f"  {name:27} {text}")
    print(f"  base-x reads pybase62's: {read_by_base_x.hex()}\n  pybase62 reads base-x's: {read_by_pybase62.hex()}")
    assert base62.decodebytes(ours) == data
    assert len({text.lstrip("0") for text in others.values()}) == 3, "two of the others agree now"
    if data[0]:
        assert ours == base_x and read_by_base_x == read_by_pybase62 == data
    else:
        assert ours != base_x, "they agree now"
        assert read_by_base_x != data and (len(read_by_base_x), len(read_by_pybase62)) == (16, 42)
PY
echo "still so: a zero in front is written in two ways"
