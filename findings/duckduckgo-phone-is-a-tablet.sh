#!/usr/bin/env bash
# Expected: Chromium's rule for Android holds for its relatives: "Mobile" in the User-Agent means a phone, its absence
#   a tablet.
# Observed: DuckDuckGo's browser puts its name between "Mobile" and "Safari". ua-parser-js (npm) and ua-parser (PyPI)
#   look for the two words side by side, and call every such phone a tablet; bowser and device-detector-js (npm) call
#   it a phone. For Chrome all four agree. ua-parser-js and ua-parser also report the K of a reduced User-Agent as the
#   model.
# Why it matters: a list of devices shows the user a tablet that they do not own, next to a button that signs it out.
#   Test for the word "Mobile" by itself, and treat the model K as no model.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" user-agents==2.2.0 ua-parser==1.0.2 \
  ua-parser-builtins==202610
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tmp" ua-parser-js@2.0.10 bowser@2.15.0 \
  device-detector-js@3.0.3

cd "$tmp"
cat >probe.cjs <<'JS'
const { UAParser } = require("ua-parser-js");
const Bowser = require("bowser");
const DeviceDetector = require("device-detector-js");
const ua = process.argv[2];
const { type, model } = UAParser(ua).device;
console.log(JSON.stringify({
  "ua-parser-js 2.0.10": [type, model],
  "bowser 2.15.0": [Bowser.parse(ua).platform.type, null],
  "device-detector-js 3.0.3": [new DeviceDetector().parse(ua).device.type, null],
}));
JS
PYTHONPATH="$tmp/lib" python3 - <<'PY'
import json
import subprocess

from user_agents import parse

PREFIX = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0"
PHONE, TABLET = {"mobile", "smartphone"}, {"tablet"}


def kinds(ua):
    run = subprocess.run(["node", "probe.cjs", ua], capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    parsed = parse(ua)
    found["ua-parser 1.0.2"] = ["tablet" if parsed.is_tablet else "mobile", parsed.device.model]
    return found


for title, rest, tablets in (
    ("Chrome on a phone", "Mobile Safari/537.36", set()),
    ("DuckDuckGo on a phone", "Mobile DuckDuckGo/5 Safari/537.36", {"ua-parser-js", "ua-parser"}),
):
    print(title)
    for parser, (kind, model) in kinds(f"{PREFIX} {rest}").items():
        print(f"  {parser:25} {kind}" + (f", model {model}" if model else ""))
        name = parser.split()[0]
        assert kind in (TABLET if name in tablets else PHONE), f"{name} has changed its mind"
        assert model == ("K" if name in ("ua-parser-js", "ua-parser") else None), f"{name}: model"
PY
echo "still so: two parsers of four take this phone for a tablet"
