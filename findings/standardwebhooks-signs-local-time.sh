#!/usr/bin/env bash
# Expected: the signature covers the instant; a time that knows its zone may be written in any zone.
# Observed: sign() of standardwebhooks (PyPI) replaces the zone of the time by UTC instead of converting to it. The
#   same instant written as 14:00+02:00 is signed as 14:00 UTC, and the receiver, who signs the header's seconds,
#   finds no match.
# Why it matters: "this session ended" events that a service signs in its own zone are all rejected, and on machines
#   that run in UTC everything passes. Tests of webhooks need a zone other than UTC.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$tmp/lib" standardwebhooks==1.1.0

cd "$tmp"
PYTHONPATH="$tmp/lib" python3 - <<'PY'
import base64
from datetime import datetime, timedelta, timezone
from importlib.metadata import version

from standardwebhooks import Webhook, WebhookVerificationError

hook = Webhook("whsec_" + base64.b64encode(bytes(range(24))).decode())
body = '{"type":"session.ended"}'
instant = datetime.now(timezone.utc).replace(microsecond=0)


def deliver(when):
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(when.timestamp())),
        "webhook-signature": hook.sign("msg_1", when, body),
    }
    try:
        hook.verify(body, headers)
        return "accepted"
    except WebhookVerificationError as error:
        return f"rejected: {error}"


print("standardwebhooks", version("standardwebhooks"))
outcomes = {}
for hours in (0, 2, -5):
    when = instant.astimezone(timezone(timedelta(hours=hours)))
    assert when == instant
    outcomes[hours] = deliver(when)
    print(f"signed at {when.isoformat()}: {outcomes[hours]}")

assert outcomes[0] == "accepted"
assert outcomes[2].startswith("rejected") and outcomes[-5].startswith("rejected"), "sign() now converts the zone"
PY
echo "still so: sign() drops the zone"
